//! What producers do with blocks, and with adapters that have bugs.

use circuits_core::{Digest, F, amount::Amount};
use circuits_keys::CircuitCache;
use environments_conformance::{id, secret};
use environments_core::{
    BlockProducer, Environment, PoolError, ProducerError, ProposedBlock, ProveError,
    environment::{EnvironmentId, Proposal},
    graph::BlockGraph,
    kernel::AnyKernel,
    pool::MAX_PENDING,
};
use environments_counter::{Add, Counter, CounterBlock, CounterError, CounterState};
use plonky2::field::types::Field;

/// A counter whose adapter has a bug: one field of each statement is wrong.
struct Buggy {
    counter: Counter,
    field: &'static str,
    /// Where its blocks start.
    height: u32,
}

impl Environment for Buggy {
    const KIND: &'static str = "buggy";

    type State = CounterState;
    type Transaction = Add;
    type BlockWitness = CounterBlock;
    type Error = CounterError;

    fn id(&self) -> EnvironmentId {
        self.counter.id()
    }

    fn chain_id(&self) -> u64 {
        self.counter.chain_id()
    }

    fn producer(&self) -> Digest {
        self.counter.producer()
    }

    fn genesis(&self) -> CounterState {
        CounterState { height: self.height, ..self.counter.genesis() }
    }

    fn height(&self, state: &CounterState) -> u32 {
        self.counter.height(state)
    }

    fn commitment(&self, state: &CounterState) -> Digest {
        self.counter.commitment(state)
    }

    fn execute(&self, state: &mut CounterState, transaction: &Add) -> Result<(), CounterError> {
        self.counter.execute(state, transaction)
    }

    fn propose(&self, state: &CounterState, adds: &[&Add]) -> Result<Proposal<Self>, CounterError> {
        let honest = self.counter.propose(state, adds)?;
        let mut statement = *honest.block.statement();
        let mut messages = honest.block.messages().clone();
        let mut state = honest.state;
        match self.field {
            "environment" => {
                statement.environment += F::ONE;
                messages.environment.0 += 1;
            }
            "first height" => statement.first_height -= F::ONE,
            "last height" => statement.last_height += F::ONE,
            "previous state" => statement.previous_state = Digest::ZERO,
            "new state" => statement.new_state = Digest::ZERO,
            "state's height" => state.height += 1,
            "producer" => statement.producer = Digest::ZERO,
            "body" => statement.body = Digest::ZERO,
            _ => {}
        }
        let mut included = honest.included;
        match self.field {
            "index beyond the last" => included.push(adds.len()),
            "index twice" => included.push(0),
            "order" => included.reverse(),
            _ => {}
        }
        let mut body = honest.block.body().to_vec();
        if self.field == "body's length" {
            body.push(0);
        }
        let block = ProposedBlock::new(statement, messages, body, *honest.block.witness())?;
        Ok(Proposal { block, state, included, rejected: honest.rejected })
    }

    fn apply_body(&self, state: &CounterState, body: &[u8]) -> Result<CounterState, CounterError> {
        self.counter.apply_body(state, body)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, CounterError> {
        self.counter.body_digest(body)
    }

    fn kernels(&self, cache: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, ProveError> {
        self.counter.kernels(cache)
    }

    fn graph<'a>(
        &'a self,
        cache: &'a CircuitCache,
        block: &'a ProposedBlock<CounterBlock>,
    ) -> Result<BlockGraph<'a>, ProveError> {
        self.counter.graph(cache, block)
    }
}

fn producer(field: &'static str, height: u32) -> BlockProducer<Buggy> {
    let counter = Counter::new(1, id(0), secret(0), Amount::ZERO).unwrap();
    let mut producer = BlockProducer::new(Buggy { counter, field, height });
    producer.submit(Add { add: Amount::new(5).unwrap() }).unwrap();
    producer
}

#[test]
fn a_block_that_does_not_follow_from_the_chain_is_not_appended() {
    let fields = [
        "environment",
        "first height",
        "last height",
        "previous state",
        "new state",
        "state's height",
        "producer",
    ];
    for field in fields {
        // Height 2, so that every wrong height is in range.
        let mut producer = producer(field, 1);
        let error = producer.propose_block().unwrap_err();
        assert!(
            matches!(error, ProducerError::Inconsistent { height: 2, field: found } if found == field),
            "{field}: {error}"
        );
        assert_eq!((producer.blocks().len(), producer.pending().len()), (0, 1), "nothing changed");
    }
    producer("none", 1).propose_block().unwrap();
}

#[test]
fn a_block_with_another_body_than_it_states_is_not_appended() {
    let honest = {
        let mut producer = producer("none", 1);
        producer.propose_block().unwrap();
        producer.block(2).unwrap().block.statement().body
    };
    let refused = |field| {
        let mut producer = producer(field, 1);
        let error = producer.propose_block().unwrap_err();
        assert_eq!((producer.blocks().len(), producer.pending().len()), (0, 1), "nothing changed");
        error
    };
    let error = refused("body");
    assert!(
        matches!(error, ProducerError::OtherBody { height: 2, stated, found }
            if (stated, found) == (Digest::ZERO, honest)),
        "{error}"
    );
    let both = [Digest::ZERO, honest].map(|digest| digest.to_string());
    assert!(both.iter().all(|digest| error.to_string().contains(digest)), "{error}");
    let error = refused("body's length");
    assert!(matches!(error, ProducerError::MalformedBody { height: 2, .. }), "{error}");
}

#[test]
fn a_block_whose_transactions_are_not_some_of_those_offered_is_not_appended() {
    for field in ["index beyond the last", "index twice", "order"] {
        let mut producer = producer(field, 1);
        producer.submit(Add { add: Amount::new(6).unwrap() }).unwrap();
        let error = producer.propose_block().unwrap_err();
        assert!(
            matches!(error, ProducerError::Inconsistent { height: 2, field: "list of transactions" }),
            "{field}: {error}"
        );
        assert_eq!((producer.blocks().len(), producer.pending().len()), (0, 2), "nothing changed");
    }
}

#[test]
fn an_environment_that_can_make_no_block_leaves_the_pool_alone() {
    let mut producer = producer("none", u32::MAX);
    let error = producer.propose_block().unwrap_err();
    assert!(matches!(error, ProducerError::Propose { .. }), "{error}");
    assert_eq!((producer.blocks().len(), producer.pending().len()), (0, 1));
}

#[test]
fn a_full_pool_takes_no_more() {
    let mut producer = producer("none", 0);
    let add = Add { add: Amount::new(1).unwrap() };
    for _ in 1..MAX_PENDING {
        producer.submit(add).unwrap();
    }
    assert!(matches!(producer.submit(add), Err(ProducerError::Pool(PoolError::Full))));
    producer.propose_block().unwrap();
    producer.submit(add).unwrap();
}

#[test]
fn a_failed_rollback_of_nothing_names_the_chain() {
    let mut producer = producer("none", 0);
    let error = producer.rollback(1).unwrap_err();
    assert_eq!(error.to_string(), "no proposed block has height 1; the chain has those above 0, up to 0");
}

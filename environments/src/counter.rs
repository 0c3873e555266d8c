//! The smallest environment: a counter that transactions add to. Read it to see what a state model needs.
//!
//! One kernel proves a block of up to [`ADDS`] additions:
//!
//! ```text
//! previous_state = H(COUNTER, chain_id, environment, height,     value)
//! new_state      = H(COUNTER, chain_id, environment, height + 1, value + sum(adds))
//! body           = H(BODY, adds)                                   a slot that is not used holds 0
//! producer       = H(PRODUCER, secret)
//! ```
//! The kernel is the same for all counters: chain id and environment are in the state, whose first value is in the
//! registry, and no step can change them.

use circuits::{
    Builder, Definition, Digest, DigestTarget, F, Witness,
    amount::{Amount, AmountError, enforce_amount},
    basetypes::kernel_config,
    constrain::DigestOps,
    hash::{Domain, hash, hash_circuit},
    layout::{WitnessError, set, set_target},
    statement::BlockStatement,
};
use plonky2::{
    field::types::{Field, Field64, PrimeField64},
    iop::target::Target,
    plonk::circuit_data::CircuitConfig,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    block::{BlockError, ProposedBlock, ProvenBlock},
    environment::{Environment, EnvironmentId, Proposal, ProveError},
    kernel::{OneBlock, ProducerSecret, SharedKernels},
};

/// Additions that fit into one block.
pub const ADDS: usize = 8;
/// Bytes of a block's body: each addition as 8 little-endian bytes.
pub const BODY_BYTES: usize = 8 * ADDS;
/// Domain of state commitments.
pub const COUNTER: Domain = Domain::new("counter");
/// Domain of bodies.
pub const BODY: Domain = Domain::new("cnt-bod");

/// One counter.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    chain_id: u64,
    id: EnvironmentId,
    secret: ProducerSecret,
    start: Amount,
}

/// A counter's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterState {
    /// Height of the last block.
    pub height: u32,
    /// The count.
    pub value: Amount,
}

/// A transaction: `{"add": 5}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// What to add; not 0.
    pub add: Amount,
}

/// A block as the kernel's prover needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterBlock {
    /// The state before.
    pub before: CounterState,
    /// The additions; 0 in a slot that is not used.
    pub adds: [Amount; ADDS],
}

/// Why a counter refuses something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CounterError {
    /// The chain id is not a field element.
    #[error("chain id {0} is not below the field order {order}", order = F::ORDER)]
    ChainId(u64),
    /// Nothing is added.
    #[error("an addition of 0 does nothing")]
    Zero,
    /// The count would leave its range.
    #[error("the counter at {value} cannot take an addition of {add}")]
    Overflow {
        /// The count.
        value: Amount,
        /// What was to be added.
        add: Amount,
        /// Why.
        source: AmountError,
    },
    /// Heights are exhausted.
    #[error("height {0} is the last one")]
    LastHeight(u32),
    /// A body of another length.
    #[error("a counter's body has {BODY_BYTES} bytes, found {found}")]
    BodyLength {
        /// Bytes found.
        found: usize,
    },
    /// An addition in a body is out of range.
    #[error("addition {index} of the body: {source}")]
    BodyAdd {
        /// Its position.
        index: usize,
        /// Why.
        source: AmountError,
    },
    /// The block is none.
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl Counter {
    /// The counter `id` of the deployment `chain_id`, which starts at `start` and whose blocks `secret` proves.
    ///
    /// # Errors
    /// [`CounterError::ChainId`] if `chain_id` is not below the field's order.
    pub const fn new(
        chain_id: u64,
        id: EnvironmentId,
        secret: ProducerSecret,
        start: Amount,
    ) -> Result<Self, CounterError> {
        if chain_id < F::ORDER {
            Ok(Self { chain_id, id, secret, start })
        } else {
            Err(CounterError::ChainId(chain_id))
        }
    }

    /// The kernel's input for a block of this counter.
    #[must_use]
    pub fn kernel_input(&self, block: &CounterBlock) -> CounterInput {
        CounterInput {
            chain_id: F::from_canonical_u64(self.chain_id),
            environment: self.id.to_field(),
            height: F::from_canonical_u32(block.before.height),
            value: block.before.value.to_field(),
            adds: block.adds.map(Amount::to_field),
            secret: self.secret,
        }
    }
}

impl CounterState {
    /// Adds to the count.
    ///
    /// # Errors
    /// [`CounterError::Overflow`]; the state is then unchanged.
    fn add(&mut self, add: Amount) -> Result<(), CounterError> {
        let value = self.value;
        self.value =
            value.checked_add(add).map_err(|source| CounterError::Overflow { value, add, source })?;
        Ok(())
    }

    /// Ends the block.
    ///
    /// # Errors
    /// [`CounterError::LastHeight`]
    fn close(&mut self) -> Result<(), CounterError> {
        self.height = self.height.checked_add(1).ok_or(CounterError::LastHeight(self.height))?;
        Ok(())
    }
}

/// The additions that a body publishes.
fn read_body(body: &[u8]) -> Result<[Amount; ADDS], CounterError> {
    if body.len() != BODY_BYTES {
        return Err(CounterError::BodyLength { found: body.len() });
    }
    let mut adds = [Amount::ZERO; ADDS];
    for (index, (add, chunk)) in adds.iter_mut().zip(body.chunks_exact(8)).enumerate() {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        *add = Amount::new(u64::from_le_bytes(word))
            .map_err(|source| CounterError::BodyAdd { index, source })?;
    }
    Ok(adds)
}

static KERNEL: SharedKernels<(), CounterKernel> = SharedKernels::new();

impl Environment for Counter {
    const KIND: &'static str = "counter";

    type State = CounterState;
    type Transaction = Add;
    type BlockWitness = CounterBlock;
    type Error = CounterError;

    fn id(&self) -> EnvironmentId {
        self.id
    }

    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    fn producer(&self) -> Digest {
        self.secret.commitment()
    }

    fn genesis(&self) -> CounterState {
        CounterState { height: 0, value: self.start }
    }

    fn height(&self, state: &CounterState) -> u32 {
        state.height
    }

    fn commitment(&self, state: &CounterState) -> Digest {
        let chain_id = F::from_canonical_u64(self.chain_id);
        let height = F::from_canonical_u32(state.height);
        commitment(chain_id, self.id.to_field(), height, state.value.to_field())
    }

    fn execute(&self, state: &mut CounterState, transaction: &Add) -> Result<(), CounterError> {
        if transaction.add == Amount::ZERO {
            return Err(CounterError::Zero);
        }
        state.add(transaction.add)
    }

    fn propose(&self, before: &CounterState, transactions: &[&Add]) -> Result<Proposal<Self>, CounterError> {
        let mut block = CounterBlock { before: *before, adds: [Amount::ZERO; ADDS] };
        let (mut state, mut included, mut rejected) = (*before, vec![], vec![]);
        state.close()?;
        for (index, transaction) in transactions.iter().enumerate() {
            if included.len() == ADDS {
                break;
            }
            match self.execute(&mut state, transaction) {
                Ok(()) => {
                    block.adds[included.len()] = transaction.add;
                    included.push(index);
                }
                Err(reason) => rejected.push((index, reason)),
            }
        }
        let statement = self.kernel_input(&block).statement();
        let body = block.adds.iter().flat_map(|add| add.get().to_le_bytes()).collect();
        let block = ProposedBlock::new(statement, body, block)?;
        Ok(Proposal { block, state, included, rejected })
    }

    fn apply_body(&self, state: &CounterState, body: &[u8]) -> Result<CounterState, CounterError> {
        let mut after = *state;
        for add in read_body(body)? {
            after.add(add)?;
        }
        after.close()?;
        Ok(after)
    }

    fn body_digest(&self, body: &[u8]) -> Result<Digest, CounterError> {
        Ok(hash(BODY, &read_body(body)?.map(Amount::to_field)))
    }

    fn kernels(&self) -> Result<Vec<Digest>, ProveError> {
        Ok(vec![KERNEL.get((), |()| CounterKernel)?.key_digest()])
    }

    fn prove(&self, block: &ProposedBlock<CounterBlock>) -> Result<ProvenBlock, ProveError> {
        KERNEL.get((), |()| CounterKernel)?.prove(block, &self.kernel_input(block.witness()))
    }
}

/// `H(COUNTER, chain_id, environment, height, value)`.
fn commitment(chain_id: F, environment: F, height: F, value: F) -> Digest {
    hash(COUNTER, &[chain_id, environment, height, value])
}

/// In-circuit twin of [`commitment`].
fn commitment_circuit(
    builder: &mut Builder,
    chain_id: Target,
    environment: Target,
    height: Target,
    value: Target,
) -> DigestTarget {
    hash_circuit(builder, COUNTER, &[chain_id, environment, height, value])
}

/// What the kernel's prover must know. Field elements, so that a test can hold values that no honest block has.
#[derive(Clone, Copy, Debug)]
pub struct CounterInput {
    /// The deployment.
    pub chain_id: F,
    /// The environment.
    pub environment: F,
    /// The height before.
    pub height: F,
    /// The count before.
    pub value: F,
    /// The additions.
    pub adds: [F; ADDS],
    /// The producer's secret.
    pub secret: ProducerSecret,
}

/// A rule of the kernel that an input breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CounterRule {
    /// An addition is not below 2^58.
    #[error("addition {index}: {source}")]
    Add {
        /// Its position.
        index: usize,
        /// Why.
        source: AmountError,
    },
    /// The new count is not below 2^58.
    #[error("new count: {0}")]
    Value(AmountError),
    /// The new height is not below 2^32.
    #[error("new height {0} is not below 2^32")]
    Height(u64),
}

impl CounterInput {
    /// The statement of a proof from this input, if there is one.
    #[must_use]
    pub fn statement(&self) -> BlockStatement {
        let &Self { chain_id, environment, height, value, adds, secret } = self;
        let new_height = height + F::ONE;
        let new_value = value + adds.into_iter().sum::<F>();
        OneBlock {
            environment,
            height: new_height,
            previous_state: commitment(chain_id, environment, height, value),
            new_state: commitment(chain_id, environment, new_height, new_value),
            body: hash(BODY, &adds),
            secret,
        }
        .statement()
    }

    /// Native twin of the kernel's constraints.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), CounterRule> {
        let height = (self.height + F::ONE).to_canonical_u64();
        u32::try_from(height).map_err(|_| CounterRule::Height(height))?;
        for (index, add) in self.adds.into_iter().enumerate() {
            Amount::new(add.to_canonical_u64()).map_err(|source| CounterRule::Add { index, source })?;
        }
        let value = self.value + self.adds.into_iter().sum::<F>();
        Amount::new(value.to_canonical_u64()).map_err(CounterRule::Value)?;
        Ok(())
    }
}

/// The kernel: one block of a counter.
#[derive(Clone, Copy, Debug)]
pub struct CounterKernel;

/// Targets of [`CounterKernel`].
pub struct CounterTargets {
    chain_id: Target,
    environment: Target,
    height: Target,
    value: Target,
    adds: [Target; ADDS],
    secret: DigestTarget,
}

impl Definition for CounterKernel {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = CounterTargets;
    type Input = CounterInput;

    fn name(&self) -> String {
        "counter-kernel".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        kernel_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let [chain_id, environment, height, value] = builder.add_virtual_target_arr();
        let adds = builder.add_virtual_target_arr::<ADDS>();
        let secret = builder.new_digest();

        // Each addition is an amount. The sum of all with the old count, which is an amount by induction from genesis,
        // stays below 2^62 and cannot wrap.
        let mut new_value = value;
        for add in adds {
            enforce_amount(builder, add);
            new_value = builder.add(new_value, add);
        }
        // The new count is an amount.
        enforce_amount(builder, new_value);

        let new_height = builder.add_const(height, F::ONE);
        let statement = OneBlock {
            environment,
            height: new_height,
            previous_state: commitment_circuit(builder, chain_id, environment, height, value),
            new_state: commitment_circuit(builder, chain_id, environment, new_height, new_value),
            body: hash_circuit(builder, BODY, &adds),
            secret,
        }
        .statement_circuit(builder);
        (statement, CounterTargets { chain_id, environment, height, value, adds, secret })
    }

    fn assign(
        &self,
        targets: &CounterTargets,
        input: &CounterInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set_target(witness, targets.chain_id, input.chain_id)?;
        set_target(witness, targets.environment, input.environment)?;
        set_target(witness, targets.height, input.height)?;
        set_target(witness, targets.value, input.value)?;
        for (target, add) in targets.adds.into_iter().zip(input.adds) {
            set_target(witness, target, add)?;
        }
        set(witness, &targets.secret, &input.secret.expose())
    }
}

#[cfg(test)]
mod tests {
    use circuits::{
        contain::contained,
        forging::{Kit, assert_accepts, assert_rejects, assert_rejects_by_prover, mutate},
        layout::Layout,
    };

    use super::*;
    use crate::conformance::{self, Subject};

    struct Counters;

    impl Subject for Counters {
        type Environment = Counter;

        fn environment(&self, chain_id: u64, id: EnvironmentId, secret: ProducerSecret) -> Counter {
            Counter::new(chain_id, id, secret, Amount::new(100).unwrap()).unwrap()
        }

        fn valid(&self, _: &Counter, state: &CounterState) -> Vec<Add> {
            [1, 2, u64::from(state.height) + 3].map(|add| Add { add: Amount::new(add).unwrap() }).into()
        }

        fn invalid(&self, _: &Counter, _: &CounterState) -> Vec<Add> {
            vec![Add { add: Amount::ZERO }, Add { add: Amount::MAX }]
        }
    }

    crate::conformance!(Counters);

    fn honest() -> CounterInput {
        let counter = conformance::environment(&Counters);
        let adds = [5, 0, 7, Amount::MAX.get() - 112, 0, 0, 0, 0].map(|add| Amount::new(add).unwrap());
        counter.kernel_input(&CounterBlock { before: CounterState { height: 9, ..counter.genesis() }, adds })
    }

    /// Inputs that each break one rule, and the rule.
    fn dishonest() -> Vec<(CounterInput, CounterRule)> {
        let too_large = |value: F| AmountError::TooLarge(value.to_canonical_u64());
        let mut cases = vec![];
        for index in 0..ADDS {
            // Subtracts one, by wrapping the field.
            let mut input = CounterInput { adds: [F::ZERO; ADDS], ..honest() };
            input.adds[index] = F::NEG_ONE;
            cases.push((input, CounterRule::Add { index, source: too_large(F::NEG_ONE) }));
        }
        let mut input = honest();
        input.adds[7] = F::ONE;
        cases.push((input, CounterRule::Value(AmountError::TooLarge(1 << 58))));
        let height = F::from_canonical_u32(u32::MAX);
        cases.push((CounterInput { height, ..honest() }, CounterRule::Height(1 << 32)));
        cases
    }

    #[test]
    fn a_chain_id_at_the_field_order_is_refused() {
        let secret = conformance::secret(0);
        let result = Counter::new(F::ORDER, conformance::id(0), secret, Amount::ZERO);
        assert_eq!(result.unwrap_err(), CounterError::ChainId(F::ORDER));
        assert!(Counter::new(F::ORDER - 1, conformance::id(0), secret, Amount::ZERO).is_ok());
    }

    #[test]
    fn a_block_takes_eight_additions_and_the_rest_wait() {
        let mut producer = conformance::producer(&Counters);
        for add in 1..=10 {
            producer.submit(Add { add: Amount::new(add).unwrap() }).unwrap();
        }
        producer.submit(Add { add: Amount::ZERO }).unwrap();
        assert!(producer.propose_block().unwrap().is_empty());
        assert_eq!(producer.state().value.get(), 100 + 36);
        assert_eq!(producer.pending().len(), 3);
        let rejected = producer.propose_block().unwrap();
        assert_eq!((rejected[0].id, &rejected[0].reason), (10, &CounterError::Zero));
        assert_eq!(*producer.state(), CounterState { height: 2, value: Amount::new(155).unwrap() });
        producer.propose_block().unwrap();
        assert_eq!(producer.height(), 3, "a block can be empty");
    }

    #[test]
    fn the_last_height_has_no_successor() {
        let counter = conformance::environment(&Counters);
        let last = CounterState { height: u32::MAX, ..counter.genesis() };
        assert_eq!(counter.propose(&last, &[]).err(), Some(CounterError::LastHeight(u32::MAX)));
        assert_eq!(counter.apply_body(&last, &[0; BODY_BYTES]), Err(CounterError::LastHeight(u32::MAX)));
    }

    #[test]
    fn an_addition_beyond_its_bits_is_no_body() {
        let counter = conformance::environment(&Counters);
        let mut body = [0; BODY_BYTES];
        body[8..16].copy_from_slice(&(1_u64 << 58).to_le_bytes());
        let refused = CounterError::BodyAdd { index: 1, source: AmountError::TooLarge(1 << 58) };
        assert_eq!(counter.body_digest(&body), Err(refused));
    }

    #[test]
    fn each_broken_rule_is_refused_natively() {
        assert_eq!(honest().check(), Ok(()));
        for (input, rule) in dishonest() {
            assert_eq!(input.check(), Err(rule));
        }
    }

    #[test]
    fn each_broken_rule_is_refused_in_circuit() {
        let kernel = KERNEL.get((), |()| CounterKernel).unwrap();
        assert_accepts(&kernel.compiled, &honest());
        for (input, _) in dishonest() {
            assert_rejects(&kernel.compiled, &input);
            assert_rejects_by_prover(&kernel.compiled, &input);
        }
    }

    #[test]
    fn native_and_circuit_statements_agree() {
        let kernel = KERNEL.get((), |()| CounterKernel).unwrap();
        let proof = kernel.compiled.prove(&honest()).unwrap();
        assert_eq!(kernel.compiled.statement(&proof).unwrap(), honest().statement());
    }

    #[test]
    fn no_other_statement_has_a_proof_from_the_same_input() {
        let kernel = KERNEL.get((), |()| CounterKernel).unwrap();
        let (compiled, statement) = (&kernel.compiled, honest().statement());
        for (element, &target) in compiled.circuit.prover_only.public_inputs.iter().enumerate() {
            let mut witness = compiled.witness(&honest()).unwrap();
            let stated: Vec<F> = statement.encode();
            let claimed = set_target(&mut witness, target, stated[element] + F::ONE);
            let proved = claimed.is_ok()
                && contained(|| compiled.circuit.prove(witness))
                    .is_ok_and(|proof| proof.is_ok_and(|proof| compiled.verify(&proof).is_ok()));
            assert!(!proved, "element {element} of the statement can be claimed to be another");
        }
    }

    #[test]
    fn the_kernel_withstands_the_forging_kit() {
        let kernel = KERNEL.get((), |()| CounterKernel).unwrap();
        let input = honest();
        Kit::new(&kernel.compiled).input(&input).sample(1.0).proofs(2).run().assert_sound();
    }

    #[test]
    fn no_assertion_of_the_kernel_can_be_left_out() {
        let dishonest: Vec<_> = dishonest().into_iter().map(|(input, _)| input).collect();
        mutate(&CounterKernel, &[honest()], &dishonest).assert_complete();
    }
}

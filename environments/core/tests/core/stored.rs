//! Producers in databases.

use std::error::Error;

use bridge_core::Consumption;
use circuits_core::{
    amount::Amount,
    trees::{IndexTree, PRESENT},
};
use circuits_database::{Format, Store};
use circuits_keys::CircuitCache;
use environments_conformance::{CHAIN_ID, id, secret};
use environments_core::{
    BlockProducer, Environment, Room,
    pool::{MAX_EARLY_BLOCKS, MAX_PENDING_BYTES},
    producer::Rejected,
    stored::{Change, Map, Source, StoredError, StoredState as _},
};
use environments_counter::{Add, Counter};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::market::{Market, MarketError, Order, deliver, included, message, order, submit};

const FORMAT: Format = Format { kind: "producer of a test", version: 1 };

/// A producer whose every step is in a database.
struct Kept<E: Environment> {
    producer: BlockProducer<E>,
    store: Option<Store>,
    directory: TempDir,
    step: u64,
    environment: fn() -> E,
}

impl<E: Environment> Kept<E> {
    fn new(environment: fn() -> E) -> Self {
        let mut producer = BlockProducer::new(environment());
        let directory = tempfile::tempdir().unwrap();
        let changes = producer.changes().unwrap();
        let path = directory.path().join("producer.redb");
        let store = Some(Store::create(&path, FORMAT, CHAIN_ID, 0, &changes).unwrap());
        Self { producer, store, directory, step: 0, environment }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Stores the last step.
    fn commit(&mut self) -> Vec<Change> {
        let changes = self.producer.changes().unwrap();
        self.step += 1;
        self.store().commit(self.step, &changes, 1).unwrap();
        changes
    }

    /// The producer that another process finds.
    fn reopened(&mut self) -> BlockProducer<E> {
        self.store = None;
        let path = self.directory.path().join("producer.redb");
        self.store = Some(Store::open(&path, FORMAT).unwrap());
        let mut producer = BlockProducer::new((self.environment)());
        producer.restore(&CircuitCache::default(), self.store().latest().unwrap()).unwrap();
        producer
    }
}

fn market() -> Market {
    Market::new(Room { transactions: 3, messages: 2, together: 4 }, None)
}

/// What one does with a producer.
#[derive(Clone, Debug)]
enum Step {
    Submit(Box<Order>),
    Deliver { source: u16, sender: u64, sequence: u64, consumption: Consumption },
    Propose,
    Rollback(u32),
    Confirm(u32),
    Expect(u32),
}

fn any_order() -> impl Strategy<Value = Order> {
    let few = || prop::option::of(0..6_u64);
    let bytes = prop_oneof![9 => Just(100), 1 => Just(MAX_PENDING_BYTES / 3)];
    let who = (prop::option::of(0..4_u64), 0..4_u64, 0..20_u64, 1..4_u32, bytes);
    (who, few(), few(), few(), few(), 0..40_u64, 0..2_u64).prop_map(
        |((sender, nonce, fee, slots, bytes), needs, makes, pays_from, spends, draws, sends)| {
            let draws = draws.saturating_sub(30);
            let sends = if sender.is_some() { sends } else { 0 };
            Order {
                sender,
                nonce,
                fee,
                slots,
                bytes,
                needs,
                makes,
                pays_from,
                spends,
                draws,
                sends,
                ..Order::default()
            }
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    let consumption = prop_oneof![Just(Consumption::Claim), Just(Consumption::Refund)];
    prop_oneof![
        8 => any_order().prop_map(|order| Step::Submit(Box::new(order))),
        3 => (6..8_u16, 0..3_u64, 0..6_u64, consumption).prop_map(|(source, sender, sequence, consumption)| {
            Step::Deliver { source, sender, sequence, consumption }
        }),
        4 => Just(Step::Propose),
        1 => (0..4_u32).prop_map(Step::Rollback),
        1 => (0..4_u32).prop_map(Step::Confirm),
        1 => (1..5_u32).prop_map(Step::Expect),
    ]
}

/// The reasons as a restored producer can know them.
fn reasons(rejected: Vec<Rejected<MarketError>>) -> Vec<(u64, String, Option<String>)> {
    let texts = rejected.into_iter().map(|Rejected { id, reason }| {
        (id, reason.to_string(), reason.source().map(|source| source.to_string()))
    });
    texts.collect()
}

/// Does a step, and says what came of it.
fn act(producer: &mut BlockProducer<Market>, step: &Step) -> String {
    match step.clone() {
        Step::Submit(order) => format!("{:?}", producer.submit(*order)),
        Step::Deliver { source, sender, sequence, consumption } => {
            format!("{:?}", producer.deliver(&message(source, sender, sequence), consumption))
        }
        Step::Propose => {
            let rejected = producer.propose_block().unwrap();
            let block = &producer.block(producer.height()).unwrap().block;
            format!("{:?} {:?}", block.statement(), reasons(rejected))
        }
        Step::Rollback(depth) => {
            format!("{:?}", producer.rollback(producer.height().saturating_sub(depth)))
        }
        Step::Confirm(depth) => format!("{:?}", producer.confirm(producer.height().saturating_sub(depth))),
        Step::Expect(number) => {
            producer.expect_superblock(number);
            String::new()
        }
    }
}

/// All that two producers differ in.
fn assert_same(restored: &mut BlockProducer<Market>, expected: &mut BlockProducer<Market>) {
    assert_eq!(restored.everything().unwrap(), expected.everything().unwrap());
    assert_eq!(restored.state(), expected.state());
    let pending = |producer: &BlockProducer<Market>| {
        producer.pending().map(|one| (one.id, one.submitted, one.transaction.clone())).collect::<Vec<_>>()
    };
    assert_eq!(pending(restored), pending(expected));
    assert!(restored.blocks().map(|block| &block.state).eq(expected.blocks().map(|block| &block.state)));
    assert_eq!(reasons(restored.leftovers().unwrap()), reasons(expected.leftovers().unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_producer_that_is_reopened_after_each_step_is_one_that_was_never_closed(
        steps in prop::collection::vec((any_step(), any::<bool>()), 1..60),
    ) {
        let mut kept = Kept::new(market);
        let mut expected = BlockProducer::new(market());
        for (step, goes_on_reopened) in steps {
            prop_assert_eq!(act(&mut kept.producer, &step), act(&mut expected, &step), "{:?}", step);
            kept.commit();
            let mut reopened = kept.reopened();
            assert_same(&mut reopened, &mut expected);
            if goes_on_reopened {
                kept.producer = reopened;
            }
        }
    }
}

#[test]
fn what_came_too_early_is_dropped_with_its_reason_by_a_reopened_producer() {
    let mut kept = Kept::new(market);
    submit(&mut kept.producer, [order(1, 5, 0)]);
    for _ in 1..MAX_EARLY_BLOCKS {
        assert!(included(&mut kept.producer).is_empty());
    }
    kept.commit();
    let rejected = kept.reopened().propose_block().unwrap();
    let Rejected { id: 0, reason } = &rejected[0] else { panic!("another transaction: {rejected:?}") };
    let expected = MarketError::Nonce { expected: 0, found: 5 }.to_string();
    assert_eq!(reason.source().map(|source| source.to_string()), Some(expected));
}

#[test]
fn what_waits_and_finds_no_room_keeps_its_turn() {
    let mut kept = Kept::new(market);
    let mut expected = BlockProducer::new(market());
    let waits = Order { needs: Some(99), ..Order::default() };
    let steps = [vec![waits], (0..4).map(|sender| order(sender, 0, 9)).collect()];
    for orders in steps {
        for producer in [&mut kept.producer, &mut expected] {
            submit(producer, orders.clone());
            producer.propose_block().unwrap();
        }
        kept.commit();
        assert_same(&mut kept.reopened(), &mut expected);
    }
    assert_eq!(expected.pending_count(), 2, "one of four, and the one that waits");
}

#[test]
fn storing_a_step_costs_what_it_changes() {
    let mut kept = Kept::new(market);
    for sender in 0..500 {
        submit(&mut kept.producer, [order(sender, 0, 0)]);
        deliver(&mut kept.producer, &message(6, sender, 0));
    }
    assert!(kept.commit().len() > 2000, "all of it is new");
    assert_eq!(kept.commit(), [], "nothing changed");
    submit(&mut kept.producer, [order(1000, 0, 0)]);
    assert!(kept.commit().len() < 5);
    included(&mut kept.producer);
    let changes = kept.commit().len();
    assert!(changes < 30, "{changes} entries for a block of 4");
}

/// A tree that is smaller than a page is read at once.
#[derive(Clone)]
struct Small {
    height: u32,
    tree: IndexTree,
}

environments_core::stored_state!(Small { values: [height], parts: [tree] });

#[test]
fn a_small_tree_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let small = || Small { height: 0, tree: IndexTree::new(4) };
    let mut state = small();
    state.tree.set(3, PRESENT).unwrap();
    let mut changes = state.changes(None).unwrap();
    let leaf = changes.iter_mut().find(|change| change.map == Map("state.tree")).unwrap();
    leaf.value = Some(vec![]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("small.redb");
    let store = Store::create(&path, FORMAT, CHAIN_ID, 0, &changes).unwrap();
    let restored = Small::restore(small(), &Source::new(store.latest().unwrap()));
    assert!(matches!(restored.err(), Some(StoredError::Read(_))));
}

fn counter() -> Counter {
    Counter::new(CHAIN_ID, id(0), secret(0), Amount::ZERO).unwrap()
}

/// A database with a confirmed block, one above it, and a transaction that waits.
fn counted() -> Kept<Counter> {
    let mut kept = Kept::new(counter);
    let add = |add| Add { add: Amount::new(add).unwrap() };
    for height in 1..=2 {
        kept.producer.submit(add(height)).unwrap();
        kept.producer.propose_block().unwrap();
    }
    kept.producer.confirm(1).unwrap();
    kept.producer.submit(add(3)).unwrap();
    kept.commit();
    kept
}

/// The error of a producer of `environment` that reads the database.
fn refusal(kept: &Kept<Counter>, environment: Counter) -> StoredError {
    let mut producer = BlockProducer::new(environment);
    let before = producer.commitment();
    let view = kept.store().latest().unwrap();
    let error = producer.restore(&CircuitCache::default(), view).unwrap_err();
    assert_eq!((producer.commitment(), producer.height()), (before, 0), "it is what it was");
    error
}

#[test]
fn a_producer_does_not_become_that_of_another_environment() {
    let kept = counted();
    let start = Amount::new(1).unwrap();
    let others = [
        ("chain id", Counter::new(CHAIN_ID + 1, id(0), secret(0), Amount::ZERO)),
        ("id", Counter::new(CHAIN_ID, id(1), secret(0), Amount::ZERO)),
        ("genesis", Counter::new(CHAIN_ID, id(0), secret(0), start)),
        ("producer", Counter::new(CHAIN_ID, id(0), secret(1), Amount::ZERO)),
    ];
    for (expected, other) in others {
        let error = refusal(&kept, other.unwrap());
        assert!(matches!(error, StoredError::OtherEnvironment { field, .. } if field == expected), "{error}");
    }
    let view = kept.store().latest().unwrap();
    let error = BlockProducer::new(market()).restore(&CircuitCache::default(), view).unwrap_err();
    assert!(matches!(error, StoredError::OtherEnvironment { field: "kind", .. }), "{error}");
}

#[test]
fn what_does_not_follow_from_the_rest_is_refused() {
    let set = |map: &'static str, key: Vec<u8>, value: Option<Vec<u8>>| Change { map: Map(map), key, value };
    // The second block has the serial number 1.
    let second = 1_u64.to_be_bytes().to_vec();
    type IsExpected = fn(&StoredError) -> bool;
    let cases: [(Change, IsExpected); 7] = [
        // A value is stored as bytes: their number, and the value.
        (set("state", b".value".to_vec(), Some(vec![1, 9])), |error| {
            matches!(error, StoredError::OtherState { .. })
        }),
        (set("state", b".value".to_vec(), None), |error| matches!(error, StoredError::Missing { .. })),
        (set("state", b".value".to_vec(), Some(vec![2, 9, 9])), |error| {
            matches!(error, StoredError::Entry { .. })
        }),
        (set("pool", vec![], None), |error| matches!(error, StoredError::Missing { .. })),
        (set("blocks", second.clone(), Some(vec![7])), |error| matches!(error, StoredError::Database(_))),
        (set("proven", vec![0; 8], Some(vec![])), |error| matches!(error, StoredError::Entry { .. })),
        (set("transactions", vec![1], Some(vec![])), |error| {
            matches!(error, StoredError::Entry { .. } | StoredError::Database(_))
        }),
    ];
    for (change, is_expected) in cases {
        let mut kept = counted();
        assert_eq!(kept.reopened().state().value.get(), 3);
        kept.store().commit(kept.step + 1, std::slice::from_ref(&change), 1).unwrap();
        let error = refusal(&kept, counter());
        assert!(is_expected(&error), "{change:?}: {error:?}");
    }
}

#[test]
fn a_block_that_another_program_proposed_is_not_executed_as_it_was_not() {
    // The block of height 1 with another sum, where height 2 was proposed.
    let mut other = Kept::new(counter);
    for add in [2, 1] {
        other.producer.submit(Add { add: Amount::new(add).unwrap() }).unwrap();
        other.producer.propose_block().unwrap();
    }
    let foreign = other.producer.changes().unwrap();
    let kept = counted();
    let blocks: Vec<_> = foreign.into_iter().filter(|change| change.map == Map("blocks")).collect();
    kept.store().commit(kept.step + 1, &blocks, 1).unwrap();
    let error = refusal(&kept, counter());
    assert!(matches!(error, StoredError::OtherBlock { field: "statement", .. }), "{error}");
}

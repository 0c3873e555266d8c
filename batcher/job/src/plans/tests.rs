//! Coordinators with one store, of which each finds something else waiting.

use std::sync::{
    LazyLock,
    atomic::{AtomicBool, Ordering},
};

use batcher_circuits::testing::{block, digest, engine, free_key_digest, free_registry};
use bridge_core::{BlockMessages, message::MIN_LIFETIME};
use circuits_core::Digest;
use circuits_tasks::store::MemoryStore;
use environments_core::{address::Address, block::check_statement};
use environments_l1::{Bytes32, Deposit, kernel::Variant, registry_entry};

use super::*;
use crate::l1::l1_state;

const CHAIN: u64 = 1;

static ENGINE: LazyLock<Engine> = LazyLock::new(engine);

/// Blocks of these environments at these heights.
fn candidates(blocks: &[(u16, u32)]) -> Vec<Candidate> {
    let candidate = |&(id, height): &(u16, u32)| {
        let statement = block(id, height);
        let header = check_statement(&statement).expect("a block");
        let messages = BlockMessages::none(header.environment);
        Candidate { statement, header, key: free_key_digest(), messages, file: [0; 32] }
    };
    blocks.iter().map(candidate).collect()
}

/// So many deposits that a block of environment 0 takes.
fn deposits(count: u64) -> Vec<Deposit> {
    let deposit = |amount| Deposit {
        depositor: Address([7; 20]),
        destination: 1,
        recipient: Bytes32::of_digest(digest(12)),
        asset: "0:1".parse().expect("an asset"),
        amount,
        lifetime: MIN_LIFETIME,
    };
    (1..=count).map(deposit).collect()
}

/// What a coordinator that finds these blocks and deposits plans with `store`: the graph's bytes, or why there is no plan.
fn plan_in(
    store: &dyn Store,
    replan: bool,
    blocks: &[(u16, u32)],
    deposits: &[Deposit],
) -> Result<Vec<u8>, PlanError> {
    let (state, mut registry) = (SuperblockState::genesis(CHAIN), free_registry(3));
    let entry = registry_entry(CHAIN, &[free_key_digest()]).expect("a chain id");
    registry.insert(EnvironmentId::L1, entry).expect("it is not listed yet");
    let key = |_: Variant| -> Result<Digest, CircuitError> { Ok(free_key_digest()) };
    let candidates = candidates(blocks);
    let waiting = Waiting {
        engine: &ENGINE,
        planner: &Planner::default(),
        state: &state,
        check: &|_| Ok(()),
        registry: &registry,
        candidates: &candidates,
        l1: L1Input { state: l1_state(&state), deposits, key: &key },
    };
    match waiting.plan_in(store, replan)? {
        Planned::Plan(plan) => Ok(waiting.graph(&plan)?.encode().expect("small")),
        Planned::Nothing(_) => Ok(vec![]),
    }
}

/// The graphs that a store has, in the order of attempts.
fn graphs(store: &MemoryStore) -> Vec<Vec<u8>> {
    let is_graph = |object: &Object| matches!(object, Object::Graph(_));
    store.everything().into_iter().filter(|(object, _)| is_graph(object)).map(|(_, bytes)| bytes).collect()
}

#[test]
fn a_plan_is_written_once_and_whoever_comes_later_repeats_it() {
    let store = MemoryStore::default();
    assert_eq!(plan_in(&store, false, &[], &[]).expect("nothing waits"), b"");
    assert_eq!(graphs(&store), [b""; 0], "and nothing is planned");
    let first = plan_in(&store, false, &[(2, 1), (1, 1)], &deposits(2)).expect("a plan");
    assert_eq!(graphs(&store), std::slice::from_ref(&first));
    // The files are in another order, and more of everything has come.
    let blocks = [(3, 1), (1, 2), (1, 1), (2, 2), (2, 1)];
    for count in [2, 3, 200] {
        assert_eq!(plan_in(&store, false, &blocks, &deposits(count)).expect("the same plan"), first);
    }
    assert_eq!(graphs(&store), [first]);

    // A plan without a block of environment 0 takes no deposit that comes later.
    let store = MemoryStore::default();
    let first = plan_in(&store, false, &[(1, 1)], &[]).expect("a plan");
    assert_eq!(plan_in(&store, false, &[(1, 1)], &deposits(1)).expect("the same plan"), first);
}

#[test]
fn another_plan_is_a_further_attempt_that_counts_from_then_on() {
    let store = MemoryStore::default();
    let first = plan_in(&store, false, &[(1, 1)], &[]).expect("a plan");
    let second = plan_in(&store, true, &[(1, 1), (2, 1)], &deposits(1)).expect("another plan");
    assert_ne!(first, second);
    assert_eq!(graphs(&store), [first, second.clone()]);
    let again = plan_in(&store, false, &[(1, 1), (2, 1), (3, 1)], &deposits(9)).expect("the latest plan");
    assert_eq!(again, second);
}

#[test]
fn a_plan_that_cannot_be_repeated_is_named_and_not_replaced() {
    let store = MemoryStore::default();
    let first = plan_in(&store, false, &[(1, 1), (2, 1)], &deposits(2)).expect("a plan");
    let error = plan_in(&store, false, &[(1, 1), (3, 1)], &deposits(2)).expect_err("a block is missing");
    assert!(
        matches!(&error, PlanError::Missing { block, .. } if block == "block 1 of environment 2"),
        "{error}"
    );
    let error = plan_in(&store, false, &[(1, 1), (2, 1)], &deposits(1)).expect_err("a deposit is missing");
    assert!(matches!(error, PlanError::Other { .. }), "{error}");
    assert_eq!(graphs(&store), std::slice::from_ref(&first));

    // What somebody else put there, or what a program with other circuits did.
    let name = |store: &MemoryStore| store.everything().remove(0).0;
    store.replace(&name(&store), b"junk").expect("in memory");
    let error = plan_in(&store, false, &[(1, 1), (2, 1)], &deposits(2)).expect_err("it is damaged");
    assert!(matches!(error, PlanError::Damaged { .. }), "{error}");
    let mut tasks: Vec<_> =
        Graph::decode(&first).expect("a graph").tasks().map(|(_, task)| task.clone()).collect();
    tasks.last_mut().expect("the superblock").key = [7; 32];
    let other = Graph::new(tasks).expect("a graph").encode().expect("small");
    store.replace(&name(&store), &other).expect("in memory");
    let error = plan_in(&store, false, &[(1, 1), (2, 1)], &deposits(2)).expect_err("other circuits");
    assert!(matches!(error, PlanError::Other { .. }), "{error}");
    // The order of blocks of one environment follows from their heights.
    let blocks = [(1, 1), (1, 2)];
    let turned = {
        let store = MemoryStore::default();
        let graph = Graph::decode(&plan_in(&store, false, &blocks, &[]).expect("a plan")).expect("a graph");
        let mut tasks: Vec<_> = graph.tasks().map(|(_, task)| task.clone()).collect();
        tasks.swap(0, 1);
        Graph::new(tasks).expect("a graph").encode().expect("small")
    };
    store.replace(&name(&store), &turned).expect("in memory");
    plan_in(&store, false, &blocks, &[]).expect_err("it breaks a rule");
    assert_eq!(plan_in(&store, true, &[(1, 1), (2, 1)], &deposits(2)).expect("another plan"), first);
}

/// A store in which somebody else writes a plan just before the first one is written.
struct Raced<'a> {
    store: &'a MemoryStore,
    other: &'a (dyn Fn() + Sync),
    is_over: AtomicBool,
}

impl Store for Raced<'_> {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(object)
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            (self.other)();
        }
        self.store.create(object, bytes)
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.replace(object, bytes)
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        self.store.remove(object)
    }
}

#[test]
fn of_two_coordinators_that_plan_at_once_both_have_the_plan_of_one() {
    for replan in [false, true] {
        let store = MemoryStore::default();
        if replan {
            plan_in(&store, false, &[(3, 1)], &[]).expect("a first plan");
        }
        let other = || drop(plan_in(&store, replan, &[(1, 1)], &[]).expect("the faster one"));
        let raced = Raced { store: &store, other: &other, is_over: false.into() };
        let slower = plan_in(&raced, replan, &[(1, 1), (2, 1)], &deposits(1)).expect("the slower one");
        let graphs = graphs(&store);
        assert_eq!(graphs.len(), 1 + usize::from(replan));
        assert_eq!(graphs.last(), Some(&slower));
        assert_eq!(plan_in(&store, false, &[(1, 1)], &[]).expect("the faster one's plan"), slower);
    }
}

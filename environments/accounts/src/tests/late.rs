//! States of which accounts and pools are read when they are needed: what follows from them is what follows from all in memory, or an
//! error.

use bridge_core::AssetId;
use circuits_core::stored::Reads;
use circuits_database::{Change, Format, Map, Store};
use circuits_keys::CircuitCache;
use environments_conformance::{CHAIN_ID, secret};
use environments_core::{
    BlockProducer, Environment as _, ProducerError,
    follower::{BlockFollower, DynFollower as _, FollowError},
    stored::{StoredError, StoredState as _},
    vault::Holding,
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::invariants::action;
use crate::{
    Accounts,
    address::{ADDRESS_BYTES, Address, account_key},
    config::{Genesis, GenesisAccount},
    fixtures::{HOME, START, World, amount, asset, genesis, settlement, swap, transfer},
    state::AccountsState,
    transaction::{AccountsTransaction, Action},
};

const FORMAT: Format = Format { kind: "accounts of a test", version: 1 };
/// Accounts whose keys nobody has: with those of the clients, three pages of leaves.
const OTHERS: usize = 600;

/// The address of the `n`-th of [`OTHERS`].
fn other(n: usize) -> Address {
    let mut bytes = [7; ADDRESS_BYTES];
    // Neighbours in the tree are not neighbours among keys.
    bytes[..2].copy_from_slice(&(n as u16).wrapping_mul(40_503).to_be_bytes());
    Address(bytes)
}

fn pay(n: usize) -> Action {
    Action::Transfer { to: other(n), asset: asset(0), amount: amount(3) }
}

fn environment() -> Accounts {
    let mut genesis = Genesis { settlement: settlement(CHAIN_ID), ..genesis(HOME) };
    let holding = Holding { asset: asset(0), amount: amount(START) };
    let others = (0..OTHERS).map(|n| GenesisAccount { address: other(n), holdings: vec![holding] });
    genesis.accounts.extend(others);
    Accounts::new(CHAIN_ID, HOME, secret(0), &genesis).unwrap()
}

/// A producer whose every step is in a database, and who reads what is needed there.
struct Kept {
    producer: BlockProducer<Accounts>,
    store: Store,
    step: u64,
    directory: TempDir,
}

impl Kept {
    fn new() -> Self {
        let mut producer = BlockProducer::new(environment());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("producer.redb");
        let store = Store::create(&path, FORMAT, CHAIN_ID, 0, &producer.changes().unwrap()).unwrap();
        Self { producer, store, step: 0, directory }.reopened()
    }

    fn commit(&mut self) {
        let changes = self.producer.changes().unwrap();
        self.alter(&changes);
        self.producer.move_on(self.store.latest().unwrap());
    }

    fn alter(&mut self, changes: &[Change]) {
        self.step += 1;
        self.store.commit(self.step, changes, 1).unwrap();
    }

    fn reopened(self) -> Self {
        let Self { producer, store, step, directory } = self;
        drop((producer, store));
        let store = Store::open(&directory.path().join("producer.redb"), FORMAT).unwrap();
        let mut producer = BlockProducer::new(environment());
        producer.restore(&CircuitCache::default(), store.latest().unwrap()).unwrap();
        Self { producer, store, step, directory }
    }
}

#[derive(Clone, Debug)]
enum Try {
    Propose(Vec<(usize, Vec<Action>)>),
    RollBack(u32),
    Confirm(u32),
    Reopen,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let one = prop_oneof![1 => action(), 1 => (0..OTHERS + 5).prop_map(pay)];
    let transactions = prop::collection::vec((0_usize..6, prop::collection::vec(one, 1..=4)), 0..6);
    let one = prop_oneof![
        4 => transactions.prop_map(Try::Propose),
        1 => (0_u32..3).prop_map(Try::RollBack),
        1 => (0_u32..3).prop_map(Try::Confirm),
        2 => Just(Try::Reopen),
    ];
    prop::collection::vec(one, 1..12)
}

/// Those of the transactions that can be made on a state.
fn signed(state: &AccountsState, wanted: &[(usize, Vec<Action>)]) -> Vec<AccountsTransaction> {
    let mut world = World { environment: environment(), state: state.clone() };
    let signed = wanted.iter().filter_map(|(sender, actions)| {
        let signed = world.sign(*sender, world.unsigned(*sender, actions));
        world.state.execute(&signed).is_ok().then(|| signed.into())
    });
    signed.collect()
}

/// Does the same with a producer of either sort, and says what came of it.
fn act(producer: &mut BlockProducer<Accounts>, one: &Try, transactions: &[AccountsTransaction]) -> String {
    match one {
        Try::Propose(_) => {
            // What a rollback has given back to the pool may keep others out.
            let submitted: Vec<_> = transactions.iter().map(|one| producer.submit(one.clone())).collect();
            let rejected = producer.propose_block().unwrap();
            let block = &producer.block(producer.height()).unwrap().block;
            format!("{submitted:?} {:?} {:?} {rejected:?}", block.statement(), block.body())
        }
        Try::RollBack(depth) => format!("{:?}", producer.rollback(producer.height().saturating_sub(*depth))),
        Try::Confirm(depth) => format!("{:?}", producer.confirm(producer.height().saturating_sub(*depth))),
        Try::Reopen => String::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_state_that_is_read_late_is_the_state_in_memory(tries in tries()) {
        let mut kept = Kept::new();
        let mut expected = BlockProducer::new(environment());
        for one in tries {
            let wanted = if let Try::Propose(wanted) = &one { wanted.as_slice() } else { &[] };
            let transactions = signed(expected.state(), wanted);
            let done = act(&mut kept.producer, &one, &transactions);
            prop_assert_eq!(done, act(&mut expected, &one, &transactions));
            kept.commit();
            if let Try::Reopen = one {
                kept = kept.reopened();
            }
            prop_assert_eq!(kept.producer.commitment(), expected.commitment());
            prop_assert_eq!(kept.producer.state().check_reads(), Ok(()));
        }
        prop_assert_eq!(kept.producer.state(), expected.state());
        prop_assert!(kept.producer.everything().unwrap() == expected.everything().unwrap());
        prop_assert_eq!(kept.producer.state().check_reads(), Ok(()));
    }
}

const ACCOUNTS: Map = Map("state.records.accounts");
const POOLS: Map = Map("state.records.pools");
const TREE: Map = Map("state.records.tree");
/// What the keys of entries begin with, and those of leaves.
const ENTRY: u8 = 3;
const LEAF: u8 = 1;

fn account_at(address: Address) -> Vec<u8> {
    [vec![ENTRY], postcard::to_allocvec(&address).unwrap()].concat()
}

fn tree_entry_at(address: Address) -> Vec<u8> {
    let words = account_key(address).to_u64s().map(u64::to_be_bytes);
    [vec![ENTRY], words.concat()].concat()
}

fn leaf_at(index: u64) -> Vec<u8> {
    [vec![LEAF], index.to_be_bytes().to_vec()].concat()
}

/// Makes a block that needs nothing of what was altered, and then tries one with this action.
fn needing(change: &Change, action: Action) -> BlockProducer<Accounts> {
    let mut kept = Kept::new();
    kept.alter(std::slice::from_ref(change));
    let mut producer = kept.reopened().producer;
    let (whole, submit) = (environment().genesis(), |producer: &mut BlockProducer<_>, sender, action| {
        let state: &AccountsState = producer.state();
        let world = World { environment: environment(), state: state.clone() };
        producer.submit(world.sign(sender, world.unsigned(sender, &[action])).into())
    });
    submit(&mut producer, 0, transfer(1, 0, 5)).unwrap();
    assert_eq!(producer.propose_block().unwrap().len(), 0);
    assert_eq!(producer.state().check_reads(), Ok(()), "it needs nothing of that");

    let found = submit(&mut producer, 1, action).and_then(|_| producer.propose_block().map(drop));
    assert!(matches!(found, Err(ProducerError::Read(_))), "{change:?}: {found:?}");
    assert_eq!(producer.height(), 1, "no block follows");
    assert!(matches!(producer.changes(), Err(StoredError::Read(_))), "nothing is stored");
    let graph = producer.prove(&CircuitCache::default(), 1).err();
    assert!(matches!(graph, Some(ProducerError::Read(_))), "nothing is proved");
    assert!(whole.check_reads().is_ok());
    producer
}

#[test]
fn what_was_altered_is_found_before_anything_follows_from_it() {
    let state = environment().genesis();
    // A client comes before the others, and the sentinel before all.
    let (number, to) = (400, other(400));
    let index = state.records.tree.prove_update(&account_key(to)).unwrap().index;
    assert_eq!(index, 5 + number, "the order of the genesis");
    let account = state.account(&to).unwrap();
    let mut richer = account.clone();
    richer.balances.credit(asset(0), amount(1)).unwrap();
    let entry = state.records.tree.get(&account_key(to)).unwrap();
    let nothing = None::<&()>;
    let changes = [
        ACCOUNTS.change(account_at(to), Some(&richer)),
        ACCOUNTS.change(account_at(to), nothing),
        ACCOUNTS.change(account_at(to), Some(&7_u8)),
        TREE.change(tree_entry_at(to), nothing),
        TREE.change(tree_entry_at(to), Some(&(index, richer.hash()))),
        TREE.change(tree_entry_at(to), Some(&(index + 1, entry))),
        TREE.change(leaf_at(index), Some(&entry)),
        TREE.change(leaf_at(index - 3), nothing),
        TREE.change(leaf_at(index - 3), Some(&vec![7_u8])),
    ];
    for change in changes {
        needing(&change.unwrap(), pay(number as usize));
    }
    let pair: (AssetId, AssetId) = (asset(0), asset(1));
    let pool = [vec![ENTRY], postcard::to_allocvec(&pair).unwrap()].concat();
    needing(&POOLS.change(pool, nothing).unwrap(), swap(0, 10, 1));
}

#[test]
fn a_follower_notices_too() {
    let mut producer = BlockProducer::new(environment());
    let transactions = signed(producer.state(), &[(0, vec![pay(400)])]);
    for transaction in transactions {
        producer.submit(transaction).unwrap();
    }
    producer.propose_block().unwrap();
    let block = &producer.block(1).unwrap().block;

    let mut follower = BlockFollower::new(environment());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("follower.redb");
    let store = Store::create(&path, FORMAT, CHAIN_ID, 0, &follower.changes().unwrap()).unwrap();
    follower.restore(store.latest().unwrap()).unwrap();
    store.commit(1, &[ACCOUNTS.change(account_at(other(400)), None::<&()>).unwrap()], 1).unwrap();
    follower.move_on(store.latest().unwrap());
    let found = follower.apply(block.statement(), block.body());
    assert!(matches!(found, Err(FollowError::Read(_))), "{found:?}");
    assert_eq!(follower.height(), 0);
    assert!(matches!(follower.changes(), Err(StoredError::Read(_))));
}

#[test]
fn a_restart_reads_no_account() {
    let kept = Kept::new();
    let state = kept.producer.state();
    let reads = state.records.accounts.reads().map(Reads::check);
    assert_eq!(reads, Some(Ok(())), "it is read late");
    // Even if none of them is there any more.
    let mut kept = Kept::new();
    let gone: Vec<_> =
        (0..OTHERS).map(|n| ACCOUNTS.change(account_at(other(n)), None::<&()>).unwrap()).collect();
    kept.alter(&gone);
    let kept = kept.reopened();
    assert_eq!(kept.producer.state().check_reads(), Ok(()));
    assert_eq!(kept.producer.state().account(&other(3)), None);
    assert!(kept.producer.state().check_reads().is_err());
}

use batcher_circuits::testing::{digest, message};
use bridge_core::{
    BalanceKey, BridgeState, Consumption, Message,
    state::{Location, Record},
};
use circuits_core::{Digest, amount::Amount, trees::TreeError};
use circuits_database::Change;
use circuits_protocol::registry::EnvironmentId;

use super::*;
use crate::stored::MESSAGE_PAGES;

pub(super) const CHAIN_ID: u64 = 5;

/// A state after `number` superblocks without messages.
fn after(number: u32) -> SuperblockState {
    let history = vec![digest(1); number as usize].try_into().expect("not zero");
    SuperblockState { number, history, ..SuperblockState::genesis(CHAIN_ID) }
}

/// A directory whose chain has so many superblocks.
fn chain(superblocks: u32, kept: u32) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = NonZeroU32::new(kept).expect("not 0");
    let mut states = States::open(directory.path(), Some(CHAIN_ID)).expect("a new chain").keeping(kept);
    for number in 1..=superblocks {
        assert!(states.advance(after(number)).expect("the next state").is_empty());
    }
    directory
}

fn kept(directory: &Path) -> Vec<u32> {
    numbers(directory).expect("readable")
}

#[test]
fn a_new_chain_leaves_no_state_before_its_first_superblock() {
    let directory = chain(0, 1);
    assert!(kept(directory.path()).is_empty());
    let error = States::open(directory.path(), None).expect_err("no state and no chain id");
    assert!(matches!(error, StatesError::Empty { .. }), "{error}");
    let missing = directory.path().join("missing");
    States::open(&missing, None).expect_err("no directory");
    assert!(!missing.exists());
}

#[test]
fn the_latest_state_is_current_and_old_ones_are_removed() {
    for (superblocks, number, expected) in
        [(1, 32, vec![0, 1]), (4, 1, vec![4]), (4, 3, vec![2, 3, 4]), (4, 5, vec![0, 1, 2, 3, 4])]
    {
        let directory = chain(superblocks, number);
        assert_eq!(kept(directory.path()), expected, "{number} of {superblocks}");
        let states = States::open(directory.path(), None).expect("a chain");
        assert_eq!(*states.latest(), after(superblocks));
    }
}

#[test]
fn locations_are_kept_as_long_as_the_states() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = NonZeroU32::new(2).expect("not 0");
    let mut states = States::open(directory.path(), Some(CHAIN_ID)).expect("a new chain").keeping(kept);
    for number in 1..=4 {
        assert_eq!(states.location().expect("readable"), None);
        states.set_location(directory.path()).expect("writable");
        assert!(states.location().expect("readable").is_some());
        assert!(states.advance(after(number)).expect("the next state").is_empty());
    }
    assert_eq!(location_numbers(directory.path()).expect("readable"), [3, 4]);
    drop(states);
    roll_back(directory.path(), 3, None).expect("kept");
    let states = States::open(directory.path(), None).expect("a chain");
    let found = states.location().expect("readable").expect("superblock 4 stays where it is");
    let canonical = |path: &Path| path.canonicalize().expect("it exists");
    assert_eq!(canonical(&found), canonical(directory.path()));
}

#[test]
fn a_state_is_read_as_it_was_written_and_so_are_those_before() {
    let directory = chain(4, 3);
    for number in 2..=4 {
        assert_eq!(read(directory.path(), number).expect("kept"), after(number));
    }
    for number in [1, 5] {
        let error = read(directory.path(), number).expect_err("not kept");
        assert!(matches!(error, StatesError::NotKept { first: 2, latest: 4, .. }), "{error}");
    }
    assert!(matches!(read(&directory.path().join("none"), 1), Err(StatesError::Empty { .. })));
}

/// The state after `number` superblocks, with as many messages, of which the first `claimed` were claimed in the last one.
pub(super) fn with_messages(number: u32, messages: u64, claimed: u64) -> SuperblockState {
    let location = |superblock| Location { superblock, height: 1 };
    let record = |sequence| Record {
        message: Message { sequence, ..message(CHAIN_ID, 1, 2, 1) },
        emitted: location(1),
        consumed: (sequence < claimed).then_some((Consumption::Claim, location(number))),
    };
    let balance = |environment, value| {
        let key = BalanceKey { environment: EnvironmentId(environment), asset: record(0).message.asset };
        (key, Amount::new(value).expect("an amount"))
    };
    let balances = [balance(1, messages), balance(2, claimed)];
    let bridge = BridgeState::from_records((0..messages).map(record), balances).expect("room for all");
    SuperblockState { bridge, ..after(number) }
}

#[test]
fn messages_are_read_with_the_pages_of_their_tree() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = [(1, 0, 0), (2, 1, 0), (3, 300, 0), (4, 512, 0), (5, 600, 0)]
        .map(|(number, messages, claimed)| with_messages(number, messages, claimed));
    let mut states = States::open(directory.path(), Some(CHAIN_ID)).expect("a new chain");
    for state in &all {
        states.advance(state.clone()).expect("the next state");
    }
    drop(states);
    let mut found = vec![];
    for_each(directory.path(), |state| found.push(state.clone())).expect("readable");
    assert_eq!(found[1..], all);
    // What is hashed when it is needed is what was hashed at once.
    let (read, made) = (found.pop().expect("the latest"), &all[4]);
    assert_eq!((read.commitment(), read.roots()), (made.commitment(), made.roots()));
    assert!((0..4).all(|page| read.bridge.message_page_root(page) == made.bridge.message_page_root(page)));
    // A message of the first page is claimed.
    let next = with_messages(6, 600, 1);
    let changes = stored::changes(&read, &next).expect("they encode");
    assert_eq!(changes.iter().filter(|change| change.map == MESSAGE_PAGES).count(), 1);
    let mut states = States::open(directory.path(), None).expect("a chain");
    states.advance(next.clone()).expect("the next state");
    drop(states);
    assert_eq!(with_latest(directory.path(), None, Clone::clone).expect("a chain"), next);
    assert_eq!(super::read(directory.path(), 5).expect("kept"), all[4]);
}

/// A directory whose database has the entries of a state, and then these changes, at a height.
pub(super) fn tampered(
    state: &SuperblockState,
    height: u64,
    altered: impl IntoIterator<Item = Change>,
) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut changes = stored::all(state).expect("they encode");
    changes.extend(altered);
    drop(
        Store::create(&database_file(directory.path()), FORMAT, CHAIN_ID, height, &changes)
            .expect("writable"),
    );
    directory
}

#[test]
fn a_state_under_other_roots_of_pages_is_refused() {
    let state = with_messages(1, 300, 7);
    // The root of a page decides the commitment.
    let root = MESSAGE_PAGES.change(0_u64.to_be_bytes(), Some(&digest(9))).expect("it encodes");
    let error =
        with_latest(tampered(&state, 1, Some(root)).path(), None, Clone::clone).expect_err("another root");
    let source = |error| match error {
        StatesError::State(StateError::Invalid { source, .. }) => source,
        error => panic!("{error}"),
    };
    assert!(matches!(source(error), InvalidState::Commitment { .. }));
    // There is one for each page.
    let root = MESSAGE_PAGES.change(1_u64.to_be_bytes(), None::<&Digest>).expect("it encodes");
    let error = with_latest(tampered(&state, 1, Some(root)).path(), None, Clone::clone)
        .expect_err("a page without a root");
    let expected = TreeError::Pages { leaves: 300, expected: 2, found: 1 };
    assert!(matches!(source(error), InvalidState::Tree(error) if *error == expected));
}

#[test]
fn a_state_under_another_number_is_rejected() {
    let directory = tampered(&after(1), 7, None);
    let error = States::open(directory.path(), None).expect_err("superblock 7 was never made");
    assert!(error.to_string().contains("the state after superblock 1, expected 7"), "{error}");
}

#[test]
fn a_state_is_put_where_there_is_none_and_the_chain_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state");
    put(&path, &after(3)).expect("no states yet");
    assert_eq!(kept(&path), [3]);
    let error = put(&path, &after(3)).expect_err("there is one");
    assert!(matches!(error, StatesError::Exists { latest: 3, .. }), "{error}");
    let mut states = States::open(&path, Some(CHAIN_ID)).expect("a chain");
    states.advance(after(4)).expect("the next state");
    assert_eq!(kept(&path), [3, 4]);
    let wrong = SuperblockState { number: 5, ..after(4) };
    let error = put(&directory.path().join("other"), &wrong).expect_err("a state without its history");
    assert!(error.to_string().contains("superblock 5 has 5 states before it, found 4"), "{error}");
}

#[test]
fn a_state_that_breaks_a_rule_is_not_written() {
    let directory = chain(1, 5);
    let mut states = States::open(directory.path(), None).expect("a chain");
    let wrong = SuperblockState { number: 2, ..after(1) };
    assert!(states.check(&wrong).is_err() && states.advance(wrong).is_err());
    assert_eq!(kept(directory.path()), [0, 1]);
    states.advance(after(2)).expect("the next state");
}

#[test]
fn a_chain_of_another_id_is_rejected_by_both_numbers() {
    let directory = chain(1, 5);
    let error = States::open(directory.path(), Some(6)).expect_err("chain 5");
    assert!(matches!(error, StatesError::OtherChain { expected: 6, found: 5, .. }), "{error}");
    States::open(directory.path(), Some(CHAIN_ID)).expect("the same chain");
}

#[test]
fn states_are_locked_until_they_are_dropped() {
    let directory = chain(2, 5);
    let states = States::open(directory.path(), None).expect("nobody else is here");
    let error = States::open(directory.path(), None).expect_err("locked");
    assert!(matches!(error, StatesError::Locked { .. }), "{error}");
    let error = roll_back(directory.path(), 1, None).expect_err("locked");
    assert!(matches!(error, StatesError::Locked { .. }), "{error}");
    // Reading needs no lock.
    assert_eq!(with_latest(directory.path(), None, Clone::clone).expect("a chain"), after(2));
    drop(states);
    States::open(directory.path(), None).expect("nobody else is here");
}

#[test]
fn a_state_is_never_replaced() {
    let directory = chain(1, 5);
    let path = state_file(directory.path(), 1);
    state::write(&path, &after(1)).expect("a new file");
    state::write(&path, &after(1)).expect("the same state");
    let other = SuperblockState { chain_id: CHAIN_ID + 1, ..after(1) };
    let error = state::write(&path, &other).expect_err("another state");
    assert!(matches!(error, StateError::File(FileError::Exists { .. })), "{error}");
    let mut states = States::open(directory.path(), None).expect("a chain");
    let error = states.advance(after(1)).expect_err("it is there");
    assert!(matches!(error, StatesError::Database(DatabaseError::NotNext { .. })), "{error}");
    assert_eq!(read(directory.path(), 1).expect("still there"), after(1));
}

#[test]
fn a_rollback_moves_later_states_and_bundles_aside_and_the_chain_goes_on() {
    let directory = chain(4, 3);
    let bundles = tempfile::tempdir().expect("a directory");
    for number in 1..=4 {
        fs::write(superblock_file(bundles.path(), number), number.to_string()).expect("writable");
    }
    let error = roll_back(directory.path(), 1, None).expect_err("removed");
    assert!(matches!(error, StatesError::NotKept { number: 1, first: 2, latest: 4, .. }), "{error}");

    let rolled = roll_back(directory.path(), 2, Some(bundles.path())).expect("kept");
    assert_eq!(rolled.latest, after(2));
    let expected = [
        (superblock_file(bundles.path(), 4), superblock_file(&bundles.path().join("rolled-back-1"), 4)),
        (superblock_file(bundles.path(), 3), superblock_file(&bundles.path().join("rolled-back-1"), 3)),
    ];
    assert_eq!(rolled.moved, expected);
    assert_eq!(kept(directory.path()), [2]);
    let saved = state_file(&directory.path().join("rolled-back-1"), 4);
    assert_eq!(rolled.saved.as_ref(), Some(&saved));
    assert_eq!(state::read(&saved).expect("whole"), after(4));
    assert_eq!(superblock_numbers(bundles.path()).expect("readable"), [1, 2]);

    let mut states = States::open(directory.path(), None).expect("a chain");
    states.advance(after(3)).expect("the next state");
    drop(states);
    let again = roll_back(directory.path(), 2, Some(bundles.path())).expect("kept");
    let aside = directory.path().join("rolled-back-2");
    assert_eq!((again.moved, again.saved), (vec![], Some(state_file(&aside, 3))));
    // Nothing is left to move.
    let nothing = roll_back(directory.path(), 2, None).expect("kept");
    assert_eq!((nothing.moved, nothing.saved), (vec![], None));
}

#[test]
fn a_rollback_with_bundles_in_a_directory_that_is_missing_changes_nothing() {
    let directory = chain(2, 5);
    let missing = directory.path().join("superblocks");
    let error = roll_back(directory.path(), 1, Some(&missing)).expect_err("no directory");
    assert!(
        matches!(&error, StatesError::File(FileError::Io { path, action: "open it", .. }) if *path == missing),
        "{error}"
    );
    assert_eq!(kept(directory.path()), [0, 1, 2]);
    assert!(!missing.exists() && !directory.path().join("rolled-back-1").exists());
}

#[test]
fn damaged_states_are_refused_and_are_left_as_they_are() {
    let directory = chain(2, 5);
    let path = database_file(directory.path());
    let whole = fs::read(&path).expect("readable");
    for damaged in [b"damaged".to_vec(), vec![], whole[..whole.len() / 2].to_vec()] {
        fs::write(&path, &damaged).expect("writable");
        let errors = [
            States::open(directory.path(), None).err(),
            roll_back(directory.path(), 1, None).err(),
            put(directory.path(), &after(0)).err(),
        ];
        for error in errors {
            let error = error.expect("damaged");
            assert!(matches!(error, StatesError::Database(DatabaseError::Damaged { .. })), "{error}");
        }
        assert_eq!(fs::read(&path).expect("readable"), damaged);
    }
    fs::write(&path, &whole).expect("writable");
    assert_eq!(*States::open(directory.path(), None).expect("a chain").latest(), after(2));
}

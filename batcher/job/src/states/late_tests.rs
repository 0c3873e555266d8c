//! States of which messages are read when they are needed: what follows from them is what follows from all in memory, or an error.

use batcher_circuits::testing::{digest, message};
use batcher_verify::trust::{Checkpoint, Trust};
use bridge_core::{
    BlockMessages, BridgeError, BridgeLists, BridgeState, Consumption, Crossing, Message, Record,
};
use circuits_core::{Digest, trees::PAGE_LEAVES};
use circuits_database::Change;
use circuits_protocol::registry::EnvironmentId;
use proptest::prelude::*;

use super::{
    tests::{CHAIN_ID, tampered, with_messages},
    *,
};
use crate::{
    anchor::{self, Untrusted},
    stored::{HASHES, HISTORY, IN_FLIGHT, MESSAGES},
};

/// What one superblock does: which messages environment 2 claims, of those that wait, and how many environment 1 sends.
#[derive(Clone, Debug)]
struct Moves {
    claimed: Vec<prop::sample::Index>,
    sent: u64,
}

#[derive(Clone, Debug)]
enum Try {
    Advance(Moves),
    Reopen,
    RollBack,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let moves = (prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..4_u64);
    let one = prop_oneof![
        4 => moves.prop_map(|(claimed, sent)| Try::Advance(Moves { claimed, sent })),
        1 => Just(Try::Reopen),
        1 => Just(Try::RollBack),
    ];
    prop::collection::vec(one, 1..8)
}

/// The state after a superblock that moves these messages.
fn moved(
    state: &SuperblockState,
    claimed: Vec<Message>,
    sent: Vec<Message>,
) -> Result<SuperblockState, BridgeError> {
    let number = state.number + 1;
    let mut crossing = Crossing::new(CHAIN_ID, number, state.bridge.clone(), BridgeLists::start())?;
    crossing.height = 1;
    let inbox = claimed.into_iter().map(|message| (message, Consumption::Claim)).collect();
    crossing.apply_block(&BlockMessages { outbox: sent, ..BlockMessages::none(EnvironmentId(1)) })?;
    crossing.apply_block(&BlockMessages { inbox, ..BlockMessages::none(EnvironmentId(2)) })?;
    let mut next = SuperblockState { number, bridge: crossing.state, ..state.clone() };
    next.history.push(state.commitment());
    Ok(next)
}

/// The same superblock on a state.
fn advanced(state: &SuperblockState, moves: &Moves) -> SuperblockState {
    let waiting: Vec<_> = state.bridge.in_flight().map(|record| record.message).collect();
    let claimed =
        moves.claimed.iter().filter(|_| !waiting.is_empty()).map(|index| index.index(waiting.len()));
    let claimed: std::collections::BTreeSet<_> = claimed.collect();
    let claimed = claimed.into_iter().map(|index| waiting[index].clone()).collect();
    let first = state.bridge.message_count();
    let sent = (first..first + moves.sent).map(|sequence| Message {
        sequence,
        deadline: state.number + 1000,
        ..message(CHAIN_ID, 1, 2, 1)
    });
    moved(state, claimed, sent.collect()).expect("each message waits")
}

fn check_equal(late: &SuperblockState, all: &SuperblockState) {
    assert_eq!((late.commitment(), late.roots()), (all.commitment(), all.roots()));
    let (one, other): (&BridgeState, &BridgeState) = (&late.bridge, &all.bridge);
    assert!(one.in_flight().eq(other.in_flight()));
    for environment in [EnvironmentId(2), EnvironmentId(3)] {
        assert!(one.in_flight_of(environment).eq(other.in_flight_of(environment)));
    }
    assert_eq!(one.in_flight_count(), other.in_flight_count());
    assert!(one.in_flight_amounts().eq(other.in_flight_amounts()));
    assert!(one.in_flight_counts().eq(other.in_flight_counts()));
    for record in other.records().step_by(7) {
        let hash = record.message.hash();
        assert_eq!((one.pending(&hash), one.knows(&hash)), (other.pending(&hash), true));
    }
    assert!(!one.knows(&digest(77)));
    assert_eq!(late.check_reads(), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_state_that_is_read_late_is_the_state_in_memory(
        messages in 0..2 * PAGE_LEAVES as u64 + 9,
        claimed in any::<prop::sample::Index>(),
        tries in tries(),
    ) {
        let claimed = claimed.index(messages as usize + 1) as u64;
        let directory = tempfile::tempdir().expect("a directory");
        let mut all = vec![with_messages(3, messages, claimed)];
        put(directory.path(), &all[0]).expect("no states yet");
        let open = || States::open(directory.path(), None).expect("a chain");
        let mut states = open();
        for one in tries {
            let latest = all.last().expect("one at least");
            match one {
                Try::Advance(moves) => {
                    let next = advanced(states.latest(), &moves);
                    check_equal(&next, &advanced(latest, &moves));
                    all.push(advanced(latest, &moves));
                    states.advance(next).expect("the next state");
                }
                Try::Reopen => {
                    drop(states);
                    states = open();
                }
                Try::RollBack => {
                    drop(states);
                    if all.len() > 1 {
                        all.pop();
                    }
                    let number = all.last().expect("one at least").number;
                    roll_back(directory.path(), number, None).expect("kept");
                    states = open();
                }
            }
            check_equal(states.latest(), all.last().expect("one at least"));
        }
        drop(states);
        for state in &all {
            let read = read_whole(directory.path(), Some(state.number)).expect("kept");
            prop_assert_eq!(&read, state);
            prop_assert_eq!(&super::read(directory.path(), state.number).expect("kept"), state);
        }
    }
}

fn invalid_state(error: StatesError) -> InvalidState {
    match error {
        StatesError::State(StateError::Invalid { source, .. }) => source,
        error => panic!("{error}"),
    }
}

/// What reading everything finds, and what claiming the message at index 9 ends with.
fn found(change: Change) -> (InvalidState, Result<(), InvalidState>) {
    let state = with_messages(1, 600, 7);
    let message = state.bridge.record(9).expect("one of 600").message;
    let directory = tampered(&state, 1, Some(change));
    let states = States::open(directory.path(), None).expect("nothing of this is read");
    let whole = read_whole(directory.path(), None).expect_err("something is wrong");
    // The message of another page can be claimed meanwhile.
    let other = state.bridge.record(500).expect("one of 600").message;
    let next = moved(states.latest(), vec![other], vec![]).expect("it waits");
    states.check(&next).expect("what it needs is whole");
    let claimed = match moved(states.latest(), vec![message], vec![]) {
        Ok(next) => states.check(&next).map_err(invalid_state),
        Err(_) => states.check(states.latest()).map_err(invalid_state),
    };
    (invalid_state(whole), claimed)
}

#[test]
fn what_was_altered_is_found_when_it_is_needed_and_by_reading_everything() {
    let state = with_messages(1, 600, 7);
    let record = |index| state.bridge.record(index).expect("one of 600");
    let entry = |index: u64, hashed: Option<&(Digest, Record)>| {
        MESSAGES.change(index.to_be_bytes(), hashed).expect("it encodes")
    };
    // Another hash, no message and no record at all in the page of the message that is claimed.
    let changes = [
        entry(9, Some(&(digest(9), record(9)))),
        entry(200, Some(&(digest(9), record(200)))),
        entry(200, None),
        Change { value: Some(vec![1]), ..entry(200, None) },
    ];
    for change in changes {
        let (whole, claimed) = found(change);
        assert!(matches!(claimed, Err(InvalidState::Unreadable(_))), "{claimed:?}");
        let is_found = matches!(whole, InvalidState::Unreadable(_) | InvalidState::Incomplete { .. });
        assert!(is_found || matches!(whole, InvalidState::Bridge(_)), "{whole:?}");
    }
    // Indices decide nothing that a superblock states, and are compared when they are needed, by their number and with what they
    // lead to, and with everything else.
    let key = [&2_u16.to_be_bytes()[..], &8_u64.to_be_bytes()].concat();
    let (whole, claimed) = found(IN_FLIGHT.change(key, None::<&()>).expect("it encodes"));
    assert_eq!((whole, claimed), (InvalidState::Incomplete { map: "in_flight" }, Ok(())));
    let key = [&record(8).message.hash().to_bytes()[..], &8_u64.to_be_bytes()].concat();
    let (whole, claimed) = found(HASHES.change(key, Some(&false)).expect("it encodes"));
    assert_eq!((whole, claimed), (InvalidState::Incomplete { map: "hashes" }, Ok(())));
}

/// A look that is wrong since a message cannot be read is an error, of whoever looks.
#[test]
fn nobody_is_told_of_fewer_messages_than_there_are() {
    let state = with_messages(1, 600, 7);
    let gone = MESSAGES.change(200_u64.to_be_bytes(), None::<&()>).expect("it encodes");
    let directory = tampered(&state, 1, Some(gone));
    let directory = directory.path();
    let is_unreadable = |error| matches!(invalid_state(error), InvalidState::Unreadable(_));
    let messages = |state: &SuperblockState| state.bridge.records().count();

    assert_eq!(with_latest(directory, None, |state| state.number).expect("it reads no message"), 1);
    assert!(is_unreadable(with_latest(directory, None, messages).expect_err("one is missing")));
    let error = for_each(directory, |state| assert!(messages(state) < 600)).expect_err("one is missing");
    assert!(is_unreadable(error));
    let states = States::open(directory, None).expect("it reads no message");
    states.check_reads().expect("nothing was looked up");
    assert!(messages(states.latest()) < 600);
    assert!(is_unreadable(states.check_reads().expect_err("one is missing")));
}

#[test]
fn a_message_that_is_not_listed_as_in_flight_is_missed() {
    let state = with_messages(1, 600, 7);
    let unlisted = |environment: u16| {
        let key = [&environment.to_be_bytes()[..], &8_u64.to_be_bytes()].concat();
        IN_FLIGHT.change(key, None::<&()>).expect("it encodes")
    };
    let found = |altered: &[u16], look: fn(&BridgeState) -> usize| {
        let directory = tampered(&state, 1, altered.iter().copied().map(unlisted));
        with_latest(directory.path(), None, |state| look(&state.bridge)).map_err(invalid_state)
    };
    let is_missed = |found| matches!(found, Err(InvalidState::Unreadable(_)));
    let all = |bridge: &BridgeState| bridge.in_flight().count();
    let of_source = |bridge: &BridgeState| bridge.in_flight_of(EnvironmentId(1)).count();
    let of_destination = |bridge: &BridgeState| bridge.in_flight_of(EnvironmentId(2)).count();
    assert_eq!(found(&[2], of_source), Ok(593));
    assert!(is_missed(found(&[2], of_destination)));
    // The source still lists it.
    assert_eq!(found(&[2], all), Ok(593));
    assert!(is_missed(found(&[1, 2], all)));
}

/// An index with as many entries as there are messages may still lead to others.
#[test]
fn an_index_that_lists_another_message_cannot_be_read() {
    let state = with_messages(1, 600, 7);
    let records = state.bridge.records().enumerate().map(|(index, mut record)| {
        if index == 20 {
            record.message.destination = EnvironmentId(3);
        }
        record
    });
    let bridge = BridgeState::from_records(records, state.bridge.balances()).expect("room for all");
    let state = SuperblockState { bridge, ..state };
    let hash = |index| state.bridge.record(index).expect("one of 600").message.hash();
    let (waiting, claimed) = (hash(8), hash(3));
    let look = |altered: Vec<Change>, look: &dyn Fn(&BridgeState) -> usize| {
        let directory = tampered(&state, 1, altered);
        with_latest(directory.path(), None, |state| look(&state.bridge)).map_err(invalid_state)
    };
    let is_wrong = |found| matches!(found, Err(InvalidState::Unreadable(_)));

    let listed = |environment: u16, index: u64, is_listed: bool| {
        let key = [&environment.to_be_bytes()[..], &index.to_be_bytes()].concat();
        IN_FLIGHT.change(key, is_listed.then_some(()).as_ref()).expect("it encodes")
    };
    let of_2 = |bridge: &BridgeState| bridge.in_flight_of(EnvironmentId(2)).count();
    let all = |bridge: &BridgeState| bridge.in_flight().count();
    assert_eq!((look(vec![], &of_2), look(vec![], &all)), (Ok(592), Ok(593)));
    // One that is consumed, one that does not exist, and one of another environment.
    for other in [3, 9999, 20] {
        assert!(is_wrong(look(vec![listed(2, 8, false), listed(2, other, true)], &of_2)), "{other}");
    }
    for other in [3, 9999] {
        let altered =
            [1, 2].map(|environment| [listed(environment, 8, false), listed(environment, other, true)]);
        assert!(is_wrong(look(altered.concat(), &all)), "{other}");
    }

    let found = |hash: Digest, index: u64, is_in_flight: Option<bool>| {
        let key = [&hash.to_bytes()[..], &index.to_be_bytes()].concat();
        HASHES.change(key, is_in_flight.as_ref()).expect("it encodes")
    };
    let pending = |hash: Digest| move |bridge: &BridgeState| usize::from(bridge.pending(&hash).is_some());
    assert_eq!((look(vec![], &pending(waiting)), look(vec![], &pending(claimed))), (Ok(1), Ok(0)));
    let altered = [
        (waiting, vec![found(waiting, 8, Some(false))]),
        (waiting, vec![found(waiting, 8, None), found(waiting, 9, Some(true))]),
        (waiting, vec![found(waiting, 8, None), found(waiting, 9999, Some(true))]),
        (claimed, vec![found(claimed, 3, Some(true))]),
        (claimed, vec![found(claimed, 3, None), found(claimed, 8, Some(false))]),
    ];
    for (hash, altered) in altered {
        assert!(is_wrong(look(altered.clone(), &pending(hash))), "{altered:?}");
    }
}

/// A message in the place of another one that waits, beside that one's hash or its own.
#[test]
fn a_message_that_is_not_its_leafs_cannot_be_read() {
    let state = with_messages(1, 600, 7);
    let record = state.bridge.record(9).expect("one of 600");
    let mut other = record.clone();
    other.message.recipient = digest(77);
    for hash in [record.message.hash(), other.message.hash()] {
        let row = MESSAGES.change(9_u64.to_be_bytes(), Some(&(hash, other.clone()))).expect("it encodes");
        let directory = tampered(&state, 1, [row]);
        for look in [
            |bridge: &BridgeState| bridge.in_flight().count(),
            |bridge: &BridgeState| bridge.in_flight_of(EnvironmentId(2)).count(),
        ] {
            let found = with_latest(directory.path(), None, |state| look(&state.bridge));
            assert!(matches!(found.map_err(invalid_state), Err(InvalidState::Unreadable(_))));
        }
        let states = States::open(directory.path(), None).expect("nothing of this is read");
        let checked = match moved(states.latest(), vec![record.message.clone()], vec![]) {
            Ok(next) => states.check(&next),
            Err(_) => states.check(states.latest()),
        };
        assert!(matches!(checked.map_err(invalid_state), Err(InvalidState::Unreadable(_))));
    }
}

/// A verified superblock says where it consumed a message, so that nobody blames it for an index that has lost the message.
#[test]
fn a_message_that_waits_where_it_is_consumed_and_is_not_found_cannot_be_read() {
    let state = with_messages(1, 600, 7);
    let message = state.bridge.record(9).expect("one of 600").message;
    let key = [&message.hash().to_bytes()[..], &9_u64.to_be_bytes()].concat();
    let directory = tampered(&state, 1, [HASHES.change(key, None::<&bool>).expect("it encodes")]);
    let states = States::open(directory.path(), None).expect("nothing of this is read");
    let claim = |index| {
        let bridge = states.latest().bridge.clone();
        let crossing = Crossing::new(CHAIN_ID, 2, bridge, BridgeLists::start()).expect("room");
        let mut crossing = crossing.following(vec![index]);
        crossing.height = 1;
        let inbox = vec![(message.clone(), Consumption::Claim)];
        crossing.apply_block(&BlockMessages { inbox, ..BlockMessages::none(EnvironmentId(2)) }).is_ok()
    };
    assert!(!claim(8));
    states.check_reads().expect("another message waits there");
    assert!(!claim(9));
    states.check_reads().expect_err("it waits there");
}

#[test]
fn a_rollback_from_a_state_that_cannot_be_read_moves_nothing() {
    let state = with_messages(1, 600, 7);
    let gone = MESSAGES.change(200_u64.to_be_bytes(), None::<&()>).expect("it encodes");
    let directory = tampered(&state, 1, [gone]);
    let mut states = States::open(directory.path(), None).expect("it reads no message");
    let message = state.bridge.record(500).expect("one of 600").message;
    let next = moved(states.latest(), vec![message], vec![]).expect("it waits");
    states.advance(next).expect("the next state");
    drop(states);
    let superblocks = tempfile::tempdir().expect("a directory");
    let bundle = superblock_file(superblocks.path(), 2);
    fs::write(&bundle, "a bundle").expect("writable");
    let file = superblocks.path().join("file");
    fs::write(&file, "no directory").expect("writable");
    roll_back(directory.path(), 1, Some(&file)).expect_err("no directory of bundles");
    roll_back(directory.path(), 1, Some(superblocks.path())).expect_err("it cannot be saved");
    assert!(bundle.exists());
    for place in [directory.path(), superblocks.path()] {
        assert!(!place.join("rolled-back-1").exists(), "{}", place.display());
    }
}

#[test]
fn a_past_state_that_cannot_be_read_is_not_one_that_was_never_reached() {
    let state = with_messages(1, 0, 0);
    let start = Checkpoint { number: 0, state: state.history.get(0).expect("the genesis") };
    let trust = Trust {
        chain_id: CHAIN_ID,
        keys: vec![],
        start,
        l1_queue: None,
        registry: vec![],
        older_keys: vec![],
    };
    assert_eq!(anchor::check_state(&trust, &state), Ok(()));
    let gone = HISTORY.change(0_u64.to_be_bytes(), None::<&()>).expect("it encodes");
    let directory = tampered(&state, 1, Some(gone));
    let states = States::open(directory.path(), None).expect("it reads no past state");
    let found = anchor::check_state(&trust, states.latest());
    assert!(matches!(found, Err(Untrusted::Unreadable(_))), "{found:?}");
}

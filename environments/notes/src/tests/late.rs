//! States of which notes, nullifiers and accounts are read when they are needed: what follows from them is what follows from all in
//! memory, or an error.

use circuits_core::{
    Digest, F,
    hash::{Domain, hash},
};
use circuits_database::{Change, Format, Map, Store};
use environments_conformance::CHAIN_ID;
use environments_core::{
    Environment as _,
    stored::{Source, StoredState as _},
};
use plonky2::field::types::Field as _;
use proptest::prelude::*;
use tempfile::TempDir;

use super::world;
use crate::{Notes, body::Body, record::Record, state::NotesState};

const FORMAT: Format = Format { kind: "notes of a test", version: 1 };
const LABEL: Domain = Domain::new("testlbl");
/// Transactions in a block of the start: with four nullifiers and notes each, three blocks of them take several pages.
const START: u64 = 60;

fn label(number: u64) -> Digest {
    hash(LABEL, &[F::from_canonical_u64(number)])
}

/// The record with these labels, of an account that is new or known.
fn record(account: u64, first: u64) -> Record {
    let four = |from: u64| std::array::from_fn(|index| label(from + index as u64));
    Record {
        account: label(account),
        after: label(first),
        nullifiers: four(first + 10),
        notes: four(first + 20),
        fee: F::ONE,
        network: F::ZERO,
    }
}

/// A state whose blocks are in a database, and which reads there what it needs.
struct Kept {
    environment: Notes,
    /// The states since it was opened, the stored one first.
    states: Vec<NotesState>,
    store: Store,
    step: u64,
    directory: TempDir,
}

impl Kept {
    fn new(environment: Notes, state: &NotesState) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.redb");
        let store = Store::create(&path, FORMAT, CHAIN_ID, 0, &state.changes(None).unwrap()).unwrap();
        Self { states: vec![], environment, store, step: 0, directory }.opened()
    }

    fn state(&self) -> &NotesState {
        self.states.last().unwrap()
    }

    fn commit(&mut self, changes: &[Change]) {
        self.step += 1;
        self.store.commit(self.step, changes, 1).unwrap();
    }

    /// Reads what is stored.
    fn opened(mut self) -> Self {
        let Self { store, directory, environment, .. } = self;
        self.states.clear();
        drop(store);
        let store = Store::open(&directory.path().join("state.redb"), FORMAT).unwrap();
        let source = Source::new(store.latest().unwrap());
        let states = vec![NotesState::restore(environment.genesis(), &source).unwrap()];
        Self { environment, states, store, step: self.step, directory }
    }

    fn reopened(mut self) -> Self {
        let changes = self.state().changes(self.states.first()).unwrap();
        self.commit(&changes);
        self.opened()
    }
}

/// The start of every test.
fn start() -> (Notes, NotesState) {
    let environment = world().environment;
    let mut state = environment.genesis();
    for block in 0..3 {
        let records = (0..START).map(|number| START * block + number);
        let records = records.map(|number| record(number % 7, 1000 * (number + 1))).collect();
        let body = Body { arrivals: vec![label(1 + block)], records, ..Body::default() };
        state = environment.apply_body(&state, &body.encode()).unwrap();
    }
    (environment, state)
}

#[derive(Clone, Debug)]
enum Try {
    Apply { arrivals: Vec<u64>, records: Vec<(u64, u64)> },
    RollBack,
    Reopen,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    // Some of these arrived already, or are spent.
    let arrivals = prop::collection::vec(2..300_u64, 0..3);
    let records = prop::collection::vec((0..12_u64, (1..250_u64).prop_map(|number| 1000 * number)), 0..4);
    let one = prop_oneof![
        4 => (arrivals, records).prop_map(|(arrivals, records)| Try::Apply { arrivals, records }),
        1 => Just(Try::RollBack),
        2 => Just(Try::Reopen),
    ];
    prop::collection::vec(one, 1..10)
}

fn check_equal(late: &NotesState, all: &NotesState) {
    assert_eq!((late.commitment(), late.running()), (all.commitment(), all.running()));
    for number in (0..300).chain((1..200).map(|number| 1000 * number + 20)).step_by(17) {
        let name = label(number);
        assert_eq!(late.has_note(&name), all.has_note(&name));
        assert_eq!(late.account(&name), all.account(&name));
        assert_eq!(
            late.is_spent(&label(number - number % 10 + 10)),
            all.is_spent(&label(number - number % 10 + 10))
        );
        let index = all.position(&name);
        assert_eq!(late.position(&name), index);
        let path = |state: &NotesState| index.map(|index| state.sealed_notes.path(index));
        assert_eq!(path(late), path(all));
    }
    assert_eq!(late.root_height(&all.notes_root()), Some(all.height()));
    assert_eq!(late.check_reads(), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_state_that_is_read_late_is_the_state_in_memory(tries in tries()) {
        let (environment, state) = start();
        let mut kept = Kept::new(environment.clone(), &state);
        let mut all = vec![state];
        for one in tries {
            match one {
                Try::Apply { arrivals, records } => {
                    let arrivals = arrivals.into_iter().map(label).collect();
                    let records = records.into_iter().map(|(account, first)| record(account, first)).collect();
                    let body = Body { arrivals, records, ..Body::default() }.encode();
                    let applied = environment.apply_body(kept.state(), &body);
                    let expected = environment.apply_body(all.last().unwrap(), &body);
                    match (applied, expected) {
                        (Ok(applied), Ok(expected)) => {
                            kept.states.push(applied);
                            all.push(expected);
                        }
                        (applied, expected) => {
                            let errors = [applied, expected].map(|one| one.map_err(|error| format!("{error:?}")).err());
                            prop_assert_eq!(&errors[0], &errors[1]);
                        }
                    }
                }
                Try::RollBack if kept.states.len() > 1 => {
                    kept.states.pop();
                    all.pop();
                }
                Try::RollBack => {}
                Try::Reopen => {
                    kept = kept.reopened();
                    all = all.split_off(all.len() - 1);
                }
            }
            check_equal(kept.state(), all.last().unwrap());
        }
        prop_assert_eq!(kept.state(), all.last().unwrap());
        prop_assert!(kept.state().changes(None).unwrap() == all.last().unwrap().changes(None).unwrap());
        prop_assert_eq!(kept.state().check_reads(), Ok(()));
    }
}

/// A block does not ask whether its root was there before. The state before it does not have that root either way.
#[test]
fn a_root_that_is_found_before_it_is_there_is_not_believed_after_a_rollback() {
    let (environment, state) = start();
    let body = Body { arrivals: vec![label(4)], ..Body::default() }.encode();
    let expected = environment.apply_body(&state, &body).unwrap();
    let root = expected.notes_root();
    let mut kept = Kept::new(environment.clone(), &state);
    let place = [vec![3], root.to_bytes().to_vec()].concat();
    kept.commit(&[Map("state.root_heights").change(place, Some(&1_u32)).unwrap()]);
    let kept = kept.opened();
    let next = environment.apply_body(kept.state(), &body).unwrap();
    assert_eq!(next.commitment(), expected.commitment());
    assert_eq!(next.root_height(&root), Some(expected.height()));
    assert_eq!(next.check_reads(), Ok(()));
    assert_eq!(kept.state().root_height(&root), None);
    assert!(kept.state().check_reads().is_err());
}

#[test]
fn what_was_altered_is_found_when_it_is_needed() {
    let (environment, state) = start();
    let entry = |key: &Digest| [vec![3], key.to_u64s().map(u64::to_be_bytes).concat()].concat();
    let place = |key: &Digest| [vec![3], key.to_bytes().to_vec()].concat();
    let leaf = |index: u64| [vec![1], index.to_be_bytes().to_vec()].concat();
    let (spent, note) = (label(1000 * START + 12), label(20_021));
    let position = state.position(&note).unwrap();
    assert!(state.is_spent(&spent));
    let (accounts, nullifiers, notes) = (Map("state.accounts"), Map("state.nullifiers"), Map("state.notes"));
    let (positions, root_heights, past_roots) =
        (Map("state.positions"), Map("state.root_heights"), Map("state.past_roots"));
    let nothing = None::<&()>;
    // What is altered, and somebody who needs it.
    type Need = fn(&NotesState, &Digest) -> bool;
    let root = state.notes_root();
    let (is_spent, has_note): (Need, Need) =
        (|state, nullifier| state.is_spent(nullifier), |state, note| state.has_note(note));
    let account: Need = |state, id| state.account(id).is_some();
    let past: Need = |state, root| state.root_height(root).is_some();
    let cases = [
        (nullifiers.change(entry(&spent), nothing), is_spent, spent),
        (nullifiers.change(entry(&spent), Some(&(1_u64, spent))), is_spent, spent),
        (accounts.change(entry(&label(3)), nothing), account, label(3)),
        (accounts.change(entry(&label(3)), Some(&(3_u64, root))), account, label(3)),
        (positions.change(place(&note), Some(&(position + 1))), has_note, note),
        (notes.change(leaf(position), Some(&root)), has_note, note),
        (notes.change(leaf(position + 9), nothing), has_note, note),
        (root_heights.change(place(&root), Some(&1_u32)), past, root),
        (past_roots.change(leaf(0), nothing), past, root),
    ];
    for (change, need, name) in cases {
        let mut kept = Kept::new(environment.clone(), &state);
        let change = change.unwrap();
        // Each block writes its root beside those before.
        let is_needed_anyway = change.map == past_roots;
        kept.commit(&[change]);
        let kept = kept.opened();
        let body = Body { arrivals: vec![label(4)], ..Body::default() }.encode();
        let next = environment.apply_body(kept.state(), &body).unwrap();
        assert!(is_needed_anyway || next.check_reads().is_ok(), "a message needs nothing of that");
        assert!(!need(&next, &name), "it answers as if nothing were there");
        assert!(next.check_reads().is_err());
        assert!(kept.state().check_reads().is_err(), "whatever is a copy of it is not to be used either");
    }
}

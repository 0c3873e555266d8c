//! Promises about states in databases.

use circuits_database::{Change, Format, Store};
use circuits_forging::fixtures::cache;
use environments_core::{
    follower::{BlockFollower, DynFollower as _},
    producer::BlockProducer,
    stored::StoredError,
};

use super::{CHAIN_ID, Subject, chain_of_blocks, environment, producer, propose_valid};

pub(crate) const FORMAT: Format = Format { kind: "conformance", version: 1 };

/// What one does with a producer.
type Step<S> = fn(&S, &mut BlockProducer<<S as Subject>::Environment>);

/// A producer that is stored after each step, what changed only, and read again is the one that was never stored.
///
/// # Panics
/// If the promise is broken.
pub fn stored_producers_go_on_as_they_were<S: Subject>(subject: &S) {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut expected, mut stored) = (producer(subject), producer(subject));
    let changes = stored.changes().expect("a producer can be stored");
    let path = directory.path().join("producer");
    let store = Store::create(&path, FORMAT, CHAIN_ID, 0, &changes).expect("a database");
    let steps: [Step<S>; 5] = [
        |subject, producer| propose_valid(subject, producer),
        |subject, producer| propose_valid(subject, producer),
        |_, producer| producer.confirm(1).expect("a proposed block"),
        |_, producer| assert_eq!(producer.rollback(2).expect("a proposed block"), 1),
        |_, producer| assert!(producer.propose_block().expect("a block").is_empty()),
    ];
    for (step, act) in (1..).zip(steps) {
        act(subject, &mut expected);
        act(subject, &mut stored);
        let changes = stored.changes().expect("a producer can be stored");
        store.commit(step, &changes, 1).expect("a database");
        stored = producer(subject);
        let view = store.latest().expect("a database");
        stored.restore(cache(), view).expect("what was stored is a producer");
        assert_eq!(stored.state(), expected.state(), "another state was read than was stored");
        let [found, expected] =
            [&mut stored, &mut expected].map(|one| one.everything().expect("it can be stored"));
        assert!(found == expected, "another producer was read than was stored");
    }
}

/// A follower with the state of these entries, all of which is checked.
fn imported<S: Subject>(
    subject: &S,
    changes: &[Change],
) -> Result<BlockFollower<S::Environment>, StoredError> {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::create(&directory.path().join("imported"), FORMAT, CHAIN_ID, 0, changes)?;
    let mut follower = BlockFollower::new(environment(subject));
    follower.restore(store.latest()?)?;
    follower.check_whole()?;
    Ok(follower)
}

/// The most entries of a snapshot that are tried.
const TRIED: usize = 50;

/// A snapshot that lacks an entry, or has another value in one, is refused.
fn no_entry_is_needless<S: Subject>(subject: &S, changes: &[Change], honest: &BlockFollower<S::Environment>) {
    for place in (0..changes.len()).step_by(changes.len().div_ceil(TRIED)) {
        let mut lacking = changes.to_vec();
        let removed = lacking.remove(place);
        assert!(imported(subject, &lacking).is_err(), "{removed:?} is needless");
        for bit in [0, 3, 7] {
            let mut altered = changes.to_vec();
            let last = altered[place].value.as_mut().and_then(|value| value.last_mut());
            *last.expect("no value is empty") ^= 1 << bit;
            if let Ok(found) = imported(subject, &altered) {
                let is_believed = subject.believed().contains(&removed.map.0);
                let is_same = is_believed || found.state() == honest.state();
                let is_same = is_same && found.commitment() == honest.commitment();
                assert!(is_same, "another value of {removed:?} is believed");
            }
        }
    }
}

/// A follower has the state of the producer after each block, whether or not it was stored in between or starts from a snapshot, of
/// which nothing is believed that the commitment does not cover.
///
/// # Panics
/// If the promise is broken.
pub fn followers_reach_the_states_of_producers<S: Subject>(subject: &S) {
    let directory = tempfile::tempdir().expect("a directory");
    let producer = chain_of_blocks(subject);
    let mut follower = BlockFollower::new(environment(subject));
    let changes = follower.changes().expect("a state can be stored");
    let path = directory.path().join("follower");
    let store = Store::create(&path, FORMAT, CHAIN_ID, 0, &changes).expect("a database");
    for (height, block) in (1..).zip(producer.blocks()) {
        let (statement, body) = (block.block.statement(), block.block.body());
        follower.apply(statement, body).expect("the block continues the state");
        assert_eq!(*follower.state(), block.state, "the follower has another state");
        let changes = follower.changes().expect("a state can be stored");
        store.commit(height, &changes, 1).expect("a database");
        let mut restored = BlockFollower::new(environment(subject));
        let view = store.latest().expect("a database");
        restored.restore(view).expect("what was stored is a state");
        assert_eq!(*restored.state(), block.state, "another state was read than was stored");
        restored.apply(statement, body).expect_err("the block is applied already");
        let snapshot = restored.snapshot().expect("all of it is there");
        assert_eq!((u64::from(snapshot.height), snapshot.commitment), (height, restored.commitment()));
        let changes = restored.entries_of(&snapshot).expect("it is of the environment");
        let imported = imported(subject, &changes).expect("what was exported is a state");
        assert_eq!(*imported.state(), block.state, "another state was imported than was exported");
        assert!(imported.snapshot().expect("all of it is there") == snapshot, "exports differ");
        if height == producer.blocks().len() as u64 {
            no_entry_is_needless(subject, &changes, &imported);
        }
        follower = restored;
    }
    let (first, second) = (producer.block(1).expect("proposed"), producer.block(2).expect("proposed"));
    let mut follower = BlockFollower::new(environment(subject));
    follower.apply(second.block.statement(), second.block.body()).expect_err("the first block is missing");
    let mixed = follower.apply(first.block.statement(), second.block.body());
    assert!(mixed.is_err() || first.block.body() == second.block.body(), "another block's body is applied");
}

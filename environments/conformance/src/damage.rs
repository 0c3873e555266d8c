//! Promises about databases that are damaged.

use std::fmt::Debug;

use circuits_database::{Change, Store};
use circuits_forging::fixtures::cache;
use environments_core::{
    dynamic::{DynEnvironment as _, LineError},
    follower::{BlockFollower, DynFollower as _, FollowError},
    producer::{BlockProducer, ProducerError},
    stored::StoredError,
};

use super::{
    BLOCKS, CHAIN_ID, Subject, chain_of_blocks, environment, lines::line, producer, storing::FORMAT,
};

/// The most entries that are damaged, one after the other.
const DAMAGED: usize = 40;

/// An answer; `None` if it is that something cannot be read.
type Answer = Option<String>;

/// What somebody who was restored from a database is asked.
type Question<'q, R> = (&'static str, Box<dyn Fn(&mut R) -> Answer + 'q>);

fn answer<T: Debug, E: Debug>(result: &Result<T, E>, is_unread: fn(&E) -> bool) -> Answer {
    if result.as_ref().is_err_and(is_unread) { None } else { Some(format!("{result:?}")) }
}

fn stored<T: Debug>(result: &Result<T, StoredError>) -> Answer {
    answer(result, |error| matches!(error, StoredError::Read(_) | StoredError::Database(_)))
}

const fn is_unread(error: &ProducerError) -> bool {
    matches!(error, ProducerError::Read(_))
}

/// Damages one entry of the state after the other. Each question then has the answer that it has without the damage, or none, and
/// each damage leaves a question without an answer.
fn ask<R>(
    entries: &[Change],
    restored: impl Fn(&Store) -> Result<R, StoredError>,
    questions: &[Question<'_, R>],
) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = |name: &str, damage: Option<Change>| {
        let changes: Vec<_> = entries.iter().cloned().chain(damage).collect();
        Store::create(&directory.path().join(name), FORMAT, CHAIN_ID, 0, &changes).expect("a database")
    };
    let asked = |store: &Store| -> Vec<Answer> {
        let ask = |(_, ask): &Question<'_, R>| match restored(store) {
            Ok(mut restored) => ask(&mut restored),
            Err(error) => stored(&Err::<(), _>(error)),
        };
        questions.iter().map(ask).collect()
    };
    let expected = asked(&store("whole", None));
    let of_state: Vec<_> = entries.iter().filter(|change| change.map.0.starts_with("state.")).collect();
    for place in (0..of_state.len()).step_by(of_state.len().div_ceil(DAMAGED).max(1)) {
        let damage = Change { value: Some(vec![]), ..of_state[place].clone() };
        let found = asked(&store(&place.to_string(), Some(damage)));
        for (((question, _), expected), found) in questions.iter().zip(&expected).zip(&found) {
            assert!(
                found.is_none() || found == expected,
                "{question}, without {:?}: {found:?}",
                of_state[place]
            );
        }
        assert!(found.contains(&None), "nobody misses {:?}", of_state[place]);
    }
}

/// Whatever a producer or a follower is asked whose state is damaged: the answer is the right one, or that something cannot be read.
///
/// # Panics
/// If the promise is broken.
pub fn what_cannot_be_read_is_told<S: Subject>(subject: &S) {
    for confirmed in [BLOCKS - 1, BLOCKS] {
        let mut chain = chain_of_blocks(subject);
        let transactions = subject.valid(chain.environment(), chain.state());
        chain.confirm(confirmed).expect("a proposed block");
        for transaction in &transactions {
            chain.submit(transaction.clone()).expect("the pool has room");
        }
        let again = &transactions[0];
        let restored = |store: &Store| {
            let mut restored = producer(subject);
            restored.restore(cache(), store.latest()?)?;
            Ok(restored)
        };
        let questions: [Question<'_, BlockProducer<S::Environment>>; 6] = [
            ("restore", Box::new(|producer| Some(producer.commitment().to_string()))),
            ("submit", Box::new(|producer| answer(&producer.submit(again.clone()), is_unread))),
            (
                "submit lines",
                Box::new(|producer| {
                    let submission = producer.submit_lines(cache(), &line(again));
                    let is_read = |(_, error): &(_, LineError)| !matches!(error, LineError::Producer(error) if is_unread(error));
                    submission.rejected.iter().all(is_read).then(|| format!("{submission:?}"))
                }),
            ),
            (
                "propose",
                Box::new(|producer| {
                    let proposed = producer.propose_block();
                    let statement = producer.blocks().last().map(|last| *last.block.statement());
                    answer(&proposed.map(|rejected| (rejected, statement)), is_unread)
                }),
            ),
            ("leftovers", Box::new(|producer| answer(&producer.leftovers(), |_| true))),
            ("everything", Box::new(|producer| stored(&producer.everything()))),
        ];
        ask(&chain.everything().expect("a producer can be stored"), restored, &questions);
    }

    let chain = chain_of_blocks(subject);
    let mut follower = BlockFollower::new(environment(subject));
    let mut blocks: Vec<_> = chain.blocks().map(|block| &block.block).collect();
    let last = blocks.pop().expect("a block");
    for block in blocks {
        follower.apply(block.statement(), block.body()).expect("the block continues the state");
    }
    let restored = |store: &Store| {
        let mut restored = BlockFollower::new(environment(subject));
        restored.restore(store.latest()?)?;
        Ok(restored)
    };
    let apply = |follower: &mut BlockFollower<S::Environment>| {
        let applied = follower.apply(last.statement(), last.body());
        answer(&applied, |error| matches!(error, FollowError::Read(_)))
    };
    let questions: [Question<'_, BlockFollower<S::Environment>>; 4] = [
        ("apply", Box::new(apply)),
        (
            "store",
            Box::new(|follower| {
                apply(follower)?;
                stored(&follower.changes())
            }),
        ),
        ("snapshot", Box::new(|follower| stored(&follower.snapshot()))),
        ("check all", Box::new(|follower| stored(&follower.check_whole()))),
    ];
    ask(&follower.changes().expect("a state can be stored"), restored, &questions);
}

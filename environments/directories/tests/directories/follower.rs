//! A follower's directory: which blocks it follows, what it reports, and what faults leave.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Stdio},
    thread::sleep,
    time::Duration,
};

use circuits_database::DatabaseError;
use circuits_files::faults;
use environments_conformance::{CHAIN_ID, id, secret};
use environments_core::{kernel::ProducerSecret, published::PublishedBlock};
use environments_directories::{
    Batched, FollowerDirectory, FollowerDirectoryError, FollowerStatus, Looked, ProducerDirectory, Refusal,
    Stage,
};

use crate::{CHILD, MAX_STEPS, STEPS, alone, child, counter, files, is_killed, open, submit};

pub(crate) fn open_follower(directory: &Path) -> Result<FollowerDirectory, FollowerDirectoryError> {
    // A follower has no secret, so the one of its environment is nobody's.
    let follower = counter(CHAIN_ID, id(0), 99).follower();
    FollowerDirectory::open(directory, follower, vec![secret(0).producer()])
}

/// Proposes a block of one transaction, and publishes it.
pub(crate) fn produce(producer: &mut ProducerDirectory, add: u64) {
    submit(producer, &format!("{{\"add\": {add}}}")).unwrap();
    producer.step(|producer| producer.propose_block().map(drop)).unwrap().unwrap();
    producer.publish().unwrap();
}

pub(crate) fn rollback(producer: &mut ProducerDirectory, height: u32) {
    producer.step(|producer| producer.rollback(height).map(drop)).unwrap().unwrap();
}

pub(crate) fn assert_agree(follower: &FollowerDirectory, producer: &ProducerDirectory) {
    assert_eq!(follower.height(), producer.producer().height());
    assert_eq!(follower.commitment(), producer.producer().commitment());
}

fn nothing_else(looked: &Looked) {
    assert!(looked.refused.is_empty() && looked.rivals.is_empty(), "{looked:?}");
    assert!(looked.went_back.is_none() && !looked.contradicts, "{looked:?}");
}

#[test]
fn a_follower_reaches_each_state_before_there_is_a_proof_and_lasts() {
    let _alone = alone();
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    for height in 1..=4 {
        produce(&mut producer, height.into());
        let mut follower = open_follower(elsewhere.path()).unwrap();
        let looked = follower.look(&producer.proposed(), None).unwrap();
        assert_eq!(looked.applied, [height]);
        nothing_else(&looked);
        assert_agree(&follower, &producer);
        assert_eq!((follower.stage(height), follower.stage(height + 1)), (Some(Stage::Proposed), None));
        nothing_else(&follower.look(&producer.proposed(), None).unwrap());
        let error = open_follower(elsewhere.path()).err().unwrap();
        assert!(matches!(error, FollowerDirectoryError::Database(DatabaseError::Locked { .. })), "{error}");
    }
    // One that begins late follows all of them at once.
    let late = tempfile::tempdir().unwrap();
    let mut follower = open_follower(late.path()).unwrap();
    assert_eq!(follower.look(&producer.proposed(), None).unwrap().applied, [1, 2, 3, 4]);
    assert_agree(&follower, &producer);
}

#[test]
fn a_block_is_proven_or_batched_when_somebody_has_seen_that() {
    let _alone = alone();
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    let mut follower = open_follower(elsewhere.path()).unwrap();
    for add in 1..=3 {
        produce(&mut producer, add);
    }
    follower.look(&producer.proposed(), None).unwrap();
    let statements = producer.producer().statements();
    let batched = Batched { height: 1, state: statements[0].new_state };
    follower.note_proven(&statements[1]).unwrap();
    follower.look(&producer.proposed(), Some(batched)).unwrap();
    let stages = [1, 2, 3].map(|height| follower.stage(height).unwrap());
    assert_eq!(stages, [Stage::Batched, Stage::Proven, Stage::Proposed]);
    // Whoever asks needs no lock.
    let status = FollowerStatus::read(elsewhere.path(), 2).unwrap();
    assert_eq!((status.height, status.state, status.batched), (3, follower.commitment(), Some(1)));
    let stages: Vec<_> = status.blocks.iter().map(|block| (block.height, block.stage)).collect();
    assert_eq!(stages, [(2, Stage::Proven), (3, Stage::Proposed)]);
    drop(follower);
    let mut follower = open_follower(elsewhere.path()).unwrap();
    assert_eq!(follower.stage(2), Some(Stage::Proven), "it lasts");
    let early = Batched { height: 4, state: statements[0].new_state };
    assert!(!follower.look(&producer.proposed(), Some(early)).unwrap().contradicts, "it is not there yet");
    assert_eq!(follower.batched_height(), None);
    let other = Batched { height: 2, state: statements[0].new_state };
    assert!(follower.look(&producer.proposed(), Some(other)).unwrap().contradicts);
    assert_eq!(follower.batched_height(), None);
}

#[test]
fn a_follower_goes_back_with_its_producer_and_keeps_what_was_signed_twice() {
    let _alone = alone();
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    for add in 1..=3 {
        produce(&mut producer, add);
    }
    let mut follower = open_follower(elsewhere.path()).unwrap();
    follower.look(&producer.proposed(), None).unwrap();
    rollback(&mut producer, 2);
    // What waits comes in this block too.
    produce(&mut producer, 9);
    let looked = follower.look(&producer.proposed(), None).unwrap();
    assert_eq!(
        (looked.applied, looked.went_back, looked.rivals.len()),
        (vec![], None, 1),
        "it is not as high"
    );
    produce(&mut producer, 10);
    produce(&mut producer, 11);
    drop(follower);
    let mut follower = open_follower(elsewhere.path()).unwrap();
    let looked = follower.look(&producer.proposed(), None).unwrap();
    assert_eq!((looked.applied, looked.went_back), (vec![2, 3, 4], Some(1)));
    assert_agree(&follower, &producer);
    let mut heights: Vec<_> = follower.rivals().map(|rival| rival.height).collect();
    heights.dedup();
    assert_eq!(heights, [2, 3]);
    assert_eq!(FollowerStatus::read(elsewhere.path(), 0).unwrap().rivals.len(), follower.rivals().count());
    // What superblocks take decides, though it is not as high.
    let first = PublishedBlock::decode(&fs::read(&files(&producer)[1]).unwrap()).unwrap();
    let second = PublishedBlock::decode(&fs::read(&files(&producer)[2]).unwrap()).unwrap();
    let beside =
        [first, second].into_iter().find(|block| Some(block.statement().new_state) != follower.state(2));
    let state = beside.unwrap().statement().new_state;
    let looked = follower.look(&producer.proposed(), Some(Batched { height: 2, state })).unwrap();
    assert_eq!((looked.applied, looked.went_back), (vec![2, 3], Some(1)));
    assert_eq!((follower.state(2), follower.batched_height()), (Some(state), Some(2)));
}

/// A file beside the published ones, with a changed block.
fn forge(
    producer: &ProducerDirectory,
    name: &str,
    signer: ProducerSecret,
    change: impl FnOnce(&mut u64, &mut Vec<u8>, &mut circuits_protocol::statement::BlockStatement),
) -> PathBuf {
    let block = PublishedBlock::decode(&fs::read(&files(producer)[0]).unwrap()).unwrap();
    let (mut chain_id, mut body, mut statement) =
        (block.chain_id(), block.body().to_vec(), *block.statement());
    change(&mut chain_id, &mut body, &mut statement);
    let forged = PublishedBlock::sign(chain_id, statement, block.messages().clone(), body, signer).unwrap();
    let path = producer.proposed().join(name);
    fs::write(&path, forged.encode().unwrap()).unwrap();
    path
}

#[test]
fn what_is_not_a_block_of_the_producer_is_refused_and_stops_no_other() {
    let _alone = alone();
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    produce(&mut producer, 1);
    let junk = producer.proposed().join("0-junk");
    fs::write(&junk, "junk").unwrap();
    fs::write(producer.proposed().join(".tmp-half"), "half").unwrap();
    let chain = forge(&producer, "1-chain", secret(0), |chain_id, _, _| *chain_id += 1);
    let signature = forge(&producer, "2-signature", secret(1), |_, _, _| ());
    let stranger = forge(&producer, "3-stranger", secret(1), |_, _, statement| {
        statement.producer = secret(1).commitment();
    });
    let body = forge(&producer, "4-body", secret(0), |_, body, statement| {
        body[0] ^= 1;
        statement.new_state.0.swap(0, 1);
    });
    let state = forge(&producer, "5-state", secret(0), |_, _, statement| statement.new_state.0.swap(0, 1));
    let mut follower = open_follower(elsewhere.path()).unwrap();
    let looked = follower.look(&producer.proposed(), None).unwrap();
    type IsExpected = fn(&Refusal) -> bool;
    let expected: [(&PathBuf, IsExpected); 4] = [
        (&junk, |refusal| matches!(refusal, Refusal::Published(_))),
        (&chain, |refusal| matches!(refusal, Refusal::Elsewhere { .. })),
        (&signature, |refusal| matches!(refusal, Refusal::Signature(_))),
        (&stranger, |refusal| matches!(refusal, Refusal::Signature(_))),
    ];
    for (path, is_expected) in expected {
        let found = looked.refused.iter().find(|refused| refused.path == *path);
        assert!(found.is_some_and(|found| is_expected(&found.reason)), "{}: {looked:?}", path.display());
    }
    // The last two are signed. Whichever of the three blocks is tried first, the honest one is followed.
    assert_eq!(looked.applied, [1]);
    assert_agree(&follower, &producer);
    for path in [&body, &state] {
        let refused = looked.refused.iter().any(|refused| refused.path == *path);
        assert!(refused || !looked.rivals.is_empty(), "{}: {looked:?}", path.display());
    }
    assert!(follower.look(&producer.proposed(), None).unwrap().refused.is_empty(), "they are known");
    // A file that was not whole is looked at again.
    fs::copy(&files(&producer)[0], &junk).unwrap();
    assert!(follower.look(&producer.proposed(), None).unwrap().refused.is_empty());
}

#[test]
fn a_block_is_followed_whatever_became_of_another_file_with_it() {
    let _alone = alone();
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    produce(&mut producer, 1);
    produce(&mut producer, 2);
    let second = files(&producer)[1].clone();
    let copy = producer.proposed().join("0-copy");
    fs::copy(&second, &copy).unwrap();
    let name = second.file_name().unwrap().to_str().unwrap().replace("proposed-0", "proposed-+");
    let mut follower = open_follower(elsewhere.path()).unwrap();
    nothing_else(&follower.look(&producer.proposed(), None).unwrap());
    let state = follower.state(2).unwrap();
    // Only its name says that it has the second block.
    let named = producer.proposed().join(name);
    fs::write(&named, "junk").unwrap();
    drop(follower);
    let mut follower = open_follower(elsewhere.path()).unwrap();
    rollback(&mut producer, 2);
    produce(&mut producer, 9);
    produce(&mut producer, 10);
    assert_eq!(follower.look(&producer.proposed(), None).unwrap().applied, [2, 3]);
    fs::write(&copy, "junk").unwrap();
    let looked = follower.look(&producer.proposed(), Some(Batched { height: 2, state })).unwrap();
    assert_eq!((looked.applied, looked.went_back), (vec![2], Some(1)));
    assert_eq!(follower.state(2), Some(state));
    let refused: Vec<_> = looked.refused.iter().map(|refused| &refused.path).collect();
    assert!(refused.contains(&&copy) && refused.contains(&&named), "{refused:?}");
}

#[test]
fn a_directory_of_another_environment_is_no_followers() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    drop(open_follower(directory.path()).unwrap());
    for other in [counter(CHAIN_ID + 1, id(0), 0), counter(CHAIN_ID, id(1), 0)] {
        let error = FollowerDirectory::open(directory.path(), other.follower(), vec![]).err().unwrap();
        assert!(matches!(error, FollowerDirectoryError::Stored { .. }), "{error}");
    }
    // Whoever makes the blocks, the environment is the same.
    FollowerDirectory::open(directory.path(), counter(CHAIN_ID, id(0), 5).follower(), vec![]).unwrap();
    let producer = tempfile::tempdir().unwrap();
    drop(open(producer.path()).unwrap());
    fs::copy(producer.path().join("producer.redb"), directory.path().join("follower.redb")).unwrap();
    let error = open_follower(directory.path()).err().unwrap();
    assert!(matches!(error, FollowerDirectoryError::Database(DatabaseError::OtherKind { .. })), "{error}");
}

#[test]
fn what_was_noted_lasts_if_a_look_ends_while_it_goes_back() {
    let _alone = alone();
    let [at_home, before] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    (1..=3).for_each(|add| produce(&mut producer, add));
    let mut follower = open_follower(before.path()).unwrap();
    follower.look(&producer.proposed(), None).unwrap();
    rollback(&mut producer, 2);
    produce(&mut producer, 9);
    let batched = Batched { height: 1, state: follower.state(1).unwrap() };
    let looked = follower.look(&producer.proposed(), Some(batched)).unwrap();
    let [rival] = looked.rivals[..] else { panic!("{looked:?}") };
    follower.note_proven(&producer.producer().statements()[1]).unwrap();
    drop(follower);
    produce(&mut producer, 10);
    produce(&mut producer, 11);
    for durable in 0..MAX_STEPS {
        let directory = tempfile::tempdir().unwrap();
        fs::copy(before.path().join("follower.redb"), directory.path().join("follower.redb")).unwrap();
        let mut follower = open_follower(directory.path()).unwrap();
        faults::arm(durable);
        let looked = follower.look(&producer.proposed(), None);
        let is_stopped = faults::disarm();
        drop(follower);
        let mut follower = open_follower(directory.path()).unwrap();
        assert_eq!(follower.batched_height(), Some(1), "after {durable} steps: {looked:?}");
        assert!(follower.rivals().any(|one| one == rival), "after {durable} steps: {looked:?}");
        follower.look(&producer.proposed(), None).unwrap();
        assert_eq!(follower.stage(2), Some(Stage::Proven), "after {durable} steps: {looked:?}");
        assert_agree(&follower, &producer);
        if !is_stopped {
            return;
        }
    }
    panic!("a look takes more than {MAX_STEPS} durable steps");
}

#[test]
fn a_look_that_is_not_stored_is_done_again() {
    let _alone = alone();
    let [at_home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut producer = open(at_home.path()).unwrap();
    STEPS.iter().for_each(|step| step(&mut producer).unwrap());
    for durable in 0..MAX_STEPS {
        let opened = open_follower(elsewhere.path());
        let mut follower = opened.unwrap();
        faults::arm(durable);
        let looked = follower.look(&producer.proposed(), None);
        if !faults::disarm() {
            looked.unwrap();
            assert_agree(&follower, &producer);
            return;
        }
        assert!(follower.height() <= 2);
        if looked.is_err() {
            let error = follower.look(&producer.proposed(), None).unwrap_err();
            assert!(matches!(error, FollowerDirectoryError::Behind { .. }), "{error}");
        }
    }
    panic!("a look takes more than {MAX_STEPS} durable steps");
}

/// Blocks that the child makes.
const BLOCKS: u32 = 6;

fn blocks_of(directory: &Path) -> PathBuf {
    directory.join("producer/proposed")
}

/// Not a test of its own: a producer that goes on where it was, and publishes before it proves anything.
#[test]
#[ignore = "other tests run it as their child"]
fn child_that_publishes() {
    let directory = PathBuf::from(env::var_os(CHILD).expect("a directory")).join("producer");
    let mut producer = open(&directory).unwrap();
    producer.publish().unwrap();
    while producer.producer().height() < BLOCKS {
        let add = producer.producer().height() + 1;
        produce(&mut producer, add.into());
    }
}

/// How a follower ends that waits for a producer in vain.
const IN_VAIN: i32 = 3;
/// Looks without news, a millisecond apart, after which a follower takes its producer for dead.
const PATIENCE: u32 = 20;

/// Not a test of its own: a follower that looks until it has everything.
#[test]
#[ignore = "other tests run it as their child"]
fn child_that_follows() {
    let directory = PathBuf::from(env::var_os(CHILD).expect("a directory"));
    let mut follower = open_follower(&directory.join("follower")).unwrap();
    let mut in_vain = 0;
    while follower.height() < BLOCKS {
        let looked = follower.look(&blocks_of(&directory), None).unwrap();
        in_vain = if looked.applied.is_empty() { in_vain + 1 } else { 0 };
        if in_vain > PATIENCE {
            process::exit(IN_VAIN);
        }
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn processes_that_produce_and_follow_are_killed_again_and_again_agree_in_the_end() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(blocks_of(directory.path())).unwrap();
    let (mut killed, mut ended) = (0, [false; 2]);
    // Each process gets further from one life to the next, until it lives to its end.
    for durable in (0..MAX_STEPS).step_by(2) {
        let lives =
            [("follower::child_that_publishes", ended[0]), ("follower::child_that_follows", ended[1])];
        let running = lives.map(|(test, is_over)| {
            let mut command = child(test, directory.path(), Some(durable));
            (!is_over).then(|| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        });
        for (running, ended) in running.into_iter().zip(&mut ended) {
            let Some(running) = running else { continue };
            let output = running.wait_with_output().unwrap();
            *ended = output.status.success();
            killed += u32::from(is_killed(&output));
            assert!(*ended || is_killed(&output) || output.status.code() == Some(IN_VAIN), "{output:?}");
        }
        if ended == [true; 2] {
            break;
        }
    }
    assert!(killed > 20, "{killed} processes were killed");
    let producer = open(&directory.path().join("producer")).unwrap();
    let follower = open_follower(&directory.path().join("follower")).unwrap();
    assert_eq!(follower.height(), BLOCKS);
    assert_agree(&follower, &producer);
    assert_eq!(files(&producer).len(), BLOCKS as usize, "no block was made twice");
}

//! The state moves forward once for each superblock, and back.

use std::{fs, path::PathBuf, sync::Barrier, thread};

use batcher_circuits::testing::{block, digest, free_key};
use batcher_job::{
    anchor::Untrusted,
    batch::BatchError,
    leftover::{LeftoverError, OtherInput},
    output::{location_file, superblock_file, superblock_numbers},
    planner::LeftOut,
    states::{StatesError, numbers as states_of, roll_back, with_latest},
};
use batcher_verify::{
    bundle::SuperblockBundle,
    keys::PinnedKeys,
    trust::{RegistryFrom, Trust},
    verify::verify,
};
use circuits_core::recursion::key_digest;
use environments_l1::Deposit;

use crate::{
    common::{batch, batch_to, batch_with, block_bundle, deposit, registry, waiting, write_block},
    files::trust,
};

#[test]
fn two_batchers_of_one_state_make_one_superblock() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    let outs = ["first", "second"].map(|name| root.join(name));
    let barrier = &Barrier::new(2);
    let outcomes = thread::scope(|scope| {
        let batchers = outs.each_ref().map(|out| {
            scope.spawn(move || {
                barrier.wait();
                batch_to(root, out, &[], None)
            })
        });
        batchers.map(|batcher| batcher.join().expect("no panic"))
    });
    let mut made = 0;
    for outcome in outcomes {
        match outcome {
            Ok(outcome) => made += usize::from(outcome.made.is_some()),
            Err(BatchError::State(StatesError::Locked { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(made, 1);
    let bundles = outs.iter().flat_map(|out| superblock_numbers(out).expect("readable"));
    assert_eq!(bundles.collect::<Vec<_>>(), [1]);
    assert_eq!(with_latest(root, None, Clone::clone).expect("moved").number, 1);
}

#[test]
fn a_rolled_back_superblock_is_adopted_by_its_input_and_is_in_the_way_of_any_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    let first = batch(root).expect("valid blocks").made.expect("two blocks");
    assert!(!first.is_adopted);
    let bytes = fs::read(&first.path).expect("written");
    roll_back(root, 0, None).expect("the genesis is kept");

    // Without one of its blocks, and without both.
    let taken = root.join("blocks/98-2.block");
    let elsewhere = root.join("98-2.block");
    fs::rename(&taken, &elsewhere).expect("ours");
    let error = batch(root).expect_err("one block is missing");
    let blocks = |error: &BatchError| {
        matches!(
            error,
            BatchError::Leftover(LeftoverError::OtherInput { number: 1, with: OtherInput::Blocks, .. })
        )
    };
    assert!(blocks(&error), "{error}");
    assert!(error.to_string().contains("superblock-000001.superblock"), "{error}");
    let all = root.join("blocks/98-1.block");
    fs::rename(&all, root.join("98-1.block")).expect("ours");
    let error = batch(root).expect_err("all blocks are missing");
    assert!(blocks(&error), "{error}");
    assert_eq!(fs::read(&first.path).expect("still there"), bytes);
    assert_eq!(with_latest(root, None, Clone::clone).expect("still there").number, 0);

    // With its input, and a block that came later.
    fs::rename(&elsewhere, &taken).expect("ours");
    fs::rename(root.join("98-1.block"), &all).expect("ours");
    let late = write_block(&root.join("blocks"), "2-1.block", &block_bundle(block(1, 2)));
    let outcome = batch(root).expect("the same blocks");
    let adopted = outcome.made.expect("the superblock that is there");
    assert!(adopted.is_adopted);
    assert_eq!((adopted.statement, adopted.included), (first.statement, first.included));
    assert_eq!(outcome.left_out, [(late, LeftOut::MadeWithout)]);
    assert_eq!(fs::read(&first.path).expect("still there"), bytes);

    // The chain goes on, back, and on again in another way.
    let second = batch(root).expect("the late block").made.expect("a block");
    assert_eq!(second.included.len(), 1);
    assert_eq!(states_of(root).expect("readable"), [0, 1, 2]);
    write_block(&root.join("blocks"), "2-2.block", &block_bundle(block(2, 2)));
    roll_back(root, 1, Some(root)).expect("kept");
    assert_eq!(superblock_numbers(root).expect("readable"), [1]);
    let other = batch(root).expect("two late blocks").made.expect("two blocks");
    assert!(!other.is_adopted);
    assert_eq!(other.included.len(), 2);
    let paths = vec![first.path, other.path];
    verify(paths, Some(&trust()), PinnedKeys::embedded()).expect("a chain");
}

#[test]
fn a_file_that_is_no_superblock_or_one_of_another_state_is_named_and_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1)]);
    let path = superblock_file(root, 1);
    fs::write(&path, b"noise").expect("writable");
    let error = batch(root).expect_err("noise");
    assert!(matches!(error, BatchError::Leftover(LeftoverError::Invalid { .. })), "{error}");
    assert_eq!(fs::read(&path).expect("still there"), b"noise");
    fs::remove_file(&path).expect("ours");

    let first = batch(root).expect("a valid block").made.expect("a block");
    fs::copy(&first.path, superblock_file(root, 2)).expect("writable");
    write_block(&root.join("blocks"), "2-1.block", &block_bundle(block(1, 2)));
    let error = batch(root).expect_err("superblock 1 again");
    assert!(matches!(error, BatchError::Leftover(LeftoverError::OtherState { number: 2, .. })), "{error}");
    assert_eq!(with_latest(root, None, Clone::clone).expect("still there").number, 1);
}

#[test]
fn a_rolled_back_superblock_is_in_the_way_of_one_in_another_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let outs = ["first", "second", "third"].map(|name| root.join(name));
    waiting(root, &[(1, 1), (2, 1)]);
    for (number, out) in [(1, &outs[0]), (2, &outs[1])] {
        batch_to(root, out, &[], None).expect("valid blocks").made.expect("a superblock");
        write_block(
            &root.join("blocks"),
            &format!("late-{number}.block"),
            &block_bundle(block(1, number + 1)),
        );
    }
    let elsewhere = |out: &PathBuf| match batch_to(root, out, &[], None).expect_err("it is elsewhere") {
        BatchError::Leftover(LeftoverError::Elsewhere { path, number }) => (path, number),
        error => panic!("{error}"),
    };
    let canonical = |path: PathBuf| path.canonicalize().expect("it exists");
    // Each superblock is where it went, whatever went elsewhere since.
    for (number, other) in [(1, 0), (0, 1)] {
        roll_back(root, number, None).expect("kept");
        let own = 1 - other;
        for out in [&outs[other], &outs[2]] {
            let (path, found) = elsewhere(out);
            assert_eq!(
                (canonical(path), found),
                (canonical(superblock_file(&outs[own], number + 1)), number + 1)
            );
        }
    }
    assert!(!outs[2].exists(), "nothing is written");
    // Where it is, it is adopted by its blocks, which lie beside later ones.
    let adopted = batch_to(root, &outs[0], &[], None).expect("the same blocks").made.expect("a superblock");
    assert!(adopted.is_adopted);
    // Moved aside, it is in nobody's way.
    roll_back(root, 0, Some(&outs[0])).expect("kept");
    for number in [1, 2] {
        fs::remove_file(root.join(format!("blocks/late-{number}.block"))).expect("ours");
    }
    let made = batch_to(root, &outs[2], &[], None).expect("valid blocks").made.expect("a superblock");
    assert!(!made.is_adopted);
    assert_eq!(elsewhere(&outs[2]).1, 2);
}

#[test]
fn a_superblock_in_a_directory_out_of_reach_is_not_made_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let [out, away, other] = ["out", "away", "other"].map(|name| root.join(name));
    waiting(root, &[(1, 1)]);
    batch_to(root, &out, &[], None).expect("a valid block").made.expect("a block");
    roll_back(root, 0, None).expect("kept");
    fs::rename(&out, &away).expect("ours");
    let error = batch_to(root, &other, &[], None).expect_err("who knows");
    let location = location_file(root, 1);
    assert!(
        matches!(&error, BatchError::Leftover(LeftoverError::OutOfReach { number: 1, location: found, .. }) if *found == location),
        "{error}"
    );
    assert!(error.to_string().contains(&*location.to_string_lossy()), "{error}");
    assert!(!other.exists(), "nothing is written");
    // A damaged location is no missing one.
    let bytes = fs::read(&location).expect("written");
    fs::write(&location, b"damaged").expect("ours");
    let error = batch_to(root, &other, &[], None).expect_err("damaged");
    assert!(matches!(&error, BatchError::Leftover(LeftoverError::File(_))), "{error}");
    fs::write(&location, bytes).expect("ours");

    // Within reach again, or given up.
    fs::rename(&away, &out).expect("ours");
    let error = batch_to(root, &other, &[], None).expect_err("it is there");
    assert!(matches!(error, BatchError::Leftover(LeftoverError::Elsewhere { .. })), "{error}");
    fs::remove_file(&location).expect("ours");
    assert!(!batch_to(root, &other, &[], None).expect("valid").made.expect("a block").is_adopted);
}

#[test]
fn a_superblock_of_a_program_with_other_circuits_is_named_and_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1)]);
    let first = batch(root).expect("a valid block").made.expect("a block");
    roll_back(root, 0, None).expect("the genesis is kept");
    let mut bundle = SuperblockBundle::decode(&fs::read(&first.path).expect("written")).expect("valid");
    bundle.key = key_digest(free_key());
    let bytes = bundle.encode().expect("serialisable");
    fs::write(&first.path, &bytes).expect("ours");
    let error = batch(root).expect_err("another program's");
    assert!(
        matches!(&error, BatchError::Leftover(LeftoverError::OtherProgram { path }) if *path == first.path),
        "{error}"
    );
    assert_eq!(fs::read(&first.path).expect("still there"), bytes);
    assert_eq!(with_latest(root, None, Clone::clone).expect("still there").number, 0);
}

#[test]
fn a_superblock_that_the_trust_file_would_refuse_is_not_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1)]);
    let out = root.join("out");
    let refused = |change: &dyn Fn(&mut Trust)| {
        let mut trust = trust();
        change(&mut trust);
        match batch_to(root, &out, &[], Some(&trust)).expect_err("not what is trusted") {
            BatchError::Untrusted(error) => error,
            error => panic!("{error}"),
        }
    };
    let root_of = |error| match error {
        Untrusted::Registry { number: 1, found, .. } => found,
        error => panic!("{error}"),
    };
    assert!(matches!(refused(&|trust| trust.chain_id = 6), Untrusted::ChainId { expected: 6, found: 5 }));
    assert!(matches!(refused(&|trust| trust.start.state = digest(1)), Untrusted::Start { number: 0, .. }));
    assert!(matches!(refused(&|trust| trust.start.number = 1), Untrusted::NotReached { .. }));
    let registry_root = registry().root();
    assert_eq!(root_of(refused(&|trust| trust.registry[0].root = digest(1))), registry_root);
    assert_eq!(root_of(refused(&|trust| trust.registry[0].from = 2)), registry_root);
    assert!(!out.exists(), "nothing is written");
    assert!(matches!(refused(&|trust| trust.keys.clear()), Untrusted::Key { .. }));
    assert!(superblock_numbers(&out).expect("readable").is_empty());
    assert_eq!(states_of(root).expect("readable"), [0]);

    // A registry that L1 fixes later does not matter yet.
    let mut later = trust();
    later.registry.push(RegistryFrom { from: 2, root: digest(1) });
    let made = batch_to(root, &out, &[], Some(&later)).expect("trusted").made.expect("a block");
    verify(vec![made.path], Some(&later), PinnedKeys::embedded()).expect("trusted");
    let error = batch_to(root, &out, &[], Some(&later)).expect_err("another registry from superblock 2 on");
    assert!(matches!(error, BatchError::Untrusted(Untrusted::Registry { number: 2, .. })), "{error}");
}

#[test]
fn deposits_of_an_interrupted_superblock_are_given_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1)]);
    let queue = [deposit(), Deposit { amount: 0, ..deposit() }, deposit()];
    let first = batch_with(root, &queue[..2]).expect("valid").made.expect("a block");
    roll_back(root, 0, None).expect("the genesis is kept");
    let other = [deposit(), deposit(), deposit()];
    for queue in [&[][..], &queue[..1], &other] {
        let error = batch_with(root, queue).expect_err("other deposits");
        let LeftoverError::OtherInput { with: OtherInput::Deposits, .. } = (match error {
            BatchError::Leftover(error) => error,
            error => panic!("{error}"),
        }) else {
            panic!("{} deposits", queue.len());
        };
    }
    // L1 has taken another one meanwhile.
    let adopted = batch_with(root, &queue).expect("the same deposits").made.expect("a block");
    assert!(adopted.is_adopted);
    assert_eq!((&adopted.l1, &adopted.state), (&first.l1, &first.state));
    let l1 = adopted.l1.expect("a block of environment 0");
    assert_eq!((l1.deposits, l1.bounced, l1.payouts.len()), (2, 1, 1));
    // The next superblock goes on with what is left.
    let next = batch_with(root, &queue[2..]).expect("valid").made.expect("a block of environment 0 alone");
    assert_eq!((next.included.len(), next.state.l1.queue.length), (0, 3));
}

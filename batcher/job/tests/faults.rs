//! Runs that are stopped at a durable step. The faults are the process's own, so these tests have a process to themselves.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use batcher_circuits::testing::block;
use batcher_job::{
    batch::BatchError,
    leftover::{LeftoverError, OtherInput},
    output::{superblock_file, superblock_numbers},
    state, states,
};
use batcher_verify::{keys::PinnedKeys, verify::verify};
use circuits_files::{faults, file::TEMPORARY_PREFIX};
use common::{batch, batch_to, batch_with, block_bundle, deposit, waiting, write_block};

/// One test at a time.
static FAULTS: Mutex<()> = Mutex::new(());

/// Durable steps before the state has moved: a proof, a location and a superblock, each written, synced and renamed, and those
/// of the database. The block of environment 0 is proved once, and is there from an earlier run by then.
const LEAST_STEPS: u64 = 4 * 3;

/// The number of the latest state.
fn number(root: &Path) -> u32 {
    states::with_latest(root, None, |state| state.number).expect("whole at any time")
}

#[test]
fn a_run_stopped_at_any_durable_step_is_completed_by_the_next_one() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    let mut bundle = None;
    for step in 0..100 {
        faults::arm(step);
        let result = batch_with(root, &[deposit()]);
        let faulted = faults::disarm();
        match result {
            Ok(_) => {
                // Stopped when the database was closed, if at all: by then the state has moved.
                assert_moved(root, step);
                return;
            }
            Err(error) => assert!(faulted, "{error}"),
        }
        // Once it is there, it stays.
        let found = fs::read(superblock_file(root, 1)).ok();
        assert!(bundle.is_none() || found == bundle, "step {step} replaced the bundle");
        bundle = found;
        if number(root) == 1 {
            // Stopped after the commit: the state is the new one already.
            assert_moved(root, step);
            return;
        }
    }
    panic!("no run was completed");
}

/// Asserts that a run that was stopped at `step` has made superblock 1 and moved the state.
fn assert_moved(root: &Path, step: u64) {
    assert!(step >= LEAST_STEPS, "only {step} durable steps made a new state");
    assert_eq!(number(root), 1);
    let report = verify(vec![superblock_file(root, 1)], None, PinnedKeys::embedded());
    assert_eq!(report.expect("written before the state").l1_queue.map(|queue| queue.length), Some(1));
}

/// Stops a run of two blocks after it has written the bundle and before it moves the state.
fn interrupted() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    // A proof, which takes five steps, is made once.
    for step in 5..100 {
        faults::arm(step);
        let result = batch(root);
        faults::disarm();
        result.expect_err("stopped");
        assert_eq!(number(root), 0);
        if superblock_file(root, 1).exists() {
            return directory;
        }
    }
    panic!("no run wrote a bundle");
}

#[test]
fn a_superblock_without_its_state_is_adopted_by_the_same_input() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = interrupted();
    let root = directory.path();
    let bytes = fs::read(superblock_file(root, 1)).expect("written");
    let made = batch(root).expect("the same input").made.expect("two blocks");
    assert!(made.is_adopted);
    assert_eq!(made.included.len(), 2);
    assert_eq!(fs::read(&made.path).expect("still there"), bytes);
    assert_eq!(number(root), 1);
    assert!(batch(root).expect("nothing is left").made.is_none());
    write_block(&root.join("blocks"), "2-1.block", &block_bundle(block(1, 2)));
    let next = batch(root).expect("a valid block").made.expect("a block");
    verify(vec![made.path, next.path], None, PinnedKeys::embedded()).expect("a chain");
}

#[test]
fn a_superblock_without_its_state_is_found_whatever_directory_the_next_run_writes_to() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let outs = ["first", "second"].map(|name| root.join(name));
    waiting(root, &[(1, 1), (2, 1)]);
    // Wherever a run stops, the next one writes to the other directory. A proof, which takes five steps, is made in both.
    for step in 5..100 {
        faults::arm(step);
        let result = batch_to(root, &outs[step as usize % 2], &[], None);
        faults::disarm();
        let bundles: Vec<_> = outs.iter().filter(|out| superblock_file(out, 1).exists()).collect();
        assert!(bundles.len() <= 1, "step {step} left two superblocks of one number");
        match (result, bundles.first()) {
            (Ok(_), _) => panic!("no run was stopped after it wrote a superblock"),
            (Err(BatchError::Leftover(LeftoverError::Elsewhere { number: 1, .. })), Some(out)) => {
                assert_eq!(number(root), 0);
                let made = batch_to(root, out, &[], None).expect("the same input").made.expect("two blocks");
                assert!(made.is_adopted);
                assert_eq!(number(root), 1);
                return;
            }
            (Err(_), _) => {}
        }
    }
    panic!("no run found the superblock");
}

#[test]
fn a_superblock_without_its_state_is_not_replaced_by_one_of_other_input() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = interrupted();
    let root = directory.path();
    let path = superblock_file(root, 1);
    let bytes = fs::read(&path).expect("written");
    fs::remove_file(root.join("blocks/98-2.block")).expect("ours");
    let error = batch(root).expect_err("other input");
    assert!(
        matches!(&error, BatchError::Leftover(LeftoverError::OtherInput { with: OtherInput::Blocks, .. })),
        "{error}"
    );
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    assert_eq!((fs::read(&path).expect("still there"), number(root)), (bytes, 0));

    // What the message proposes.
    fs::rename(&path, root.join("aside")).expect("ours");
    let made = batch(root).expect("nothing is in the way").made.expect("a block");
    assert_eq!((made.is_adopted, made.included.len(), number(root)), (false, 1, 1));
}

#[test]
fn a_rollback_stopped_at_any_step_is_completed_by_the_same_one() {
    let _alone = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let out = root.join("out");
    waiting(root, &[]);
    for height in 1..=2 {
        write_block(&root.join("blocks"), &format!("{height}.block"), &block_bundle(block(1, height)));
        batch_to(root, &out, &[], None).expect("a valid block").made.expect("a block");
    }
    let before = states::with_latest(root, None, Clone::clone).expect("a chain");
    for step in 0..100 {
        faults::arm(step);
        let result = states::roll_back(root, 0, Some(&out));
        faults::disarm();
        let latest = number(root);
        match result {
            Ok(rolled_back) => {
                assert_eq!((rolled_back.latest.number, latest), (0, 0));
                assert!(superblock_numbers(&out).expect("readable").is_empty());
                assert!(step >= 3, "a rollback has more than {step} steps");
                // Nothing is lost: both later superblocks lie aside, with the state that they led to.
                assert_eq!(moved(&out).len(), 2);
                let saved = moved(root);
                assert!(!saved.is_empty());
                for file in saved {
                    assert_eq!(state::read(&file).expect("whole"), before);
                }
                return;
            }
            // The states go back last, and at once.
            Err(_) => assert!(latest == 2 || latest == 0, "{latest}"),
        }
    }
    panic!("no rollback was completed");
}

/// The files that were moved aside in a directory, but for unfinished ones.
fn moved(directory: &Path) -> Vec<PathBuf> {
    let entries = |directory: &Path| {
        let entries = fs::read_dir(directory).expect("readable").map(|entry| entry.expect("readable").path());
        entries.collect::<Vec<_>>()
    };
    let begins = |path: &PathBuf, with| path.file_name().expect("a name").to_string_lossy().starts_with(with);
    let aside = entries(directory).into_iter().filter(|path| begins(path, "rolled-back-"));
    aside.flat_map(|aside| entries(&aside)).filter(|path| !begins(path, TEMPORARY_PREFIX)).collect()
}

//! Directories with more files than one call takes, files that are no files, and bundles that were refused before.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use batcher_circuits::{
    state::{EnvironmentHead, SuperblockState},
    testing::{block, digest, free_key_digest, free_registry, genesis_state, producer},
};
use batcher_job::{
    intake::{Intake, Reader, Refusal},
    output::OutputDirectory,
    store::Store,
};
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry, RegistryError},
    statement::BlockStatement,
};
use environments_core::BlockBundle;

use crate::common::{batch, block_bundle, waiting, write_block};

/// The program that makes the records of these tests.
const PROGRAM: &str = "test";

/// Blocks 1 to 3 of environment 1 and block 1 of environment 2.
static BUNDLES: LazyLock<[BlockBundle; 4]> =
    LazyLock::new(|| [(1, 1), (1, 2), (1, 3), (2, 1)].map(|(id, height)| block_bundle(block(id, height))));

fn names<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().expect("named").to_string_lossy().into_owned();
    paths.into_iter().map(name).collect()
}

/// The names of the files with the blocks of an intake.
fn taken(intake: &Intake) -> Vec<String> {
    names(intake.blocks.iter().map(|block| &block.path))
}

fn read(directory: &Path, state: &SuperblockState, max_verified: usize) -> Intake {
    let reader =
        Reader { state, registry: &free_registry(2), wanted: &|_| true, refusal: &|_| None, max_verified };
    reader.read(directory).expect("a directory")
}

/// The bundle with another body, which nothing but its environment can check.
fn copy(bundle: &BlockBundle, body: u32) -> BlockBundle {
    BlockBundle { body: body.to_le_bytes().to_vec(), ..bundle.clone() }
}

/// The bundle with another proof, which does not verify.
fn junk(bundle: &BlockBundle, byte: usize) -> BlockBundle {
    let mut junk = bundle.clone();
    junk.proof[1000 + byte] ^= 1;
    junk
}

#[test]
fn bundles_beyond_an_environments_share_wait_and_the_next_call_gets_on_with_them() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, bundle) in ["a.block", "b.block", "c.block", "d.block"].into_iter().zip(BUNDLES.iter()) {
        write_block(directory.path(), name, bundle);
    }
    // Each of two environments may have one.
    let mut state = SuperblockState::genesis(5);
    let first = read(directory.path(), &state, 2);
    assert_eq!(taken(&first), ["a.block", "d.block"], "one environment does not keep another one waiting");
    assert_eq!(names(&first.waiting), ["b.block", "c.block"]);

    let head = EnvironmentHead { height: 1, state: block(1, 1).new_state };
    state.environments.insert(EnvironmentId(1), head);
    let second = read(directory.path(), &state, 2);
    assert_eq!((second.stale.len(), taken(&second)), (1, vec!["b.block".to_owned(), "d.block".to_owned()]));
    assert_eq!(names(&second.waiting), ["c.block"]);
    let all = read(directory.path(), &state, 4);
    assert_eq!((all.blocks.len(), all.waiting), (3, vec![]));
}

#[test]
fn low_heights_come_first_whatever_the_names_of_their_files() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, bundle) in ["c.block", "b.block", "a.block", "d.block"].into_iter().zip(BUNDLES.iter()) {
        write_block(directory.path(), name, bundle);
    }
    // Many later blocks of environment 1, so that the first ones are not judged together with all others.
    for file in 0..70 {
        write_block(directory.path(), &format!("a-{file:02}.block"), &junk(&BUNDLES[2], file));
    }
    let intake = read(directory.path(), &SuperblockState::genesis(5), 4);
    assert_eq!(taken(&intake), ["b.block", "c.block", "d.block"]);
    assert!(names(&intake.waiting).contains(&"a.block".to_owned()), "{:?}", intake.waiting);
}

#[test]
fn more_files_than_one_call_verifies_stop_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    for file in 0..4097 {
        fs::write(directory.path().join(format!("{file:04}.block")), b"noise").expect("writable");
    }
    write_block(directory.path(), "z.block", &BUNDLES[0]);
    let intake = read(directory.path(), &SuperblockState::genesis(5), 2);
    assert_eq!((intake.refused.len(), taken(&intake)), (4097, vec!["z.block".to_owned()]));
    assert_eq!(intake.waiting.len(), 0, "what is cheap to judge uses up no share");
}

#[test]
fn what_the_caller_does_not_want_is_neither_verified_nor_listed() {
    let directory = tempfile::tempdir().expect("a directory");
    let wanted = write_block(directory.path(), "a.block", &BUNDLES[0]);
    write_block(directory.path(), "b.block", &BUNDLES[3]);
    // Whoever verifies it refuses it.
    write_block(directory.path(), "c.block", &junk(&BUNDLES[3], 0));
    let (state, registry) = (SuperblockState::genesis(5), free_registry(2));
    let is_wanted = |statement: &BlockStatement| statement.environment == BUNDLES[0].statement.environment;
    let reader = Reader {
        state: &state,
        registry: &registry,
        wanted: &is_wanted,
        refusal: &|_| None,
        max_verified: 2,
    };
    let intake = reader.read(directory.path()).expect("a directory");
    assert_eq!(taken(&intake), ["a.block"]);
    let Intake { blocks: _, refused, stale, copies, waiting } = intake;
    assert!(refused.is_empty() && stale.is_empty() && copies.is_empty() && waiting.is_empty());
    assert_eq!(taken(&reader.read_files(vec![wanted])), ["a.block"]);
}

#[test]
fn copies_of_a_block_keep_no_other_bundle_waiting() {
    let directory = tempfile::tempdir().expect("a directory");
    for file in 0..70 {
        write_block(directory.path(), &format!("{file:02}.block"), &copy(&BUNDLES[0], file));
    }
    write_block(directory.path(), "z.block", &BUNDLES[3]);
    let intake = read(directory.path(), &SuperblockState::genesis(5), 2);
    assert_eq!(
        (taken(&intake), intake.copies.len()),
        (vec!["00.block".to_owned(), "z.block".to_owned()], 69)
    );
    assert_eq!(intake.waiting.len(), 0);
}

#[test]
fn bundles_whose_proof_was_refused_use_up_no_share_of_later_calls() {
    let directory = tempfile::tempdir().expect("a directory");
    let (root, blocks) = (directory.path(), directory.path().join("blocks"));
    fs::create_dir(&blocks).expect("writable");
    for file in 0..70 {
        write_block(&blocks, &format!("{file:02}.block"), &junk(&BUNDLES[0], file));
    }
    write_block(&blocks, "z.block", &BUNDLES[0]);
    let store = Store::open(&OutputDirectory::new(root)).expect("writable");
    let (state, registry) = (SuperblockState::genesis(5), free_registry(2));
    let refusal = |sha3: &[u8; 32]| store.refusal(sha3, PROGRAM);
    let reader =
        Reader { state: &state, registry: &registry, wanted: &|_| true, refusal: &refusal, max_verified: 2 };
    let mut calls = 0;
    let last = loop {
        let intake = reader.read(&blocks).expect("a directory");
        assert_eq!(intake.refused.len() + intake.waiting.len() + intake.blocks.len(), 71);
        calls += 1;
        if intake.waiting.is_empty() {
            break intake;
        }
        for refused in &intake.refused {
            let (sha3, reason) = (refused.sha3.expect("readable"), refused.reason.to_string());
            assert!(refused.reason.is_final());
            store.quarantine(&sha3, "junk", &reason, Some(PROGRAM)).expect("writable");
        }
        assert!(calls < 10, "no call gets on");
    };
    assert_eq!((taken(&last), calls), (vec!["z.block".to_owned()], 2));
    assert!(last.refused.iter().any(|one| matches!(one.reason, Refusal::Recorded { .. })));
}

#[test]
fn a_bundle_whose_proof_was_refused_is_still_reported_with_its_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    write_block(&root.join("blocks"), "junk.block", &junk(&BUNDLES[0], 0));
    let mut reasons = BTreeSet::new();
    for is_first in [true, false] {
        let outcome = batch(root).expect("a directory");
        assert!(outcome.made.is_none() && outcome.unrecorded.is_empty());
        let [refused] = &outcome.refused[..] else { panic!("{outcome}") };
        assert_eq!(matches!(refused.reason, Refusal::Bundle(_)), is_first);
        assert_eq!(matches!(refused.reason, Refusal::Recorded { .. }), !is_first);
        reasons.insert(refused.reason.to_string().replace(" (refused before)", ""));
    }
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    // Another program judges for itself.
    let sha3 = circuits_files::file::sha3(&fs::read(root.join("blocks/junk.block")).expect("readable"));
    let output = OutputDirectory::new(root);
    let store = Store::open(&output).expect("writable");
    assert_eq!(store.refusal(&sha3, PROGRAM), None);
    // And without the record it is judged anew.
    fs::remove_file(output.quarantine_file(&sha3)).expect("recorded");
    assert!(matches!(batch(root).expect("a directory").refused[0].reason, Refusal::Bundle(_)));
}

#[test]
fn a_refusal_that_depends_on_the_registry_is_judged_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let statement = BlockStatement { producer: digest(8), ..block(1, 1) };
    write_block(&root.join("blocks"), "stranger.block", &block_bundle(statement));
    for _ in 0..2 {
        let outcome = batch(root).expect("a directory");
        let other =
            matches!(outcome.refused[0].reason, Refusal::Registry(RegistryError::OtherProducer { .. }));
        assert!(other, "{outcome}");
    }
    // The registry gets another producer.
    let mut registry = Registry::default();
    let kernels = vec![KernelEntry { key: free_key_digest(), valid_from: 1, valid_until: 1000 }];
    let entry = RegistryEntry::new(genesis_state(1), producer(8), kernels);
    registry.insert(EnvironmentId(1), entry).expect("a valid entry");
    let store = Store::open(&OutputDirectory::new(root)).expect("writable");
    let refusal = |sha3: &[u8; 32]| store.refusal(sha3, PROGRAM);
    let state = SuperblockState::genesis(5);
    let reader =
        Reader { state: &state, registry: &registry, wanted: &|_| true, refusal: &refusal, max_verified: 1 };
    assert_eq!(taken(&reader.read(&root.join("blocks")).expect("a directory")), ["stranger.block"]);
}

#[test]
fn a_block_is_taken_if_its_producer_is_that_of_the_superblock_that_would_take_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (old, new) = (BUNDLES[0].clone(), BlockStatement { producer: digest(8), ..block(1, 1) });
    write_block(directory.path(), "old.block", &old);
    write_block(directory.path(), "new.block", &block_bundle(new));
    let mut registry = free_registry(2);
    registry.rotate_producer(EnvironmentId(1), producer(8), 2, false).expect("a new producer");
    for (number, name, expected, found) in [(1, "old.block", 7, 8), (2, "new.block", 8, 7)] {
        let state = SuperblockState { number: number - 1, ..SuperblockState::genesis(5) };
        let reader = Reader {
            state: &state,
            registry: &registry,
            wanted: &|_| true,
            refusal: &|_| None,
            max_verified: 4,
        };
        let intake = reader.read(directory.path()).expect("a directory");
        assert_eq!(taken(&intake), [name]);
        let (expected, found) = (digest(expected), digest(found));
        let other = RegistryError::OtherProducer { environment: EnvironmentId(1), number, expected, found };
        let [refused] = &intake.refused[..] else { panic!("one of them is refused") };
        assert!(
            matches!(&refused.reason, Refusal::Registry(reason) if *reason == other),
            "{}",
            refused.reason
        );
        assert!(!refused.reason.is_final(), "the next superblock may take it");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_unopened_and_stops_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[]);
    let blocks = root.join("blocks");
    let pipe = blocks.join("00-pipe.block");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    std::os::unix::fs::symlink(&pipe, blocks.join("01-link.block")).expect("writable");
    std::os::unix::fs::symlink(root.join("nowhere"), blocks.join("02-dangling.block")).expect("writable");
    fs::create_dir(blocks.join("03-directory.block")).expect("writable");
    write_block(&blocks, "1.block", &BUNDLES[0]);
    let outcome = batch(root).expect("one good block");
    assert_eq!(outcome.made.as_ref().expect("a superblock").included.len(), 1);
    let refused = names(outcome.refused.iter().map(|one| &one.path));
    assert_eq!(refused, ["00-pipe.block", "01-link.block", "02-dangling.block"]);
    for one in &outcome.refused[..2] {
        assert!(one.reason.to_string().contains("not a regular file"), "{}", one.reason);
        assert_eq!(one.sha3, None);
    }
}

//! Attacks on the batcher's files. Every change recomputes the checksum, so that the check behind the checksum meets it.

use std::{fs, path::PathBuf, sync::LazyLock};

use batcher_circuits::{
    state::SuperblockState,
    testing::{block, digest, free_key},
};
use batcher_job::{
    intake::Refusal,
    output::{OutputDirectory, superblock_file},
    states::roll_back,
};
use batcher_verify::{
    bundle::{BundleError, SuperblockBundle},
    circuit::superblock_shape,
    keys::PinnedKeys,
    trust::{Checkpoint, RegistryFrom, Trust},
    verify::{VerifyError, verify},
};
use circuits_core::{layout::Layout, proof, recursion::key_digest};
use circuits_files::file::{self, FileKind};
use circuits_protocol::{
    registry::RegistryError,
    statement::{BlockStatement, SuperblockStatement},
};
use environments_core::BlockBundle;
use plonky2::field::types::Field64;

use crate::common::{batch, block_bundle, registry, waiting, write_block};

/// Statements' bytes are 8 for each element.
const STATEMENT_BYTES: usize = 8 * <SuperblockStatement as Layout<circuits_core::F>>::LEN;
/// A statement's length prefix, after the key's digest.
const STATEMENT_AT: usize = file::HEADER_BYTES + 32 + 2;
/// Sampled positions of a proof.
const SAMPLES: usize = 2_000;
/// Of so many samples, one is read from its file: a file has a proof's bytes as they are, whatever they are.
const SAMPLES_PER_FILE: usize = 50;

/// Superblocks over a directory with blocks 1 and 2 of two environments, and two superblocks over them.
struct World {
    _directory: tempfile::TempDir,
    superblocks: Vec<PathBuf>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().to_owned();
    waiting(&root, &[(1, 1), (2, 1)]);
    let first = batch(&root).expect("valid blocks").made.expect("two blocks");
    for id in [1, 2] {
        write_block(&root.join("blocks"), &format!("2-{id}.block"), &block_bundle(block(id, 2)));
    }
    let outcome = batch(&root).expect("valid blocks");
    assert_eq!(outcome.stale.len(), 2, "the first superblock's blocks are known");
    let second = outcome.made.expect("two blocks");
    World { _directory: directory, superblocks: vec![first.path, second.path] }
});

/// What L1 fixes of the chain that [`waiting`] begins.
pub(crate) fn trust() -> Trust {
    let keys = PinnedKeys::embedded();
    Trust {
        chain_id: 5,
        keys: batcher_verify::circuit::SuperblockCircuit::all()
            .filter_map(|source| keys.superblock(source))
            .map(key_digest)
            .collect(),
        start: Checkpoint { number: 0, state: SuperblockState::genesis(5).commitment() },
        l1_queue: None,
        registry: vec![RegistryFrom { from: 1, root: registry().root() }],
        older_keys: vec![],
    }
}

/// The bundle's file with another payload and its right checksum.
fn reseal(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = bytes[file::HEADER_BYTES..].to_vec();
    change(&mut payload);
    file::seal(FileKind::SuperblockBundle, &payload)
}

/// The bundle with one thing changed.
fn with(bundle: &SuperblockBundle, change: impl FnOnce(&mut SuperblockBundle)) -> SuperblockBundle {
    let mut changed = bundle.clone();
    change(&mut changed);
    changed
}

/// What a reader says to changed bytes.
fn judge(bytes: &[u8]) -> Result<(), BundleError> {
    SuperblockBundle::decode(bytes)?.verify(PinnedKeys::embedded()).map(|_| ())
}

#[test]
fn two_superblocks_chain_and_are_anchored() {
    let mut paths = WORLD.superblocks.clone();
    paths.reverse();
    let report = verify(paths.clone(), Some(&trust()), PinnedKeys::embedded()).expect("valid");
    assert!(report.anchored);
    assert_eq!(report.superblocks.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
    let report = verify(paths, None, PinnedKeys::embedded()).expect("valid");
    assert!(!report.anchored);
}

#[test]
fn a_registry_or_genesis_of_the_provers_making_is_rejected() {
    let other = |change: &dyn Fn(&mut Trust)| {
        let mut trust = trust();
        change(&mut trust);
        verify(WORLD.superblocks.clone(), Some(&trust), PinnedKeys::embedded())
            .expect_err("not what is trusted")
    };
    let fields = [
        ("registry root", other(&|trust| trust.registry[0].root = digest(1))),
        ("registry root", other(&|trust| trust.registry[0].from = 2)),
        ("previous state", other(&|trust| trust.start.state = digest(1))),
        ("chain id", other(&|trust| trust.chain_id = 6)),
        ("key", other(&|trust| trust.keys.clear())),
        ("number", other(&|trust| trust.start.number = 1)),
    ];
    for (expected, error) in fields {
        assert!(error.is_invalid());
        assert!(
            matches!(&error, VerifyError::Untrusted { field, .. } if *field == expected),
            "{expected}: {error}"
        );
    }
}

#[test]
fn a_missing_or_repeated_superblock_is_rejected() {
    let second = verify(vec![WORLD.superblocks[1].clone()], Some(&trust()), PinnedKeys::embedded());
    assert!(matches!(second, Err(VerifyError::Untrusted { field: "number", .. })));
    let twice = verify(vec![WORLD.superblocks[0].clone(); 2], None, PinnedKeys::embedded());
    assert!(matches!(twice, Err(VerifyError::Chain { field: "number", .. })));
}

#[test]
fn every_byte_of_a_superblocks_statement_is_protected() {
    let bytes = fs::read(&WORLD.superblocks[0]).expect("readable");
    let statement = SuperblockBundle::decode(&bytes).expect("valid").statement().expect("valid");
    let encoded = circuits_core::layout::to_bytes(&statement);
    let at = STATEMENT_AT - file::HEADER_BYTES;
    assert_eq!(bytes[STATEMENT_AT..STATEMENT_AT + STATEMENT_BYTES], encoded);
    for position in 0..STATEMENT_BYTES {
        for flip in [1, 0x80] {
            let changed = reseal(&bytes, |payload| payload[at + position] ^= flip);
            assert!(judge(&changed).is_err(), "byte {position} of the statement was changed");
        }
    }
}

#[test]
fn every_byte_outside_the_proof_is_protected() {
    let bytes = fs::read(&WORLD.superblocks[0]).expect("readable");
    let proof = SuperblockBundle::decode(&bytes).expect("valid").proof.len();
    let payload = bytes.len() - file::HEADER_BYTES - proof;
    for position in 0..payload {
        let changed = reseal(&bytes, |payload| payload[position] ^= 1);
        assert!(judge(&changed).is_err(), "byte {position} was changed");
    }
}

#[test]
fn two_thousand_changed_bytes_of_a_proof_are_each_rejected() {
    let bytes = fs::read(&WORLD.superblocks[0]).expect("readable");
    let bundle = SuperblockBundle::decode(&bytes).expect("valid");
    let length = bundle.proof.len();
    let start = bytes.len() - file::HEADER_BYTES - length;
    for sample in 0..SAMPLES {
        // A stride that is prime to the length visits every part of the proof.
        let (position, flip) = (sample * 7919 % length, 1 << (sample % 8));
        let changed = with(&bundle, |bundle| bundle.proof[position] ^= flip);
        if sample % SAMPLES_PER_FILE == 0 {
            let file = reseal(&bytes, |payload| payload[start + position] ^= flip);
            assert_eq!(SuperblockBundle::decode(&file).as_ref(), Ok(&changed), "byte {position}");
        }
        let error = changed.verify(PinnedKeys::embedded()).map(drop).expect_err("a changed proof");
        assert!(
            matches!(error, BundleError::Proof(_) | BundleError::OtherStatement { .. }),
            "byte {position}: {error}"
        );
    }
}

#[test]
fn an_element_of_a_proof_that_is_not_canonical_is_rejected() {
    let bytes = fs::read(&WORLD.superblocks[0]).expect("readable");
    let length = SuperblockBundle::decode(&bytes).expect("valid").proof.len();
    let start = bytes.len() - file::HEADER_BYTES - length;
    let mut tried = 0;
    for element in 0..1000 {
        let at = start + 8 * element;
        let word: [u8; 8] = bytes[file::HEADER_BYTES + at..][..8].try_into().expect("8 bytes");
        let Some(alias) = u64::from_le_bytes(word).checked_add(circuits_core::F::ORDER) else { continue };
        let changed = reseal(&bytes, |payload| payload[at..at + 8].copy_from_slice(&alias.to_le_bytes()));
        assert!(judge(&changed).is_err(), "element {element} has a second encoding");
        tried += 1;
    }
    // Public inputs are small numbers among others, and have aliases.
    let tail = bytes.len() - file::HEADER_BYTES - STATEMENT_BYTES;
    for element in 0..2 {
        let at = tail + 8 * element;
        let word: [u8; 8] = bytes[file::HEADER_BYTES + at..][..8].try_into().expect("8 bytes");
        let alias = u64::from_le_bytes(word) + circuits_core::F::ORDER;
        let changed = reseal(&bytes, |payload| payload[at..at + 8].copy_from_slice(&alias.to_le_bytes()));
        assert!(judge(&changed).is_err());
        tried += 1;
    }
    assert!(tried >= 2);
}

#[test]
fn valid_sections_swapped_between_files_are_rejected() {
    let read = |index: usize| {
        SuperblockBundle::decode(&fs::read(&WORLD.superblocks[index]).expect("readable")).expect("valid")
    };
    let (first, second) = (read(0), read(1));
    let keys = PinnedKeys::embedded();
    let proof = with(&first, |bundle| bundle.proof.clone_from(&second.proof));
    assert!(matches!(proof.verify(keys), Err(BundleError::OtherStatement { .. })));
    let blocks = with(&first, |bundle| bundle.blocks.clone_from(&second.blocks));
    assert!(matches!(blocks.verify(keys), Err(BundleError::Blocks { .. })));
    let none = with(&first, |bundle| bundle.blocks.clear());
    assert!(matches!(none.verify(keys), Err(BundleError::Blocks { .. })));
}

#[test]
fn a_key_that_is_not_ours_is_rejected_and_another_of_ours_does_not_fit() {
    let bytes = fs::read(&WORLD.superblocks[0]).expect("readable");
    let bundle = SuperblockBundle::decode(&bytes).expect("valid");
    let keys = PinnedKeys::embedded();
    let foreign = with(&bundle, |bundle| bundle.key = key_digest(free_key()));
    assert!(matches!(foreign.verify(keys), Err(BundleError::UnknownKey(_))));
    for source in batcher_verify::circuit::SuperblockCircuit::all() {
        let key = keys.superblock(source).map(key_digest).expect("complete");
        if key != bundle.key {
            assert!(with(&bundle, |bundle| bundle.key = key).verify(keys).is_err());
        }
    }
}

#[test]
fn a_truncated_or_extended_superblock_is_rejected() {
    let bytes = fs::read(&WORLD.superblocks[0]).expect("readable");
    for cut in (0..bytes.len()).step_by(997) {
        assert!(judge(&bytes[..cut]).is_err());
        assert!(
            judge(&reseal(&bytes, |payload| payload.truncate(cut))).is_err()
                || cut >= bytes.len() - file::HEADER_BYTES
        );
    }
    assert!(judge(&reseal(&bytes, |payload| payload.push(0))).is_err());
}

#[test]
fn a_junk_file_with_an_honest_blocks_statement_does_not_block_the_honest_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    let blocks = root.join("blocks");
    let honest = block_bundle(block(1, 1));

    let mut junk = honest.clone();
    junk.proof[1000] ^= 1;
    write_block(&blocks, "00-junk.block", &junk);
    let liar =
        BlockBundle { statement: BlockStatement { body: digest(1), ..honest.statement }, ..honest.clone() };
    write_block(&blocks, "01-liar.block", &liar);
    let stranger = BlockBundle {
        statement: BlockStatement { producer: digest(8), ..honest.statement },
        ..honest.clone()
    };
    write_block(&blocks, "02-stranger.block", &stranger);
    write_block(&blocks, "03-copy.block", &honest);
    fs::write(blocks.join("04-noise.block"), b"noise").expect("writable");

    let outcome = batch(root).expect("the honest blocks are batched");
    assert_eq!(outcome.made.expect("two blocks").included.len(), 2);
    assert_eq!(outcome.copies.len(), 1);
    let refused: Vec<_> = outcome
        .refused
        .iter()
        .map(|one| one.path.file_name().expect("named").to_string_lossy().into_owned())
        .collect();
    assert_eq!(refused, ["00-junk.block", "01-liar.block", "02-stranger.block", "04-noise.block"]);
    assert!(matches!(outcome.refused[2].reason, Refusal::Registry(RegistryError::OtherProducer { .. })));
    let output = OutputDirectory::new(root);
    for one in &outcome.refused {
        let sha3 = one.sha3.expect("readable");
        assert!(output.quarantine_file(&sha3).exists(), "{} is not recorded", one.path.display());
        assert!(one.path.exists(), "the user's file is not touched");
    }
}

#[test]
fn a_damaged_finished_proof_is_made_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    batch(root).expect("valid blocks");
    let proofs: Vec<_> = fs::read_dir(OutputDirectory::new(root).proofs())
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    assert_eq!(proofs.len(), 1);
    let mut bytes = fs::read(&proofs[0]).expect("readable");
    let last = bytes.len() - 9000;
    bytes[last] ^= 1;
    let payload = bytes[file::HEADER_BYTES..].to_vec();
    fs::write(&proofs[0], file::seal(FileKind::TaskProof, &payload)).expect("writable");
    roll_back(root, 0, Some(root)).expect("the genesis is kept");
    assert!(!superblock_file(root, 1).exists());
    let made = batch(root).expect("valid blocks").made.expect("two blocks");
    verify(vec![made.path], Some(&trust()), PinnedKeys::embedded()).expect("valid");
}

#[test]
fn a_proof_with_a_cap_of_another_size_does_not_bring_the_verifier_down() {
    let bytes = fs::read(&WORLD.superblocks[0]).expect("readable");
    let bundle = SuperblockBundle::decode(&bytes).expect("valid");
    let source = PinnedKeys::embedded().source_of(bundle.key).expect("ours");
    let common = &superblock_shape(source).common;
    let key = PinnedKeys::embedded().superblock(source).expect("ours");
    for length in [0, 3] {
        let mut decoded = proof::decode(&bundle.proof, common).expect("valid");
        decoded.proof.wires_cap.0.truncate(length);
        assert!(proof::verify(&decoded, key, common).is_err());
        assert!(proof::decode(&proof::encode(&decoded), common).is_err());
    }
}

//! A chain over a change of the circuits: the program embeds the newer keys, and the trust file gives the older one.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use batcher_circuits::testing::{block, free_key};
use batcher_verify::{
    bundle::{BundleError, SuperblockBundle},
    circuit::SuperblockCircuit,
    keys::{KeyText, PinnedKeys},
    older_key::{OlderKey, OlderKeyError},
    trust::Trust,
    verify::{VerifyError, verify},
};
use circuits_core::{proof::ProofError, recursion::key_digest};

use crate::{
    common::{batch, block_bundle, waiting, write_block},
    files,
};

/// Two superblocks of different circuits. The first one's circuit is the one that changes afterwards.
struct World {
    _directory: tempfile::TempDir,
    superblocks: Vec<PathBuf>,
    older: SuperblockCircuit,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().to_owned();
    waiting(&root, &[(1, 1)]);
    let first = batch(&root).expect("a valid block").made.expect("one block");
    for (id, height) in [(1, 2), (2, 1)] {
        write_block(&root.join("blocks"), &format!("{height}-{id}.block"), &block_bundle(block(id, height)));
    }
    let second = batch(&root).expect("valid blocks").made.expect("two blocks");
    let [older, newer] = [&first.path, &second.path].map(|path| {
        PinnedKeys::embedded().source_of(read(path).key).expect("the circuits of this program made it")
    });
    assert_ne!(older, newer);
    World { _directory: directory, superblocks: vec![first.path, second.path], older }
});

fn read(path: &Path) -> SuperblockBundle {
    SuperblockBundle::decode(&fs::read(path).expect("readable")).expect("a superblock")
}

/// The keys of a program that has another circuit in place of the older one.
fn newer_keys() -> PinnedKeys {
    let mut keys = PinnedKeys::embedded().clone();
    let index = SuperblockCircuit::all().position(|circuit| circuit == WORLD.older).expect("one of them");
    keys.superblock[index] = KeyText::new(free_key().clone());
    keys
}

fn older_key() -> OlderKey {
    let key = PinnedKeys::embedded().superblock(WORLD.older).expect("embedded");
    OlderKey::new(WORLD.older, key, 1)
}

/// What L1 accepts: the newer keys in any superblock, and these older ones.
fn trust(older_keys: Vec<OlderKey>) -> Trust {
    let mut trust = files::trust();
    trust.keys.retain(|key| *key != older_key().digest);
    Trust { older_keys, ..trust }
}

/// What the newer program says to superblocks.
fn judge(paths: &[PathBuf], trust: &Trust) -> Result<Vec<bool>, VerifyError> {
    let report = verify(paths.to_vec(), Some(trust), &newer_keys())?;
    Ok(report.superblocks.iter().map(|one| one.older_key).collect())
}

/// Why the newer program does not take the first superblock.
fn refusal(trust: &Trust) -> BundleError {
    match judge(&WORLD.superblocks, trust) {
        Err(VerifyError::Bundle { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_chain_verifies_across_a_change_of_circuits_if_the_trust_file_gives_the_older_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("trust.toml");
    trust(vec![older_key()]).write(&path).expect("writable");
    let read = Trust::read(&path).expect("written");
    assert_eq!(judge(&WORLD.superblocks, &read).expect("valid"), [true, false]);
    let report = verify(WORLD.superblocks.clone(), Some(&read), &newer_keys()).expect("valid");
    assert!(report.anchored);
    let text = report.to_string();
    assert_eq!(text.matches(&format!("  {} (older)  ", WORLD.older.name())).count(), 1, "{text}");
    // A program that still embeds the key needs nobody to give it.
    let report = verify(WORLD.superblocks.clone(), Some(&read), PinnedKeys::embedded()).expect("valid");
    assert!(report.superblocks.iter().all(|one| !one.older_key));
}

#[test]
fn without_the_older_key_its_digest_is_not_enough() {
    let digest = older_key().digest;
    assert_eq!(refusal(&trust(vec![])), BundleError::UnknownKey(digest));
    let mut listed = trust(vec![]);
    listed.keys.push(digest);
    assert_eq!(refusal(&listed), BundleError::UnknownKey(digest));
    let untrusted = verify(WORLD.superblocks.clone(), None, &newer_keys());
    assert!(matches!(untrusted, Err(VerifyError::Bundle { source: BundleError::UnknownKey(_), .. })));
}

#[test]
fn a_key_that_is_not_the_older_one_is_refused() {
    let other = KeyText::new(free_key().clone());
    let same_digest = OlderKey { key: other.clone(), ..older_key() };
    let error = refusal(&trust(vec![same_digest]));
    assert!(matches!(error, BundleError::OlderKey(OlderKeyError::Digest { .. })), "{error}");
    let own_digest = OlderKey { key: other, digest: key_digest(free_key()), ..older_key() };
    assert_eq!(refusal(&trust(vec![own_digest])), BundleError::UnknownKey(older_key().digest));
}

#[test]
fn an_older_key_is_used_with_the_common_data_of_its_circuit_only() {
    let stated = |circuit: SuperblockCircuit| {
        let key = PinnedKeys::embedded().superblock(circuit).expect("embedded");
        OlderKey { digest: older_key().digest, key: older_key().key, ..OlderKey::new(circuit, key, 1) }
    };
    let larger = stated(SuperblockCircuit::Segments(6));
    let error = refusal(&trust(vec![larger.clone()]));
    assert!(matches!(error, BundleError::Proof(ProofError::Size { .. })), "{error}");
    let error = refusal(&trust(vec![OlderKey { common_data: larger.common_data, ..older_key() }]));
    assert!(matches!(error, BundleError::OlderKey(OlderKeyError::CommonData { .. })), "{error}");
}

#[test]
fn an_older_key_makes_no_superblock_after_its_last_one() {
    let ended = OlderKey { valid_until: 0, ..older_key() };
    let error = judge(&WORLD.superblocks, &trust(vec![ended])).expect_err("too late");
    assert!(matches!(&error, VerifyError::Untrusted { field: "key", number: 1, .. }), "{error}");
    assert!(error.to_string().ends_with("the trust file has that key up to superblock 0"), "{error}");
}

#[test]
fn a_bundle_that_names_another_key_than_its_proofs_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let bundles = [0, 1].map(|index| read(&WORLD.superblocks[index]));
    for index in 0..2 {
        let mut bundle = bundles[index].clone();
        bundle.key = bundles[1 - index].key;
        let mut paths = WORLD.superblocks.clone();
        paths[index] = directory.path().join(format!("{index}.superblock"));
        fs::write(&paths[index], bundle.encode().expect("serialisable")).expect("writable");
        let error = judge(&paths, &trust(vec![older_key()])).expect_err("another key");
        assert!(matches!(&error, VerifyError::Bundle { source: BundleError::Proof(_), .. }), "{error}");
    }
}

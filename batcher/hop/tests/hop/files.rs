//! What lies where a hop is kept: hops, whole and damaged, and files that are none.

use std::fs;

use batcher_hop::{
    HopProof,
    file::{self as hop_file, Found, HopFileError, find},
};
use circuits_core::F;
use circuits_files::file::{self, FileKind};
use circuits_protocol::statement::SuperblockStatement;
use plonky2::field::types::Field as _;

use crate::{RECORDED, key};

#[test]
fn only_a_damaged_hop_is_made_again_and_nothing_else_is_replaced() {
    let (digest, public_inputs, calldata) = &*RECORDED;
    let hop = HopProof::from_calldata(*digest, calldata, public_inputs).expect("well-formed");
    let statement = hop.statement().expect("a superblock's");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("superblock-000001.superblock.hop");
    let found = |statement: &SuperblockStatement| find(&path, statement, key());
    assert!(matches!(found(&statement), Ok(Found::Nothing)));
    hop_file::write(&path, &hop).expect("writable");
    assert!(matches!(found(&statement), Ok(Found::Hop(same)) if *same == hop));

    // The superblock was made anew, or its file has another one's name.
    let other = SuperblockStatement { block_count: statement.block_count + F::ONE, ..statement };
    let element = hop_file::first_difference(&hop, &other);
    let error = found(&other).expect_err("another superblock's");
    assert!(
        matches!(&error, HopFileError::OtherSuperblock { element: at, .. } if Some(*at) == element),
        "{error}"
    );

    let whole = fs::read(&path).expect("readable");
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    // With its right checksum: another key, and a proof that does not verify.
    let (kind, payload) = file::open(&whole).expect("well-formed");
    let [other_key, other_proof] = [0, payload.len() - 1].map(|position| {
        let mut payload = payload.to_vec();
        payload[position] ^= 1;
        file::seal(kind, &payload)
    });
    for damaged in [&whole[..whole.len() - 1], &flipped, &other_key, &other_proof] {
        fs::write(&path, damaged).expect("writable");
        assert!(matches!(found(&statement), Ok(Found::Damaged(_))));
    }
    // Something of somebody else's.
    let registry = file::seal(FileKind::Registry, b"registry");
    for foreign in [b"junk".as_slice(), b"", &[0; 100_000], &registry] {
        fs::write(&path, foreign).expect("writable");
        let error = found(&statement).expect_err("no hop");
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    }
    fs::remove_file(&path).expect("it is there");
    fs::create_dir(&path).expect("writable");
    found(&statement).expect_err("a directory");
}

//! Files of blocks: each has one encoding, and no two are confused.

use circuits_core::{
    amount::Amount,
    layout::{self, Layout, LayoutError},
};
use circuits_files::file::{self, FileKind, HEADER_BYTES};
use circuits_protocol::statement::BlockStatement;
use environments_conformance::{id, secret};
use environments_core::{BlockBundle, BlockError, BundleError, environment::Environment};
use environments_counter::Counter;
use plonky2::field::types::Field64;

/// A bundle without a proof, for what is checked before proofs.
fn bundle() -> BlockBundle {
    let counter = Counter::new(1, id(0), secret(0), Amount::ZERO).unwrap();
    let block = counter.propose(&counter.genesis(), &[]).unwrap().block;
    let (messages, body) = (block.messages().clone(), block.body().to_vec());
    BlockBundle { statement: *block.statement(), proof: vec![1; 300], key: vec![2; 40], messages, body }
}

fn payload(statement: Vec<u8>) -> Vec<u8> {
    let empty = Vec::<u8>::new;
    // In the order of a bundle's fields.
    let payload = (statement, empty(), empty(), bundle().messages, empty());
    file::encode(FileKind::BlockBundle, &payload, 1 << 20).unwrap()
}

#[test]
fn a_bundle_survives_a_file() {
    assert_eq!(BlockBundle::decode(&bundle().encode().unwrap()), Ok(bundle()));
}

#[test]
fn no_byte_of_a_bundle_can_be_changed_unnoticed() {
    let bytes = bundle().encode().unwrap();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        assert!(BlockBundle::decode(&changed).is_err(), "byte {position}");
    }
    for length in 0..bytes.len() {
        assert!(BlockBundle::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_new_checksum_does_not_make_two_encodings_of_one_bundle() {
    let bytes = bundle().encode().unwrap();
    for position in HEADER_BYTES..bytes.len() {
        let mut payload = bytes[HEADER_BYTES..].to_vec();
        payload[position - HEADER_BYTES] ^= 0x80;
        if let Ok(other) = BlockBundle::decode(&file::seal(FileKind::BlockBundle, &payload)) {
            assert_ne!(other, bundle(), "byte {position}");
        }
    }
}

#[test]
fn a_statement_of_another_length_or_with_elements_beyond_the_field_is_refused() {
    let statement = layout::to_bytes(&bundle().statement);
    let refused = |error| Err(BundleError::Block(BlockError::Layout(error)));
    let expected = 8 * <BlockStatement as Layout<circuits_core::F>>::LEN;
    let short = statement[..expected - 8].to_vec();
    let error = LayoutError::Bytes { expected, found: expected - 8 };
    assert_eq!(BlockBundle::decode(&payload(short)), refused(error));
    for index in 0..expected / 8 {
        let mut beyond = statement.clone();
        beyond[8 * index..8 * index + 8].copy_from_slice(&circuits_core::F::ORDER.to_le_bytes());
        let error = LayoutError::NonCanonical { index, value: circuits_core::F::ORDER };
        assert_eq!(BlockBundle::decode(&payload(beyond)), refused(error));
    }
}

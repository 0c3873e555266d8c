//! How many messages the kernels take in, and how many transactions a batch holds.

use circuits_core::{Digest, circuit::defined};
use circuits_forging::fixtures::cache;
use circuits_prover::proving;

use crate::{
    batch::BatchLeaf,
    block::{MAX_BATCH, MAX_TRANSACTIONS, Variant, variants},
    circuits::transaction_keys,
    kernel::BlockKernel,
};

/// Rows of a kernel, as a binary logarithm, which its proofs need anyway.
fn degree_bits(variant: Variant) -> usize {
    match variant {
        Variant::Direct(0) => 9,
        Variant::Inbox => 12,
        Variant::Direct(1) => 13,
        Variant::Direct(2 | 3) => 14,
        Variant::Direct(_) | Variant::Batches(2 | 3) => 15,
        Variant::Batches(_) => 16,
    }
}

#[test]
fn every_kernel_takes_in_as_many_messages_as_its_rows_hold() {
    let keys = transaction_keys(cache()).unwrap();
    for variant in variants(MAX_TRANSACTIONS) {
        let (builder, _, rows) = defined(&BlockKernel::new(variant, keys.clone(), Digest::ZERO));
        let found = proving::common_data(builder).degree_bits();
        assert_eq!(found, degree_bits(variant), "{variant:?} has {rows} rows, and more for constants");
    }
}

#[test]
fn a_batch_has_as_many_transactions_as_its_shape_holds() {
    let keys = transaction_keys(cache()).unwrap();
    let [largest, larger] = [MAX_BATCH, MAX_BATCH + 1].map(|transactions| {
        let (builder, ..) = defined(&BatchLeaf::new(keys.clone(), transactions));
        proving::common_data(builder).degree_bits()
    });
    assert_eq!((largest, larger), (15, 16));
}

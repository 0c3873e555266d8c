//! How many rows the kernels have.

use std::sync::Arc;

use circuits_core::{F, circuit::defined};
use circuits_prover::{
    basetypes::{VerifierData, VerifierKey},
    proving,
};
use circuits_tables::{
    batch::Batch as _,
    keccak::batch::{KeccakSize, keccak_shape},
};
use plonky2::{
    field::types::Field as _,
    hash::{hash_types::HashOut, merkle_tree::MerkleCap},
};

use super::slots::AllSlots;
use crate::kernel::{L1Kernel, Variant};

/// A key of the shape of hashes. Its values are distinct, since equal constants share a row.
fn hashes() -> Arc<VerifierData> {
    let common = keccak_shape().common.clone();
    let digest = |first: usize| HashOut {
        elements: [0, 1, 2, 3].map(|n| F::from_canonical_usize(1000 + 4 * first + n)),
    };
    let cap = 1 << common.config.fri_config.cap_height;
    let verifier_only = VerifierKey {
        constants_sigmas_cap: MerkleCap((0..cap).map(digest).collect()),
        circuit_digest: digest(cap),
    };
    Arc::new(VerifierData { verifier_only, common })
}

/// Rows of a kernel: those in use before constants get rows too, and those of its proofs as a binary logarithm.
fn rows(variant: Variant) -> (usize, usize) {
    let kernel = L1Kernel::new(variant, variant.table().map(|_| hashes()));
    let (builder, _, rows) = defined(&kernel);
    (rows, proving::common_data(builder).degree_bits())
}

/// Rows of slots alone.
fn slot_rows(consumed: usize, deposits: usize) -> usize {
    defined(&AllSlots(Variant { consumed, deposits })).2
}

#[test]
fn kernels_have_as_many_slots_as_fit() {
    let found = Variant::ALL.map(rows);
    assert_eq!(found.map(|(_, degree_bits)| degree_bits), [5, 14, 14], "{found:?}");
    let none = slot_rows(0, 0);
    let (consume, deposit) = (slot_rows(10, 0) - none, slot_rows(0, 10) - none);
    println!("rows of kernels {found:?}; of 10 slots that consume {consume}, that take deposits {deposit}");
    // Whatever bounces, the entries of a small block fill the smallest table, and those of a large one fit the next.
    let Variant { consumed, deposits } = Variant::SMALL;
    assert_eq!(Variant::SMALL.table(), Some(KeccakSize::Small));
    assert_eq!(consumed + 2 * deposits, KeccakSize::Small.capacity());
    assert_eq!(Variant::LARGE.table(), Some(KeccakSize::Medium));
    assert_eq!(Variant::EMPTY.table(), None);
}

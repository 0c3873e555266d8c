//! How many rows the kernels have.

use circuits_core::circuit::defined;
use circuits_prover::proving;
use circuits_tables::{
    batch::Batch as _,
    keccak::batch::{KeccakSize, keccak_shape},
};

use super::{digest, slots::AllSlots};
use crate::kernel::{KeccakKey, L1Kernel, Variant};

/// Rows of a kernel: those in use before constants get rows too, and those of its proofs as a binary logarithm.
fn rows(variant: Variant) -> (usize, usize) {
    let key = KeccakKey { shape: keccak_shape(), digest: digest(1000) };
    let kernel = L1Kernel::new(variant, variant.table().map(|_| key));
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

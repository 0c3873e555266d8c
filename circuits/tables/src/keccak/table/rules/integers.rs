//! Integers and their bits.

use circuits_prover::basetypes::F;
use plonky2::field::types::Field;

use crate::{keccak::table::columns::LIMB_BITS, table::system::System};

/// The number of bits of a byte.
pub(super) const BYTE_BITS: usize = 8;
/// Bytes of a limb, and of a word.
pub(super) const LIMB_BYTES: usize = LIMB_BITS / BYTE_BITS;

/// The bytes, first ones first, of these bits.
pub(super) fn bytes<S: System>(s: &mut S, bits: &[S::Value]) -> Vec<S::Value> {
    bits.chunks(BYTE_BITS).map(|bits| s.bits(bits)).collect()
}

/// Limbs, least significant first, of these bits.
pub(super) fn limbs<S: System>(s: &mut S, bits: &[S::Value]) -> Vec<S::Value> {
    bits.chunks(LIMB_BITS).map(|bits| s.bits(bits)).collect()
}

/// A limb of these bytes, least significant first.
pub(super) fn limb<S: System>(s: &mut S, bytes: impl DoubleEndedIterator<Item = S::Value>) -> S::Value {
    let limb = bytes.rev().reduce(|limb, byte| s.times_add(1 << BYTE_BITS, limb, byte));
    limb.unwrap_or_else(|| s.int(0))
}

/// The sum of `2^i` times the product of pair `i`, and `2^n start` for `n` pairs: one operation of a circuit for each.
pub(super) fn products<S: System>(
    s: &mut S,
    pairs: impl DoubleEndedIterator<Item = [S::Value; 2]>,
    start: S::Value,
) -> S::Value {
    pairs.rev().fold(start, |sum, [a, b]| s.arithmetic(F::ONE, a, b, F::TWO, sum))
}

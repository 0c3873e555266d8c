//! Comparisons of bounded integers.

use circuits_prover::basetypes::{Builder, F};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use crate::{
    constrain::{Constrain, MAX_RANGE_BITS},
    trees::{Question, hint},
};

/// The number of bits of a height, and of a superblock number.
pub const HEIGHT_BITS: usize = 32;

/// Enforces `a <= b` for two integers that are both known to be below `2^bits`.
///
/// `b - a` is then in `(-2^bits, 2^bits)`, and only the non-negative half passes the range check.
#[track_caller]
pub fn enforce_less_or_equal(builder: &mut Builder, a: Target, b: Target, bits: usize) {
    let difference = builder.sub(b, a);
    builder.enforce_range(difference, bits);
}

/// Whether `x` is not 0, in two operations where a comparison with 0 takes four.
///
/// `flag = x * inverse` is 0 if `x` is, whatever the hint; else `x * flag = x` leaves only 1.
pub fn is_nonzero(builder: &mut Builder, x: Target) -> BoolTarget {
    let inverse = hint(builder, Question::Inverse, &[x])[0];
    let flag = builder.mul(x, inverse);
    let masked = builder.mul(x, flag);
    builder.enforce_equal(masked, x);
    BoolTarget::new_unsafe(flag)
}

/// Whether `a < b`, for two integers that are both known to be below `2^bits`, `bits < 59`.
///
/// `2^bits + a - b` has its top bit clear exactly if `a < b`. The decomposition fixes the answer: with `bits +
/// 1 < 63` bits it is unique.
pub fn is_less(builder: &mut Builder, a: Target, b: Target, bits: usize) -> BoolTarget {
    assert!(bits < MAX_RANGE_BITS, "comparisons have fewer than {MAX_RANGE_BITS} bits, not {bits}");
    let offset = builder.constant(F::from_canonical_u64(1 << bits));
    let difference = builder.sub(a, b);
    let shifted = builder.add(offset, difference);
    let top = builder.split_le(shifted, bits + 1)[bits];
    builder.not(top)
}

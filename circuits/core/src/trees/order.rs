//! The strict order of keys in-circuit.
//!
//! A key is read as eight 32-bit words, most significant first. `a < b` if at the first word in which they
//! differ, a's is smaller. The prover points at the limb that holds that word, and at its half:
//!
//! ```text
//! a   [ a0        ][ a1        ][ a2        ][ a3        ]
//! b   [ b0        ][ b1        ][ b2        ][ b3        ]
//!       equal        x = a1  ──> high | low     not looked at         at = one-hot(1), high_equal = 0
//!                    y = b1  ──> high | low                           word: x.high < y.high
//! ```
//! Pointing too far violates the equality of the limbs before. Pointing too early violates the strict comparison, because
//! the words pointed at are equal.
//!
//! Limbs that are known to be short are compared as they are, which takes one range check instead of five.

use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use super::{
    hint::{Question, hint},
    short::{ShortKeyTarget, ShortLimb},
};
use crate::{
    Builder, DigestTarget, F,
    constrain::{Constrain, MAX_RANGE_BITS},
};

/// Bits of a word.
const WORD_BITS: usize = 32;
/// The high word of `p - 1`. No canonical element has a larger integer: with this high word its low word is 0.
const TOP_WORD: u64 = u32::MAX as u64;

/// Bits of a short limb of a key: as many as one range check has.
pub const SHORT_LIMB_BITS: usize = MAX_RANGE_BITS;

/// What is known of the limbs of keys that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limbs {
    /// They are any elements, as those of hashes are.
    Any,
    /// They have at most [`SHORT_LIMB_BITS`] bits. The comparison does not enforce it.
    Short,
}

/// Enforces `a < b` as 256-bit integers of four canonical limbs, the first one most significant, if `condition`.
pub fn enforce_less_if(builder: &mut Builder, condition: BoolTarget, a: DigestTarget, b: DigestTarget) {
    enforce_order_if(builder, condition, a, b, Limbs::Any);
}

/// [`enforce_less_if`] for keys with short limbs.
pub fn enforce_short_less_if(
    builder: &mut Builder,
    condition: BoolTarget,
    a: ShortKeyTarget,
    b: ShortKeyTarget,
) {
    enforce_order_if(builder, condition, a.digest(), b.digest(), Limbs::Short);
}

/// Enforces `a < b`, if `condition`, for keys with such limbs.
pub(super) fn enforce_order_if(
    builder: &mut Builder,
    condition: BoolTarget,
    a: DigestTarget,
    b: DigestTarget,
    limbs: Limbs,
) {
    let (a, b) = (a.0, b.0);
    let question = match limbs {
        Limbs::Any => Question::FirstDifference,
        Limbs::Short => Question::FirstLimb,
    };
    let pointers: Vec<_> =
        hint(builder, question, &[a, b].concat()).into_iter().map(BoolTarget::new_unsafe).collect();
    for &pointer in &pointers {
        builder.enforce_bool(pointer);
    }
    let [at1, at2, at3, ref rest @ ..] = pointers[..] else {
        unreachable!("the hint points at one of three limbs")
    };

    // Exactly one limb is pointed at: the first unless one of the others.
    let beyond1 = builder.add(at2.target, at3.target);
    let beyond0 = builder.add(at1.target, beyond1);
    let beyond = [beyond0, beyond1, at3.target].map(BoolTarget::new_unsafe);
    // Short limbs need no check of that: their difference below is that of the last limb pointed at, because all limbs before
    // that one are equal.
    if limbs == Limbs::Any {
        builder.enforce_bool(beyond[0]);
    }
    let at0 = builder.not(beyond[0]);

    // All limbs before it are equal. With `beyond[0]`, the sum of three booleans, the other sums are boolean too.
    for (limb, beyond) in beyond.into_iter().enumerate() {
        builder.enforce_equal_if(beyond, a[limb], b[limb]);
    }

    // It decides, or one of its words does.
    let at = [at0, at1, at2, at3];
    let x = pick(builder, &at, &a);
    let y = pick(builder, &at, &b);
    let ([x, y], bits) = match rest {
        &[high_equal] => (differing_words(builder, high_equal, x, y), WORD_BITS),
        _ => ([x, y], SHORT_LIMB_BITS),
    };

    // x < y, both below 2^bits: their difference less one is not negative.
    let difference = builder.sub(y, x);
    let excess = builder.add_const(difference, F::NEG_ONE);
    let masked = builder.mul(condition.target, excess);
    builder.enforce_range(masked, bits);
}

/// The words of two limbs that decide which one is smaller: the high ones, or the low ones if the high ones are equal.
fn differing_words(builder: &mut Builder, high_equal: BoolTarget, x: Target, y: Target) -> [Target; 2] {
    let (x_high, x_low) = words(builder, x);
    let (y_high, y_low) = canonical_words(builder, y);
    builder.enforce_equal_if(high_equal, x_high, y_high);
    [builder.select(high_equal, x_low, x_high), builder.select(high_equal, y_low, y_high)]
}

/// The limb that a one-hot vector points at.
fn pick(builder: &mut Builder, at: &[BoolTarget; 4], limbs: &[Target; 4]) -> Target {
    let mut sum = builder.zero();
    for (at, &limb) in at.iter().zip(limbs) {
        sum = builder.mul_add(at.target, limb, sum);
    }
    sum
}

/// The high and low words of an integer below `2^64` that equals `x` in the field.
///
/// For `x < 2^32 - 1` there are two such integers, `x` and `x + p`. That does no harm to the smaller side of a
/// comparison: if even `x + p` is below the other side, so is `x`.
fn words(builder: &mut Builder, x: Target) -> (Target, Target) {
    let answer = hint(builder, Question::Words, &[x]);
    let [high, low] = answer[..] else { unreachable!("the hint has two elements") };
    enforce_words(builder, x, high, low);
    (high, low)
}

/// The high and low words of the canonical integer of `x`, which is below `p = TOP_WORD * 2^32 + 1`.
fn canonical_words(builder: &mut Builder, x: Target) -> (Target, Target) {
    let answer = hint(builder, Question::CanonicalWords, &[x]);
    let [high, low, inverse] = answer[..] else { unreachable!("the hint has three elements") };
    enforce_words(builder, x, high, low);
    enforce_canonical(builder, high, low, inverse);
    (high, low)
}

/// The 64 bits of the canonical integer of `x`, least significant first.
pub fn canonical_bits(builder: &mut Builder, x: Target) -> Vec<BoolTarget> {
    canonical_split(builder, x).bits
}

/// The canonical integer of an element, in parts.
#[derive(Clone, Debug)]
pub struct CanonicalSplit {
    high: Target,
    low: Target,
    bits: Vec<BoolTarget>,
}

impl CanonicalSplit {
    /// The high and low 32 bits.
    #[must_use]
    pub fn words(&self) -> [Target; 2] {
        [self.high, self.low]
    }

    /// All 64 bits, least significant first.
    #[must_use]
    pub fn bits(&self) -> &[BoolTarget] {
        &self.bits
    }

    /// The integer's lowest `bits` bits, and those of them that are in the high word. The others are the low word.
    ///
    /// # Panics
    /// If these are fewer than a word's, or more than those of a short limb.
    #[must_use]
    pub fn lowest(&self, builder: &mut Builder, bits: usize) -> (ShortLimb, Target) {
        ShortLimb::join(builder, &self.bits[WORD_BITS..bits], self.low, WORD_BITS)
    }
}

/// The canonical integer of `x`.
pub fn canonical_split(builder: &mut Builder, x: Target) -> CanonicalSplit {
    let answer = hint(builder, Question::CanonicalWords, &[x]);
    let [high, low, inverse] = answer[..] else { unreachable!("the hint has three elements") };
    // The two decompositions are also range checks.
    let bits = [low, high].map(|word| builder.split_le(word, WORD_BITS)).concat();
    enforce_recomposed(builder, x, high, low);
    enforce_canonical(builder, high, low, inverse);
    CanonicalSplit { high, low, bits }
}

/// Enforces `high * 2^32 + low < p`, for two words.
fn enforce_canonical(builder: &mut Builder, high: Target, low: Target, inverse: Target) {
    // low * (1 - inverse * (high - TOP_WORD)) = 0: with the top high word only low = 0 is left.
    let below_top = builder.add_const(high, -F::from_canonical_u64(TOP_WORD));
    let product = builder.mul(inverse, below_top);
    let masked = builder.mul(low, product);
    builder.enforce_equal(masked, low);
}

fn enforce_words(builder: &mut Builder, x: Target, high: Target, low: Target) {
    builder.enforce_range(high, WORD_BITS);
    builder.enforce_range(low, WORD_BITS);
    enforce_recomposed(builder, x, high, low);
}

fn enforce_recomposed(builder: &mut Builder, x: Target, high: Target, low: Target) {
    let recomposed = builder.mul_const_add(F::from_canonical_u64(1 << WORD_BITS), high, low);
    builder.enforce_equal(recomposed, x);
}

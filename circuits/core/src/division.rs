//! `a * b / divisor` over the integers, rounded down and up, with the product kept exact.
//!
//! The product has up to 116 bits, so an equation in the field alone would prove nothing: it holds for any
//! quotient once a remainder may be anything. Two equations do. With `E = a * b - q * divisor - r - 2^58 *
//! excess`,
//!
//! ```text
//! E = 0 mod p        one equation of field elements
//! E = 0 mod 2^58     two columns of 29 bits, schoolbook, each with its carry
//!
//!        a1       a0         low    = a0 b0 - q0 d0 - r0                          = 2^29 * carry1
//!      * b1       b0         middle = a0 b1 + a1 b0 - q0 d1 - q1 d0 - r1 + carry1 = 2^29 * carry2
//! ```
//! and `|E| < 2^119 < 2^58 * p`, so `E = 0`.
//!
//! Quotients saturate at 2^58, which is no amount, so that every division has exactly one result and a caller
//! compares it with a limit like any other:
//!
//! | saturated | quotient | remainder | excess |
//! |---|---|---|---|
//! | 0 | below 2^58 | below the divisor | 0 |
//! | 1 | 2^58 | any | any: the product is at least `2^58 * divisor` |

use circuits_prover::basetypes::{Builder, CommonData, D, F, ReadGenerator};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::{
        generator::{GeneratedValues, SimpleGenerator, WitnessGeneratorRef},
        target::{BoolTarget, Target},
        witness::{PartitionWitness, Witness as _, WitnessWrite},
    },
    util::serialization::{Buffer, IoResult, Read, Write},
};

use crate::{amount::AMOUNT_BITS, constrain::Constrain};

/// The number of bits of an operand's lower limb, and of an amount's upper limb.
const LIMB_BITS: usize = AMOUNT_BITS / 2;
/// The number of bits of a divisor, which is the sum of at most two amounts.
pub const DIVISOR_BITS: usize = AMOUNT_BITS + 1;
/// The quotient that represents all quotients that are not amounts.
pub const SATURATED: u64 = 1 << AMOUNT_BITS;

/// A quotient rounded both ways, at most [`SATURATED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotients<T = u64> {
    pub floor: T,
    pub ceil: T,
}

/// Computes `a * b / divisor`, which saturates at [`SATURATED`], also for a divisor of 0.
#[must_use]
pub fn mul_div(a: u64, b: u64, divisor: u64) -> Quotients {
    if divisor == 0 {
        return Quotients { floor: SATURATED, ceil: SATURATED };
    }
    let (product, divisor) = (u128::from(a) * u128::from(b), u128::from(divisor));
    let saturate = |quotient: u128| u64::try_from(quotient).map_or(SATURATED, |value| value.min(SATURATED));
    Quotients { floor: saturate(product / divisor), ceil: saturate(product.div_ceil(divisor)) }
}

/// The in-circuit twin of [`mul_div`]. Enforces that `a` and `b` are amounts and that `divisor` is below 2^59.
pub fn mul_div_circuit(builder: &mut Builder, a: Target, b: Target, divisor: Target) -> Quotients<Target> {
    let hint = builder.add_virtual_target_arr();
    builder.add_simple_generator(DivisionHint { operands: [a, b, divisor], answer: hint });
    let [q_low, q_high, saturated, remainder, excess] = hint;
    let saturated = BoolTarget::new_unsafe(saturated);
    builder.enforce_bool(saturated);
    let exact = builder.not(saturated);

    // The quotient is below 2^58, or it is 2^58.
    builder.enforce_range(q_low, LIMB_BITS);
    builder.enforce_range(q_high, LIMB_BITS);
    let limb = F::from_canonical_u64(1 << LIMB_BITS);
    let unsaturated = builder.mul_const_add(limb, q_high, q_low);
    let both = builder.mul(saturated.target, unsaturated);
    builder.enforce_zero(both);
    let q = [q_low, builder.mul_const_add(limb, saturated.target, q_high)];
    let floor = builder.mul_const_add(limb, q[1], q[0]);

    // Unless it is saturated, the remainder is below the divisor and nothing exceeds it.
    builder.enforce_range(excess, AMOUNT_BITS);
    let masked = builder.mul(exact.target, excess);
    builder.enforce_zero(masked);
    let room = builder.sub(divisor, remainder);
    let room = builder.add_const(room, F::NEG_ONE);
    let room = builder.mul(exact.target, room);
    builder.enforce_range(room, DIVISOR_BITS);

    // a * b = q * divisor + r + 2^58 * excess in the field.
    let product = builder.mul(a, b);
    let total = builder.mul_add(floor, divisor, remainder);
    let total = builder.mul_const_add(F::from_canonical_u64(1 << AMOUNT_BITS), excess, total);
    builder.enforce_equal(product, total);

    // And modulo 2^58. The columns stay within 2^60 either way, so each carry is an integer of 31 or 32 bits
    // and a sign.
    let a = limbs(builder, a, LIMB_BITS);
    let b = limbs(builder, b, LIMB_BITS);
    let d = limbs(builder, divisor, DIVISOR_BITS - LIMB_BITS);
    let r = limbs(builder, remainder, DIVISOR_BITS - LIMB_BITS);
    let low = column(builder, &[(a[0], b[0])], &[(q[0], d[0])], r[0]);
    let carry = carry(builder, low, LIMB_BITS + 1);
    let middle = column(builder, &[(a[0], b[1]), (a[1], b[0])], &[(q[0], d[1]), (q[1], d[0])], r[1]);
    let middle = builder.add(middle, carry);
    self::carry(builder, middle, LIMB_BITS + 2);

    // Rounding up adds 1 if something remains. What is saturated stays.
    let zero = builder.zero();
    let divides = builder.is_equal(remainder, zero);
    let rest = builder.not(divides);
    let ceil = builder.mul_add(exact.target, rest.target, floor);
    Quotients { floor, ceil }
}

/// The two limbs of `x`, low first. Enforces that `x` has `high_bits` bits above the lower limb.
fn limbs(builder: &mut Builder, x: Target, high_bits: usize) -> [Target; 2] {
    let low = builder.add_virtual_target();
    builder.add_simple_generator(LowLimbHint { x, low });
    builder.enforce_range(low, LIMB_BITS);
    let high = shifted_down(builder, x, low);
    builder.enforce_range(high, high_bits);
    [low, high]
}

/// `(x - low) / 2^29` in the field. If that is a small integer, so is the quotient over the integers.
fn shifted_down(builder: &mut Builder, x: Target, low: Target) -> Target {
    let inverse = F::from_canonical_u64(1 << LIMB_BITS).inverse();
    let difference = builder.sub(x, low);
    builder.mul_const(inverse, difference)
}

/// `sum of plus - sum of minus - rest`.
fn column(
    builder: &mut Builder,
    plus: &[(Target, Target)],
    minus: &[(Target, Target)],
    rest: Target,
) -> Target {
    let mut sum = builder.neg(rest);
    for &(x, y) in plus {
        sum = builder.mul_add(x, y, sum);
    }
    for &(x, y) in minus {
        let product = builder.mul(x, y);
        sum = builder.sub(sum, product);
    }
    sum
}

/// `column / 2^29`. Enforces that it is an integer in `[-2^bits, 2^bits)`.
fn carry(builder: &mut Builder, column: Target, bits: usize) -> Target {
    let zero = builder.zero();
    let carry = shifted_down(builder, column, zero);
    let shifted = builder.add_const(carry, F::from_canonical_u64(1 << bits));
    builder.enforce_range(shifted, bits + 1);
    carry
}

/// The functions that read the hints of divisions, with the hints' ids.
pub(crate) fn hint_readers() -> [(String, ReadGenerator); 2] {
    [
        (DivisionHint::default().id(), |source, common| {
            Ok(WitnessGeneratorRef::new(DivisionHint::deserialize(source, common)?.adapter()))
        }),
        (LowLimbHint::default().id(), |source, common| {
            Ok(WitnessGeneratorRef::new(LowLimbHint::deserialize(source, common)?.adapter()))
        }),
    ]
}

/// Computes the quotient (two limbs, and whether it is saturated), the remainder and the excess. No constraint trusts
/// them.
#[derive(Clone, Debug, Default)]
struct DivisionHint {
    operands: [Target; 3],
    answer: [Target; 5],
}

impl SimpleGenerator<F, D> for DivisionHint {
    fn id(&self) -> String {
        "DivisionHint".to_owned()
    }

    fn dependencies(&self) -> Vec<Target> {
        self.operands.to_vec()
    }

    fn run_once(
        &self,
        witness: &PartitionWitness<'_, F>,
        out_buffer: &mut GeneratedValues<F>,
    ) -> anyhow::Result<()> {
        let [a, b, divisor] = self.operands.map(|target| witness.get_target(target).to_canonical_u64());
        let quotient = mul_div(a, b, divisor).floor;
        let product = u128::from(a) * u128::from(b);
        let rest = product.saturating_sub(u128::from(quotient) * u128::from(divisor));
        let limb = (1 << LIMB_BITS) - 1;
        let (rest, excess) = match quotient {
            SATURATED => (rest % u128::from(SATURATED), rest >> AMOUNT_BITS),
            _ => (rest, 0),
        };
        let low = [quotient & limb, quotient >> LIMB_BITS & limb, quotient >> AMOUNT_BITS];
        let field = |value: u128| F::from_noncanonical_u128(value);
        let answer = [low.map(F::from_canonical_u64).as_slice(), &[field(rest), field(excess)]].concat();
        self.answer.iter().zip(answer).try_for_each(|(&target, value)| out_buffer.set_target(target, value))
    }

    fn serialize(&self, dst: &mut Vec<u8>, _: &CommonData) -> IoResult<()> {
        self.operands.iter().chain(&self.answer).try_for_each(|&target| dst.write_target(target))
    }

    fn deserialize(src: &mut Buffer<'_>, _: &CommonData) -> IoResult<Self> {
        let mut hint = Self::default();
        for target in hint.operands.iter_mut().chain(&mut hint.answer) {
            *target = src.read_target()?;
        }
        Ok(hint)
    }
}

/// Computes the lower limb of an element. No constraint trusts it.
#[derive(Clone, Debug, Default)]
struct LowLimbHint {
    x: Target,
    low: Target,
}

impl SimpleGenerator<F, D> for LowLimbHint {
    fn id(&self) -> String {
        "LowLimbHint".to_owned()
    }

    fn dependencies(&self) -> Vec<Target> {
        vec![self.x]
    }

    fn run_once(
        &self,
        witness: &PartitionWitness<'_, F>,
        out_buffer: &mut GeneratedValues<F>,
    ) -> anyhow::Result<()> {
        let x = witness.get_target(self.x).to_canonical_u64();
        out_buffer.set_target(self.low, F::from_canonical_u64(x & ((1 << LIMB_BITS) - 1)))
    }

    fn serialize(&self, dst: &mut Vec<u8>, _: &CommonData) -> IoResult<()> {
        dst.write_target(self.x)?;
        dst.write_target(self.low)
    }

    fn deserialize(src: &mut Buffer<'_>, _: &CommonData) -> IoResult<Self> {
        Ok(Self { x: src.read_target()?, low: src.read_target()? })
    }
}

//! Filling the columns of one row.

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;
use plonky2::field::types::Field;

use crate::ecdsa::table::{
    columns::{CARRIES, COLUMNS, LIMBS, Row, SLOTS},
    integers::Integers,
    limbs::{Limbs, Modulus, PRIME_COMPLEMENT, Point, limbs},
    rules::{Division, carries, identities},
};
use crate::table::system::int;

/// An integer in limbs, as field elements.
pub(super) fn elements(limbs: &Limbs) -> [F; LIMBS] {
    limbs.map(int)
}

/// A row of zeros.
pub fn empty() -> Row<F> {
    Row::decode(&[F::ZERO; COLUMNS]).expect("as many zeros as columns")
}

/// A row of padding.
pub(super) fn padding() -> Row<F> {
    let mut row = Row { pad: F::ONE, ..empty() };
    let next = row;
    fill_identities(&mut row, &next);
    row
}

/// A row whose accumulator is `point`.
pub fn at(point: &Point) -> Row<F> {
    let mut row = Row { inf: F::from_bool(point.inf), ..empty() };
    for (i, limbs) in [limbs(&point.x), limbs(&point.y)].into_iter().enumerate() {
        if i == 0 {
            row.x = elements(&limbs);
        } else {
            row.y = elements(&limbs);
        }
        fill_canonical(&mut row, i, &limbs);
    }
    row
}

/// Shows that coordinate `i` is below the field prime.
fn fill_canonical(row: &mut Row<F>, i: usize, limbs: &Limbs) {
    let sum = limbs[0] + (limbs[1] << 13) + (limbs[2] << 26) + PRIME_COMPLEMENT;
    for j in 0..3 {
        row.shifted[3 * i + j] = int(sum >> (13 * j) & 8191);
    }
    if sum >> 39 == 1 {
        row.shifted_carry[i] = F::ONE;
        let below = 16 * 8191 + 511 - limbs[3..].iter().sum::<i64>();
        row.shifted_inverse[i] = int(below).try_inverse().unwrap_or(F::ZERO);
    }
}

/// Sets the operand.
pub(super) fn set_operand(row: &mut Row<F>, operand: &Point) {
    row.tx = elements(&limbs(&operand.x));
    row.ty = elements(&limbs(&operand.y));
    row.t_inf = F::from_bool(operand.inf);
}

/// Sets an inverse of one word in which `a` and `b` differ, if there is one.
pub(super) fn fill_difference(row: &mut Row<F>, a: &[F; LIMBS], b: &[F; LIMBS]) {
    let word = |limbs: &[F]| limbs.iter().rev().fold(F::ZERO, |word, &limb| word * int(1 << 13) + limb);
    for ((a, b), inverse) in a.chunks(3).zip(b.chunks(3)).zip(&mut row.inverse) {
        if let Some(found) = (word(a) - word(b)).try_inverse() {
            *inverse = found;
            return;
        }
    }
}

/// Sets quotients and carries so that the row's identities hold, if they can. Everything else must be set.
pub fn fill_identities(row: &mut Row<F>, next: &Row<F>) {
    if row.end == F::ONE {
        fill_slacks(row, next);
    }
    let values = identities(&mut Integers, &Integers::row(row), &Integers::row(next));
    for slot in 0..SLOTS {
        let carries = if values.prime[slot] == 1 || values.order[slot] == 1 {
            let modulus = if values.prime[slot] == 1 { Modulus::PRIME } else { Modulus::order() };
            let division = Division::new(&values.values[slot], &modulus);
            row.quotient[slot * LIMBS..][..LIMBS].copy_from_slice(&elements(&division.quotient));
            division.carries
        } else {
            carries(&values.values[slot])
        };
        for (i, carry) in carries.into_iter().enumerate() {
            let shifted = carry + (1 << 23);
            let high = (shifted >> 11).clamp(0, 8191);
            row.carry_high[slot * CARRIES + i] = int(high);
            row.carry_low[slot * CARRIES + i] = int((shifted - (high << 11)).clamp(0, 8191));
        }
    }
}

/// The distances of `r` and `s` from their bounds, digit by digit; any digits if they are above.
fn fill_slacks(row: &mut Row<F>, next: &Row<F>) {
    use crate::ecdsa::table::limbs::{HALF_ORDER, ORDER_MINUS_1};
    let next = Integers::row(next);
    for (slot, bound, value) in [(1, ORDER_MINUS_1, next.y), (2, HALF_ORDER, next.x)] {
        let mut borrow = 0;
        for (j, bound) in limbs(&bound).into_iter().enumerate() {
            let difference = bound - value[j] + borrow;
            borrow = difference >> 13;
            row.quotient[slot * LIMBS + j] = int(difference & 8191);
        }
    }
}

/// `1 / sum of limbs`, or 0.
pub(super) fn inverse_of_sum(limbs: &[F; LIMBS]) -> F {
    limbs.iter().copied().sum::<F>().try_inverse().unwrap_or(F::ZERO)
}

//! Rules of a signature as a whole: canonical coordinates, the scalars' words, and `r`, `s` not zero.

use super::words_of_limbs;
use crate::{
    ecdsa::table::{
        columns::{LIMBS, Row, SCALAR_WORDS, SCALARS},
        limbs::PRIME_COMPLEMENT,
    },
    table::system::{System, When},
};

pub(super) fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    canonical(s, row);
    words(s, row, next);
    not_zero(s, row, next);
}

/// Coordinates are below the field prime, `2^256 - c` with `c < 2^39`: adding `c` to the lowest word either
/// does not carry, or the limbs above are not all at their maximum. A carry other than 0 has an inverse other
/// than 0, so it is 1.
fn canonical<S: System>(s: &mut S, row: &Row<S::Value>) {
    let no_point = s.sum(&[row.scalars, row.claim, row.pad]);
    let is_point = s.not(no_point);
    for (i, coordinate) in [row.x, row.y].into_iter().enumerate() {
        let (carry, inverse) = (row.shifted_carry[i], row.shifted_inverse[i]);
        let low = words_of_limbs(s, &coordinate[..3])[0];
        let complement = s.int(PRIME_COMPLEMENT);
        let sum = s.add(low, complement);
        let sum = s.mul(is_point, sum);
        let shifted = words_of_limbs(s, &row.shifted[3 * i..][..3])[0];
        let shifted = s.times_add(1 << 39, carry, shifted);
        let value = s.sub(sum, shifted);
        s.zero("a coordinate's lowest word is shifted", When::Always, value);

        // 16 limbs of 13 bits and one of 9.
        let maximum = s.int(16 * 8191 + 511);
        let high = s.sum(&coordinate[3..LIMBS]);
        let below = s.sub(maximum, high);
        let value = s.mul(below, inverse);
        let value = s.sub(value, carry);
        s.zero("a coordinate is below the field prime", When::Always, value);
        let no_carry = s.not(carry);
        let value = s.mul(no_carry, inverse);
        s.zero("the inverse of an absent carry is 0", When::Always, value);
    }
}

/// The scalars are read bit by bit into their words, kept until the rows that use them, and equal to their
/// limbs there.
fn words<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    // Row `table 11` has words 0, and passes them on to the first addition.
    let kept = s.sum(&[row.table[11], row.double, row.end, row.scalars]);
    let table = s.sum(&row.table);
    let idle = s.sum(&[table, row.key, row.pad]);
    let shift = s.sub(row.word_ends, row.last);
    let no_shift = s.not(shift);
    let shifting = s.mul(row.add, shift);
    let staying = s.mul(row.add, no_shift);
    let zero = s.int(0);
    for i in 0..SCALARS {
        let (now, then) = (row.scalar(i), next.scalar(i));
        let doubled = s.times_add(2, now[0], row.bits[i]);
        for j in 0..SCALAR_WORDS {
            let value = s.mul(idle, now[j]);
            s.zero("a scalar starts at 0", When::Always, value);
            // Doubling the current word, then moving all words up by one if it is complete.
            let (stay, from) = match j {
                0 => (doubled, zero),
                1 => (now[1], doubled),
                _ => (now[j], now[j - 1]),
            };
            let after_stay = s.sub(then[j], stay);
            let after_shift = s.sub(then[j], from);
            let after_kept = s.sub(then[j], now[j]);
            let value = s.mul(staying, after_stay);
            let value = s.mul_add(shifting, after_shift, value);
            let value = s.mul_add(kept, after_kept, value);
            s.zero("a scalar is read bit by bit", When::Always, value);
        }
    }
    for (kind, first) in [(row.claim, 0), (row.scalars, 2)] {
        for half in 0..2 {
            let limbs = &row.lambda[half * LIMBS / 2..][..LIMBS / 2];
            let words = words_of_limbs(s, limbs);
            for (&word, &limbs) in row.scalar(first + half).iter().zip(&words) {
                let difference = s.sub(word, limbs);
                let value = s.mul(kind, difference);
                s.zero("a scalar's limbs are its words", When::Always, value);
            }
        }
    }
}

/// `r` and `s`, in the row after `end`, are not 0.
fn not_zero<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    for (rule, limbs, inverse) in
        [("r is not 0", &next.y, row.inverse[0]), ("s is not 0", &next.x, row.inverse[1])]
    {
        let sum = s.sum(limbs);
        let product = s.mul(sum, inverse);
        let value = s.not(product);
        let value = s.mul(row.end, value);
        s.zero(rule, When::Always, value);
    }
}

//! From one row's state to the next one's: rounds, absorption, and the digest.
//!
//! ```text
//! row        next row   next row's bits                  next row's input
//! state      message    the block; capacity, if open     -
//! message    round 0    -                                absorbed, and the capacity
//! round r    round r+1  -                                output, with the constant of r
//! round 23   state      output, with the constant        -
//! ```
//!
//! `absorbed` is computed in all rows, since its degree leaves no room for a row kind.

use circuits_prover::basetypes::F;
use plonky2::field::types::Field;

use super::integers::{LIMB_BYTES, limb, limbs, products};
use crate::{
    keccak::{
        BLOCK_WORDS,
        table::{
            columns::{COLUMN_BITS, CONSTANT_BITS, LIMB_BITS, Row, STATE_LIMBS},
            permutation::{ROUND_CONSTANTS, ROUNDS},
        },
    },
    table::system::{System, When, int},
};

/// `bytes` are those of the block in the row's bits, and `limbs_of_block` its limbs.
pub(super) fn enforce<S: System>(
    s: &mut S,
    row: &Row<S::Value>,
    next: &Row<S::Value>,
    bytes: &[S::Value],
    limbs_of_block: &[S::Value],
) {
    let capacity = limbs(s, &row.bits[BLOCK_WORDS * LIMB_BITS..]);
    let now = [limbs_of_block, &capacity].concat();
    let following = limbs(s, &next.bits);
    absorption(s, row, next, &now, &following);
    states(s, row, next, &now, &following);

    for (&digest, bytes) in row.digest.iter().zip(bytes.chunks(LIMB_BYTES)) {
        // Words of a digest are big-endian.
        let word = limb(s, bytes.iter().rev().copied());
        let shown = s.mul_sub(row.last, word, digest);
        let value = s.mul(row.state, shown);
        s.zero("the digest is the start of a message's last state", When::Always, value);
    }
}

/// A block is added to the state before it. `now` and `following` are the limbs of the bits of this row and the next one.
fn absorption<S: System>(
    s: &mut S,
    row: &Row<S::Value>,
    next: &Row<S::Value>,
    now: &[S::Value],
    following: &[S::Value],
) {
    let open = s.not(row.last);
    for limb in 0..BLOCK_WORDS {
        // Modulo 2, a + b is a + b - 2 a b.
        let bits = (limb * LIMB_BITS..(limb + 1) * LIMB_BITS).map(|i| [row.bits[i], next.bits[i]]);
        let zero = s.int(0);
        let carries = products(s, bits, zero);
        let added = s.times_add(-2, carries, now[limb]);
        let absorbed = s.mul_add(open, added, following[limb]);
        let value = s.sub(absorbed, next.absorbed[limb]);
        s.zero("a block is added to an open message's state", When::Always, value);
    }
    for limb in BLOCK_WORDS..STATE_LIMBS {
        let kept = s.mul_sub(open, now[limb], following[limb]);
        let value = s.mul(next.message, kept);
        s.zero("an open message keeps its capacity", When::Always, value);
    }
}

/// What has been absorbed, and the output of a round, is the next round's input or the state. `now` and `following` are as in
/// [`absorption`].
fn states<S: System>(
    s: &mut S,
    row: &Row<S::Value>,
    next: &Row<S::Value>,
    now: &[S::Value],
    following: &[S::Value],
) {
    let mut output = row.output;
    for (&bit, z) in row.flippable.iter().zip(CONSTANT_BITS) {
        let flipping: Vec<_> = (0..ROUNDS)
            .filter(|&round| ROUND_CONSTANTS[round] >> z & 1 == 1)
            .map(|round| row.round[round])
            .collect();
        let flips = s.sum(&flipping);
        // Flipping adds 1 - 2 times the bit.
        let change = s.arithmetic(int(-2), flips, bit, F::ONE, flips);
        let limb = &mut output[z / LIMB_BITS];
        *limb = s.times_add(1 << (z % LIMB_BITS), change, *limb);
    }

    // Where the sign of an effect is f, the input is f bits + (1 - f) / 2: the second part, divided by 2^32.
    let scale = F::inverse_2exp(LIMB_BITS + 1);
    let all = s.constant(scale * int((1 << LIMB_BITS) - 1));
    let effects: Vec<_> =
        limbs(s, &next.effect).into_iter().map(|signs| s.scale_add(-scale, signs, all)).collect();
    let [other_rounds, last_round] = [s.sum(&row.round[..ROUNDS - 1]), row.round[ROUNDS - 1]];
    let rounds = s.add(other_rounds, last_round);
    let to_round = s.add(other_rounds, row.message);
    for limb in 0..STATE_LIMBS {
        let bits =
            (limb * LIMB_BITS..(limb + 1) * LIMB_BITS).map(|i| [next.bits[i], next.effect[i % COLUMN_BITS]]);
        let input = products(s, bits, effects[limb % effects.len()]);
        let absorbed = row.absorbed.get(limb).copied().unwrap_or(now[limb]);

        let value = s.mul(to_round, input);
        let value = s.mul_add(last_round, following[limb], value);
        let value = s.arithmetic(F::NEG_ONE, rounds, output[limb], F::ONE, value);
        let value = s.arithmetic(F::NEG_ONE, row.message, absorbed, F::ONE, value);
        s.zero("a state goes on in the next row", When::Always, value);
    }
}

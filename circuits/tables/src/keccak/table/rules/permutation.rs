//! One round, from the state after theta: what theta has added, and rho, pi and chi.
//!
//! ```text
//! parity[x, z] = the sum of bits[x, y, z] over y
//! before[x, z] = parity[x, z] + effect[x, z]
//! effect[x, z] = before[x - 1, z] + before[x + 1, z - 1]
//! output[x, y, z] = b[x, y, z] + (1 - b[x + 1, y, z]) b[x + 2, y, z]        b = bits, moved by rho and pi
//! ```
//!
//! all modulo 2. The input is `bits + effect` modulo 2, and its parities are `before`, since `effect` is added to five bits.
//!
//! `effect` and `before` are given by signs, `1 - 2 v` for a bit `v`, whose products are sums modulo 2. So where effects are
//! signs, their rule makes the signs of two parities, (2, -1) apart, equal or opposite. Such steps lead from each column to
//! all others: all parities are boolean if one of them is.

use circuits_prover::basetypes::F;
use plonky2::field::types::Field;

use super::{boolean, integers::products};
use crate::{
    keccak::table::{
        columns::{COLUMN_BITS, CONSTANT_BITS, LIMB_BITS, Row},
        permutation::{LANE_BITS, WIDTH, moved_to},
    },
    table::system::{System, When, int},
};

pub(super) fn enforce<S: System>(s: &mut S, row: &Row<S::Value>) {
    for &bit in &row.bits {
        boolean(s, "a bit is boolean", bit);
    }
    theta(s, row);
    chi(s, row);
}

fn theta<S: System>(s: &mut S, row: &Row<S::Value>) {
    boolean(s, "a parity is boolean", row.parity[0]);
    let effect_and_parity = row.effect.iter().zip(&row.parity);
    let before: Vec<_> = effect_and_parity
        .map(|(&effect, &parity)| s.arithmetic(int(-2), effect, parity, F::ONE, effect))
        .collect();
    let one = s.int(1);
    for (i, &effect) in row.effect.iter().enumerate() {
        // Twice a number of pairs: 0, 2 or 4.
        let column: Vec<_> = row.bits[i..].iter().step_by(COLUMN_BITS).copied().collect();
        let column = s.sum(&column);
        let even = s.sub(column, row.parity[i]);
        let product = s.arithmetic(F::ONE, even, even, int(-2), even);
        let value = s.arithmetic(F::ONE, product, even, int(-4), product);
        s.zero("bits have their parities", When::Always, value);

        let value = s.mul_sub(effect, effect, one);
        s.zero("an effect is a sign", When::Always, value);
        let (x, z) = (i / LANE_BITS, i % LANE_BITS);
        let left = (x + WIDTH - 1) % WIDTH * LANE_BITS + z;
        let right = (x + 1) % WIDTH * LANE_BITS + (z + LANE_BITS - 1) % LANE_BITS;
        let value = s.mul_sub(effect, before[left], before[right]);
        s.zero("the effect is that of the parities before it", When::Always, value);
    }
}

fn chi<S: System>(s: &mut S, row: &Row<S::Value>) {
    for (limb, &output) in row.output.iter().enumerate() {
        let parts: [_; LIMB_BITS] = std::array::from_fn(|i| output_parts(s, row, limb * LIMB_BITS + i));
        let [own, added] = [0, 1].map(|part| s.bits(&parts.map(|parts| parts[part])));
        let zero = s.int(0);
        let carries = products(s, parts.into_iter(), zero);
        let sum = s.add(own, added);
        let sum = s.times_add(-2, carries, sum);
        let value = s.sub(sum, output);
        s.zero("rho, pi and chi map the bits to the output", When::Always, value);
    }
    for (&flippable, z) in row.flippable.iter().zip(CONSTANT_BITS) {
        let [own, added] = output_parts(s, row, z);
        let rest = s.arithmetic(int(-2), own, added, F::ONE, added);
        let bit = s.add(own, rest);
        let value = s.sub(bit, flippable);
        s.zero("flippable bits are the output's", When::Always, value);
    }
}

/// The two bits whose sum modulo 2 is bit `i` of the output: `b[x, y, z]` and `(1 - b[x + 1, y, z]) b[x + 2, y, z]`.
fn output_parts<S: System>(s: &mut S, row: &Row<S::Value>, i: usize) -> [S::Value; 2] {
    let (lane, z) = (i / LANE_BITS, i % LANE_BITS);
    let [own, neighbour, second] = [0, 1, 2].map(|distance| {
        let (from, rotation) = moved_to(lane % WIDTH + distance, lane / WIDTH);
        row.bits[from * LANE_BITS + (z + LANE_BITS - rotation) % LANE_BITS]
    });
    [own, s.arithmetic(F::NEG_ONE, neighbour, second, F::ONE, second)]
}

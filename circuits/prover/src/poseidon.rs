//! plonky2's Poseidon in lanes.
//!
//! Elements are kept as sums `low + 2^32 high` of two integers of 64 bits. The matrix has small entries, so that it is
//! applied to either half without reductions; the halves grow by at most [`GROWTH_BITS`] bits each time. In the partial
//! rounds, in which only the first element goes through the S-box, the other elements are reduced every
//! [`ROUNDS_PER_REDUCTION`] rounds.

#![expect(
    clippy::needless_range_loop,
    reason = "what clippy suggests would run over elements, not over lanes"
)]

use std::num::Wrapping;

use p3_field::{PackedValue as _, PrimeCharacteristicRing as _, PrimeField64 as _};
use p3_goldilocks::Goldilocks;
use plonky2::hash::poseidon::{
    ALL_ROUND_CONSTANTS, HALF_N_FULL_ROUNDS, N_PARTIAL_ROUNDS, Poseidon, PoseidonHash,
};

use crate::{
    basetypes::F,
    hasher::{Packed, PackedSponge, SPONGE_WIDTH},
};

/// The number of bits of one half.
const HALF_BITS: usize = 32;
const HALF_MASK: Word = Wrapping(u32::MAX as u64);
/// The logarithm, rounded up, of the largest sum of a row of the matrix and one more for the round constant.
const GROWTH_BITS: usize = 9;
/// The number of partial rounds after which halves that started with 32 bits still leave room for a reduction.
const ROUNDS_PER_REDUCTION: usize = (u64::BITS as usize - HALF_BITS) / GROWTH_BITS;

/// The number of S-boxes that are computed step by step together. Divides the width.
const SIDE_BY_SIDE: usize = 4;

type Word = Wrapping<u64>;
/// One integer in each lane for each element of the state.
type Words = [[Word; Packed::WIDTH]; SPONGE_WIDTH];

/// Constants of all elements by half.
type Constants = [[Word; SPONGE_WIDTH]; 2];

/// The constants before each full round. Those before the first partial round, in the fifth place, contain the constants of
/// all partial rounds except those of the first element, as plonky2's fast rounds have them. Zeros follow the last round.
static CONSTANTS: [Constants; 2 * HALF_N_FULL_ROUNDS + 2] = {
    let mut constants = [[[Wrapping(0); SPONGE_WIDTH]; 2]; 2 * HALF_N_FULL_ROUNDS + 2];
    let mut i = 0;
    while i < SPONGE_WIDTH {
        let mut round = 0;
        while round < HALF_N_FULL_ROUNDS {
            set(&mut constants[round], i, ALL_ROUND_CONSTANTS[SPONGE_WIDTH * round + i]);
            let last = HALF_N_FULL_ROUNDS + N_PARTIAL_ROUNDS + round;
            set(
                &mut constants[HALF_N_FULL_ROUNDS + 1 + round],
                i,
                ALL_ROUND_CONSTANTS[SPONGE_WIDTH * last + i],
            );
            round += 1;
        }
        set(&mut constants[HALF_N_FULL_ROUNDS], i, <F as Poseidon>::FAST_PARTIAL_FIRST_ROUND_CONSTANT[i]);
        i += 1;
    }
    constants
};

const fn set(constants: &mut Constants, i: usize, constant: u64) {
    [constants[0][i], constants[1][i]] = halves(constant);
}

/// The constants of the first element after the S-box of each partial round, by half.
static PARTIAL_CONSTANTS: [[Word; 2]; N_PARTIAL_ROUNDS] = {
    let mut constants = [[Wrapping(0); 2]; N_PARTIAL_ROUNDS];
    let mut round = 0;
    while round < N_PARTIAL_ROUNDS {
        constants[round] = halves(<F as Poseidon>::FAST_PARTIAL_ROUND_CONSTANTS[round]);
        round += 1;
    }
    constants
};

const fn halves(integer: u64) -> [Word; 2] {
    [Wrapping(integer & HALF_MASK.0), Wrapping(integer >> HALF_BITS)]
}

/// The matrix is the circulant one that [`multiply_circulant`] applies, plus this at its first entry.
const FIRST_DIAGONAL: Word = Wrapping(<F as Poseidon>::MDS_MATRIX_DIAG[0]);

impl PackedSponge for PoseidonHash {
    fn permute_packed(state: &mut [Packed; SPONGE_WIDTH]) {
        permute_replacing(state, |_, _| {}, |_, _| {});
    }
}

/// The permutation in which `full` may replace the inputs of the S-boxes of a full round, and `partial` the input of the one
/// S-box of a partial round. Both are told the number of the round among the full or the partial rounds.
#[inline(always)]
pub(crate) fn permute_replacing(
    state: &mut [Packed; SPONGE_WIDTH],
    mut full: impl FnMut(usize, &mut [Packed; SPONGE_WIDTH]),
    mut partial: impl FnMut(usize, &mut Packed),
) {
    let [first, middle @ .., last] = &CONSTANTS;
    let (before, after) = middle.split_at(HALF_N_FULL_ROUNDS);
    let mut low = [[Wrapping(0); Packed::WIDTH]; SPONGE_WIDTH];
    let mut high = low;

    split(state, &mut low, &mut high);
    add(&mut low, &mut high, first);
    for (round, constants) in before.iter().enumerate() {
        full_round(state, &mut low, &mut high, constants, |inputs| full(round, inputs));
    }
    for (round, [low_constant, high_constant]) in PARTIAL_CONSTANTS.iter().enumerate() {
        if round % ROUNDS_PER_REDUCTION == 0 {
            reduce(&mut low, &mut high);
        }
        substitute_first(&mut low[0], &mut high[0], *low_constant, *high_constant, |input| {
            partial(round, input);
        });
        multiply(&mut low, &[Wrapping(0); SPONGE_WIDTH]);
        multiply(&mut high, &[Wrapping(0); SPONGE_WIDTH]);
    }
    add(&mut low, &mut high, &after[0]);
    for (round, constants) in (HALF_N_FULL_ROUNDS..).zip(after[1..].iter().chain([last])) {
        full_round(state, &mut low, &mut high, constants, |inputs| full(round, inputs));
    }
    join(&low, &high, state);
}

/// Multiplies by the matrix alone.
pub(crate) fn multiply_by_mds(state: &mut [Packed; SPONGE_WIDTH]) {
    let mut low = [[Wrapping(0); Packed::WIDTH]; SPONGE_WIDTH];
    let mut high = low;
    split(state, &mut low, &mut high);
    multiply(&mut low, &[Wrapping(0); SPONGE_WIDTH]);
    multiply(&mut high, &[Wrapping(0); SPONGE_WIDTH]);
    join(&low, &high, state);
}

/// A full round, in which the inputs of the S-boxes may be replaced, and the constants of the next one. `state` is room for
/// the elements.
#[inline(always)]
fn full_round(
    state: &mut [Packed; SPONGE_WIDTH],
    low: &mut Words,
    high: &mut Words,
    [low_constants, high_constants]: &Constants,
    replace: impl FnOnce(&mut [Packed; SPONGE_WIDTH]),
) {
    join(low, high, state);
    replace(state);
    // One S-box is a chain of dependent instructions: the machine works on several at once if they stand side by side.
    for bases in state.as_chunks_mut::<SIDE_BY_SIDE>().0 {
        let squares = bases.map(|base| base.square());
        let fourths = squares.map(|square| square.square());
        for i in 0..bases.len() {
            bases[i] *= squares[i];
        }
        for i in 0..bases.len() {
            bases[i] *= fourths[i];
        }
    }
    split(state, low, high);
    multiply(low, low_constants);
    multiply(high, high_constants);
}

/// The S-box of a partial round, whose input may be replaced, and the first element's constant of the next one.
#[inline(always)]
fn substitute_first(
    low: &mut [Word; Packed::WIDTH],
    high: &mut [Word; Packed::WIDTH],
    low_constant: Word,
    high_constant: Word,
    replace: impl FnOnce(&mut Packed),
) {
    let mut base = Packed::from_fn(|lane| Goldilocks::new(residue(low[lane], high[lane]).0));
    replace(&mut base);
    let square = base.square();
    let power = square.square() * (square * base);
    let lanes = power.as_slice();
    for lane in 0..Packed::WIDTH {
        let integer = Wrapping(lanes[lane].as_canonical_u64());
        low[lane] = (integer & HALF_MASK) + low_constant;
        high[lane] = (integer >> HALF_BITS) + high_constant;
    }
}

// In what follows, the loop over lanes is the outer one: the compiler turns it into vectors.

/// The halves of the elements' integers.
#[inline(always)]
fn split(state: &[Packed; SPONGE_WIDTH], low: &mut Words, high: &mut Words) {
    for lane in 0..Packed::WIDTH {
        for i in 0..SPONGE_WIDTH {
            let integer = Wrapping(state[i].as_slice()[lane].as_canonical_u64());
            low[i][lane] = integer & HALF_MASK;
            high[i][lane] = integer >> HALF_BITS;
        }
    }
}

/// The elements with these halves.
#[inline(always)]
fn join(low: &Words, high: &Words, state: &mut [Packed; SPONGE_WIDTH]) {
    for lane in 0..Packed::WIDTH {
        for i in 0..SPONGE_WIDTH {
            state[i].as_slice_mut()[lane] = Goldilocks::new(residue(low[i][lane], high[i][lane]).0);
        }
    }
}

/// Makes all halves shorter than 2^32 without changing the elements.
#[inline(always)]
fn reduce(low: &mut Words, high: &mut Words) {
    for lane in 0..Packed::WIDTH {
        for i in 0..SPONGE_WIDTH {
            let integer = residue(low[i][lane], high[i][lane]);
            low[i][lane] = integer & HALF_MASK;
            high[i][lane] = integer >> HALF_BITS;
        }
    }
}

/// Adds the constants.
#[inline(always)]
fn add(low: &mut Words, high: &mut Words, [low_constants, high_constants]: &Constants) {
    for lane in 0..Packed::WIDTH {
        for i in 0..SPONGE_WIDTH {
            low[i][lane] += low_constants[i];
            high[i][lane] += high_constants[i];
        }
    }
}

/// An integer of 64 bits that is `low + 2^32 high` modulo the order of the field, for halves below 2^62.
#[inline(always)]
fn residue(low: Word, high: Word) -> Word {
    // 2^64 is 2^32 - 1 modulo the order.
    let overflow = high >> HALF_BITS;
    let low = low + (overflow << HALF_BITS) - overflow;
    let sum = low + (high << HALF_BITS);
    if sum < low { sum + HALF_MASK } else { sum }
}

/// Multiplies by the matrix and adds the constants.
#[inline(always)]
fn multiply(words: &mut Words, constants: &[Word; SPONGE_WIDTH]) {
    for lane in 0..Packed::WIDTH {
        let column = std::array::from_fn(|i| words[i][lane]);
        let mut product = multiply_circulant(column);
        product[0] += FIRST_DIAGONAL * column[0];
        for i in 0..SPONGE_WIDTH {
            words[i][lane] = product[i] + constants[i];
        }
    }
}

/// A complex number with integer parts.
type Complex = (Word, Word);

#[inline(always)]
fn times(left: Complex, right: (i64, i64)) -> Complex {
    let right = (Wrapping(right.0 as u64), Wrapping(right.1 as u64));
    (left.0 * right.0 - left.1 * right.1, left.0 * right.1 + left.1 * right.0)
}

#[inline(always)]
fn plus(left: Complex, right: Complex) -> Complex {
    (left.0 + right.0, left.1 + right.1)
}

/// `-i` times a number.
#[inline(always)]
fn turned((real, imaginary): Complex) -> Complex {
    (imaginary, -real)
}

/// Multiplies by the circulant matrix of Poseidon, modulo 2^64.
///
/// With indices `3a + b`, this is a transform over `a` of length 4, then a product with 3 x 3 matrices over `b` for each
/// frequency, then the inverse transform. The matrices are those of the transformed first column, divided by 4, and those
/// of the frequencies 1 and 3 are conjugates. The method is that of winterfell and plonky2.
#[inline(always)]
fn multiply_circulant(x: [Word; SPONGE_WIDTH]) -> [Word; SPONGE_WIDTH] {
    let transform = |b: usize| {
        let (even, odd) = (x[b] + x[b + 6], x[b + 3] + x[b + 9]);
        (even + odd, (x[b] - x[b + 6], x[b + 9] - x[b + 3]), even - odd)
    };
    let [(u0, v0, w0), (u1, v1, w1), (u2, v2, w2)] = [transform(0), transform(1), transform(2)];

    let sum = u0 + u1 + u2;
    let u = [(sum + u2) << 4, (sum + u0) << 4, (sum + u1) << 4];

    const A: (i64, i64) = (2, -1);
    const B: (i64, i64) = (-4, 1);
    const C: (i64, i64) = (16, 1);
    let v = [
        plus(times(v0, A), turned(plus(times(v1, C), times(v2, B)))),
        plus(plus(times(v0, B), times(v1, A)), turned(times(v2, C))),
        plus(plus(times(v0, C), times(v1, B)), times(v2, A)),
    ];

    let w = [(w2 << 3) - w0 - (w1 << 1), -(w0 << 3) - w1 - (w2 << 1), (w0 << 1) - (w1 << 3) - w2];

    let mut y = [Wrapping(0); SPONGE_WIDTH];
    for b in 0..3 {
        let (even, odd) = (u[b] + w[b], u[b] - w[b]);
        y[b] = even + v[b].0;
        y[b + 3] = odd - v[b].1;
        y[b + 6] = even - v[b].0;
        y[b + 9] = odd + v[b].1;
    }
    y
}

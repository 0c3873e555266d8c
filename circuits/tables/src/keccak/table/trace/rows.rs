//! Filling the rows of a block.

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;
use plonky2::field::types::{Field, PrimeField64};

use crate::keccak::{
    Block,
    table::{
        columns::{COLUMNS, CONSTANT_BITS, LANE_BYTES, LANE_LIMBS, LIMB_BITS, Row},
        permutation::{
            LANE_BITS, LANES, Lanes, Parities, RATE_LANES, ROUND_CONSTANTS, ROUNDS, add_effect, parities,
            rho_pi_chi, unmix,
        },
    },
};

/// The state before a block.
#[derive(Clone, Copy)]
pub(super) struct Before {
    state: Lanes,
    /// Whether the block before ends its message, so that the state is not continued.
    last: F,
}

impl Before {
    /// What everything starts with.
    pub(super) fn start() -> Self {
        Self { state: [0; LANES], last: F::ONE }
    }

    /// What is before the block after `block`.
    pub(super) fn next(&self, block: &Block) -> Self {
        let [_, absorbed] = self.absorb(block);
        let state = (0..ROUNDS).fold(absorbed, |state, round| round_of(round, &state)[1]);
        Self { state, last: block.last }
    }

    /// The state that a block is added to.
    pub(super) fn open_state(&self) -> Lanes {
        if self.last == F::ZERO { self.state } else { [0; LANES] }
    }

    /// The bits of the row of `block`, and the state that has absorbed it.
    fn absorb(&self, block: &Block) -> [Lanes; 2] {
        let mut bits = self.open_state();
        let mut absorbed = bits;
        for (lane, words) in block.words.chunks(LANE_LIMBS).enumerate() {
            // A word that is too large is cut off: the trace has another block than the list.
            let low = |word: &F| (word.to_canonical_u64() as u32).swap_bytes();
            bits[lane] = words.iter().rev().fold(0, |lane, word| lane << LIMB_BITS | u64::from(low(word)));
            absorbed[lane] ^= bits[lane];
        }
        [bits, absorbed]
    }
}

/// The bits of a round's row, and its output.
fn round_of(round: usize, input: &Lanes) -> [Lanes; 2] {
    let bits = add_effect(input, &parities(input));
    let mut output = rho_pi_chi(&bits);
    output[0] ^= ROUND_CONSTANTS[round];
    [bits, output]
}

/// A row of no kind, whose bits are 0.
pub(super) fn empty() -> Row<F> {
    let mut row = Row::decode(&[F::ZERO; COLUMNS]).expect("as many zeros as columns");
    set_bits(&mut row, &[0; LANES]);
    row
}

/// Fills the rows of a block, which are padding so far.
pub(super) fn fill(rows: &mut [Row<F>], index: usize, block: &Block, before: &Before) {
    let [bits, mut state] = before.absorb(block);
    let mut shown = vec![bits];
    for round in 0..ROUNDS {
        let [bits, output] = round_of(round, &state);
        shown.push(bits);
        state = output;
    }
    shown.push(state);

    let mut open = before.open_state();
    for (row, bits) in rows.iter_mut().zip(&shown) {
        set_bits(row, bits);
        set_absorbed(row, &std::array::from_fn(|lane| open[lane] ^ bits[lane]));
        open = Before { state: *bits, last: block.last }.open_state();
        row.index = F::from_canonical_usize(index);
        (row.last, row.digest) = (block.last, block.digest);
    }
    let [message, rounds @ .., last] = rows else { return };
    message.message = F::ONE;
    if block.last == F::ONE {
        let [lane, byte] = padding_start(&bits);
        message.ending_lane[lane] = F::ONE;
        message.ending_byte[byte] = F::ONE;
    }
    rounds.iter_mut().enumerate().for_each(|(round, row)| row.round[round] = F::ONE);
    last.state = F::ONE;
}

/// The lane and the byte of it in which the padding of a block starts: its last byte that is not 0, apart from the
/// highest bit of all.
fn padding_start(bits: &Lanes) -> [usize; 2] {
    let mut lanes = *bits;
    lanes[RATE_LANES - 1] &= u64::MAX >> 1;
    let lane = (0..RATE_LANES).rev().find(|&lane| lanes[lane] != 0).unwrap_or(0);
    [lane, (0..LANE_BYTES).rev().find(|byte| lanes[lane] >> (8 * byte) != 0).unwrap_or(0)]
}

/// Sets the bits of a row, and everything that they determine in it.
pub fn set_bits(row: &mut Row<F>, bits: &Lanes) {
    let parity = parities(bits);
    let before = unmix(&parity);
    let output = rho_pi_chi(bits);
    write_bits(&mut row.bits, bits, F::from_bool);
    write_bits(&mut row.parity, &parity, F::from_bool);
    let effect: Parities = std::array::from_fn(|x| parity[x] ^ before[x]);
    write_bits(&mut row.effect, &effect, |flips| if flips { F::NEG_ONE } else { F::ONE });
    write_limbs(&mut row.output, &output);
    for (bit, z) in row.flippable.iter_mut().zip(CONSTANT_BITS) {
        *bit = F::from_bool(output[0] >> z & 1 == 1);
    }
}

/// Sets what a row has absorbed to the rate of `state`.
pub fn set_absorbed(row: &mut Row<F>, state: &Lanes) {
    write_limbs(&mut row.absorbed, state);
}

fn write_limbs(columns: &mut [F], lanes: &[u64]) {
    for (columns, lane) in columns.chunks_mut(LANE_LIMBS).zip(lanes) {
        for (i, column) in columns.iter_mut().enumerate() {
            *column = F::from_canonical_u32((lane >> (i * LIMB_BITS)) as u32);
        }
    }
}

fn write_bits(columns: &mut [F], lanes: &[u64], value: impl Fn(bool) -> F) {
    for (columns, lane) in columns.chunks_mut(LANE_BITS).zip(lanes) {
        for (z, column) in columns.iter_mut().enumerate() {
            *column = value(lane >> z & 1 == 1);
        }
    }
}

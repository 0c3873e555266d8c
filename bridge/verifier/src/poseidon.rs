//! Poseidon's constants, in the form in which the contract loads them.

use std::fmt::Write;

use plonky2::{
    field::goldilocks_field::GoldilocksField as F,
    hash::poseidon::{ALL_ROUND_CONSTANTS, HALF_N_FULL_ROUNDS, N_PARTIAL_ROUNDS, N_ROUNDS, Poseidon},
};

/// Elements of the permutation.
const WIDTH: usize = 12;
/// Elements that partial rounds move linearly.
const OTHERS: usize = WIDTH - 1;
/// Bits of a lane: three constants take one word.
const LANE_BITS: usize = 85;
/// Lanes of a word.
const LANES: usize = 3;
/// Bytes of one line of the Solidity file.
const LINE: usize = 48;

/// The text of `PoseidonConstants.sol`. `Poseidon.sol` draws the layout.
#[must_use]
pub fn constants_source() -> String {
    let bytes = constants();
    let mut text = String::from(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         pragma solidity 0.8.37;\n\
         \n\
         /// @dev The constants of plonky2's Poseidon over Goldilocks, laid out as `Poseidon` describes.\n\
         bytes constant POSEIDON_CONSTANTS =\n",
    );
    for (i, line) in bytes.chunks(LINE).enumerate() {
        let end = if (i + 1) * LINE >= bytes.len() { ";\n" } else { "\n" };
        write!(text, "    hex\"{}\"{end}", revm::primitives::hex::encode(line))
            .expect("a string takes any text");
    }
    text
}

/// The constants' bytes.
fn constants() -> Vec<u8> {
    let round = |r: usize| layer(&ALL_ROUND_CONSTANTS[WIDTH * r..WIDTH * (r + 1)]);
    let first_half = (0..HALF_N_FULL_ROUNDS).flat_map(round);
    let partial = layer(&F::FAST_PARTIAL_FIRST_ROUND_CONSTANT);
    let second_half = (N_ROUNDS - HALF_N_FULL_ROUNDS..N_ROUNDS).flat_map(round);
    let zeros = layer(&[0; WIDTH]);
    let matrix = (0..OTHERS)
        .flat_map(|column| F::FAST_PARTIAL_ROUND_INITIAL_MATRIX.map(|row| row[column]))
        .flat_map(u64::to_be_bytes);
    let rounds = (0..N_PARTIAL_ROUNDS)
        .flat_map(|r| {
            // plonky2 adds no constant in the last round.
            let constant = if r + 1 < N_PARTIAL_ROUNDS { F::FAST_PARTIAL_ROUND_CONSTANTS[r] } else { 0 };
            std::iter::once(constant)
                .chain(F::FAST_PARTIAL_ROUND_W_HATS[r])
                .chain(F::FAST_PARTIAL_ROUND_VS[r])
        })
        .flat_map(u64::to_be_bytes);
    first_half.chain(partial).chain(second_half).chain(zeros).chain(matrix).chain(rounds).collect()
}

/// Twelve constants in four words.
fn layer(constants: &[u64]) -> Vec<u8> {
    constants
        .chunks(LANES)
        .flat_map(|lanes| {
            let mut bits = [false; 256];
            for (lane, constant) in lanes.iter().enumerate() {
                for bit in 0..64 {
                    bits[255 - LANE_BITS * lane - bit] = constant >> bit & 1 == 1;
                }
            }
            let bytes: Vec<u8> = bits
                .chunks(8)
                .map(|byte| byte.iter().fold(0, |acc, &bit| acc << 1 | u8::from(bit)))
                .collect();
            bytes
        })
        .collect()
}

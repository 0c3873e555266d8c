//! Poseidon's constants, in the form in which the contract loads them.

use std::fmt::Write;

use plonky2::{
    field::{
        goldilocks_field::GoldilocksField as F,
        types::{Field, PrimeField64},
    },
    hash::poseidon::{ALL_ROUND_CONSTANTS, HALF_N_FULL_ROUNDS, N_PARTIAL_ROUNDS, N_ROUNDS, Poseidon},
};

/// Elements of the permutation.
const WIDTH: usize = 12;
/// Bits of a lane.
const LANE_BITS: usize = 85;
/// Lanes of a word.
const LANES: usize = 3;
/// Words of a state.
const WORDS: usize = 4;
/// Bytes of one line of the Solidity file.
const LINE: usize = 48;

/// The text of `PoseidonConstants.sol`. `Poseidon.sol` draws the layout.
#[must_use]
pub fn constants_source() -> String {
    source(
        "The constants of plonky2's Poseidon over Goldilocks, laid out as `Poseidon` describes.",
        "POSEIDON_CONSTANTS",
        &constants(),
    )
}

/// The text of `RoundConstants.sol`, which the contract's twin in plain Solidity uses.
#[must_use]
pub fn round_constants_source() -> String {
    let bytes: Vec<u8> = ALL_ROUND_CONSTANTS.into_iter().flat_map(u64::to_be_bytes).collect();
    source(
        "The constants of plonky2's Poseidon as it has them: 12 of 8 bytes for each of 30 rounds.",
        "ROUND_CONSTANTS",
        &bytes,
    )
}

/// A Solidity file with one constant.
fn source(comment: &str, name: &str, bytes: &[u8]) -> String {
    let mut text = format!(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         pragma solidity 0.8.37;\n\
         \n\
         /// @dev {comment} Written by Rust.\n\
         bytes constant {name} =\n",
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
    let round = |r: usize| std::array::from_fn(|i| F::from_canonical_u64(ALL_ROUND_CONSTANTS[WIDTH * r + i]));
    let first_half = (0..HALF_N_FULL_ROUNDS).map(round);
    // What has not been added yet. In a partial round the first element's part is added before its S-box; the rest, on which
    // nothing but the matrix acts, moves on.
    let mut pending = [F::ZERO; WIDTH];
    let partial: Vec<u64> = (HALF_N_FULL_ROUNDS..HALF_N_FULL_ROUNDS + N_PARTIAL_ROUNDS)
        .map(|r| {
            pending = sum(pending, round(r));
            let first = std::mem::take(&mut pending[0]);
            pending = <F as Poseidon>::mds_layer(&pending);
            first.to_canonical_u64()
        })
        .collect();
    let second_half =
        (N_ROUNDS - HALF_N_FULL_ROUNDS..N_ROUNDS).map(|r| sum(std::mem::take(&mut pending), round(r)));
    let layers: Vec<u8> = first_half.chain(second_half).flat_map(layer).collect();
    layers.into_iter().chain(partial.into_iter().flat_map(u64::to_be_bytes)).collect()
}

/// The sum of two vectors.
fn sum(a: [F; WIDTH], b: [F; WIDTH]) -> [F; WIDTH] {
    std::array::from_fn(|i| a[i] + b[i])
}

/// Twelve constants in the layout of a state: element `i` is in lane `i % LANES` of word `i % WORDS`.
fn layer(constants: [F; WIDTH]) -> Vec<u8> {
    let mut words = [[false; 256]; WORDS];
    for (i, constant) in constants.iter().enumerate() {
        for bit in 0..64 {
            words[i % WORDS][255 - LANE_BITS * (i % LANES) - bit] =
                constant.to_canonical_u64() >> bit & 1 == 1;
        }
    }
    words
        .as_flattened()
        .chunks(8)
        .map(|byte| byte.iter().fold(0, |acc, &bit| acc << 1 | u8::from(bit)))
        .collect()
}

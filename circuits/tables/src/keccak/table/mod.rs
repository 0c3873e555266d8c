//! The STARK of Keccak-256: columns, rules, and the trace of a list of blocks.
//!
//! A block takes 26 rows: the block itself, one for each round of the permutation, and the state after it. A round's row
//! shows the state after theta. The round's input is the sum of that and of what theta has added, of degree 2: that leaves
//! room for a row kind, so neither the input nor its parities have columns.

pub mod check;
pub mod columns;
pub mod permutation;
pub mod rules;
pub mod trace;

use circuits_prover::stark::lookups::{Filtered, Linear, Lookup};

use self::{
    columns::{LIMB_BITS, Row},
    permutation::ROUNDS,
};
use super::BLOCK_WORDS;
use crate::table::{
    Balance, Side, Table,
    system::{System, int},
};

/// Rows of a block.
pub const BLOCK_ROWS: usize = 1 + ROUNDS + 1;

/// The number of blocks that `2^degree_bits` rows hold, between the state that everything starts with and a row of
/// padding.
#[must_use]
pub const fn capacity(degree_bits: usize) -> usize {
    ((1 << degree_bits) - 2) / BLOCK_ROWS
}

/// The table of blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeccakTable;

impl Table for KeccakTable {
    type Row<T: Copy> = Row<T>;

    const BALANCES: &'static [Balance] = &[];
    const LISTED: usize = 0;

    fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
        rules::enforce(s, row, next);
    }

    fn lookups() -> Vec<Lookup> {
        vec![]
    }

    fn sums() -> Vec<Side> {
        let c = Row::columns();
        // Bytes stay in order, but the first one of a word is its most significant one.
        let weight = |bit: usize| int(1 << ((LIMB_BITS - 8 - bit / 8 * 8) + bit % 8));
        let word =
            |bits: &[usize]| Linear::combination(bits.iter().enumerate().map(|(i, &bit)| (bit, weight(i))));
        // In the order of a block's encoding.
        let words = c.bits.chunks(LIMB_BITS).take(BLOCK_WORDS).map(word);
        let rest = [c.last].into_iter().chain(c.digest).map(Linear::column);
        let value = [Linear::column(c.index)].into_iter().chain(words).chain(rest).collect();
        vec![Filtered { value, filter: Linear::column(c.message) }]
    }
}

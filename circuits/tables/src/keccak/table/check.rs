//! Checks directly what a proof shows: every rule in every row, and the blocks of the trace. Tests forge traces, and find
//! here the rule that stops them.

use rayon::prelude::*;

use super::{KeccakTable, trace::Trace};
use crate::{
    batch::tuple,
    keccak::{Block, batch::KeccakSize},
    table::{
        SumError,
        check::{broken_between, wrong_sums},
    },
};

/// Something that a verifier would reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A rule does not hold in a row.
    Rule { rule: &'static str, row: usize },
    /// The trace's blocks are not the list's.
    Sum(SumError),
}

/// Everything that is wrong with `trace` as a proof of `blocks`.
#[must_use]
pub fn violations(trace: &Trace, blocks: &[Block]) -> Vec<Violation> {
    let mut found: Vec<_> = (0..trace.rows.len())
        .into_par_iter()
        .flat_map_iter(|row| {
            broken_rules(trace, row).into_iter().map(move |rule| Violation::Rule { rule, row })
        })
        .collect();
    let list = blocks.iter().enumerate().map(|(index, block)| tuple::<KeccakSize>(index, block));
    found.extend(wrong_sums::<KeccakTable>(&trace.rows, list).into_iter().map(Violation::Sum));
    found
}

/// The rules that row `row` breaks, together with the next one.
#[must_use]
pub fn broken_rules(trace: &Trace, row: usize) -> Vec<&'static str> {
    let height = trace.rows.len();
    let next = &trace.rows[(row + 1) % height];
    broken_between::<KeccakTable>(&trace.rows[row], next, row == 0, row + 1 == height)
}

//! Lists of blocks, and what is wrong with their traces.

use std::collections::BTreeSet;

use circuits_tables::keccak::{
    Block, blocks,
    table::{
        check::{Violation, violations},
        trace::Trace,
    },
};

use super::fixtures::message;

/// A table of 19 blocks.
pub(super) const SHORT: usize = 9;

/// The blocks of messages of these lengths.
pub(super) fn list(lengths: &[usize]) -> Vec<Block> {
    lengths.iter().flat_map(|&length| blocks(&message(length))).collect()
}

/// The rules that the trace of `blocks` breaks, and the wrong sums as text.
pub(super) fn faults(blocks: &[Block]) -> BTreeSet<String> {
    let found = violations(&Trace::new(blocks, SHORT), blocks);
    found.into_iter().map(name).collect()
}

fn name(violation: Violation) -> String {
    match violation {
        Violation::Rule { rule, .. } => rule.to_owned(),
        Violation::Sum(error) => error.to_string(),
    }
}

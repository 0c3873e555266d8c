//! Checks directly what the proof shows: every rule in every row, every limb in the range table, and equal sides of every
//! lookup. Tests forge traces, and find here the rule that stops them.

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;
use plonky2::field::types::PrimeField64;
use rayon::prelude::*;

use super::{
    SignatureTable,
    columns::{LIMB_BITS, Row},
    trace::Trace,
};
use crate::{
    batch::tuple,
    ecdsa::{Claim, batch::SignatureSize},
    table::{SumError, check, system::int},
};

/// Something that a verifier would reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A rule does not hold in a row.
    Rule { rule: &'static str, row: usize },
    /// A limb is not in the range table.
    Range { column: usize, row: usize },
    /// The range table does not count its uses.
    Uses,
    /// The trace reads something that it has not written, or its claims are not the list's.
    Sum(SumError),
}

/// Everything that is wrong with `trace` as a proof of `claims`.
#[must_use]
pub fn violations(trace: &Trace, claims: &[Claim]) -> Vec<Violation> {
    let mut found: Vec<_> = (0..trace.rows.len())
        .into_par_iter()
        .flat_map_iter(|row| {
            let rules = broken_rules(trace, row).into_iter().map(move |rule| Violation::Rule { rule, row });
            rules.chain(out_of_range(&trace.rows[row], row))
        })
        .collect();
    let mut counted = trace.clone();
    counted.fill_range();
    if counted.rows.iter().zip(&trace.rows).any(|(a, b)| a.uses != b.uses || a.range != b.range) {
        found.push(Violation::Uses);
    }
    found.extend(wrong_sums(trace, claims));
    found
}

/// The rules that row `row` breaks, together with the next one.
#[must_use]
pub fn broken_rules(trace: &Trace, row: usize) -> Vec<&'static str> {
    let height = trace.rows.len();
    let next = &trace.rows[(row + 1) % height];
    check::broken_between::<SignatureTable>(&trace.rows[row], next, row == 0, row + 1 == height)
}

/// The limbs of a row that are too large.
#[must_use]
pub fn out_of_range(row: &Row<F>, index: usize) -> Vec<Violation> {
    let values: Vec<F> = row.encode();
    let columns = Row::columns();
    let large = |value: F| value.to_canonical_u64() >> LIMB_BITS != 0;
    let limbs = columns.limbs().into_iter().filter(|&column| large(values[column]));
    let tops = columns.top_limbs().into_iter().filter(|&column| large(values[column] * int(16)));
    limbs.chain(tops).map(|column| Violation::Range { column, row: index }).collect()
}

/// The lookups across rows whose sides differ.
#[must_use]
pub fn wrong_sums(trace: &Trace, claims: &[Claim]) -> Vec<Violation> {
    let list = claims.iter().enumerate().map(|(index, claim)| tuple::<SignatureSize>(index, claim));
    check::wrong_sums::<SignatureTable>(&trace.rows, list).into_iter().map(Violation::Sum).collect()
}

//! Checks directly what the proof shows: every rule in every row, every limb in the range table, and equal sides of every
//! lookup. Tests forge traces, and find here the rule that stops them.

use std::collections::HashMap;

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;
use plonky2::field::types::{Field, PrimeField64};
use rayon::prelude::*;

use super::{
    columns::{COLUMNS, LIMB_BITS, Row},
    lookups::{Side, claim_tuple, contribution, sides},
    rules,
    system::{System, When, int},
    trace::Trace,
};
use crate::ecdsa::Claim;

/// Something that a verifier would reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A rule does not hold in a row.
    Rule { rule: &'static str, row: usize },
    /// A limb is not in the range table.
    Range { column: usize, row: usize },
    /// The range table does not count its uses.
    Uses,
    /// The trace reads something that it has not written.
    Memory,
    /// The trace's claims are not the list's.
    Claims,
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
    found.extend(unbalanced(trace, claims));
    found
}

/// The rules that row `row` breaks, together with the next one.
#[must_use]
pub fn broken_rules(trace: &Trace, row: usize) -> Vec<&'static str> {
    let height = trace.rows.len();
    let next = &trace.rows[(row + 1) % height];
    broken_between(&trace.rows[row], next, row == 0, row + 1 == height)
}

/// The rules that a row breaks with its next one, if it is the first or the last.
#[must_use]
pub fn broken_between(row: &Row<F>, next: &Row<F>, first: bool, last: bool) -> Vec<&'static str> {
    let mut collector = Collector { first, last, broken: vec![] };
    rules::enforce(&mut collector, row, next);
    collector.broken
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

/// What a row contributes to the sums: for each side its tuple and multiplicity, unless the multiplicity is 0.
#[must_use]
pub fn contributions(sides: &[Side], row: &Row<F>) -> Vec<Option<(Vec<F>, F)>> {
    let values: Vec<F> = row.encode();
    debug_assert_eq!(values.len(), COLUMNS);
    sides
        .iter()
        .map(|side| Some(contribution(side, &values)).filter(|(_, times)| times.is_nonzero()))
        .collect()
}

/// The lookups whose sides differ.
#[must_use]
pub fn unbalanced(trace: &Trace, claims: &[Claim]) -> Vec<Violation> {
    let sides = sides();
    let mut memory: HashMap<Vec<F>, F> = HashMap::new();
    let mut claimed: HashMap<Vec<F>, F> = HashMap::new();
    for row in &trace.rows {
        for (side, contribution) in contributions(&sides, row).into_iter().enumerate() {
            let Some((tuple, times)) = contribution else { continue };
            let sum = if side < 2 { &mut memory } else { &mut claimed };
            *sum.entry(tuple).or_insert(F::ZERO) += if side == 1 { -times } else { times };
        }
    }
    for (index, claim) in claims.iter().enumerate() {
        *claimed.entry(claim_tuple(index, claim)).or_insert(F::ZERO) -= F::ONE;
    }
    let balanced = |sum: &HashMap<Vec<F>, F>| sum.values().all(F::is_zero);
    let memory = (!balanced(&memory)).then_some(Violation::Memory);
    memory.into_iter().chain((!balanced(&claimed)).then_some(Violation::Claims)).collect()
}

/// [`System`] over field elements that notes what is not zero.
struct Collector {
    first: bool,
    last: bool,
    broken: Vec<&'static str>,
}

impl System for Collector {
    type Value = F;

    fn constant(&mut self, value: F) -> F {
        value
    }
    fn mul_add(&mut self, a: F, b: F, c: F) -> F {
        a * b + c
    }
    fn scale_add(&mut self, k: F, a: F, c: F) -> F {
        k * a + c
    }
    fn mul(&mut self, a: F, b: F) -> F {
        a * b
    }
    fn add(&mut self, a: F, b: F) -> F {
        a + b
    }
    fn sub(&mut self, a: F, b: F) -> F {
        a - b
    }
    fn zero(&mut self, rule: &'static str, when: When, value: F) {
        let applies = match when {
            When::Always => true,
            When::Transition => !self.last,
            When::First => self.first,
            When::Last => self.last,
        };
        if applies && value.is_nonzero() && self.broken.last() != Some(&rule) {
            self.broken.push(rule);
        }
    }
}

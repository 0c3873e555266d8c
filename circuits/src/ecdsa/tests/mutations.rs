//! The mutation kit: cells of an honest trace are changed, one at a time, and something must notice.
//!
//! A changed limb is counted in the range table as the prover would count it, so that only a limb outside the table
//! counts as noticed there.

use std::collections::{BTreeMap, BTreeSet};

use plonky2::field::types::{Field, PrimeField64};
use rayon::prelude::*;

use super::fixtures::{sign, signed};
use crate::{
    F,
    ecdsa::table::{
        check::{broken_between, contributions, out_of_range},
        columns::{COLUMNS, Row},
        lookups::{Side, sides},
        rules::{self, Names},
        trace::{Assignment, Trace, refill_row},
    },
    layout::Layout,
};

/// An ordinary signature, one that meets the exceptional cases, and padding.
fn trace() -> Trace {
    let mut secret = [0; 32];
    secret[31] = 1;
    let assignments = [signed(), sign(secret, [3; 32])].map(|signed| Assignment::new(&signed));
    Trace::new(&assignments, 10)
}

/// The first rows of each profile: kind, case, operand's source, place in its word.
fn sampled_rows(trace: &Trace, per_profile: usize) -> Vec<usize> {
    let mut profiles: BTreeMap<Vec<u64>, usize> = BTreeMap::new();
    let profile = |row: &Row<F>| {
        let flags = [row.inf, row.t_inf, row.word_ends, row.last, row.read];
        [&row.kinds()[..], &row.cases(), &row.constant, &flags]
            .concat()
            .iter()
            .map(F::to_canonical_u64)
            .collect()
    };
    let mut sampled: Vec<_> = (0..trace.rows.len())
        .filter(|&row| {
            let seen = profiles.entry(profile(&trace.rows[row])).or_default();
            *seen += 1;
            *seen <= per_profile
        })
        .collect();
    sampled.push(trace.rows.len() - 1);
    sampled
}

/// What notices that row `index` of `trace` has become `row`.
fn noticed(trace: &Trace, sides: &[Side], index: usize, row: &Row<F>) -> BTreeSet<&'static str> {
    let height = trace.rows.len();
    let honest = &trace.rows[index];
    let previous = (index + height - 1) % height;
    let next = (index + 1) % height;
    let mut found = BTreeSet::new();
    found.extend(broken_between(row, &trace.rows[next], index == 0, index + 1 == height));
    found.extend(broken_between(&trace.rows[previous], row, previous == 0, previous + 1 == height));
    if row.range == honest.range {
        // The trace is shorter than the range table.
        found.remove("the range table ends at its top");
    }
    if !out_of_range(row, index).is_empty() {
        found.insert("range");
    }
    if row.uses != honest.uses {
        found.insert("uses");
    }
    let (before, after) = (contributions(sides, honest), contributions(sides, row));
    for (side, name) in ["reads", "writes", "claims"].into_iter().enumerate() {
        if before[side] != after[side] {
            found.insert(name);
        }
    }
    found
}

fn values(honest: F, seed: u64) -> BTreeSet<u64> {
    let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mut values: BTreeSet<_> = [
        honest + F::ONE,
        honest - F::ONE,
        F::ZERO,
        F::ONE,
        F::NEG_ONE,
        honest + F::from_canonical_u64(2048),
        F::from_canonical_u64(random >> 51),
        F::from_noncanonical_u64(random),
    ]
    .iter()
    .map(F::to_canonical_u64)
    .collect();
    values.remove(&honest.to_canonical_u64());
    values
}

#[test]
fn every_changed_cell_is_noticed() {
    let trace = trace();
    let sides = sides();
    let rows = sampled_rows(&trace, 2);
    let outcomes: Vec<_> = rows
        .par_iter()
        .flat_map_iter(|&index| {
            let honest: Vec<F> = trace.rows[index].encode();
            let (trace, sides) = (&trace, &sides);
            (0..COLUMNS).flat_map(move |column| {
                let honest = honest.clone();
                values(honest[column], (index * COLUMNS + column) as u64).into_iter().map(move |value| {
                    let mut changed = honest.clone();
                    changed[column] = F::from_canonical_u64(value);
                    let row = Row::decode(&changed).unwrap();
                    (index, column, value, noticed(trace, sides, index, &row))
                })
            })
        })
        .collect();
    let missed: Vec<_> = outcomes.iter().filter(|(.., found)| found.is_empty()).collect();
    let sole: BTreeSet<_> = outcomes
        .iter()
        .filter(|(.., found)| found.len() == 1)
        .filter_map(|(.., found)| found.first())
        .collect();
    let mut names = Names::default();
    let row = Row::decode(&[(); COLUMNS]).unwrap();
    rules::enforce(&mut names, &row, &row);
    let rules: BTreeSet<_> = names.0.iter().copied().collect();
    eprintln!(
        "{} changes in {} rows; alone: {} of {} rules",
        outcomes.len(),
        rows.len(),
        sole.len(),
        rules.len()
    );
    eprintln!("never alone: {:#?}", rules.iter().filter(|rule| !sole.contains(rule)).collect::<Vec<_>>());
    assert!(
        missed.is_empty(),
        "{} of {}: {:?}",
        missed.len(),
        outcomes.len(),
        &missed[..missed.len().min(20)]
    );
}

/// Columns that decide what a row does.
fn controls() -> Vec<usize> {
    let c = Row::columns();
    let singles = [c.inf, c.t_inf, c.bits_left, c.words_left, c.word_ends, c.last, c.index, c.reads, c.read];
    [&singles[..], &c.bits, &c.kinds(), &c.cases(), &c.constant, &c.shifted_carry, &c.shifted_inverse]
        .concat()
}

/// Two cells of a row and its next one are changed, quotients are fitted to them, and rules that nothing else would
/// have replaced are noted.
#[test]
fn rules_are_broken_alone_by_pairs_of_changes() {
    let trace = trace();
    let controls = controls();
    let cells: Vec<_> =
        (0..2).flat_map(|which| controls.iter().map(move |&column| (which, column))).collect();
    let rows = sampled_rows(&trace, 1);
    let alone: BTreeSet<_> = rows
        .par_iter()
        .flat_map_iter(|&index| {
            let height = trace.rows.len();
            let next = (index + 1) % height;
            let honest: [Vec<F>; 2] = [trace.rows[index].encode(), trace.rows[next].encode()];
            let mut found = BTreeSet::new();
            for (i, &first) in cells.iter().enumerate() {
                for &second in &cells[..=i] {
                    for second_value in [F::ONE, F::TWO] {
                        let mut changed = honest.clone();
                        changed[first.0][first.1] = F::ONE - changed[first.0][first.1];
                        changed[second.0][second.1] = second_value - honest[second.0][second.1];
                        let [mut row, next] = changed.map(|row| Row::decode(&row).unwrap());
                        for fitted in [false, true] {
                            if fitted {
                                refill_row(&mut row, &next);
                            }
                            for (first, last) in [(index == 0, false), (index == 0, true)] {
                                let broken = broken_between(&row, &next, first, last);
                                if let [rule] = broken[..] {
                                    found.insert(rule);
                                }
                            }
                        }
                    }
                }
            }
            found
        })
        .collect();
    eprintln!("alone in pairs: {} {alone:#?}", alone.len());
}

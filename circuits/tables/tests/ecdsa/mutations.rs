//! The mutation kit: cells of an honest trace are changed, one at a time, and something must notice.
//!
//! A changed limb is counted in the range table as the prover would count it, so that only a limb outside the table
//! counts as noticed there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use circuits_core::{F, layout::Layout};
use plonky2::field::types::{Field, PrimeField64};
use rayon::prelude::*;

use super::fixtures::{sign, signed};
use circuits_tables::{
    ecdsa::table::{
        SignatureTable,
        check::out_of_range,
        columns::{COLUMNS, Row},
        lookups::sides,
        trace::{Assignment, Trace, fill_identities},
    },
    table::{
        Side,
        check::{broken_between, contributions},
        rules,
    },
};

/// Two ordinary signatures, one that meets the exceptional cases, and padding.
fn trace() -> Trace {
    let mut secret = [0; 32];
    secret[31] = 1;
    let assignments =
        [signed(), sign(secret, [3; 32]), sign([8; 32], [1; 32])].map(|signed| Assignment::new(&signed));
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
    found.extend(broken_between::<SignatureTable>(row, &trace.rows[next], index == 0, index + 1 == height));
    found.extend(broken_between::<SignatureTable>(
        &trace.rows[previous],
        row,
        previous == 0,
        previous + 1 == height,
    ));
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
    let (before, after) = (contributions(sides, &honest.encode()), contributions(sides, &row.encode()));
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

/// A changed cell, and what notices.
struct Outcome {
    row: usize,
    column: usize,
    value: u64,
    noticed: BTreeSet<&'static str>,
}

/// All changes of single cells in the sampled rows.
static OUTCOMES: LazyLock<Vec<Outcome>> = LazyLock::new(|| {
    let trace = trace();
    let sides = sides();
    sampled_rows(&trace, 2)
        .into_par_iter()
        .flat_map_iter(|index| {
            let honest: Vec<F> = trace.rows[index].encode();
            let (trace, sides) = (&trace, &sides);
            (0..COLUMNS).flat_map(move |column| {
                let honest = honest.clone();
                values(honest[column], (index * COLUMNS + column) as u64).into_iter().map(move |value| {
                    let mut changed = honest.clone();
                    changed[column] = F::from_canonical_u64(value);
                    let row = Row::decode(&changed).unwrap();
                    Outcome { row: index, column, value, noticed: noticed(trace, sides, index, &row) }
                })
            })
        })
        .collect()
});

#[test]
fn every_changed_cell_is_noticed() {
    let outcomes = &*OUTCOMES;
    let missed: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.noticed.is_empty())
        .map(|outcome| (outcome.row, outcome.column, outcome.value))
        .collect();
    assert!(outcomes.len() > 110_000, "{} changes", outcomes.len());
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
    [&singles[..], &c.bits, &c.kinds(), &c.cases(), &c.constant].concat()
}

/// Rules that two changed cells break alone, in a row and its next one, with quotients fitted to them.
fn broken_alone_by_pairs() -> BTreeSet<&'static str> {
    let trace = trace();
    let controls = controls();
    let cells: Vec<_> =
        (0..2).flat_map(|which| controls.iter().map(move |&column| (which, column))).collect();
    sampled_rows(&trace, 1)
        .into_par_iter()
        .flat_map_iter(|index| {
            let honest: [Vec<F>; 2] =
                [index, (index + 1) % trace.rows.len()].map(|row| trace.rows[row].encode());
            let mut found = BTreeSet::new();
            for (i, &first) in cells.iter().enumerate() {
                for &second in &cells[..=i] {
                    for sum in [F::ONE, F::TWO] {
                        let mut changed = honest.clone();
                        changed[first.0][first.1] = F::ONE - honest[first.0][first.1];
                        changed[second.0][second.1] = sum - honest[second.0][second.1];
                        let [row, next] = changed.map(|row| Row::decode(&row).unwrap());
                        found.extend(stops_alone(row, &next, index == 0));
                    }
                }
            }
            found
        })
        .collect()
}

/// The rules that alone stop a row before a next one, as the last row or another, with fitted quotients or without.
fn stops_alone(mut row: Row<F>, next: &Row<F>, first: bool) -> Vec<&'static str> {
    let mut found = vec![];
    for fitted in [false, true] {
        if fitted {
            fill_identities(&mut row, next);
        }
        for last in [false, true] {
            if let [rule] = broken_between::<SignatureTable>(&row, next, first, last)[..] {
                found.push(rule);
            }
        }
    }
    found
}

/// Each rule is the only one to stop some forgery: of one cell, of two cells, or one of those written down.
#[test]
fn every_rule_is_broken_alone() {
    let mut alone = broken_alone_by_pairs();
    let single = |outcome: &Outcome| outcome.noticed.first().copied().filter(|_| outcome.noticed.len() == 1);
    alone.extend(OUTCOMES.iter().filter_map(single));
    alone.extend(super::alone::forgeries(&trace()));
    let rules: BTreeSet<_> = rules::<SignatureTable>().into_iter().collect();
    let never: Vec<_> = rules.difference(&alone).copied().collect();
    // An operand with two sources would be at infinity -1 times, or not at infinity without having been read.
    assert_eq!(never, ["an operand has one source"]);
}

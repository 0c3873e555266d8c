//! Traces with one changed cell.

use circuits_core::{F, layout::Layout};
use circuits_tables::keccak::table::{
    BLOCK_ROWS, KeccakTable,
    columns::{COLUMNS, Row},
    trace::Trace,
};
use circuits_tables::table::check::broken_between;
use plonky2::field::types::Field;
use rayon::prelude::*;

use super::lists::list;

/// Rows of every kind: the first one, the blocks that start, continue and end a message, rounds with and without a message
/// that ends, both states, padding, and the last row.
fn sampled(height: usize) -> Vec<usize> {
    let row = |block: usize, row: usize| 1 + block * BLOCK_ROWS + row;
    let [message, first_round, round, last_round, state] = [0, 1, 13, 24, 25];
    vec![
        0,
        row(0, message),
        row(0, round),
        row(0, last_round),
        row(0, state),
        row(1, message),
        row(1, first_round),
        row(1, state),
        row(2, message),
        row(2, last_round),
        row(2, state),
        row(3, 0),
        row(3, 1),
        height - 1,
    ]
}

/// Whether a rule notices `row` as row `index` of `trace`.
fn noticed(trace: &Trace, index: usize, row: &Row<F>) -> bool {
    let height = trace.rows.len();
    let (before, after) = ((index + height - 1) % height, (index + 1) % height);
    !broken_between::<KeccakTable>(row, &trace.rows[after], index == 0, after == 0).is_empty()
        || !broken_between::<KeccakTable>(&trace.rows[before], row, before == 0, index == 0).is_empty()
}

/// A trace of two blocks and one, with padding.
fn trace() -> Trace {
    Trace::new(&list(&[200, 30]), 7)
}

/// Of `columns`, those whose cell in row `index` can be changed without breaking a rule.
fn unnoticed(trace: &Trace, index: usize, columns: impl IntoParallelIterator<Item = usize>) -> Vec<usize> {
    let values: Vec<F> = trace.rows[index].encode();
    let signs = Row::columns().effect;
    let changed = |column: usize| {
        // A bit becomes the other one, and so does a sign.
        let mut changed = values.clone();
        changed[column] = if signs.contains(&column) {
            -values[column]
        } else if values[column] == F::ONE {
            F::ZERO
        } else {
            values[column] + F::ONE
        };
        Row::decode(&changed).expect("as many values as columns")
    };
    columns.into_par_iter().filter(|&column| !noticed(trace, index, &changed(column))).collect()
}

#[test]
fn a_changed_cell_of_any_column_breaks_a_rule() {
    let trace = trace();
    for index in sampled(trace.rows.len()) {
        assert_eq!(unnoticed(&trace, index, 0..COLUMNS), [0; 0], "row {index}");
    }
}

#[test]
fn a_changed_cell_of_any_row_breaks_a_rule() {
    const STEP: usize = 17;
    let trace = trace();
    for index in 0..trace.rows.len() {
        let columns: Vec<_> = (index % STEP..COLUMNS).step_by(STEP).collect();
        assert_eq!(unnoticed(&trace, index, columns), [0; 0], "row {index}");
    }
}

#[test]
fn values_that_are_no_bits_break_a_rule() {
    let trace = trace();
    for index in [0, 1, 14, 26, 53] {
        let values: Vec<F> = trace.rows[index].encode();
        for (step, value) in [(37, F::TWO), (41, F::NEG_ONE), (43, F::from_canonical_u64(1 << 32))] {
            for column in (0..COLUMNS).step_by(step) {
                let mut changed = values.clone();
                changed[column] += value;
                let changed = Row::decode(&changed).expect("as many values as columns");
                assert!(noticed(&trace, index, &changed), "row {index}, column {column}, {value} more");
            }
        }
    }
}

//! The trace of a batch of signatures.

mod rows;
mod signature;

pub use signature::Assignment;

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;
use plonky2::field::types::{Field, PrimeField64};
use rayon::prelude::*;

use super::{
    columns::{COLUMNS, LIMB_BITS, Row},
    rows_per_signature,
};

/// A trace, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The rows; their number is a power of two.
    pub rows: Vec<Row<F>>,
}

impl Trace {
    /// Computes the trace of `assignments`, padded to `2^degree_bits` rows, without judging them: an assignment that is
    /// not a signature gives a trace that breaks a rule.
    ///
    /// # Panics
    /// If there are more assignments than rows for them.
    #[must_use]
    pub fn new(assignments: &[Assignment], degree_bits: usize) -> Self {
        let height = 1 << degree_bits;
        assert!(assignments.len() * rows_per_signature() <= height, "the table has room for its signatures");
        let mut rows: Vec<_> =
            assignments.par_iter().enumerate().flat_map(|(index, it)| it.rows(index)).collect();
        rows.resize(height, rows::padding());
        let mut trace = Self { rows };
        trace.fill_range();
        trace
    }

    /// Fills the range table and counts its uses.
    pub fn fill_range(&mut self) {
        let top = (1 << LIMB_BITS) - 1;
        let mut uses = vec![0_u64; top + 1];
        let columns = Row::columns();
        for row in &self.rows {
            let values: Vec<F> = row.encode();
            let mut count = |value: u64| {
                if let Some(uses) = uses.get_mut(value as usize) {
                    *uses += 1;
                }
            };
            columns.limbs().iter().for_each(|&column| count(values[column].to_canonical_u64()));
            for column in columns.top_limbs() {
                count((values[column] * F::from_canonical_u64(16)).to_canonical_u64());
            }
        }
        for (i, row) in self.rows.iter_mut().enumerate() {
            row.range = F::from_canonical_usize(i.min(top));
            row.uses = uses.get(i).map_or(F::ZERO, |&uses| F::from_canonical_u64(uses));
        }
    }

    /// The trace column by column, as the prover takes it.
    #[must_use]
    pub fn columns(&self) -> Vec<Vec<F>> {
        let mut columns: Vec<_> = (0..COLUMNS).map(|_| Vec::with_capacity(self.rows.len())).collect();
        for row in &self.rows {
            for (column, value) in columns.iter_mut().zip(row.encode()) {
                column.push(value);
            }
        }
        columns
    }
}

pub use rows::{at, empty, fill_identities};

/// Computes the quotients and carries of row `row` again, for whoever forges a trace and has changed the row.
pub fn refill(trace: &mut Trace, row: usize) {
    let next = trace.rows[row + 1];
    fill_identities(&mut trace.rows[row], &next);
}

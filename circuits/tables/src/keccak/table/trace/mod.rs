//! The trace of a list of blocks.

mod rows;

pub use rows::{set_absorbed, set_bits};

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;
use plonky2::field::types::Field;
use rayon::prelude::*;

use self::rows::{Before, empty, fill};
use super::{
    BLOCK_ROWS, capacity,
    columns::{COLUMNS, Row},
};
use crate::keccak::Block;

/// A trace, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The rows; their number is a power of two.
    pub rows: Vec<Row<F>>,
}

/// Blocks whose rows are made and transposed together: few enough for the second cache, enough to share the work among
/// threads.
const TOGETHER: usize = 8;

impl Trace {
    /// Computes the trace of `blocks`, padded to `2^degree_bits` rows, without judging them: blocks that are not padded
    /// messages with their digests give a trace that breaks a rule, or that has other blocks.
    ///
    /// # Panics
    /// If there are more blocks than rows for them.
    #[must_use]
    pub fn new(blocks: &[Block], degree_bits: usize) -> Self {
        let plan = Plan::new(blocks, degree_bits);
        let mut rows = vec![plan.padding(); plan.height];
        rows[0] = plan.first();
        let end = 1 + blocks.len() * BLOCK_ROWS;
        plan.fill(0, &mut rows[1..end]);
        rows[end] = plan.end();
        Self { rows }
    }

    /// The trace column by column, as the prover takes it.
    #[must_use]
    pub fn columns(&self) -> Vec<Vec<F>> {
        let mut columns = Columns::new(self.rows.len());
        self.rows.chunks(TOGETHER * BLOCK_ROWS).for_each(|rows| columns.append(rows));
        columns.0
    }
}

/// The columns of [`Trace::new`], without as much memory for the rows.
///
/// # Panics
/// As [`Trace::new`].
#[must_use]
pub fn columns(blocks: &[Block], degree_bits: usize) -> Vec<Vec<F>> {
    let plan = Plan::new(blocks, degree_bits);
    let padding = plan.padding();
    let mut columns = Columns::new(plan.height);
    columns.append(&[plan.first()]);
    let mut rows = vec![padding; TOGETHER * BLOCK_ROWS];
    for (i, together) in blocks.chunks(TOGETHER).enumerate() {
        let rows = &mut rows[..together.len() * BLOCK_ROWS];
        rows.fill(padding);
        plan.fill(i * TOGETHER, rows);
        columns.append(rows);
    }
    columns.append(&[plan.end()]);
    columns.pad(&padding, plan.height);
    columns.0
}

/// The rows of a list of blocks, which can be made in any order.
struct Plan<'a> {
    blocks: &'a [Block],
    /// What is before each block, and after the last one.
    before: Vec<Before>,
    height: usize,
}

impl<'a> Plan<'a> {
    fn new(blocks: &'a [Block], degree_bits: usize) -> Self {
        assert!(blocks.len() <= capacity(degree_bits), "the table has room for its blocks");
        let mut before = vec![Before::start()];
        for (i, block) in blocks.iter().enumerate() {
            before.push(before[i].next(block));
        }
        Self { blocks, before, height: 1 << degree_bits }
    }

    /// The first row: a state that ends a message.
    fn first(&self) -> Row<F> {
        Row { state: F::ONE, last: F::ONE, index: F::NEG_ONE, ..empty() }
    }

    /// A row of padding, which keeps what belongs to the last block.
    fn padding(&self) -> Row<F> {
        let mut row = empty();
        row.index = F::from_canonical_usize(self.blocks.len()) - F::ONE;
        row.last = F::ONE;
        if let Some(block) = self.blocks.last() {
            (row.last, row.digest) = (block.last, block.digest);
        }
        row
    }

    /// The first row of padding, which absorbs the last block's state if that does not end its message.
    fn end(&self) -> Row<F> {
        let mut row = self.padding();
        set_absorbed(&mut row, &self.before[self.blocks.len()].open_state());
        row
    }

    /// Fills the rows of block `first` and those after it, which are padding so far.
    fn fill(&self, first: usize, rows: &mut [Row<F>]) {
        rows.par_chunks_exact_mut(BLOCK_ROWS).enumerate().for_each(|(i, rows)| {
            let index = first + i;
            fill(rows, index, &self.blocks[index], &self.before[index]);
        });
    }
}

/// Columns to which rows are appended.
struct Columns(Vec<Vec<F>>);

impl Columns {
    fn new(height: usize) -> Self {
        Self((0..COLUMNS).map(|_| Vec::with_capacity(height)).collect())
    }

    fn append(&mut self, rows: &[Row<F>]) {
        let rows: Vec<Vec<F>> = rows.par_iter().map(Layout::encode).collect();
        self.0
            .par_iter_mut()
            .enumerate()
            .for_each(|(i, column)| column.extend(rows.iter().map(|row| row[i])));
    }

    /// Appends `row` until there are `height` rows.
    fn pad(&mut self, row: &Row<F>, height: usize) {
        let values: Vec<F> = row.encode();
        self.0.par_iter_mut().zip(values).for_each(|(column, value)| column.resize(height, value));
    }
}

//! What transactions find in the state and leave there, as far as a few look-ups tell.
//!
//! Problem: a transaction that fails costs its sender nothing, and executing it costs as much as executing one that pays.
//! Whoever invents thousands of them with high fees would use up what a block tries.
//!
//! Approach: when a transaction enters the pool, its environment names the cells of the state that it reads, each with the
//! value that it needs there, the cells that it writes, and those that it draws on. A block compares them, in the order in
//! which it tries transactions, with the last state and with what those before them leave:
//!
//! ```text
//! the last state      1: there, 2: absent          spent: none
//!
//! A, fee 9            needs 1 unspent              holds; spends 1, makes 2
//! B, fee 8            needs 2 unspent              holds after A; spends 2
//! C, fee 7            needs 1 unspent              A spends it: C is tried last
//! D, fee 6            needs 5 unspent              nobody makes it: D is tried last
//! ```
//! Of a cell with an amount, transactions draw parts until it is used up. What is added to it counts from the next block on.
//!
//! Cost: a look-up in the state for each cell, up to the first one that has another value.

use std::collections::HashMap;

use circuits_core::{Digest, F};
use plonky2::field::types::{Field, PrimeField64};

/// A cell of the state, in the terms of its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The part of the state.
    pub part: u64,
    /// The cell's name there.
    pub name: Digest,
}

impl Cell {
    /// The value of a cell that holds a number below the field's order, such as an amount.
    #[must_use]
    pub fn of_number(number: u64) -> Digest {
        Digest([F::from_canonical_u64(number), F::ZERO, F::ZERO, F::ZERO])
    }
}

/// An amount that a transaction takes from a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The cell.
    pub cell: Cell,
    /// How much the cell needs to have.
    pub needed: u64,
    /// How much it has less afterwards, at most. It may be more than what is needed if the transaction is valid without it.
    pub taken: u64,
}

/// What a transaction needs the state to have in cells, and what these and others have after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// What the transaction needs. With another value in one of these cells no block can have it next.
    pub reads: Vec<(Cell, Digest)>,
    /// What it leaves.
    pub writes: Vec<(Cell, Digest)>,
    /// What it takes, from cells that nobody writes.
    pub draws: Vec<Draw>,
}

impl Footprint {
    /// The footprint of a transaction of which nothing shows without executing it.
    pub const NONE: Self = Self { reads: vec![], writes: vec![], draws: vec![] };

    /// What it takes of the pool's memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self { reads, writes, draws } = self;
        size_of_val(reads.as_slice()) + size_of_val(writes.as_slice()) + size_of_val(draws.as_slice())
    }

    /// Whether a state with these cells has what the transaction needs.
    pub fn holds(&self, cell: impl Fn(&Cell) -> Digest) -> bool {
        Forecast::new(cell).holds(self)
    }
}

/// The cells of the last state, as the transactions that a block tries first change them.
pub(crate) struct Forecast<C> {
    /// What the last state has in a cell.
    last: C,
    written: HashMap<Cell, Digest>,
    taken: HashMap<Cell, u64>,
}

impl<C: Fn(&Cell) -> Digest> Forecast<C> {
    pub(crate) fn new(last: C) -> Self {
        Self { last, written: HashMap::new(), taken: HashMap::new() }
    }

    /// Whether a transaction finds what it needs.
    pub(crate) fn holds(&self, Footprint { reads, draws, .. }: &Footprint) -> bool {
        let has = |cell| self.written.get(cell).copied().unwrap_or_else(|| (self.last)(cell));
        let is_covered = |Draw { cell, needed, .. }: &Draw| {
            let [available, ..] = (self.last)(cell).0;
            let taken = self.taken.get(cell).copied().unwrap_or_default();
            taken.saturating_add(*needed) <= available.to_canonical_u64()
        };
        reads.iter().all(|(cell, needed)| has(cell) == *needed) && draws.iter().all(is_covered)
    }

    /// Lets those after a transaction find what it leaves.
    pub(crate) fn follow(&mut self, Footprint { writes, draws, .. }: &Footprint) {
        self.written.extend(writes.iter().copied());
        for Draw { cell, taken, .. } in draws {
            let sum = self.taken.entry(*cell).or_default();
            *sum = sum.saturating_add(*taken);
        }
    }
}

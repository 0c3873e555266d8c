//! What transactions find in the state and leave there, as far as a few look-ups tell.
//!
//! Problem: a transaction that fails costs its sender nothing, and executing it costs as much as executing one that pays.
//! Whoever invents thousands of them with high fees would use up what a block tries.
//!
//! Approach: when a transaction enters the pool, its environment names the cells of the state that it reads, each with the
//! value that it needs there, and the cells that it writes. A block compares them, in the order in which it tries
//! transactions, with the last state and with what those before them write:
//!
//! ```text
//! the last state      1: there, 2: absent          spent: none
//!
//! A, fee 9            needs 1 unspent              holds; spends 1, makes 2
//! B, fee 8            needs 2 unspent              holds after A; spends 2
//! C, fee 7            needs 1 unspent              A spends it: C is tried last
//! D, fee 6            needs 5 unspent              nobody makes it: D is tried last
//! ```
//! Cost: a look-up in the state for each cell, up to the first one that has another value.

use std::collections::HashMap;

use circuits_core::Digest;

/// A cell of the state, in the terms of its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The part of the state.
    pub part: u8,
    /// The cell's name there.
    pub name: Digest,
}

/// What a transaction needs the state to have in cells, and what these and others have after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// What the transaction needs. With another value in one of these cells no block can have it next.
    pub reads: Vec<(Cell, Digest)>,
    /// What it leaves.
    pub writes: Vec<(Cell, Digest)>,
}

impl Footprint {
    /// The footprint of a transaction of which nothing shows without executing it.
    pub const NONE: Self = Self { reads: vec![], writes: vec![] };

    /// What it takes of the pool's memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.reads.as_slice()) + size_of_val(self.writes.as_slice())
    }
}

/// The cells of the last state, as the transactions that a block tries first change them.
pub(crate) struct Forecast<C> {
    /// What the last state has in a cell.
    last: C,
    written: HashMap<Cell, Digest>,
}

impl<C: Fn(&Cell) -> Digest> Forecast<C> {
    pub(crate) fn new(last: C) -> Self {
        Self { last, written: HashMap::new() }
    }

    /// Whether a transaction finds what it needs.
    pub(crate) fn holds(&self, footprint: &Footprint) -> bool {
        let has = |cell| self.written.get(cell).copied().unwrap_or_else(|| (self.last)(cell));
        footprint.reads.iter().all(|(cell, needed)| has(cell) == *needed)
    }

    /// Lets those after a transaction find what it leaves.
    pub(crate) fn follow(&mut self, footprint: &Footprint) {
        self.written.extend(footprint.writes.iter().copied());
    }
}

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
//! Of a cell with an amount, transactions draw parts until it is used up. What is added to it counts from the next block on,
//! unless a transaction says what it leaves there.
//!
//! A footprint names nothing that its transaction might not leave. Otherwise one transaction of a block could promise what
//! thousands need, which would then be tried before all others, and fail.
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
    /// What the cell is a part of, if something is written as a whole: whoever writes this writes all of its parts that are
    /// not empty.
    pub whole: Option<Cell>,
    /// How much the cell needs to have.
    pub needed: u64,
    /// How much it has less afterwards, at most. It may be more than what is needed if the transaction is valid without it.
    pub taken: u64,
}

/// A cell that a transaction changes from whatever it has, and what it leaves if that is what its maker expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The cell. From another value, only executing the transaction tells to what it changes it.
    pub cell: Cell,
    /// The value.
    pub expected: Digest,
    /// What the transaction leaves then, in this cell and in others.
    pub writes: Vec<(Cell, Digest)>,
}

/// What a transaction needs the state to have in cells, and what these and others have after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// What the transaction needs. With another value in one of these cells no block can have it next.
    pub reads: Vec<(Cell, Digest)>,
    /// What it leaves.
    pub writes: Vec<(Cell, Digest)>,
    /// What it leaves besides, depending on what it finds.
    pub condition: Option<Condition>,
    /// What it takes.
    pub draws: Vec<Draw>,
}

impl Footprint {
    /// The footprint of a transaction of which nothing shows without executing it.
    pub const NONE: Self = Self { reads: vec![], writes: vec![], condition: None, draws: vec![] };

    /// What it takes of the pool's memory, once it is in the pool.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self { reads, writes, condition, draws } = self;
        let conditional = condition.as_ref().map_or(&[][..], |condition| &condition.writes);
        size_of_val(reads.as_slice())
            + size_of_val(writes.as_slice())
            + size_of_val(conditional)
            + size_of_val(draws.as_slice())
    }

    /// Gives back the memory that it does not need.
    pub(crate) fn shrink(&mut self) {
        let Self { reads, writes, condition, draws } = self;
        reads.shrink_to_fit();
        writes.shrink_to_fit();
        draws.shrink_to_fit();
        condition.iter_mut().for_each(|condition| condition.writes.shrink_to_fit());
    }

    /// Whether a state with these cells has what the transaction needs.
    pub fn holds(&self, cell: impl Fn(&Cell) -> Digest) -> bool {
        Forecast::new(cell).holds(self)
    }

    /// What a state with these cells has in others after the transaction, if it executes it.
    pub fn leaves(&self, cell: impl Fn(&Cell) -> Digest) -> impl Iterator<Item = (Cell, Digest)> {
        let as_expected =
            self.condition.iter().filter(move |condition| cell(&condition.cell) == condition.expected);
        self.writes.iter().chain(as_expected.flat_map(|condition| &condition.writes)).copied()
    }
}

/// The cells of the last state, as the transactions that a block tries first change them.
pub(crate) struct Forecast<C> {
    /// What the last state has in a cell.
    last: C,
    /// What was written since; `None` for what only executing tells.
    written: HashMap<Cell, Option<Digest>>,
    /// What was drawn since it was written.
    taken: HashMap<Cell, u64>,
}

impl<C: Fn(&Cell) -> Digest> Forecast<C> {
    pub(crate) fn new(last: C) -> Self {
        Self { last, written: HashMap::new(), taken: HashMap::new() }
    }

    /// What a cell has, if that is known.
    fn value(&self, cell: &Cell) -> Option<Digest> {
        self.written.get(cell).copied().unwrap_or_else(|| Some((self.last)(cell)))
    }

    /// Whether a transaction finds what it needs.
    pub(crate) fn holds(&self, Footprint { reads, draws, .. }: &Footprint) -> bool {
        let is_covered = |Draw { cell, whole, needed, .. }: &Draw| {
            let is_emptied = !self.written.contains_key(cell)
                && whole.as_ref().is_some_and(|whole| self.written.contains_key(whole));
            let value = if is_emptied { None } else { self.value(cell) };
            let [available, ..] = value.unwrap_or_default().0;
            let taken = self.taken.get(cell).copied().unwrap_or_default();
            taken.saturating_add(*needed) <= available.to_canonical_u64()
        };
        reads.iter().all(|(cell, needed)| self.value(cell) == Some(*needed)) && draws.iter().all(is_covered)
    }

    /// Lets those after a transaction find what it leaves.
    pub(crate) fn follow(&mut self, footprint: &Footprint) {
        let Footprint { writes, condition, draws, .. } = footprint;
        for Draw { cell, taken, .. } in draws {
            let sum = self.taken.entry(*cell).or_default();
            *sum = sum.saturating_add(*taken);
        }
        let mut left: Vec<_> = writes.iter().map(|(cell, value)| (*cell, Some(*value))).collect();
        if let Some(Condition { cell, expected, writes }) = condition {
            let is_expected = self.value(cell) == Some(*expected);
            left.push((*cell, None));
            left.extend(writes.iter().filter(|_| is_expected).map(|(cell, value)| (*cell, Some(*value))));
        }
        for (cell, value) in left {
            self.written.insert(cell, value);
            self.taken.remove(&cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn cell(part: u64) -> Cell {
        Cell { part, name: Digest::ZERO }
    }

    fn writes(writes: &[(u64, u64)]) -> Footprint {
        let writes = writes.iter().map(|&(part, value)| (cell(part), Cell::of_number(value)));
        Footprint { writes: writes.collect(), ..Footprint::NONE }
    }

    fn reads(part: u64, value: u64) -> Footprint {
        Footprint { reads: vec![(cell(part), Cell::of_number(value))], ..Footprint::NONE }
    }

    /// What takes this much of what cell 1 has, which is a part of cell 0.
    fn draws(taken: u64) -> Footprint {
        let draw = Draw { cell: cell(1), whole: Some(cell(0)), needed: taken, taken };
        Footprint { draws: vec![draw], ..Footprint::NONE }
    }

    /// Every cell has 10.
    fn forecast() -> Forecast<impl Fn(&Cell) -> Digest> {
        Forecast::new(|_: &Cell| Cell::of_number(10))
    }

    #[test]
    fn what_is_written_after_a_draw_is_all_that_there_is() {
        let mut forecast = forecast();
        forecast.follow(&draws(7));
        assert!(forecast.holds(&draws(3)) && !forecast.holds(&draws(4)));
        forecast.follow(&writes(&[(1, 5), (0, 0)]));
        assert!(forecast.holds(&draws(5)) && !forecast.holds(&draws(6)));
        forecast.follow(&draws(5));
        assert!(!forecast.holds(&draws(1)));
    }

    #[test]
    fn a_part_that_is_not_written_with_its_whole_is_empty() {
        let mut forecast = forecast();
        forecast.follow(&writes(&[(0, 10), (2, 10)]));
        assert!(!forecast.holds(&draws(1)));
        forecast.follow(&writes(&[(1, 1)]));
        assert!(forecast.holds(&draws(1)));
    }

    #[test]
    fn what_depends_on_a_cell_is_written_once_and_then_nobody_knows_the_cell() {
        let conditional = Condition {
            cell: cell(0),
            expected: Cell::of_number(10),
            writes: vec![(cell(0), Cell::of_number(11)), (cell(1), Cell::of_number(1))],
        };
        let trade = Footprint { condition: Some(conditional), ..Footprint::NONE };
        let mut forecast = forecast();
        forecast.follow(&trade);
        assert!(forecast.holds(&reads(0, 11)) && forecast.holds(&reads(1, 1)));
        forecast.follow(&writes(&[(1, 2)]));
        forecast.follow(&trade);
        assert!(forecast.holds(&reads(1, 2)), "it does not find what it expects");
        assert!(![0, 10, 11].into_iter().any(|value| forecast.holds(&reads(0, value))));
        assert_eq!(trade.leaves(|_| Cell::of_number(10)).count(), 2);
        assert_eq!(trade.leaves(|_| Cell::of_number(11)).count(), 0);
    }
}

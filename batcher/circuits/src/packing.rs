//! Which circuit moves which messages.
//!
//! # The problem
//!
//! A superblock moves the messages of its blocks, in their order. A circuit that moves messages first adds balances and
//! then takes steps, and has a fixed number of slots for each: its [`Capacity`]. Message segments have many slots, and each costs a proof. The superblock's own circuit has some that
//! cost nothing, because its rows would be padding otherwise; its slots come last. So the moves are to be cut into as few
//! segments as possible, such that what is left fits the superblock's own slots.
//!
//! Two rules restrict the cuts. The messages of one block are never split, because a circuit forgets at its end which
//! block it was in. And a move needs its balances before it, in the same circuit or an earlier one.
//!
//! # The approach
//!
//! A [`Load`] reduces each move to two numbers: its steps, and how many balances must have been added when it is made.
//! [`Load::pack`] is greedy: as long as the rest does not fit the superblock's own slots, it fills one more segment, first
//! with as many balances as there are slots for, then with moves until one has no room. Balances are added as early as
//! there are slots, also for later moves, so that a move whose balances fill more than one segment is possible in the end.
//!
//! Filling greedily is optimal: a segment that takes fewer balances or moves than it can leaves more for those after it.
//!
//! # Example
//!
//! Segments have slots for 3 balances and 10 steps, the superblock for 1 balance and 4 steps. Three blocks take 2, 8 and 1
//! steps, and the first needs 1 new balance, the second 7 more:
//!
//! ```text
//! move                A   B   C
//! steps               2   8   1
//! balances needed     1   8   8
//!
//! segment 1:   balances 0..3   moves A     B needs 8 balances, 3 are there
//! segment 2:   balances 3..6               still too few
//! segment 3:   balances 6..8   moves B C   1 slot for a balance and 1 for a step stay free
//! superblock:  nothing
//! ```
//!
//! # Cost
//!
//! One pass over balances and moves, without hashing.

use std::{collections::BTreeSet, ops::Range};

use bridge_core::{BalanceKey, BlockMessages, BridgeState, Capacity};

/// What is moved at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move<'a> {
    /// The block's position in the superblock.
    pub block: usize,
    /// What the block emits and consumes.
    pub messages: &'a BlockMessages,
}

/// What the packing of a move depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    steps: usize,
    /// New balances that must have been added before, by this move and all before it.
    new_balances: usize,
}

/// What has to be moved, in order, and the balances that have to be added for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Balances that do not exist yet, in the order of their first use.
    pub new_balances: Vec<BalanceKey>,
    units: Vec<Unit>,
}

/// What one circuit moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Which of the load's new balances it adds first.
    pub new_balances: Range<usize>,
    /// Which of its moves it makes then.
    pub moves: Range<usize>,
    /// The steps of these moves.
    pub steps: Range<usize>,
}

impl Load {
    /// What it takes to move the messages of `blocks` on top of `state`.
    pub fn new<'m>(state: &BridgeState, blocks: impl IntoIterator<Item = &'m BlockMessages>) -> Self {
        let mut load = Self::default();
        let mut opened = BTreeSet::new();
        for messages in blocks {
            for key in messages.balance_keys() {
                if !state.has_balance(key) && opened.insert(key) {
                    load.new_balances.push(key);
                }
            }
            load.units.push(Unit { steps: messages.steps(), new_balances: load.new_balances.len() });
        }
        load
    }

    /// The balances that `share` adds.
    #[must_use]
    pub fn balances_of(&self, share: &Share) -> &[BalanceKey] {
        self.new_balances.get(share.new_balances.clone()).unwrap_or_default()
    }

    /// Whether nothing is moved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The fewest shares that fit `segment`, but at least `least` of them, and a last one that fits `inline`; see the
    /// [module](self). `None` if some move takes more steps than a circuit has slots for, or if one of the `least`
    /// segments would have nothing to move.
    #[must_use]
    pub fn pack(&self, segment: Capacity, inline: Capacity, least: usize) -> Option<Vec<Share>> {
        let mut shares = vec![];
        let (mut new_balances, mut moves, mut steps) = (0, 0, 0);
        let all_steps = self.units.iter().map(|unit| unit.steps).sum::<usize>();
        loop {
            let fits = self.new_balances.len() - new_balances <= inline.new_balances
                && all_steps - steps <= inline.steps;
            if fits && shares.len() >= least {
                shares.push(Share {
                    new_balances: new_balances..self.new_balances.len(),
                    moves: moves..self.units.len(),
                    steps: steps..all_steps,
                });
                return Some(shares);
            }
            let mut share =
                Share { new_balances: new_balances..new_balances, moves: moves..moves, steps: steps..steps };
            share.new_balances.end = self.new_balances.len().min(new_balances + segment.new_balances);
            for unit in &self.units[moves..] {
                if unit.new_balances > share.new_balances.end
                    || share.steps.len() + unit.steps > segment.steps
                {
                    break;
                }
                share.moves.end += 1;
                share.steps.end += unit.steps;
            }
            if share.new_balances.is_empty() && share.moves.is_empty() {
                return None;
            }
            (new_balances, moves, steps) = (share.new_balances.end, share.moves.end, share.steps.end);
            shares.push(share);
        }
    }
}

#[cfg(test)]
mod tests {
    use bridge_core::AssetId;
    use circuits_protocol::registry::EnvironmentId;

    use super::*;

    const SEGMENT: Capacity = Capacity { new_balances: 3, steps: 10 };
    const INLINE: Capacity = Capacity { new_balances: 1, steps: 4 };

    /// Moves with these numbers of steps and of new balances.
    fn load(units: &[(usize, u32)]) -> Load {
        let mut load = Load::default();
        for &(steps, new_balances) in units {
            for _ in 0..new_balances {
                let asset = AssetId::new(1, load.new_balances.len() as u32 + 1).unwrap();
                load.new_balances.push(BalanceKey { environment: EnvironmentId(1), asset });
            }
            load.units.push(Unit { steps, new_balances: load.new_balances.len() });
        }
        load
    }

    /// Shares continue each other, fit their slots, and never use a balance before it is added.
    fn check(load: &Load, shares: &[Share]) {
        let (mut new_balances, mut moves, mut steps) = (0, 0, 0);
        for (index, share) in shares.iter().enumerate() {
            let capacity = if index + 1 == shares.len() { INLINE } else { SEGMENT };
            assert_eq!(
                (share.new_balances.start, share.moves.start, share.steps.start),
                (new_balances, moves, steps)
            );
            assert!(share.new_balances.len() <= capacity.new_balances && share.steps.len() <= capacity.steps);
            let units = &load.units[share.moves.clone()];
            assert_eq!(units.iter().map(|unit| unit.steps).sum::<usize>(), share.steps.len());
            assert!(units.iter().all(|unit| unit.new_balances <= share.new_balances.end));
            (new_balances, moves, steps) = (share.new_balances.end, share.moves.end, share.steps.end);
        }
        assert_eq!((new_balances, moves), (load.new_balances.len(), load.units.len()));
    }

    #[test]
    fn what_fits_the_superblock_itself_needs_no_segment() {
        for units in [&[][..], &[(4, 1)], &[(1, 0), (2, 1), (1, 0)]] {
            let shares = load(units).pack(SEGMENT, INLINE, 0).unwrap();
            assert_eq!(shares.len(), 1, "{units:?}");
            check(&load(units), &shares);
        }
    }

    #[test]
    fn a_blocks_messages_never_span_chunks() {
        let load = load(&[(6, 0), (6, 0), (4, 0), (4, 0)]);
        let shares = load.pack(SEGMENT, INLINE, 0).unwrap();
        check(&load, &shares);
        let moves: Vec<_> = shares.iter().map(|share| share.moves.clone()).collect();
        assert_eq!(moves, [0..1, 1..3, 3..4]);
    }

    #[test]
    fn balances_that_a_block_is_short_of_are_opened_by_chunks_before_it() {
        let load = load(&[(2, 1), (8, 7), (1, 0)]);
        let shares = load.pack(SEGMENT, INLINE, 0).unwrap();
        check(&load, &shares);
        assert!(shares[1].moves.is_empty(), "a chunk of balances alone");
    }

    #[test]
    fn what_no_circuit_holds_is_not_packed() {
        assert_eq!(load(&[(11, 0)]).pack(SEGMENT, INLINE, 0), None);
        assert_eq!(load(&[(5, 0)]).pack(Capacity::NONE, INLINE, 0), None);
    }

    #[test]
    fn a_segment_can_be_asked_for_if_there_is_something_for_it() {
        let load = load(&[(1, 0), (2, 1)]);
        let shares = load.pack(SEGMENT, INLINE, 1).unwrap();
        check(&load, &shares);
        assert_eq!((shares.len(), shares[1].moves.len()), (2, 0));
        assert_eq!(load.pack(SEGMENT, INLINE, 2), None);
    }

    #[test]
    fn every_load_is_packed() {
        for seed in 0..2000usize {
            let units: Vec<_> = (0..seed % 13)
                .map(|index| (1 + (seed * 7 + index * 5) % 10, (seed / 3 * index % 6) as u32))
                .collect();
            let load = load(&units);
            check(&load, &load.pack(SEGMENT, INLINE, 0).unwrap());
        }
    }
}

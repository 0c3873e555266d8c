//! Why the candidates that are not scheduled cannot come.
//!
//! # The problem
//!
//! When no more block can be scheduled, each alternative at the head of a chain has an obstacle, and begins a *branch*: the
//! blocks that could follow it. If the obstacle is a missing message, the reason is what keeps the block that emits the
//! message, which may be in another branch, and so on. The branches with the edges "waits for" form a graph in which each
//! branch has at most one edge: each path ends at a branch that has a reason of its own, or runs into a cycle.
//!
//! # The approach
//!
//! The path from each branch is followed until it meets a branch with a reason or one that it has passed. In the first
//! case the path is walked back, and each branch's first block is [`LeftOut::Missing`] a message of the next one. In the
//! second, the blocks on the cycle are [`LeftOut::Cycle`] together: in each branch of it the first one, the one that is
//! waited for, and those between them. Blocks behind are [`LeftOut::Follows`].
//!
//! # Example
//!
//! ```text
//! 1a claims a message of 2b     2a claims a message of 1a     3a claims a message of 1a
//! ```
//!
//! From the branch of `1a` the path is `1a`, `2a`, `1a`: `1a`, `2a` and `2b` are a cycle. From that of `3a` it is `3a`,
//! `1a`, which is settled: `3a` misses a message of `1a`.
//!
//! # Cost
//!
//! Each branch is settled once. Only the messages of blocks that are left over are hashed, once each.

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::BridgeError;
use circuits_core::Digest;

use super::{
    left_out::{BlockName, LeftOut},
    schedule::Schedule,
};

/// The first block of a branch waits for a message of another block.
#[derive(Clone, Copy)]
struct Wait {
    message: Digest,
    /// The candidate that emits it, and its branch.
    emitter: usize,
    branch: usize,
}

/// What is known of a branch.
#[derive(Clone)]
enum Verdict {
    Waits(Wait),
    /// The reason, and the candidates of the branch that share it with the first one.
    Settled(LeftOut, Vec<usize>),
}

/// Where a candidate is that could come after a head.
#[derive(Clone, Copy)]
struct Place {
    branch: usize,
    /// The candidate that it follows in its branch; `None` for the first one.
    follows: Option<usize>,
}

/// The candidates that are not scheduled.
#[derive(Default)]
struct Remainder {
    /// The first candidate of each branch, and its obstacle.
    branches: Vec<(usize, LeftOut)>,
    /// The candidates of the branches, and their order.
    places: BTreeMap<usize, Place>,
    in_order: Vec<usize>,
    /// Those that are in no branch, each with its reason.
    others: BTreeMap<usize, LeftOut>,
}

impl Schedule<'_> {
    /// Why each candidate that is not scheduled cannot come. To be called after [`Schedule::fill`].
    pub(super) fn reasons(&self) -> Vec<(usize, LeftOut)> {
        let remainder = self.remainder();
        let emitters = self.emitters(&remainder);
        let branches = remainder.branches.iter();
        let mut verdicts: Vec<_> =
            branches.map(|(_, obstacle)| self.verdict(obstacle, &emitters, &remainder)).collect();
        for branch in 0..verdicts.len() {
            self.settle(branch, &mut verdicts, &remainder);
        }
        let mut reasons = vec![];
        for (&index, place) in &remainder.places {
            let (first, _) = remainder.branches[place.branch];
            let Verdict::Settled(reason, sharing) = &verdicts[place.branch] else { continue };
            let is_for_all = matches!(reason, LeftOut::Full { .. });
            reasons.push(if is_for_all || index == first || sharing.contains(&index) {
                (index, reason.clone())
            } else {
                (index, LeftOut::Follows { block: self.name(first), later: reason.may_come_later() })
            });
        }
        reasons.extend(remainder.others);
        reasons
    }

    fn name(&self, index: usize) -> BlockName {
        self.candidates[index].name()
    }

    fn remainder(&self) -> Remainder {
        let mut remainder = Remainder::default();
        for chain in &self.chains {
            let ahead = chain.ahead(self.candidates);
            // `fill` has tried every alternative.
            let obstacles = chain.obstacles.iter().flatten().cloned();
            let mut next = remainder.branches.len();
            remainder.branches.extend(chain.alternatives().iter().copied().zip(obstacles));
            for &(index, follows) in &ahead {
                let branch = match follows.and_then(|before| remainder.places.get(&before)) {
                    Some(place) => place.branch,
                    None => {
                        next += 1;
                        next - 1
                    }
                };
                remainder.places.insert(index, Place { branch, follows });
                remainder.in_order.push(index);
            }
            remainder.others.extend(chain.others(self.candidates, &ahead));
        }
        remainder
    }

    /// The candidates that emit the messages that are waited for; of several the first, those in branches before others.
    fn emitters(&self, remainder: &Remainder) -> BTreeMap<Digest, usize> {
        let awaited: BTreeSet<Digest> = remainder
            .branches
            .iter()
            .filter_map(|(_, obstacle)| match obstacle {
                LeftOut::Bridge(BridgeError::NotPending { message, .. }) => Some(*message),
                _ => None,
            })
            .collect();
        let mut emitters = BTreeMap::new();
        if awaited.is_empty() {
            return emitters;
        }
        let mut others: Vec<_> = remainder.others.keys().copied().collect();
        others.sort_by_cached_key(|&index| (self.name(index), self.candidates[index].rank()));
        for index in remainder.in_order.iter().copied().chain(others) {
            for message in &self.candidates[index].messages.outbox {
                let hash = message.hash();
                if awaited.contains(&hash) {
                    emitters.entry(hash).or_insert(index);
                }
            }
        }
        emitters
    }

    fn verdict(
        &self,
        obstacle: &LeftOut,
        emitters: &BTreeMap<Digest, usize>,
        remainder: &Remainder,
    ) -> Verdict {
        let LeftOut::Bridge(BridgeError::NotPending { message, .. }) = *obstacle else {
            return Verdict::Settled(obstacle.clone(), vec![]);
        };
        let reason = match emitters.get(&message) {
            Some(&emitter) => match (remainder.places.get(&emitter), remainder.others.get(&emitter)) {
                (Some(place), _) => {
                    return Verdict::Waits(Wait { message, emitter, branch: place.branch });
                }
                (None, other) => {
                    let later = other.is_some_and(LeftOut::may_come_later);
                    LeftOut::Missing { message, emitter: self.name(emitter), later }
                }
            },
            None if self.ledger.knows(&message) => obstacle.clone(),
            None => LeftOut::NotEmitted { message },
        };
        Verdict::Settled(reason, vec![])
    }

    /// Follows the path of waiting branches from `start`, to a branch that waits for none, or to one that it has passed.
    fn settle(&self, start: usize, verdicts: &mut [Verdict], remainder: &Remainder) {
        let mut path: Vec<(usize, Wait)> = vec![];
        let mut branch = start;
        while let Verdict::Waits(wait) = verdicts[branch] {
            if let Some(first) = path.iter().position(|&(passed, _)| passed == branch) {
                self.settle_cycle(&path.split_off(first), verdicts, remainder);
                break;
            }
            path.push((branch, wait));
            branch = wait.branch;
        }
        for (branch, Wait { message, emitter, branch: emitting }) in path.into_iter().rev() {
            let later = match &verdicts[emitting] {
                Verdict::Settled(reason, _) => reason.may_come_later(),
                // The branch after it in the path is settled by now.
                Verdict::Waits(_) => false,
            };
            let emitter = self.name(emitter);
            verdicts[branch] = Verdict::Settled(LeftOut::Missing { message, emitter, later }, vec![]);
        }
    }

    /// Each branch of `cycle` waits for a block of the next one: that block and those before it are in the cycle.
    fn settle_cycle(&self, cycle: &[(usize, Wait)], verdicts: &mut [Verdict], remainder: &Remainder) {
        let awaited: Vec<_> = cycle
            .iter()
            .map(|(_, wait)| {
                let before = |index: &usize| remainder.places.get(index)?.follows;
                (wait.branch, std::iter::successors(Some(wait.emitter), before).collect::<Vec<_>>())
            })
            .collect();
        let mut blocks: Vec<_> =
            awaited.iter().flat_map(|(_, indices)| indices).map(|&index| self.name(index)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        for (branch, indices) in awaited {
            verdicts[branch] = Verdict::Settled(LeftOut::Cycle { blocks: blocks.clone() }, indices);
        }
    }
}

//! Why a chain's next block cannot come.
//!
//! # The problem
//!
//! When no more block can be scheduled, each chain that has blocks left has an obstacle. If it is a missing message, the
//! reason is what keeps the block that emits the message, which may itself wait for another chain, and so on. The
//! chains with the edges "waits for" form a graph in which each chain has at most one edge: each path ends at a chain
//! that has a reason of its own, or runs into a cycle.
//!
//! # The approach
//!
//! The path from each chain is followed until it meets a chain with a reason or one that it has passed. In the first
//! case the path is walked back, and each chain's block is [`LeftOut::Missing`] a message of the next one. In the second,
//! the blocks on the cycle are [`LeftOut::Cycle`] together: in each chain of it those up to the one that is waited for.
//! Blocks behind are [`LeftOut::Follows`].
//!
//! # Example
//!
//! ```text
//! 1a claims a message of 2b     2a claims a message of 1a     3a claims a message of 1a
//! ```
//!
//! From chain 1 the path is 1, 2, 1: `1a`, `2a` and `2b` are a cycle. From chain 3 it is 3, 1, which is settled: `3a`
//! misses a message of `1a`.
//!
//! # Cost
//!
//! Each chain is settled once. Only the messages of blocks that are left over are hashed, once each.

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::BridgeError;
use circuits_core::Digest;

use super::{
    left_out::{BlockName, LeftOut},
    schedule::Schedule,
};

/// A block waits for a message of another one.
#[derive(Clone, Copy)]
struct Wait {
    message: Digest,
    /// The chain of the block that emits it, and the block's position there.
    chain: usize,
    position: usize,
}

/// Which candidate that is not scheduled emits a message.
#[derive(Clone, Copy)]
enum Emitter {
    /// One of a chain, at a position.
    Chained(usize, usize),
    /// One that continues nothing, by position.
    Other(usize),
}

/// What is known of a chain whose next block cannot come.
#[derive(Clone)]
enum Verdict {
    Waits(Wait),
    /// The reason, and how many blocks of the chain share it.
    Settled(LeftOut, usize),
}

impl Schedule<'_> {
    /// Why each block of a chain that is not scheduled cannot come. `others` are the candidates that continue nothing.
    pub(super) fn reasons(&self, others: &[(usize, LeftOut)]) -> Vec<(usize, LeftOut)> {
        let emitters = self.emitters(others);
        let mut verdicts: Vec<_> = self
            .chains
            .iter()
            .map(|chain| self.verdict(chain.obstacle.as_ref()?, &emitters, others))
            .collect();
        for chain in 0..verdicts.len() {
            self.settle(chain, &mut verdicts);
        }
        let mut reasons = vec![];
        for (chain, verdict) in self.chains.iter().zip(verdicts) {
            if let Some(Verdict::Settled(reason, count)) = verdict {
                let left = &chain.blocks[chain.scheduled..];
                let follows = LeftOut::Follows { block: self.name(left[0]), later: reason.may_come_later() };
                let all = std::iter::repeat_n(reason, count).chain(std::iter::repeat(follows));
                reasons.extend(left.iter().copied().zip(all));
            }
        }
        reasons
    }

    fn name(&self, index: usize) -> BlockName {
        self.candidates[index].name()
    }

    /// The blocks that emit the messages that are waited for, among those not scheduled.
    fn emitters(&self, others: &[(usize, LeftOut)]) -> BTreeMap<Digest, Emitter> {
        let awaited: BTreeSet<Digest> = self
            .chains
            .iter()
            .filter_map(|chain| match chain.obstacle {
                Some(BridgeError::NotPending { message, .. }) => Some(message),
                _ => None,
            })
            .collect();
        let chained = self.chains.iter().enumerate().flat_map(|(number, chain)| {
            let left = chain.blocks.iter().enumerate().skip(chain.scheduled);
            left.map(move |(position, &index)| (index, Emitter::Chained(number, position)))
        });
        let others =
            others.iter().enumerate().map(|(position, &(index, _))| (index, Emitter::Other(position)));
        let mut emitters = BTreeMap::new();
        for (index, emitter) in chained.chain(others) {
            for message in &self.candidates[index].messages.outbox {
                let hash = message.hash();
                if awaited.contains(&hash) {
                    emitters.entry(hash).or_insert(emitter);
                }
            }
        }
        emitters
    }

    fn verdict(
        &self,
        obstacle: &BridgeError,
        emitters: &BTreeMap<Digest, Emitter>,
        others: &[(usize, LeftOut)],
    ) -> Option<Verdict> {
        let reason = match *obstacle {
            BridgeError::NotPending { message, .. } => match emitters.get(&message) {
                Some(&Emitter::Chained(chain, position)) => {
                    return Some(Verdict::Waits(Wait { message, chain, position }));
                }
                Some(&Emitter::Other(position)) => {
                    let (index, reason) = &others[position];
                    LeftOut::Missing { message, emitter: self.name(*index), later: reason.may_come_later() }
                }
                None if self.ledger.knows(&message) => LeftOut::Bridge(obstacle.clone()),
                None => LeftOut::NotEmitted { message },
            },
            _ => LeftOut::Bridge(obstacle.clone()),
        };
        Some(Verdict::Settled(reason, 1))
    }

    /// Follows the path of waiting chains from `start`, to a chain that waits for none, or to one that it has passed.
    fn settle(&self, start: usize, verdicts: &mut [Option<Verdict>]) {
        let mut path: Vec<(usize, Wait)> = vec![];
        let mut chain = start;
        while let Some(Verdict::Waits(wait)) = verdicts[chain] {
            if let Some(first) = path.iter().position(|&(passed, _)| passed == chain) {
                self.settle_cycle(&path.split_off(first), verdicts);
                break;
            }
            path.push((chain, wait));
            chain = wait.chain;
        }
        for (chain, Wait { message, chain: emitting, position }) in path.into_iter().rev() {
            let later = match &verdicts[emitting] {
                Some(Verdict::Settled(reason, _)) => reason.may_come_later(),
                // Every chain with a block that is not scheduled has an obstacle, and it is settled by now.
                Some(Verdict::Waits(_)) | None => false,
            };
            let emitter = self.name(self.chains[emitting].blocks[position]);
            verdicts[chain] = Some(Verdict::Settled(LeftOut::Missing { message, emitter, later }, 1));
        }
    }

    /// Each chain of `cycle` waits for a block of the next one: that block and those before it are in the cycle.
    fn settle_cycle(&self, cycle: &[(usize, Wait)], verdicts: &mut [Option<Verdict>]) {
        let awaited =
            cycle.iter().map(|(_, wait)| (wait.chain, self.chains[wait.chain].scheduled..wait.position + 1));
        let awaited: Vec<_> = awaited.collect();
        let mut blocks: Vec<_> = awaited
            .iter()
            .flat_map(|(chain, positions)| self.chains[*chain].blocks[positions.clone()].iter())
            .map(|&index| self.name(index))
            .collect();
        blocks.sort_unstable();
        for (chain, positions) in awaited {
            let reason = LeftOut::Cycle { blocks: blocks.clone() };
            verdicts[chain] = Some(Verdict::Settled(reason, positions.len()));
        }
    }
}

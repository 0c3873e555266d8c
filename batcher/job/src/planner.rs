//! From checked blocks to a plan: which blocks, in which order, under which tree of proofs.
//!
//! A plan is a function of its inputs; the order of files has no influence. It is made in three steps:
//!
//! 1. `chains`: which candidates continue the state, environment by environment.
//! 2. `schedule`: in which order their messages can be moved, and `reasons`: why the others cannot come.
//! 3. [`ProofTree::cheapest`]: which circuits apply the blocks and move the messages.
//!
//! The first two make a [`Selection`], which carries what the third needs. Then the [`Transition`] applies every rule to
//! the selection natively, before anything is proved.

mod candidate;
mod chains;
mod left_out;
#[cfg(test)]
mod message_tests;
mod reasons;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;

use batcher_circuits::{
    contents::Contents,
    packing::Load,
    state::SuperblockState,
    transition::{Transition, TransitionError},
};
use bridge_core::{BridgeError, Message};
use circuits_core::Digest;
use circuits_protocol::registry::Registry;

use crate::proof_tree::{ProofTree, ProofTreeLimits};

pub use candidate::Candidate;
use chains::chains;
pub use left_out::{BlockName, LeftOut};
pub use schedule::MAX_DEPOSITS;
use schedule::Schedule;

/// The most blocks of one superblock, unless the caller says less.
pub const MAX_BLOCKS: usize = 512;

/// What is to be proved.
pub struct Plan {
    /// Indices of the candidates that are in the superblock, in the order of application.
    pub order: Vec<usize>,
    /// The others, each with its reason, by index.
    pub left_out: Vec<(usize, LeftOut)>,
    /// Why a deposit stays in L1's queue, with all after it: which one, and the rule that it breaks.
    pub stuck: Option<(usize, BridgeError)>,
    /// The superblock, computed natively.
    pub transition: Transition,
    /// The proofs to make.
    pub tree: ProofTree,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("order", &self.order)
            .field("left_out", &self.left_out)
            .field("stuck", &self.stuck)
            .field("tree", &self.tree)
            .finish_non_exhaustive()
    }
}

/// Which blocks come into a superblock, with what was computed to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Indices of the candidates that are in the superblock, in the order of application.
    pub order: Vec<usize>,
    /// The others, each with its reason, by index.
    pub left_out: Vec<(usize, LeftOut)>,
    /// The deposit that stays in L1's queue with all after it, and the rule of the bridge that keeps it there.
    pub stuck: Option<(usize, BridgeError)>,
    /// The blocks of `order`, the deposits that are taken, and those that nobody claimed in time, which go back.
    pub contents: Contents,
    /// What the circuits have to move.
    pub load: Load,
}

/// Makes plans.
#[derive(Clone, Copy, Debug)]
pub struct Planner {
    /// The most blocks of one superblock.
    pub max_blocks: usize,
    /// Which trees are considered.
    pub limits: ProofTreeLimits,
}

impl Default for Planner {
    fn default() -> Self {
        Self { max_blocks: MAX_BLOCKS, limits: ProofTreeLimits::default() }
    }
}

impl Planner {
    /// Chooses blocks. Each environment's blocks form one chain from where `state` left it; of several blocks that
    /// continue the chain, the one with the lowest statement digest wins. Environments take turns, by id: in each turn an
    /// environment adds its next block if its messages can be moved by then. A block that can never come is left out
    /// with those that need it, each with its own reason. The order of `candidates` has no influence on what is stated.
    ///
    /// `deposits` are those that L1's queue has and no superblock took.
    #[must_use]
    pub fn select(
        &self,
        state: &SuperblockState,
        registry: &Registry,
        candidates: &[Candidate],
        deposits: &[Message],
    ) -> Selection {
        let (chains, mut left_out) = chains(state, registry, candidates);
        let mut schedule = Schedule::new(state, candidates, chains);
        let (taken, stuck) = schedule.take_deposits(deposits);
        let refunds = schedule.send_back(state);
        schedule.fill();
        left_out.extend(schedule.reasons(&left_out));
        let mut order = schedule.order;
        let late = order.split_off(order.len().min(self.max_blocks));
        left_out.extend(late.into_iter().map(|index| (index, LeftOut::Full { limit: self.max_blocks })));
        left_out.sort_by_key(|(index, _)| *index);
        let contents = Contents {
            blocks: order.iter().map(|&index| candidates[index].content()).collect(),
            deposits: deposits[..taken].to_vec(),
            refunds,
        };
        let load = contents.load(state);
        Selection { order, left_out, stuck, contents, load }
    }

    /// Chooses the tree of proofs for a selection, and applies it to the `state` that it was made for.
    ///
    /// # Errors
    /// [`TransitionError`]: the selection has no block, or a block breaks a rule that the intake checks.
    pub fn plan(
        &self,
        state: &SuperblockState,
        registry: &Registry,
        segment_set_root: Digest,
        selection: Selection,
    ) -> Result<Plan, TransitionError> {
        let Selection { order, left_out, stuck, contents, load } = selection;
        let tree = ProofTree::cheapest(contents.blocks.len(), &load, self.limits);
        let transition = Transition::new(state, registry, segment_set_root, &contents, &load, &tree.shares)?;
        Ok(Plan { order, left_out, stuck, transition, tree })
    }
}

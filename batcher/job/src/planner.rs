//! From checked blocks to a plan: which blocks, in which order, under which tree of proofs.
//!
//! A plan is a function of its inputs; the order of files has no influence. It is made in three steps:
//!
//! 1. `chains`: which candidates continue the state and each other, environment by environment.
//! 2. `schedule`: which of them come, in which order, as long as there is `room`; and `reasons`: why the others do not.
//! 3. [`ProofTree::cheapest`]: which circuits apply the blocks and move the messages.
//!
//! The first two make a [`Selection`], which carries what the third needs. Then the [`Transition`] applies every rule to
//! the selection natively, before anything is proved.

#[cfg(test)]
mod alternative_tests;
mod candidate;
mod chains;
mod left_out;
#[cfg(test)]
mod message_tests;
mod reasons;
mod room;
#[cfg(test)]
mod room_tests;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;

use batcher_circuits::{
    contents::Contents,
    messages::MESSAGE_CAPACITY,
    packing::Load,
    state::SuperblockState,
    transition::{Transition, TransitionError},
};
use bridge_core::{BridgeError, Capacity, Message};
use circuits_core::Digest;
use circuits_protocol::registry::Registry;

use crate::proof_tree::{ProofTree, ProofTreeLimits};

pub use candidate::Candidate;
use chains::chains;
pub use left_out::{BlockName, LeftOut};
pub(crate) use room::Room;
pub use schedule::MAX_DEPOSITS;
use schedule::Schedule;

/// The most blocks of one superblock, unless the caller says less.
pub const MAX_BLOCKS: usize = 512;

/// As many message segments' worth of steps and balances has one superblock at most, unless the caller says less. Their
/// lists take less than a quarter of the largest bundle. The messages of one block are never split, so that blocks which
/// leave room in their segments can take up to three times as many; that costs about as much as applying [`MAX_BLOCKS`].
const MAX_MESSAGE_SEGMENTS: usize = 64;

/// The most steps of the bridge and the most new balances of one superblock, unless the caller says less.
pub const MAX_MESSAGES: Capacity = {
    let Capacity { new_balances, steps } = MESSAGE_CAPACITY;
    Capacity { new_balances: MAX_MESSAGE_SEGMENTS * new_balances, steps: MAX_MESSAGE_SEGMENTS * steps }
};

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
    /// The most steps and new balances of one superblock. A block that needs more never comes; one takes at most
    /// [`MAX_BLOCK_STEPS`](bridge_core::MAX_BLOCK_STEPS) steps, and as many new balances.
    pub max_messages: Capacity,
    /// Which trees are considered.
    pub limits: ProofTreeLimits,
}

impl Default for Planner {
    fn default() -> Self {
        Self { max_blocks: MAX_BLOCKS, max_messages: MAX_MESSAGES, limits: ProofTreeLimits::default() }
    }
}

impl Planner {
    /// Chooses blocks. Each environment's blocks form one chain from where `state` left it. Those that have blocks take turns, by
    /// id, and each superblock begins one place further on: in its turn an environment adds its next block, if its
    /// messages can be moved by then and the superblock has room for them. Of several blocks that continue the same state,
    /// the one is tried first that leads furthest, with those that follow it, and of these the one with the lowest statement
    /// digest; another one takes its place only if no environment can add its first choice. A block that cannot come is left
    /// out with those that need it, each with its own reason. The order of `candidates` has no influence on what is stated.
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
        let room = Room::new(self.max_blocks, self.max_messages);
        let mut schedule = Schedule::new(state, candidates, chains(state, registry, candidates), room);
        let (taken, stuck) = schedule.take_deposits(deposits);
        let refunds = schedule.send_back(state);
        schedule.fill();
        let mut left_out = schedule.reasons();
        left_out.sort_unstable_by_key(|(index, _)| *index);
        let order = schedule.order;
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

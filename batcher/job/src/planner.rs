//! From checked blocks to a plan: which blocks, in which order, under which tree of proofs.
//!
//! A plan is a function of its inputs; the order of files has no influence. It is made in three steps:
//!
//! 1. `chains`: which candidates continue the state and each other, environment by environment.
//! 2. `schedule`: which of them come, in which order, as long as there is `room`; `reasons`: why the others do not; and
//!    `l1`: the block of environment 0, which is made here and comes last.
//! 3. [`ProofTree::cheapest`]: which circuits apply the blocks and move the messages.
//!
//! The first two make a [`Selection`], which carries what the third needs. Then the [`Transition`] applies every rule to
//! the selection natively, before anything is proved.

#[cfg(test)]
mod alternative_tests;
mod candidate;
mod chains;
mod l1;
#[cfg(test)]
mod l1_tests;
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
use bridge_core::Capacity;
use circuits_core::{CircuitError, Digest};
use circuits_protocol::registry::Registry;
use thiserror::Error;

use crate::proof_tree::{ProofTree, ProofTreeLimits};

pub use candidate::Candidate;
use chains::chains;
pub use l1::{L1Input, L1Waits, PlannedL1};
pub use left_out::{BlockName, LeftOut};
pub(crate) use room::Room;
use schedule::Schedule;

/// The most blocks of one superblock beside that of environment 0, unless the caller says less.
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
    /// The block of environment 0, which is the last one.
    pub l1: Option<PlannedL1>,
    /// What is not done for L1.
    pub l1_waits: Option<L1Waits>,
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
            .field("l1", &self.l1)
            .field("l1_waits", &self.l1_waits)
            .field("tree", &self.tree)
            .finish_non_exhaustive()
    }
}

/// Which blocks come into a superblock, with what was computed to find out.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Indices of the candidates that are in the superblock, in the order of application.
    pub order: Vec<usize>,
    /// The others, each with its reason, by index.
    pub left_out: Vec<(usize, LeftOut)>,
    /// The block of environment 0, if there is something for it to do.
    pub l1: Option<PlannedL1>,
    /// What is not done for L1.
    pub l1_waits: Option<L1Waits>,
    /// The blocks of `order`, then that of environment 0.
    pub contents: Contents,
    /// What the circuits have to move.
    pub load: Load,
}

impl Selection {
    fn new(
        state: &SuperblockState,
        candidates: &[Candidate],
        order: Vec<usize>,
        left_out: Vec<(usize, LeftOut)>,
        (l1, l1_waits): (Option<PlannedL1>, Option<L1Waits>),
    ) -> Self {
        let blocks = order.iter().map(|&index| candidates[index].content());
        let contents = Contents {
            blocks: blocks.chain(l1.as_ref().map(PlannedL1::content)).collect(),
            l1_body: l1.as_ref().map(|l1| (&l1.block.witness().outcome.l1()).into()),
        };
        let load = contents.load(state);
        Self { order, left_out, l1, l1_waits, contents, load }
    }
}

/// Why blocks cannot come in the order of an earlier plan.
#[derive(Debug, Error)]
pub enum RepeatError {
    /// There is no room for a block, or its messages cannot be moved.
    #[error("{name}: {reason}")]
    Block { name: BlockName, reason: LeftOut },
    /// The kernel of environment 0's block cannot be built.
    #[error("the block of environment 0: {0}")]
    L1Kernel(#[from] CircuitError),
}

/// Makes plans.
#[derive(Clone, Copy, Debug)]
pub struct Planner {
    /// The most blocks of one superblock beside that of environment 0.
    pub max_blocks: usize,
    /// The most steps and new balances of one superblock. A block that needs more never comes; one takes at most
    /// [`MAX_BLOCK_STEPS`](bridge_core::MAX_BLOCK_STEPS) steps, and as many new balances. If the registry lists
    /// environment 0, what its block may take is kept free.
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
    /// Then it makes the block of environment 0, if `l1` is given: whatever the queue has for it and whatever it can pay,
    /// up to what one block takes.
    ///
    /// # Errors
    /// If the kernel of environment 0's block cannot be built.
    pub fn select(
        &self,
        state: &SuperblockState,
        registry: &Registry,
        candidates: &[Candidate],
        l1: Option<&L1Input<'_>>,
    ) -> Result<Selection, CircuitError> {
        let chains = chains(state, registry, candidates);
        let mut schedule = Schedule::new(state, candidates, chains, self.room(registry));
        schedule.fill();
        let mut left_out = schedule.reasons();
        left_out.sort_unstable_by_key(|(index, _)| *index);
        let (l1, l1_waits) = match l1 {
            Some(l1) => schedule.l1_block(state, registry, l1)?,
            None => (None, None),
        };
        Ok(Selection::new(state, candidates, schedule.order, left_out, (l1, l1_waits)))
    }

    /// Chooses what an earlier plan chose: the blocks of `order`, and a block of environment 0 if `l1` is given. All other
    /// candidates are left out.
    ///
    /// # Errors
    /// [`RepeatError`]: the blocks cannot come in this order.
    pub fn repeat(
        &self,
        state: &SuperblockState,
        registry: &Registry,
        candidates: &[Candidate],
        order: &[usize],
        l1: Option<&L1Input<'_>>,
    ) -> Result<Selection, RepeatError> {
        let mut schedule = Schedule::new(state, candidates, vec![], self.room(registry));
        for &index in order {
            let name = candidates[index].name();
            schedule.add_block(index, None).map_err(|reason| RepeatError::Block { name, reason })?;
        }
        let l1 = match l1 {
            Some(l1) => schedule.l1_block(state, registry, l1)?,
            None => (None, None),
        };
        let others = (0..candidates.len()).filter(|index| !order.contains(index));
        let left_out = others.map(|index| (index, LeftOut::MadeWithout)).collect();
        Ok(Selection::new(state, candidates, schedule.order, left_out, l1))
    }

    /// What the superblock after a state has room for.
    fn room(&self, registry: &Registry) -> Room {
        let room = Room::new(self.max_blocks, self.max_messages);
        if l1::is_listed(registry) { room.beside_l1() } else { room }
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
        let Selection { order, left_out, l1, l1_waits, contents, load } = selection;
        let tree = ProofTree::cheapest(contents.blocks.len(), &load, self.limits);
        let transition = Transition::new(state, registry, segment_set_root, &contents, &load, &tree.shares)?;
        Ok(Plan { order, left_out, l1, l1_waits, transition, tree })
    }
}

//! A superblock computed natively: every root between its blocks is known before any proof exists, so the proofs of one
//! stage can be made in parallel, on any machine, in any order.

use std::ops::Range;

use circuits::{
    Digest, F,
    registry::Registry,
    statement::{Accumulators, BlockStatement, SegmentStatement, SuperblockRoots, SuperblockStatement},
    trees::Path,
};
use plonky2::field::types::Field;
use thiserror::Error;

use super::{
    apply::{AppliedBlock, ApplyError, apply_block},
    state::SuperblockState,
    superblock::{SourceInput, SuperblockInput},
};

/// A superblock cannot follow a state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransitionError {
    /// A superblock needs a block.
    #[error("a superblock needs at least one block")]
    Empty,
    /// Superblock numbers have 32 bits.
    #[error("superblock {0} is the last one that has a number")]
    LastNumber(u32),
    /// A block does not apply.
    #[error("block {index} of the superblock: {source}")]
    Block {
        /// Position in the superblock.
        index: usize,
        /// Why.
        source: ApplyError,
    },
}

/// One superblock's effect on a state.
#[derive(Clone, Debug)]
pub struct Transition {
    /// What the superblock proof will state.
    pub statement: SuperblockStatement,
    /// The state that it leads to.
    pub new_state: SuperblockState,
    /// How each block applies.
    pub applied: Vec<AppliedBlock>,
    boundaries: Vec<(SuperblockRoots, Accumulators)>,
    segment_set_root: Digest,
    history_root: Digest,
    history_path: Path,
    previous_number: u32,
}

impl Transition {
    /// Applies `blocks`, each with its wrap's key digest, to `state` as its next superblock.
    ///
    /// # Errors
    /// [`TransitionError`]; `state` is not touched.
    pub fn new(
        state: &SuperblockState,
        registry: &Registry,
        segment_set_root: Digest,
        blocks: &[(Digest, BlockStatement)],
    ) -> Result<Self, TransitionError> {
        if blocks.is_empty() {
            return Err(TransitionError::Empty);
        }
        let number = state.number.checked_add(1).ok_or(TransitionError::LastNumber(state.number))?;
        let mut new_state = state.clone();
        let mut accumulators = Accumulators::start(state.l1_inbox);
        let mut boundaries = vec![(state.roots(), accumulators)];
        let mut applied = vec![];
        for (index, (key, block)) in blocks.iter().enumerate() {
            let one = apply_block(&mut new_state, &mut accumulators, registry, number, *key, block)
                .map_err(|source| TransitionError::Block { index, source })?;
            applied.push(one);
            boundaries.push((new_state.roots(), accumulators));
        }
        let previous_state = state.commitment();
        new_state.number = number;
        new_state.history.push(previous_state);
        new_state.l1_inbox = accumulators.l1_inbox;
        let statement = SuperblockStatement {
            chain_id: F::from_canonical_u64(state.chain_id),
            number: F::from_canonical_u32(number),
            previous_state,
            new_state: new_state.commitment(),
            registry_root: registry.root(),
            body_chain: accumulators.body_chain,
            l1_inbox_before: state.l1_inbox,
            l1_inbox_after: accumulators.l1_inbox,
            l1_outbox: accumulators.l1_outbox,
            block_count: accumulators.block_count,
        };
        Ok(Self {
            statement,
            new_state,
            applied,
            boundaries,
            segment_set_root,
            history_root: state.history_tree().root(),
            history_path: state.history_path(),
            previous_number: state.number,
        })
    }

    /// What a segment over the blocks in `range` states.
    ///
    /// # Panics
    /// If `range` is not within the superblock's blocks; plans stay within it.
    #[must_use]
    pub fn segment(&self, range: Range<usize>) -> SegmentStatement {
        let (before, accumulated_before) = self.boundaries[range.start];
        let (after, accumulated_after) = self.boundaries[range.end];
        SegmentStatement {
            number: self.statement.number,
            registry_root: self.statement.registry_root,
            segment_set_root: self.segment_set_root,
            before,
            after,
            accumulated_before,
            accumulated_after,
        }
    }

    /// The superblock circuit's input, with the proofs of `source`.
    #[must_use]
    pub fn superblock_input(&self, source: SourceInput) -> SuperblockInput {
        SuperblockInput {
            chain_id: self.new_state.chain_id,
            previous_number: self.previous_number,
            history_root: self.history_root,
            history_path: self.history_path.clone(),
            segment: self.segment(0..self.applied.len()),
            source,
        }
    }

    /// Starts the accumulators elsewhere, as a dishonest prover would.
    #[cfg(test)]
    pub(super) fn forge_accumulators(&mut self, change: impl Fn(&mut Accumulators)) {
        self.boundaries.iter_mut().for_each(|(_, accumulators)| change(accumulators));
    }
}

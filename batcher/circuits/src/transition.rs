//! A superblock computed natively: every root between its blocks and messages is known before any proof exists,
//! so the proofs of one stage can be made in parallel, on any machine, in any order.

use std::ops::Range;

use batcher_verify::bundle::{Published, SuperblockBundle};
use bridge_core::{BlockMessages, BridgeError, Chunk};
use circuits_core::{Digest, Proof, stored::ReadFailure, trees::Path};
use circuits_protocol::{
    l1::NotAWord,
    statement::{Accumulators, SegmentStatement, SuperblockRoots, SuperblockStatement},
};
use thiserror::Error;

use super::{
    apply::{AppliedBlock, ApplyError},
    messages::MessagesInput,
    state::SuperblockState,
    superblock::{SuperblockChildren, SuperblockInput},
};

/// Why a superblock cannot follow a state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransitionError {
    /// What the superblock needs of the state cannot be read.
    #[error("the state cannot be read")]
    Unreadable(#[from] ReadFailure),
    /// A superblock needs a block.
    #[error("a superblock needs at least one block")]
    Empty,
    /// Superblock numbers have 32 bits.
    #[error("superblock numbers end at {0}")]
    LastNumber(u32),
    /// A block does not apply.
    #[error("block {index} of the superblock: {source}")]
    Block {
        /// Position in the superblock.
        index: usize,
        source: ApplyError,
    },
    /// The messages are not those that a block's statement names.
    #[error("block {index} of the superblock: the messages are not those of the statement's {list}")]
    OtherMessages {
        /// Position in the superblock.
        index: usize,
        /// `environment`, `outbox` or `inbox`.
        list: &'static str,
    },
    /// A block's messages break a rule of the bridge.
    #[error("block {index} of the superblock: {source}")]
    Bridge {
        /// Position in the superblock.
        index: usize,
        source: BridgeError,
    },
    /// The body is not that of the superblock's block of environment 0.
    #[error("the body of environment 0's block has digest {expected}, the one given has {}", given(*.found))]
    OtherL1Body {
        /// The digest in the block's statement; zero if the superblock has no block of environment 0.
        expected: Digest,
        /// The digest of the body given, if one is.
        found: Option<Digest>,
    },
    /// The body of environment 0's block is nothing that a contract could have computed.
    #[error(transparent)]
    L1Body(#[from] NotAWord),
    /// The tree of balances takes no more balances.
    #[error("a balance cannot be opened: {0}")]
    Balances(BridgeError),
    /// Not every block's messages were moved.
    #[error("the blocks with messages are {expected}, but the messages of {moved} were moved")]
    Unmoved {
        expected: Digest,
        /// Digest of the blocks whose messages were moved.
        moved: Digest,
    },
    /// A balance was added that no message moves.
    #[error("balances were added that no message moves")]
    UnusedBalances,
}

fn given(digest: Option<Digest>) -> Digest {
    digest.unwrap_or(Digest::ZERO)
}

/// One superblock's effect on a state.
#[derive(Clone, Debug)]
pub struct Transition {
    /// What the superblock proof will state.
    pub statement: SuperblockStatement,
    /// The state that it leads to.
    pub new_state: SuperblockState,
    /// How each block applies, in order.
    pub applied: Vec<AppliedBlock>,
    /// What each message segment moves, and last what the superblock moves itself.
    pub chunks: Vec<Chunk>,
    /// The messages of those blocks that emit or consume, in order.
    pub messages: Vec<BlockMessages>,
    /// The indices of the messages consumed, in order.
    pub consumed: Vec<u32>,
    /// Roots and accumulators before the first block, after each block, and after each message segment.
    pub(crate) boundaries: Vec<(SuperblockRoots, Accumulators)>,
    pub(crate) segment_set_root: Digest,
    pub(crate) history_root: Digest,
    pub(crate) history_path: Path,
    pub(crate) previous_number: u32,
}

impl Transition {
    /// The superblock with its `proof`, `key` being the digest of the key that it verifies under. Payouts are still to be
    /// added, if it has a block of environment 0.
    #[must_use]
    pub fn bundle(&self, proof: &Proof, key: Digest) -> SuperblockBundle {
        let published = Published {
            blocks: self.applied.iter().map(|applied| applied.entry).collect(),
            messages: self.messages.clone(),
            consumed: self.consumed.clone(),
        };
        SuperblockBundle::new(&self.statement, published, proof, key)
    }

    /// The number of positions that segments cover: each block has one, then each message segment.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.boundaries.len() - 1
    }

    /// What a segment over the positions in `range` states.
    ///
    /// # Panics
    /// If `range` is not within [`Self::positions`]; plans stay within it.
    #[must_use]
    pub fn segment(&self, range: Range<usize>) -> SegmentStatement {
        let (before, accumulated_before) = self.boundaries[range.start];
        let (after, accumulated_after) = self.boundaries[range.end];
        SegmentStatement {
            chain_id: self.statement.chain_id,
            number: self.statement.number,
            registry_root: self.statement.registry_root,
            segment_set_root: self.segment_set_root,
            before,
            after,
            accumulated_before,
            accumulated_after,
        }
    }

    /// The input of the message segment at `position`.
    ///
    /// # Panics
    /// If there is no message segment at that position; plans stay within them.
    #[must_use]
    pub fn messages_input(&self, position: usize) -> MessagesInput {
        let chunk = self.chunks[position - self.applied.len()].clone();
        MessagesInput { statement: self.segment(position..position + 1), chunk }
    }

    /// The superblock circuit's input, with the proofs of `source`.
    ///
    /// # Panics
    /// Never: the last chunk is the superblock's.
    #[must_use]
    pub fn superblock_input(&self, source: SuperblockChildren) -> SuperblockInput {
        SuperblockInput {
            chain_id: self.new_state.chain_id,
            previous_number: self.previous_number,
            history_root: self.history_root,
            history_path: self.history_path.clone(),
            segment: self.segment(0..self.positions()),
            source,
            has_l1_block: self.statement.has_l1_block,
            l1_body: self.statement.l1_body,
            chunk: self.chunks.last().expect("the superblock has a chunk").clone(),
        }
    }
}

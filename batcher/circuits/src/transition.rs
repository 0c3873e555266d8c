//! A superblock computed natively: every root between its blocks and messages is known before any proof exists,
//! so the proofs of one stage can be made in parallel, on any machine, in any order.

use std::ops::Range;

use batcher_verify::bundle::{BlockEntry, SuperblockBundle};
use bridge_core::{BlockMessages, BridgeError, BridgeLists, Chunk, Consumption, Crossing, Message};
use circuits_core::{Digest, F, Proof, trees::Path};
use circuits_protocol::{
    registry::Registry,
    statement::{Accumulators, BlockStatement, SegmentStatement, SuperblockRoots, SuperblockStatement},
};
use plonky2::field::types::{Field, PrimeField64};
use thiserror::Error;

use super::{
    apply::{AppliedBlock, ApplyError, apply_block},
    messages::MessagesInput,
    state::SuperblockState,
    superblock::{SuperblockChildren, SuperblockInput},
};
use crate::packing::{Load, Move, Share};

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
        /// The rule.
        source: BridgeError,
    },
    /// A deposit cannot be taken from L1's queue.
    #[error("deposit {index} cannot be taken: {source}")]
    Deposit {
        /// Position among the deposits.
        index: usize,
        /// The rule.
        source: BridgeError,
    },
    /// A deposit cannot be sent back.
    #[error("deposit {index} of those that go back: {source}")]
    DepositRefund {
        /// Position among the refunds.
        index: usize,
        /// The rule.
        source: BridgeError,
    },
    /// A row of the tree of balances cannot be added.
    #[error("a balance cannot be opened: {0}")]
    Rows(BridgeError),
    /// Not every block's messages were moved.
    #[error("the messages of {moved} were moved, where the blocks are {expected}")]
    Unmoved {
        /// Digest of the blocks with messages.
        expected: Digest,
        /// Digest of the blocks whose messages were moved.
        moved: Digest,
    },
}

/// One block of a superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentBlock {
    /// Digest of the wrap key that it was proved under.
    pub key: Digest,
    /// What its proof states.
    pub statement: BlockStatement,
    /// What it emits and consumes.
    pub messages: BlockMessages,
}

impl ContentBlock {
    /// First height of the block; statements that were applied have one of 32 bits.
    fn first_height(&self) -> Option<u32> {
        u32::try_from(self.statement.first_height.to_canonical_u64()).ok()
    }
}

/// What a superblock is made of. Deposits are taken first, then those that expired are sent back, then the
/// blocks' messages are moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Blocks, in the order of application.
    pub blocks: Vec<ContentBlock>,
    /// What is taken from L1's queue, in its order.
    pub deposits: Vec<Message>,
    /// Deposits that nobody claimed in time.
    pub refunds: Vec<Message>,
}

impl Contents {
    /// What is moved, in order.
    #[must_use]
    pub fn moves(&self) -> Vec<Move<'_>> {
        let blocks = self.blocks.iter().enumerate().filter(|(_, block)| !block.messages.is_empty());
        let deposits = self.deposits.iter().enumerate().map(|(index, message)| Move::Deposit(index, message));
        let refunds = self.refunds.iter().enumerate().map(|(index, message)| Move::Refund(index, message));
        deposits
            .chain(refunds)
            .chain(blocks.map(|(index, block)| Move::Block(index, &block.messages)))
            .collect()
    }

    /// What has to be moved on top of `state`.
    #[must_use]
    pub fn load(&self, state: &SuperblockState) -> Load {
        Load::new(&state.bridge, state.number.saturating_add(1), &self.moves())
    }
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
    /// What each message segment moves, and last what the superblock moves itself.
    pub chunks: Vec<Chunk>,
    /// What was taken from L1's queue.
    pub l1_inbox: Vec<Message>,
    /// What L1 must pay or give back, in the order of the L1 outbox.
    pub l1_outbox: Vec<(Message, Consumption)>,
    /// Before the first block, after each, and after each message segment.
    boundaries: Vec<(SuperblockRoots, Accumulators)>,
    segment_set_root: Digest,
    history_root: Digest,
    history_path: Path,
    previous_number: u32,
}

impl Transition {
    /// The superblock with its `proof`, `key` being the digest of the key that it verifies under.
    #[must_use]
    pub fn bundle(&self, blocks: Vec<BlockEntry>, proof: &Proof, key: Digest) -> SuperblockBundle {
        let (deposits, payouts) = (self.l1_inbox.clone(), self.l1_outbox.clone());
        SuperblockBundle::new(&self.statement, blocks, deposits, payouts, proof, key)
    }

    /// Applies `contents` to `state` as its next superblock. The messages are moved in `shares`, the last of
    /// which is the superblock circuit's own.
    ///
    /// # Errors
    /// [`TransitionError`]; `state` is not touched.
    pub fn new(
        state: &SuperblockState,
        registry: &Registry,
        segment_set_root: Digest,
        contents: &Contents,
        shares: &[Share],
    ) -> Result<Self, TransitionError> {
        Self::assemble(state, registry, segment_set_root, contents, shares, Judge::Rules)
    }

    /// As [`Self::new`], without the rules of the bridge and without comparing messages with statements.
    #[cfg(test)]
    pub(super) fn unchecked(
        state: &SuperblockState,
        registry: &Registry,
        segment_set_root: Digest,
        contents: &Contents,
        shares: &[Share],
    ) -> Self {
        Self::assemble(state, registry, segment_set_root, contents, shares, Judge::Nobody)
            .expect("the blocks apply")
    }

    fn assemble(
        state: &SuperblockState,
        registry: &Registry,
        segment_set_root: Digest,
        contents: &Contents,
        shares: &[Share],
        judge: Judge,
    ) -> Result<Self, TransitionError> {
        if contents.blocks.is_empty() {
            return Err(TransitionError::Empty);
        }
        let number = state.number.checked_add(1).ok_or(TransitionError::LastNumber(state.number))?;
        let mut new_state = state.clone();
        let mut accumulators = Accumulators::start(state.l1_inbox);
        let mut boundaries = vec![(state.roots(), accumulators)];
        let mut applied = vec![];
        for (index, block) in contents.blocks.iter().enumerate() {
            judge.messages(index, block)?;
            let ContentBlock { key, statement, .. } = block;
            let one = apply_block(&mut new_state, &mut accumulators, registry, number, *key, statement)
                .map_err(|source| TransitionError::Block { index, source })?;
            applied.push(one);
            boundaries.push((new_state.roots(), accumulators));
        }

        let environments_root = new_state.environments_tree().root();
        let bridge = std::mem::take(&mut new_state.bridge);
        let lists = BridgeLists::of(&accumulators);
        let mut crossing =
            Crossing::new(state.chain_id, number, bridge, lists).map_err(TransitionError::Rows)?;
        let (load, moves) = (contents.load(state), contents.moves());
        let nothing = [Share::default()];
        let shares = if shares.is_empty() { &nothing } else { shares };
        let mut chunks = vec![];
        for (index, share) in shares.iter().enumerate() {
            let rows = load.new_balances.get(share.new_balances.clone()).unwrap_or_default();
            crossing.open_balances(rows.iter().copied()).map_err(TransitionError::Rows)?;
            for one in moves.get(share.moves.clone()).unwrap_or_default() {
                crossing.height = match one {
                    Move::Block(index, _) => contents.blocks[*index].first_height(),
                    Move::Deposit(..) | Move::Refund(..) => None,
                };
                judge.carry_out(&mut crossing, one)?;
            }
            chunks.push(crossing.end_chunk().map_err(TransitionError::Rows)?);
            crossing.lists.store(&mut accumulators);
            if index + 1 < shares.len() {
                boundaries.push((crossing.state.roots(environments_root), accumulators));
            }
        }
        judge.lists(&accumulators)?;

        let previous_state = state.commitment();
        new_state.number = number;
        new_state.history.push(previous_state);
        new_state.l1_inbox = accumulators.l1_inbox;
        new_state.bridge = crossing.state;
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
            chunks,
            l1_inbox: crossing.l1_inbox,
            l1_outbox: crossing.l1_outbox,
            boundaries,
            segment_set_root,
            history_root: state.history_tree().root(),
            history_path: state.history_path(),
            previous_number: state.number,
        })
    }

    /// Positions that segments cover: each block has one, then each message segment.
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
    /// If there is none at that position; plans stay within them.
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
            chunk: self.chunks.last().expect("the superblock has a chunk").clone(),
        }
    }

    /// Starts the accumulators elsewhere, as a dishonest prover would.
    #[cfg(test)]
    pub(super) fn forge_accumulators(&mut self, change: impl Fn(&mut Accumulators)) {
        self.boundaries.iter_mut().for_each(|(_, accumulators)| change(accumulators));
    }
}

/// Who looks at the messages.
#[derive(Clone, Copy)]
enum Judge {
    /// Every rule.
    Rules,
    /// A dishonest prover.
    #[cfg(test)]
    Nobody,
}

impl Judge {
    /// Checks that the messages are those that the block's statement names.
    fn messages(self, index: usize, block: &ContentBlock) -> Result<(), TransitionError> {
        let ContentBlock { statement, messages, .. } = block;
        let lists = [
            ("environment", messages.environment.to_field() == statement.environment),
            ("outbox", messages.outbox_digest() == statement.outbox),
            ("inbox", messages.inbox_digest() == statement.inbox),
        ];
        match lists.into_iter().find(|(_, same)| !same) {
            Some((list, _)) if self.is_rules() => Err(TransitionError::OtherMessages { index, list }),
            Some(_) | None => Ok(()),
        }
    }

    fn carry_out(self, crossing: &mut Crossing, one: &Move<'_>) -> Result<(), TransitionError> {
        match *one {
            #[cfg(test)]
            Move::Block(_, messages) if !self.is_rules() => {
                crossing.apply_unchecked(messages);
                Ok(())
            }
            Move::Deposit(index, message) => {
                crossing.deposit(message).map_err(|source| TransitionError::Deposit { index, source })
            }
            Move::Refund(index, message) => crossing
                .refund_deposit(message)
                .map_err(|source| TransitionError::DepositRefund { index, source }),
            Move::Block(index, messages) => {
                crossing.apply_block(messages).map_err(|source| TransitionError::Bridge { index, source })
            }
        }
    }

    /// Checks that every block's messages were moved.
    fn lists(self, accumulators: &Accumulators) -> Result<(), TransitionError> {
        let &Accumulators { block_messages: expected, applied: moved, .. } = accumulators;
        if expected != moved && self.is_rules() {
            return Err(TransitionError::Unmoved { expected, moved });
        }
        Ok(())
    }

    fn is_rules(self) -> bool {
        matches!(self, Self::Rules)
    }
}

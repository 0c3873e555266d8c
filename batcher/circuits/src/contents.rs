//! What a superblock is made of: blocks with their messages, and what L1 sends and takes back.

use bridge_core::{BlockMessages, Message};
use circuits_core::Digest;
use circuits_protocol::statement::BlockStatement;

use super::{
    packing::{Load, Move},
    state::SuperblockState,
};

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

/// What a superblock is made of. Deposits are taken first, then those that expired are sent back, then the
/// blocks' messages are moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Blocks, in the order of application.
    pub blocks: Vec<ContentBlock>,
    /// Deposits that are taken from L1's queue, in its order.
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

    /// What the circuits have to move on top of `state`.
    #[must_use]
    pub fn load(&self, state: &SuperblockState) -> Load {
        Load::new(&state.bridge, state.number.saturating_add(1), &self.moves())
    }
}

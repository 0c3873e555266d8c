//! What a superblock is made of: blocks with their messages.

use bridge_core::BlockMessages;
use circuits_core::Digest;
use circuits_protocol::statement::{BlockStatement, L1Body};

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

/// What a superblock is made of. Its blocks are applied first, then their messages are moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Blocks, in the order of application. One of environment 0 is the last.
    pub blocks: Vec<ContentBlock>,
    /// The body of the block of environment 0, if there is one.
    pub l1_body: Option<L1Body>,
}

impl Contents {
    /// What is moved, in order.
    #[must_use]
    pub fn moves(&self) -> Vec<Move<'_>> {
        let blocks = self.blocks.iter().enumerate().filter(|(_, block)| !block.messages.is_empty());
        blocks.map(|(block, ContentBlock { messages, .. })| Move { block, messages }).collect()
    }

    /// What the circuits have to move on top of `state`.
    #[must_use]
    pub fn load(&self, state: &SuperblockState) -> Load {
        Load::new(&state.bridge, self.moves().into_iter().map(|one| one.messages))
    }
}

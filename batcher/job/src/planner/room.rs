//! What one superblock has room for.

use bridge_core::{Capacity, MAX_BLOCK_STEPS};

use super::{MAX_BLOCKS, MAX_MESSAGES, l1::L1_BLOCK, left_out::LeftOut};

// Whatever environment 0 sends and takes back, any other block still fits.
const _: () = {
    assert!(MAX_MESSAGES.steps >= L1_BLOCK.steps + MAX_BLOCK_STEPS);
    assert!(MAX_MESSAGES.new_balances >= L1_BLOCK.new_balances + MAX_BLOCK_STEPS);
};

/// The blocks of producers with their messages, and the most of them that a superblock may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    max_blocks: usize,
    max_messages: Capacity,
    blocks: usize,
    messages: Capacity,
}

impl Room {
    pub(crate) fn new(max_blocks: usize, max_messages: Capacity) -> Self {
        Self { max_blocks, max_messages, blocks: 0, messages: Capacity::NONE }
    }

    /// The same room, less what the block of environment 0 takes at most. That block does not count as one of the others.
    pub(crate) fn beside_l1(self) -> Self {
        let max_messages = Capacity {
            new_balances: self.max_messages.new_balances.saturating_sub(L1_BLOCK.new_balances),
            steps: self.max_messages.steps.saturating_sub(L1_BLOCK.steps),
        };
        Self { max_messages, ..self }
    }

    /// Adds a block whose messages take so much.
    pub(crate) fn add_block(&mut self, messages: Capacity) {
        self.blocks += 1;
        self.messages.new_balances += messages.new_balances;
        self.messages.steps += messages.steps;
    }

    /// Checks that there is room for a block whose messages take so much.
    ///
    /// # Errors
    /// [`LeftOut::Full`], [`LeftOut::Steps`] or [`LeftOut::Balances`].
    pub(crate) fn check_block(&self, messages: Capacity) -> Result<(), LeftOut> {
        if self.blocks >= self.max_blocks {
            return Err(LeftOut::Full { limit: self.max_blocks });
        }
        let limit = self.max_messages.steps;
        let (needed, left) = (messages.steps, limit.saturating_sub(self.messages.steps));
        if needed > left {
            return Err(LeftOut::Steps { needed, left, limit });
        }
        let limit = self.max_messages.new_balances;
        let (needed, left) = (messages.new_balances, limit.saturating_sub(self.messages.new_balances));
        if needed > left { Err(LeftOut::Balances { needed, left, limit }) } else { Ok(()) }
    }
}

/// The room of a superblock that is empty yet.
impl Default for Room {
    fn default() -> Self {
        Self::new(MAX_BLOCKS, MAX_MESSAGES)
    }
}

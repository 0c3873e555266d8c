//! What one superblock has room for.

use bridge_core::{Capacity, MAX_BLOCK_STEPS};

use super::{MAX_BLOCKS, MAX_DEPOSITS, MAX_MESSAGES, left_out::LeftOut};

// Whatever L1 sends and takes back, any block still fits.
const _: () = {
    let needed = 2 * MAX_DEPOSITS + MAX_BLOCK_STEPS;
    assert!(MAX_MESSAGES.steps >= needed);
    assert!(MAX_MESSAGES.new_balances >= needed);
};

/// The blocks and messages of a superblock, and the most that it may have.
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

    /// Adds what is moved for L1.
    pub(crate) fn add_messages(&mut self, Capacity { new_balances, steps }: Capacity) {
        self.messages.new_balances += new_balances;
        self.messages.steps += steps;
    }

    /// Adds a block whose messages take so much.
    pub(crate) fn add_block(&mut self, messages: Capacity) {
        self.blocks += 1;
        self.add_messages(messages);
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

//! Which blocks come into a superblock, and in which order.
//!
//! # The problem
//!
//! Each environment has blocks that continue each other. A block that consumes a message can only come once the message
//! was emitted: by an earlier superblock, or by a block that comes before it. Balances add a condition of
//! the same kind, and a superblock has [`Room`] for so many blocks and messages only. Sometimes an environment has several
//! blocks that continue the same state, of which one can come: a producer that rolls back proposes another block. The
//! superblock should have as many blocks as possible, a block that cannot come should stop no environment that has
//! another one, and the choice must not depend on the order of files.
//!
//! # The approach
//!
//! The environments that have blocks take turns, in the order of their ids; the first superblock begins with the lowest one,
//! and each later superblock one place further on. In each round an environment adds the first of the alternatives that
//! continue it, if its messages can be moved by then; otherwise what keeps it is recorded as its *obstacle*. Adding a block
//! never takes a possibility away from another environment, unless there is no room left: balances are changed by their own
//! environment's blocks only, and a message has one consumer.
//!
//! If a round adds nothing, no first choice can come at all. Then one environment gives way: the first one, in the order of
//! turns, that has another alternative which can come. It adds that one, and rounds go on. What was added is never taken
//! back, so the choice among alternatives need not be the one that lets in the most blocks.
//!
//! For the same reason an obstacle lasts until the one thing changes that another environment can change: a missing
//! message arrives. A block is tried again then, and never otherwise. Room only shrinks.
//!
//! # Example
//!
//! In the first superblock, environment 1 has the blocks `1a`, which claims a message of `2a`, and `1b`. Environment 2 has
//! `2a`. Environment 3 has `3a`, which claims a message that nobody emits, and its alternative `3b`.
//!
//! ```text
//! round 1:  1a waits for the message     2a is added     3a waits for its message
//! round 2:  1a is added
//! round 3:  1b is added
//! round 4:  nothing, and 3 gives way: 3b is added
//! round 5:  nothing                       order: 2a, 1a, 1b, 3b
//! ```
//!
//! # Cost
//!
//! With `n` candidates of which `b` are added, there are at most `b + 1` rounds: each adds a block, is followed by an
//! environment that gives way and adds one, or is the last. A round looks at one block of each environment, and before one
//! gives way all alternatives are looked at: one comparison each, if the obstacle lasts. A candidate is tried once, and
//! again for each message that it has waited for; a try hashes the messages of one block.

use batcher_circuits::state::SuperblockState;
use bridge_core::{BridgeError, Capacity, Ledger};

use super::{candidate::Candidate, chains::Chain, left_out::LeftOut, room::Room};

/// The superblock as far as it is planned.
pub(super) struct Schedule<'c> {
    pub(super) candidates: &'c [Candidate],
    pub(super) chains: Vec<Chain>,
    pub(super) ledger: Ledger<'c>,
    room: Room,
    /// The blocks scheduled, in order.
    pub(super) order: Vec<usize>,
}

impl<'c> Schedule<'c> {
    pub(super) fn new(
        state: &'c SuperblockState,
        candidates: &'c [Candidate],
        chains: Vec<Chain>,
        room: Room,
    ) -> Self {
        let ledger = Ledger::new(state.chain_id, state.number.saturating_add(1), &state.bridge);
        Self { candidates, chains, ledger, room, order: vec![] }
    }

    /// Schedules what can be scheduled. Then every alternative at the head of a chain has an obstacle.
    pub(super) fn fill(&mut self) {
        loop {
            let before = self.order.len();
            for chain in 0..self.chains.len() {
                self.advance(chain, 0..1);
            }
            let is_stuck = self.order.len() == before;
            if is_stuck && !(0..self.chains.len()).any(|chain| self.advance(chain, 1..)) {
                return;
            }
        }
    }

    /// Adds the first block that can come, among the alternatives at the head of `chain` with these positions. Returns
    /// whether there is one.
    fn advance(&mut self, chain: usize, positions: impl Iterator<Item = usize>) -> bool {
        for position in positions {
            let Some(&index) = self.chains[chain].alternatives().get(position) else { return false };
            let obstacle = self.chains[chain].obstacles[position].take();
            match self.add_block(index, obstacle) {
                Ok(()) => {
                    self.chains[chain].advance(index, self.candidates[index].end());
                    return true;
                }
                Err(obstacle) => self.chains[chain].obstacles[position] = Some(obstacle),
            }
        }
        false
    }

    /// Adds the candidate `index`, if there is room for it and its messages can be moved by now. `obstacle` is what kept it
    /// before.
    pub(super) fn add_block(&mut self, index: usize, obstacle: Option<LeftOut>) -> Result<(), LeftOut> {
        match obstacle {
            // Other blocks can bring a message, but change no other answer.
            Some(LeftOut::Bridge(BridgeError::NotPending { message, .. }))
                if self.ledger.is_pending(&message) => {}
            Some(obstacle) => return Err(obstacle),
            None => {}
        }
        let messages = &self.candidates[index].messages;
        let load = Capacity { new_balances: self.ledger.new_balances(messages), steps: messages.steps() };
        self.room.check_block(load)?;
        self.ledger.apply_block(messages).map_err(LeftOut::Bridge)?;
        self.room.add_block(load);
        self.order.push(index);
        Ok(())
    }
}

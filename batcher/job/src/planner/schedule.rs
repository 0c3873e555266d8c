//! In which order blocks can be moved.
//!
//! # The problem
//!
//! Each environment has a chain of blocks that come one after the other. A block that consumes a message can only come
//! once the message was emitted: by an earlier superblock, by a deposit, or by a block that comes before it. Balances
//! add a condition of the same kind. The superblock should have as many blocks as possible, and the choice must not
//! depend on the order of files.
//!
//! # The approach
//!
//! The environments take turns, in the order of their ids. In each round an environment adds its next block if its
//! messages can be moved by then; otherwise the rule that refuses the block is kept as the chain's *obstacle*. Rounds
//! end when one of them adds nothing. Adding a block never takes a possibility away from another environment: balances
//! are changed by their own environment's blocks only, and a message has one consumer. So the greedy choice finds every
//! block that can come at all.
//!
//! For the same reason an obstacle lasts until the one thing changes that another environment can change: a missing
//! message arrives. A block is tried again then, and never otherwise.
//!
//! # Example
//!
//! Environment 1 has the blocks `1a`, which claims a message of `2a`, and `1b`. Environment 2 has `2a`.
//!
//! ```text
//! round 1:  1a waits for the message     2a is added
//! round 2:  1a is added
//! round 3:  1b is added
//! round 4:  nothing                       order: 2a, 1a, 1b
//! ```
//!
//! # Cost
//!
//! With `n` blocks and `m` messages there are at most `n + 1` rounds. Each round looks at one block of each environment,
//! which is one comparison if its obstacle lasts. A block's messages are hashed once for each try: once, and again for
//! each message that it has waited for.

use batcher_circuits::state::SuperblockState;
use bridge_core::{BlockMessages, BridgeError, Ledger, Message};
use circuits_protocol::registry::EnvironmentId;

use super::candidate::Candidate;

/// The most deposits that one superblock takes, and the most that it sends back.
pub const MAX_DEPOSITS: usize = 128;

/// Blocks of one environment, in their order.
pub(super) struct Chain {
    pub(super) blocks: Vec<usize>,
    /// How many of them are scheduled.
    pub(super) scheduled: usize,
    /// The rule that refuses the next one.
    pub(super) obstacle: Option<BridgeError>,
}

/// The superblock as far as it is planned.
pub(super) struct Schedule<'c> {
    pub(super) candidates: &'c [Candidate],
    pub(super) chains: Vec<Chain>,
    pub(super) ledger: Ledger<'c>,
    /// The blocks scheduled, in order.
    pub(super) order: Vec<usize>,
}

impl<'c> Schedule<'c> {
    pub(super) fn new(
        state: &'c SuperblockState,
        candidates: &'c [Candidate],
        chains: Vec<Vec<usize>>,
    ) -> Self {
        let ledger = Ledger::new(state.chain_id, state.number.saturating_add(1), &state.bridge);
        let chains =
            chains.into_iter().map(|blocks| Chain { blocks, scheduled: 0, obstacle: None }).collect();
        Self { candidates, chains, ledger, order: vec![] }
    }

    /// Takes as many deposits as one superblock may, up to the first that breaks a rule: how many, and which one breaks
    /// which rule.
    pub(super) fn take_deposits(&mut self, deposits: &[Message]) -> (usize, Option<(usize, BridgeError)>) {
        let offered = &deposits[..deposits.len().min(MAX_DEPOSITS)];
        for (index, message) in offered.iter().enumerate() {
            if let Err(error) = self.ledger.deposit(message) {
                return (index, Some((index, error)));
            }
        }
        (offered.len(), None)
    }

    /// Sends deposits back whose deadline has passed.
    pub(super) fn send_back(&mut self, state: &SuperblockState) -> Vec<Message> {
        let number = self.ledger.number();
        let expired = state
            .bridge
            .in_flight()
            .map(|record| &record.message)
            .filter(|message| message.source == EnvironmentId::L1 && message.deadline < number);
        let ledger = &mut self.ledger;
        expired.take(MAX_DEPOSITS).filter(|message| ledger.refund_deposit(message).is_ok()).cloned().collect()
    }

    /// Schedules what can be scheduled: one block of each environment in turn, until a whole round adds none.
    pub(super) fn fill(&mut self) {
        loop {
            let before = self.order.len();
            for chain in &mut self.chains {
                let Some(&index) = chain.blocks.get(chain.scheduled) else { continue };
                let messages = &self.candidates[index].messages;
                match try_block(&mut self.ledger, messages, chain.obstacle.as_ref()) {
                    Ok(()) => {
                        chain.scheduled += 1;
                        chain.obstacle = None;
                        self.order.push(index);
                    }
                    Err(error) => chain.obstacle = Some(error),
                }
            }
            if self.order.len() == before {
                return;
            }
        }
    }
}

/// Moves a block's messages, if that is possible by now. `obstacle` is the rule that refused the block before.
fn try_block(
    ledger: &mut Ledger<'_>,
    messages: &BlockMessages,
    obstacle: Option<&BridgeError>,
) -> Result<(), BridgeError> {
    match obstacle {
        // Other blocks can bring a message, but change no other answer.
        Some(BridgeError::NotPending { message, .. }) if ledger.is_pending(message) => {}
        Some(error) => return Err(error.clone()),
        None => {}
    }
    ledger.apply_block(messages)
}

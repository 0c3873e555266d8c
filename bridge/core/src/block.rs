//! What one block emits and consumes.

use circuits_core::Digest;
use circuits_protocol::{registry::EnvironmentId, statement::empty_list};
use serde::{Deserialize, Serialize};

use crate::{
    balance::BalanceKey,
    error::BridgeError,
    message::{Consumption, MAX_LIFETIME, MIN_LIFETIME, Message, TIMING_MARGIN, inbox_append, outbox_append},
};

/// The most steps that the messages of one block may take: what one circuit has room for beside rows.
pub const MAX_BLOCK_STEPS: usize = 128;

/// The messages of one block, in the order of its two lists. The inbox comes first: what a block receives it
/// can send on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockMessages {
    /// The environment.
    pub environment: EnvironmentId,
    /// What it consumes.
    pub inbox: Vec<(Message, Consumption)>,
    /// What it emits.
    pub outbox: Vec<Message>,
}

impl BlockMessages {
    /// No messages.
    #[must_use]
    pub fn none(environment: EnvironmentId) -> Self {
        Self { environment, inbox: vec![], outbox: vec![] }
    }

    /// Steps that the bridge takes to move them.
    #[must_use]
    pub fn steps(&self) -> usize {
        let arrivals = self.outbox.iter().filter(|message| message.destination == EnvironmentId::L1).count();
        self.inbox.len() + self.outbox.len() + arrivals
    }

    /// Checks for the producer of a block that comes into superblock `number` or soon after it that the
    /// deadlines fit.
    ///
    /// # Errors
    /// - [`BridgeError::Lifetime`]: a deadline that is too near or too far when the message is emitted.
    /// - [`BridgeError::ClaimTooLate`], [`BridgeError::RefundTooEarly`]
    pub fn check_timing(&self, number: u32) -> Result<(), BridgeError> {
        let soon = number.saturating_add(TIMING_MARGIN);
        for Message { deadline, .. } in &self.outbox {
            let lifetime = deadline.saturating_sub(number);
            if !(MIN_LIFETIME + TIMING_MARGIN..=MAX_LIFETIME).contains(&lifetime) {
                return Err(BridgeError::Lifetime { number, deadline: *deadline });
            }
        }
        for (Message { deadline, .. }, consumption) in &self.inbox {
            let deadline = *deadline;
            match consumption {
                Consumption::Claim if soon > deadline => {
                    return Err(BridgeError::ClaimTooLate { number: soon, deadline });
                }
                Consumption::Refund if number <= deadline => {
                    return Err(BridgeError::RefundTooEarly { number, deadline });
                }
                Consumption::Claim | Consumption::Refund => {}
            }
        }
        Ok(())
    }

    /// The digest of the inbox, as block statements carry it.
    #[must_use]
    pub fn inbox_digest(&self) -> Digest {
        self.inbox.iter().fold(empty_list(), |list, (message, consumption)| {
            inbox_append(list, message.hash(), *consumption)
        })
    }

    /// The digest of the outbox, as block statements carry it.
    #[must_use]
    pub fn outbox_digest(&self) -> Digest {
        self.outbox.iter().fold(empty_list(), |list, message| outbox_append(list, message.hash()))
    }

    /// The rows that the block's messages move.
    pub fn balance_keys(&self) -> impl Iterator<Item = BalanceKey> {
        let consumed = self.inbox.iter().map(|(message, _)| (self.environment, message));
        let emitted = self.outbox.iter().flat_map(|message| {
            let arrival = (message.destination == EnvironmentId::L1).then_some((EnvironmentId::L1, message));
            std::iter::once((self.environment, message)).chain(arrival)
        });
        consumed.chain(emitted).map(|(environment, message)| message.balance_key(environment))
    }

    /// Whether the block moves nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inbox.is_empty() && self.outbox.is_empty()
    }
}

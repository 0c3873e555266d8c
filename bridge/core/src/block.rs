//! What one block emits and consumes.

use circuits_core::Digest;
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{BlockStatement, empty_list},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    balance::BalanceKey,
    error::BridgeError,
    lists::block_messages,
    message::{Consumption, MAX_LIFETIME, MIN_LIFETIME, Message, TIMING_MARGIN, inbox_digest, outbox_digest},
    rules::{Action, Movement},
};

/// The most steps that the messages of one block may take: what one circuit has slots for beside those for balances.
pub const MAX_BLOCK_STEPS: usize = 128;
/// The same for environment 0, whose blocks are few and the last of their superblocks: 96 messages consumed and 64 emitted.
pub const MAX_L1_BLOCK_STEPS: usize = 160;

/// The most steps that the messages of one block of `environment` may take.
#[must_use]
pub const fn max_block_steps(environment: EnvironmentId) -> usize {
    if environment.get() == EnvironmentId::L1.get() { MAX_L1_BLOCK_STEPS } else { MAX_BLOCK_STEPS }
}

/// The messages of one block, in the order of its two lists. The inbox comes first: what a block receives it
/// can send on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockMessages {
    pub environment: EnvironmentId,
    pub inbox: Vec<(Message, Consumption)>,
    pub outbox: Vec<Message>,
}

/// The messages are not those that a block's statement names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the messages are not those of the statement's {list}")]
pub struct OtherMessages {
    /// `environment`, `outbox` or `inbox`.
    pub list: &'static str,
}

impl BlockMessages {
    /// No messages.
    #[must_use]
    pub fn none(environment: EnvironmentId) -> Self {
        Self { environment, inbox: vec![], outbox: vec![] }
    }

    /// How many steps the bridge takes to move them.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.inbox.len() + self.outbox.len()
    }

    /// The steps, in order.
    pub(crate) fn movements(&self) -> impl Iterator<Item = Movement<'_>> {
        let consumed = self.inbox.iter().map(|(message, consumption)| {
            Movement::new(Action::Consume(*consumption), self.environment, message)
        });
        let emitted =
            self.outbox.iter().map(|message| Movement::new(Action::Emit, self.environment, message));
        consumed.chain(emitted)
    }

    /// Checks that these are the messages that `statement` names.
    ///
    /// # Errors
    /// [`OtherMessages`], with the first list that differs.
    pub fn check_named_in(&self, statement: &BlockStatement) -> Result<(), OtherMessages> {
        let lists = [
            ("environment", self.environment.to_field() == statement.environment),
            ("outbox", self.outbox_digest() == statement.outbox),
            ("inbox", self.inbox_digest() == statement.inbox),
        ];
        match lists.into_iter().find(|(_, same)| !same) {
            Some((list, _)) => Err(OtherMessages { list }),
            None => Ok(()),
        }
    }

    /// Checks that the deadlines fit a block that comes into superblock `number` or soon after it. Producers call this
    /// before they make a block; the bridge itself leaves no margin.
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
        inbox_digest(empty_list(), &self.inbox)
    }

    /// The digest of the outbox, as block statements carry it.
    #[must_use]
    pub fn outbox_digest(&self) -> Digest {
        outbox_digest(empty_list(), &self.outbox)
    }

    /// The block's element in the list of blocks with messages.
    pub(crate) fn element(&self) -> Digest {
        block_messages(self.environment.to_field(), self.outbox_digest(), self.inbox_digest())
    }

    /// The balances that the block's messages change, in the order of the steps.
    pub fn balance_keys(&self) -> impl Iterator<Item = BalanceKey> {
        self.movements().map(|movement| movement.balance_key())
    }

    /// Whether the block neither consumes nor emits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inbox.is_empty() && self.outbox.is_empty()
    }
}

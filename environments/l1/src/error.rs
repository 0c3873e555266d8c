//! Why there is no such block of environment 0.

use circuits_core::Digest;
use environments_core::{block::BlockError, environment::EnvironmentId};
use thiserror::Error;

use crate::{
    block::{MAX_CONSUMED, MAX_DEPOSITS},
    body::MAX_BODY_BYTES,
    queue::QueueFull,
};

/// Why a block cannot be made, applied or read. One variant per rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum L1Error {
    /// The superblock comes before the state, or made it.
    #[error("superblock {number} does not come after superblock {height}, which made the state")]
    Number { number: u32, height: u32 },
    /// No kernel takes this many deposits.
    #[error("a block takes at most {MAX_DEPOSITS} deposits, found {found}")]
    TooManyDeposits { found: usize },
    /// No kernel consumes this many messages.
    #[error("a block consumes at most {MAX_CONSUMED} messages, found {found}")]
    TooManyConsumed { found: usize },
    /// A message cannot be consumed.
    #[error("message {position} of the inbox is not paid")]
    NotPaid {
        position: usize,
        #[source]
        source: NotPaid,
    },
    /// The queue's length leaves its range.
    #[error(transparent)]
    QueueFull(#[from] QueueFull),
    /// The index of a payout leaves its range.
    #[error("there are at most {} payouts", u32::MAX)]
    PayoutsFull,
    /// The block continues another state.
    #[error("the block continues state {expected}, not {found}")]
    OtherState { expected: Digest, found: Digest },
    /// The published block is not the one that is stated.
    #[error("the body is that of another block, of superblock {number}")]
    OtherBlock { number: u32 },
    /// The bytes are no body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The block has more messages than the bridge moves for one block.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// Why environment 0 does not consume a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotPaid {
    /// It is of another deployment.
    #[error("the message is of chain {found}, not of {expected}")]
    Deployment { expected: u64, found: u64 },
    /// It is not for L1 to claim.
    #[error("L1 claims no message to environment {0}")]
    Destination(EnvironmentId),
    /// It is not for L1 to take back.
    #[error("L1 takes back no message of environment {0}")]
    Source(EnvironmentId),
    /// Nobody on L1 has this name. Such a recipient is never cut down to an address.
    #[error("{0} is no address of 20 bytes")]
    NoAddress(Digest),
}

/// Why bytes are not a body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body is too long.
    #[error("a body has at most {MAX_BODY_BYTES} bytes, found {found}")]
    TooLarge { found: usize },
    /// The bytes are not a state, a number, messages and deposits.
    #[error("the body is not a state, a number, messages and deposits")]
    Malformed(#[source] postcard::Error),
    /// The encoding is not the canonical one.
    #[error("the body is not in the canonical encoding")]
    NotCanonical,
}

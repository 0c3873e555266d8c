//! Why a message cannot be emitted or consumed.

use circuits_core::{
    amount::{Amount, AmountError},
    trees::TreeError,
};
use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

use crate::{
    balance::BalanceKey,
    message::{Consumption, MAX_LIFETIME, MIN_LIFETIME, SEQUENCE_BITS},
};

/// A rule of the bridge is broken. One variant per rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BridgeError {
    /// The message is of another deployment.
    #[error("the message is of chain {found}, not of {expected}")]
    ChainId { expected: u64, found: u64 },
    /// An environment emits, or takes back, a message of another environment.
    #[error("environment {actor} speaks for environment {source_environment}")]
    Source {
        /// The environment that emits or takes back.
        actor: EnvironmentId,
        source_environment: EnvironmentId,
    },
    /// An environment claims a message to another environment.
    #[error("environment {actor} claims a message to environment {destination}")]
    Destination { actor: EnvironmentId, destination: EnvironmentId },
    /// A message from an environment to itself.
    #[error("environment {0} sends a message to itself")]
    SelfMessage(EnvironmentId),
    /// A message's number is out of range.
    #[error("message number {0} is not below 2^{SEQUENCE_BITS}")]
    Sequence(u64),
    /// A message moves nothing.
    #[error("a message moves amount 0")]
    ZeroAmount,
    /// The deadline is too near or too far.
    #[error(
        "deadline {deadline} is not {MIN_LIFETIME} to {MAX_LIFETIME} superblocks after superblock {number}"
    )]
    Lifetime { number: u32, deadline: u32 },
    /// A claim after the deadline.
    #[error("superblock {number} claims a message whose deadline was {deadline}")]
    ClaimTooLate { number: u32, deadline: u32 },
    /// A refund up to the deadline.
    #[error("superblock {number} refunds a message whose deadline is {deadline}")]
    RefundTooEarly { number: u32, deadline: u32 },
    /// No such message, or it was consumed before.
    #[error("{consumption:?} of message {message}, which was never emitted or is consumed already")]
    NotPending { message: circuits_core::Digest, consumption: Consumption },
    /// A balance leaves its range.
    #[error("{key}: {amount} cannot be moved")]
    Balance {
        key: BalanceKey,
        amount: Amount,
        #[source]
        source: AmountError,
    },
    /// Another balance is to be moved for the first time before this one, because it was added before.
    #[error("{key} is moved before {next}, which was added before it")]
    OutOfTurn { key: BalanceKey, next: BalanceKey },
    /// The message is not pending where it is said to have been consumed.
    #[error("message {message} is consumed at {}, where it is not pending", place(.index))]
    OtherIndex {
        message: circuits_core::Digest,
        /// The published index; `None` if there are fewer of them than messages consumed.
        index: Option<u32>,
    },
    /// A tree is full.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

fn place(index: &Option<u32>) -> String {
    index.map_or_else(|| "no index".to_owned(), |index| format!("index {index}"))
}

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
    ChainId {
        /// This deployment.
        expected: u64,
        /// The message's.
        found: u64,
    },
    /// An environment emits, or takes back, in another's name.
    #[error("environment {actor} speaks for environment {source_environment}")]
    Source {
        /// Who emits or takes back.
        actor: EnvironmentId,
        /// The message's source.
        source_environment: EnvironmentId,
    },
    /// An environment claims what is addressed to another.
    #[error("environment {actor} claims a message to environment {destination}")]
    Destination {
        /// Who claims.
        actor: EnvironmentId,
        /// The message's destination.
        destination: EnvironmentId,
    },
    /// A message from an environment to itself.
    #[error("environment {0} sends a message to itself")]
    SelfMessage(EnvironmentId),
    /// A message's number is out of range.
    #[error("message number {0} is not below 2^{SEQUENCE_BITS}")]
    Sequence(u64),
    /// A message about nothing.
    #[error("a message moves amount 0")]
    ZeroAmount,
    /// The deadline is too near or too far.
    #[error(
        "deadline {deadline} is not {MIN_LIFETIME} to {MAX_LIFETIME} superblocks after superblock {number}"
    )]
    Lifetime {
        /// The superblock of the emission.
        number: u32,
        /// The deadline.
        deadline: u32,
    },
    /// A claim after the deadline.
    #[error("superblock {number} claims a message whose deadline was {deadline}")]
    ClaimTooLate {
        /// The superblock.
        number: u32,
        /// The deadline.
        deadline: u32,
    },
    /// A refund that does not wait for the deadline.
    #[error("superblock {number} refunds a message whose deadline is {deadline}")]
    RefundTooEarly {
        /// The superblock.
        number: u32,
        /// The deadline.
        deadline: u32,
    },
    /// No such message, or it was consumed before.
    #[error("{consumption:?} of message {message}, which was never emitted or is consumed already")]
    NotPending {
        /// The message's hash.
        message: circuits_core::Digest,
        /// What was to become of it.
        consumption: Consumption,
    },
    /// A balance leaves its range.
    #[error("{key}: {amount} cannot be moved")]
    Balance {
        /// The row.
        key: BalanceKey,
        /// How much was to be moved.
        amount: Amount,
        /// How the row leaves its range.
        #[source]
        source: AmountError,
    },
    /// The bridge consumes messages to L1 itself, when they are emitted.
    #[error("L1 claims a message that was not emitted in the same step")]
    Arrival,
    /// A tree is full.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

//! Why an account-based environment refuses something.

use environments_core::{block::BlockError, instance::OtherDeployment};
use thiserror::Error;

use crate::{
    arrival::ArrivalError,
    body::BodyError,
    execute::{Failure, Invalid},
    state::SealError,
};

/// Why the environment refuses something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccountsError {
    /// The state belongs to another environment.
    #[error(transparent)]
    OtherDeployment(#[from] OtherDeployment),
    /// The transaction cannot be in a block.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The transaction is in a block, but paid only its fee and its nonce.
    #[error("action {action} cannot be done")]
    Failed {
        /// The first action that cannot be done.
        action: usize,
        /// Why.
        source: Failure,
    },
    /// The message cannot be taken in.
    #[error("the message cannot be taken in")]
    Arrival(#[from] ArrivalError),
    /// A message of the body cannot be in a block.
    #[error("message {index} of the body cannot be taken in")]
    BodyMessage {
        /// Its position.
        index: usize,
        /// Why.
        source: ArrivalError,
    },
    /// A transaction of the body cannot be in a block.
    #[error("transaction {index} of the body is invalid")]
    BodyTransaction {
        /// Its position.
        index: usize,
        /// Why.
        source: Invalid,
    },
    /// The body is malformed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The block is malformed.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The block cannot end.
    #[error("no block can follow")]
    Seal(#[from] SealError),
}

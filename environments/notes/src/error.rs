//! Why a note-based environment refuses something.

use circuits_core::trees::TreeError;
use environments_core::{block::BlockError, instance::OtherDeployment};
use thiserror::Error;

use crate::{
    arrival::ArrivalError,
    body::BodyError,
    execute::StateError,
    transaction::{TransactionBundleError, TransactionError},
};

/// Why the environment refuses something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotesError {
    /// The state belongs to another environment.
    #[error(transparent)]
    OtherDeployment(#[from] OtherDeployment),
    /// The transaction breaks a rule of the transaction kernel.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The proven transaction is malformed, or its proof is invalid.
    #[error(transparent)]
    Bundle(#[from] TransactionBundleError),
    /// The message cannot be taken in.
    #[error(transparent)]
    Arrival(#[from] ArrivalError),
    /// The transaction cannot be applied to the state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The body is malformed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The block is malformed.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The state cannot take another block.
    #[error("no block can follow")]
    Full(#[from] TreeError),
}

//! Transactions: one account consumes up to 4 notes, creates up to 4, and sends up to one message.
//!
//! A [`Request`] says what the account wants; together with the openings of the notes it consumes it is a
//! [`TransactionWitness`], whose [`check`](TransactionWitness::check) gives the [`TransactionStatement`] or the first
//! rule broken. The circuit proves the same rules.

mod assign;
mod bundle;
mod circuit;
pub mod emission;
mod error;
pub(crate) mod kernel;
mod proof;
mod request;
pub(crate) mod statement;
mod submission;
#[cfg(test)]
mod tests;
mod witness;

pub use bundle::{MAX_BUNDLE_BYTES, Opened, ProvenTransaction, TransactionBundleError};
pub use circuit::{TransactionTargets, transaction_shape};
pub use error::TransactionError;
pub use kernel::{TransactionKernel, TransactionKeys};
pub use proof::TransactionProof;
pub use request::{Authority, Output, Request, RequestInput};
pub use statement::{MAX_ASSETS, MAX_INPUTS, MAX_OUTPUTS, TransactionStatement};
pub use submission::NotesTransaction;
pub use witness::{Input, TransactionWitness};

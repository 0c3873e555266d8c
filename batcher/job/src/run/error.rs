//! Why a run ends without an answer.

use std::path::PathBuf;

use batcher_verify::{trust::TrustError, verify::VerifyError};
use circuits_files::file::FileError;
use environments_core::bundle::BundleError;
use thiserror::Error;

use super::report::RejectedTransaction;
use crate::{
    batch::BatchError, payouts::MalformedPayouts, queue::QueueError, scenario::ScenarioError,
    states::StatesError, store::StoreError,
};

/// The most reasons that one message gives.
const MAX_REASONS: usize = 5;

/// Why a run ends without an answer.
#[derive(Debug, Error)]
pub enum RunError {
    /// The scenario is refused.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// L1's queue is refused.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A block cannot be made or proved.
    #[error("environment {environment}: {reason}")]
    Producer { environment: u16, reason: String },
    /// A block's bundle cannot be encoded.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The states are of another chain, or cannot be read or written.
    #[error(transparent)]
    State(#[from] StatesError),
    /// The output directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A superblock was not made.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A superblock pays what no block of environment 0 pays.
    #[error(transparent)]
    Payouts(#[from] MalformedPayouts),
    /// The trust file cannot be written.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The superblocks just made are not accepted.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The directory holds another run.
    #[error("{path}: the directory holds the run of another scenario: {reason}", path = .path.display())]
    OtherRun { path: PathBuf, reason: String },
    /// No environment has anything to put into a block.
    #[error("no block was made: {}", reasons(rejected))]
    NoBlock {
        /// Transactions that were refused.
        rejected: Vec<RejectedTransaction>,
    },
    /// Not every block of a superblock was taken, although a run makes only good ones.
    #[error("superblock {number}: {reason}")]
    Incomplete { number: u32, reason: String },
    /// The caller asked to stop.
    #[error("stopped; finished proofs are kept and the same command goes on from them")]
    Stopped,
}

/// Why no block was made, as it follows a colon.
fn reasons(rejected: &[RejectedTransaction]) -> String {
    if rejected.is_empty() {
        return "there are no transactions".to_owned();
    }
    let mut text = format!("{} transactions were refused", rejected.len());
    for RejectedTransaction { environment, line, reason } in rejected.iter().take(MAX_REASONS) {
        let line = line.map_or_else(String::new, |line| format!(", line {line}"));
        text += &format!("; environment {environment}{line}: {reason}");
    }
    if rejected.len() > MAX_REASONS { text + "; and others" } else { text }
}

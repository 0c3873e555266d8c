//! Why a run ends without an answer.

use std::path::PathBuf;

use batcher_verify::{trust::TrustError, verify::VerifyError};
use circuits_files::file::FileError;
use environments_core::bundle::BundleError;
use thiserror::Error;

use crate::{
    batch::BatchError, queue::QueueError, scenario::ScenarioError, state::StateError, store::StoreError,
};

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
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The output directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A superblock was not made.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The trust file cannot be written.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The superblocks just made are not accepted.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The directory holds another run.
    #[error("{path}: the directory holds the run of another scenario: {reason}", path = .path.display())]
    OtherRun { path: PathBuf, reason: String },
    /// Not every block of a superblock was taken, although a run makes only good ones.
    #[error("superblock {number}: {reason}")]
    Incomplete { number: u32, reason: String },
    /// The caller asked to stop.
    #[error("stopped; finished proofs are kept and the same command goes on from them")]
    Stopped,
}

//! Why nothing was measured.

use std::error::Error;

use batcher_circuits::transition::TransitionError;
use batcher_job::prove::ProveError;
use batcher_verify::bundle::BundleError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A block of the measured chain cannot be made.
    #[error("the blocks to be batched cannot be made")]
    Blocks(#[source] Box<dyn Error + Send + Sync>),
    /// The proof or the circuit of the baseline cannot be made.
    #[error("the baseline cannot be proved")]
    Baseline(#[source] Box<dyn Error + Send + Sync>),
    /// A batch of signatures cannot be proved.
    #[error("the signatures cannot be proved")]
    Signatures(#[source] Box<dyn Error + Send + Sync>),
    /// A batch of blocks of Keccak-256 cannot be proved.
    #[error("the Keccak permutations cannot be proved")]
    Keccak(#[source] Box<dyn Error + Send + Sync>),
    /// A circuit that verifies proofs cannot be proved, or a process that proves it fails.
    #[error("the recursion cannot be proved")]
    Recursion(#[source] Box<dyn Error + Send + Sync>),
    /// Circuits cannot be loaded or built, or a process that does so fails.
    #[error("the starts cannot be measured")]
    Starts(#[source] Box<dyn Error + Send + Sync>),
    /// A process that measures a state fails.
    #[error("the state cannot be measured")]
    State(#[source] Box<dyn Error + Send + Sync>),
    /// Workers cannot be started, or do not prove what they should.
    #[error("the workers cannot be measured")]
    Workers(#[source] Box<dyn Error + Send + Sync>),
    /// The blocks do not chain.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// A superblock cannot be proved.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The superblock just made does not verify.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl BenchError {
    pub(crate) fn blocks(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Blocks(source.into())
    }

    pub(crate) fn baseline(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Baseline(source.into())
    }

    pub(crate) fn signatures(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Signatures(source.into())
    }

    /// [`Self::Recursion`] with this source.
    pub fn recursion(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Recursion(source.into())
    }

    /// [`Self::Starts`] with this source.
    pub fn starts(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Starts(source.into())
    }

    /// [`Self::State`] with this source.
    pub fn state(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::State(source.into())
    }

    /// [`Self::Workers`] with this source.
    pub fn workers(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Workers(source.into())
    }
}

//! Why a batch is not proved or not accepted.

use circuits_prover::stark::StarkError;
use thiserror::Error;

use super::Batch;
use crate::table::SumError;

/// Why a batch has no proof, or a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BatchError<B: Batch> {
    /// There are more items than the table holds.
    #[error("{found} {}s do not fit a table of {capacity}", B::ITEM)]
    TooMany { capacity: usize, found: usize },
    /// An item does not hold.
    #[error("{} {index}: {source}", B::ITEM)]
    Item { index: usize, source: B::Error },
    /// The trace has no proof.
    #[error("the trace has no proof")]
    Unprovable(#[from] StarkError),
    /// The trace does not have the table's length.
    #[error("a trace of 2^{expected} rows was expected, found one of 2^{found}")]
    Height {
        /// The logarithm of the table's rows.
        expected: usize,
        /// The logarithm of the rows found.
        found: usize,
    },
    /// The proof does not verify.
    #[error("the proof does not hold: {0}")]
    Invalid(String),
    /// Sums of the trace are not what they must be.
    #[error(transparent)]
    Sums(#[from] SumError),
}

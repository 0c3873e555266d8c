//! Why a batch is not proved or not accepted.

use circuits_prover::stark::StarkError;
use thiserror::Error;

use crate::ecdsa::EcdsaError;

/// Why a batch has no proof, or a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// There are more signatures than the table holds.
    #[error("{found} signatures do not fit a table of {capacity}")]
    TooMany { capacity: usize, found: usize },
    /// A signature does not hold.
    #[error("signature {index}: {source}")]
    Signature { index: usize, source: EcdsaError },
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
    /// The trace reads something that it has not written.
    #[error("the trace reads a multiple that it has not written")]
    Memory,
    /// The trace proves other claims than those listed.
    #[error("the trace's claims are not those of the list")]
    Claims,
}

//! Why a batch is not proved or not accepted.

use thiserror::Error;

use crate::ecdsa::EcdsaError;

/// Why a batch has no proof, or a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// More signatures than the table holds.
    #[error("{found} signatures do not fit a table of {capacity}")]
    TooMany { capacity: usize, found: usize },
    /// A signature does not hold.
    #[error("signature {index}: {source}")]
    Signature { index: usize, source: EcdsaError },
    /// starky found no proof: the trace breaks a rule.
    #[error("the trace has no proof: {0}")]
    Unprovable(String),
    /// The trace has another length than the table's.
    #[error("a trace of 2^{expected} rows was expected, found one of 2^{found}")]
    Height {
        /// Logarithm of the table's rows.
        expected: usize,
        /// Logarithm of the rows found.
        found: usize,
    },
    /// The proof does not verify.
    #[error("the proof does not hold: {0}")]
    Invalid(String),
    /// What the trace reads is not what it writes.
    #[error("the trace reads a multiple that it has not written")]
    Memory,
    /// The trace proves other claims than those listed.
    #[error("the trace's claims are not those of the list")]
    Claims,
}

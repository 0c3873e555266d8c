//! Why a STARK has no proof.

use thiserror::Error;

use super::{MAX_LOOKUP_DEGREE, MIN_DEGREE};
use crate::{commitment::CommitmentError, opening::OpeningError};

/// Why a STARK has no proof.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StarkError {
    /// With constraints of a degree below 2, starky's proofs would have no quotient, or one of too low a degree.
    #[error("the constraints' degree must be at least {MIN_DEGREE}, found {found}")]
    Degree { found: usize },
    /// starky's verifier knows helper columns of one or two fractions only.
    #[error("with lookups, the constraints' degree must be at most {MAX_LOOKUP_DEGREE}, found {found}")]
    LookupDegree { found: usize },
    /// A sum of one tuple has no helper column, and its constraint in the last row has degree 3.
    #[error(
        "with a sum of one tuple, the constraints' degree must be at least {MAX_LOOKUP_DEGREE}, found {found}"
    )]
    SumDegree { found: usize },
    /// The quotients' degree is too high for the rate.
    #[error("constraints of degree {degree} need an extension of {expected} bits, found {found}")]
    Rate { degree: usize, expected: usize, found: usize },
    /// FRI reduces the domain more often than the configuration allows.
    #[error("FRI reduces a domain of {domain} bits by {reductions}, which does not leave a cap of {cap}")]
    Reductions { domain: usize, reductions: usize, cap: usize },
    /// The proof cannot be padded to what a verifier of longer tables expects.
    #[error("the verifier's FRI parameters are not those of a longer table of the same configuration")]
    VerifierParams,
    /// The trace does not have the table's columns.
    #[error("the table has {expected} columns, the trace {found}")]
    Columns { expected: usize, found: usize },
    /// The public inputs are not as many as the STARK's.
    #[error("{expected} public inputs were expected, found {found}")]
    PublicInputs { expected: usize, found: usize },
    /// The challenges of the lookups are not as many as the configuration's.
    #[error("{expected} challenges of lookups were expected, found {found}")]
    Challenges { expected: usize, found: usize },
    /// The STARK gives starky other lookups or sums than the prover, or some that no trace has.
    #[error("the lookups are malformed: {0}")]
    Lookups(&'static str),
    /// The columns have no commitment.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// The commitments have no openings.
    #[error(transparent)]
    Openings(#[from] OpeningError),
    /// A challenge meets a looked-up value, a table's entry or a tuple. Honest traces meet it with negligible probability.
    #[error("a lookup divides by zero")]
    ZeroDenominator,
    /// A quotient is no polynomial of its degree: the trace breaks a constraint.
    #[error("the trace breaks a constraint: the quotient's degree is too high")]
    Quotient,
    /// The opening point is in the trace's domain. That happens with negligible probability.
    #[error("the opening point is in the trace's domain")]
    OpeningPoint,
}

//! Why a STARK has no proof.

use plonky2::fri::reduction_strategies::FriReductionStrategy;
use thiserror::Error;

use super::{LookupError, MAX_LOOKUP_DEGREE, MIN_DEGREE};
use crate::{commitment::CommitmentError, opening::OpeningError};

/// Why a STARK has no proof.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StarkError {
    /// With constraints of a degree below 2, starky's proofs would have no quotient, or one of too low a degree.
    #[error("the constraints' degree must be at least {MIN_DEGREE}, found {found}")]
    Degree {
        /// The constraints' degree.
        found: usize,
    },
    /// starky's verifier knows helper columns of one or two fractions only.
    #[error("with lookups, the constraints' degree must be at most {MAX_LOOKUP_DEGREE}, found {found}")]
    LookupDegree {
        /// The constraints' degree.
        found: usize,
    },
    /// A sum of one tuple has no helper column, and its constraint in the last row has degree 3.
    #[error(
        "with a sum of one tuple, the constraints' degree must be at least {MAX_LOOKUP_DEGREE}, found {found}"
    )]
    SumDegree {
        /// The constraints' degree.
        found: usize,
    },
    /// The configuration combines constraints with no challenge.
    #[error("the configuration has no challenges")]
    NoChallenges,
    /// The trace was committed to under another configuration.
    #[error(
        "the configuration has {} rate bits and a cap of height {}, but the trace was committed to with {} and {}",
        expected[0], expected[1], found[0], found[1]
    )]
    Trace {
        /// The logarithm of the inverse of the configuration's rate, and the height of its caps.
        expected: [usize; 2],
        /// Those of the trace's commitment.
        found: [usize; 2],
    },
    /// The quotients' degree is too high for the rate.
    #[error("constraints of degree {degree} need an extension of {expected} bits, found {found}")]
    Rate {
        /// The constraints' degree.
        degree: usize,
        /// The rate bits that it needs.
        expected: usize,
        /// The configuration's rate bits.
        found: usize,
    },
    /// The strategy reduces polynomials to less than a constant, or without end.
    #[error("FRI cannot reduce polynomials of 2^{degree_bits} coefficients by {strategy:?}")]
    Strategy {
        /// The configuration's strategy.
        strategy: FriReductionStrategy,
        /// The logarithm of the trace's rows.
        degree_bits: usize,
    },
    /// FRI reduces the domain more often than the configuration allows.
    #[error("FRI reduces a domain of {domain} bits by {reductions:?}, which does not leave a cap of {cap}")]
    Reductions {
        /// The logarithm of the extended domain's points.
        domain: usize,
        /// The logarithms of the reductions' arities.
        reductions: Vec<usize>,
        /// The height of the configuration's caps.
        cap: usize,
    },
    /// The proof cannot be padded to what a verifier of longer tables expects.
    #[error("the verifier's FRI parameters are not those of a longer table of the same configuration")]
    VerifierParams,
    /// The trace does not have the table's columns.
    #[error("the table has {expected} columns, the trace {found}")]
    Columns {
        /// The STARK's columns.
        expected: usize,
        /// The trace's columns.
        found: usize,
    },
    /// The public inputs are not as many as the STARK's.
    #[error("{expected} public inputs were expected, found {found}")]
    PublicInputs {
        /// The STARK's number of public inputs.
        expected: usize,
        /// The number that was given.
        found: usize,
    },
    /// The challenges of the lookups are not as many as the configuration's.
    #[error("{expected} challenges of lookups were expected, found {found}")]
    Challenges {
        /// The configuration's number of challenges.
        expected: usize,
        /// The number that was given.
        found: usize,
    },
    /// The STARK gives starky other lookups or sums than the prover, or some that no trace has.
    #[error(transparent)]
    Lookups(#[from] LookupError),
    /// The columns have no commitment.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// The commitments have no openings.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// A challenge meets a looked-up value, a table's entry or a tuple. Honest traces meet it with negligible probability.
    #[error("a lookup divides by zero")]
    ZeroDenominator,
    /// A quotient is no polynomial of its degree: the trace breaks a constraint.
    #[error("the trace breaks a constraint: the quotient's degree is too high")]
    Constraints,
    /// The opening point is in the trace's domain. That happens with negligible probability.
    #[error("the opening point is in the trace's domain")]
    OpeningPoint,
}

//! The STARK that verifies signatures: columns, rules, and the trace of a batch.
//!
//! ECDSA demands `R = (hash / s) G + (r / s) Q` and `r = x(R) mod n`. With the endomorphism `lambda (x, y) =
//! (beta x, y)` both scalars split into two of 129 bits, and one double-and-add over all four takes 257 rows, a
//! table of the 15 sums of `G`, `lambda G`, `Q`, `lambda Q` takes 13, and three more hold the numbers of the
//! signature. No inverse of `s` and neither scalar appears: with `v = s lambda`, the rows of the signature show
//! `s a1 + v a2 = hash` and `s b1 + v b2 = r` modulo the group order.

pub mod check;
pub mod columns;
mod integers;
pub mod limbs;
pub mod lookups;
pub mod rules;
mod stark;
pub mod system;
pub mod trace;

pub use stark::{CONSTRAINT_DEGREE, SignatureStark};
use starky::{config::StarkConfig, stark::Stark as _};

/// Rows of one signature.
#[must_use]
pub const fn rows_per_signature() -> usize {
    // Key, table, additions and doublings, end, scalars, claim.
    1 + columns::TABLE_ROWS + (2 * limbs::SCALAR_BITS - 1) + 3
}

/// Constraints between a row and its next one, lookups apart.
#[must_use]
pub fn num_constraints() -> usize {
    rules::count()
}

/// Constraints of the lookups: starky's helper columns with the start and the step of each running sum, and the
/// last row and the step of each of our sums.
#[must_use]
pub fn num_lookup_constraints(config: &StarkConfig) -> usize {
    SignatureStark.num_lookup_helper_columns(config) + config.num_challenges * (1 + 2 * lookups::SUMS)
}

/// Evaluations that one proof opens: trace, lookups and sums at two points, quotients at one, and the sums in the first row.
#[must_use]
pub fn num_openings(config: &StarkConfig) -> usize {
    let sums = config.num_challenges * lookups::SUMS;
    let auxiliary = SignatureStark.num_lookup_helper_columns(config) + sums;
    2 * (columns::COLUMNS + auxiliary) + SignatureStark.num_quotient_polys(config) + sums
}

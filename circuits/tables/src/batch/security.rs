//! The security of batches' STARKs.

use circuits_core::security::{SecurityReport, Stark};

use super::Batch;
use crate::table::{self, CONSTRAINT_DEGREE, Table};

/// The security of the STARK of this size.
#[must_use]
pub fn security<B: Batch>(size: B) -> SecurityReport {
    let config = size.config();
    // A table with the values that are looked up in it, or two sides that are compared, whose elements are combined.
    let lookups = B::Table::lookups().into_iter().map(|lookup| lookup.looking.len() + 1);
    let sides = B::Table::sums().into_iter().map(|side| 2 * (side.value.len() + 1));
    let stark = Stark {
        fri: config.fri_params(size.degree_bits()),
        openings: table::num_openings::<B::Table>(&config),
        challenges: config.num_challenges,
        terms: table::rules::<B::Table>().len() + table::num_lookup_constraints::<B::Table>(&config),
        constraint_degree: CONSTRAINT_DEGREE,
        looked_up: lookups.chain(sides).max().unwrap_or(0),
    };
    SecurityReport::of_stark(format!("{}-{}", B::STARK_NAME, size.capacity()), stark)
}

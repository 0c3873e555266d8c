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
pub mod trace;

use circuits_prover::stark::lookups::Lookup;

use crate::table::{Balance, Side, Table, system::System};

/// Rows of one signature.
#[must_use]
pub const fn rows_per_signature() -> usize {
    // Key, table, additions and doublings, end, scalars, claim.
    1 + columns::TABLE_ROWS + (2 * limbs::SCALAR_BITS - 1) + 3
}

/// The table of signatures.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignatureTable;

impl Table for SignatureTable {
    type Row<T: Copy> = columns::Row<T>;

    const BALANCES: &'static [Balance] = &[lookups::READS_AND_WRITES];
    const LISTED: usize = lookups::CLAIMS;

    fn enforce<S: System>(s: &mut S, row: &Self::Row<S::Value>, next: &Self::Row<S::Value>) {
        rules::enforce(s, row, next);
    }

    fn lookups() -> Vec<Lookup> {
        vec![lookups::range_lookup()]
    }

    fn sums() -> Vec<Side> {
        lookups::sides().into()
    }
}

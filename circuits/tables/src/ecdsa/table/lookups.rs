//! What the trace looks up: limbs in the range table, operands among the multiples that were written, and the claims,
//! which the verifier knows.
//!
//! starky's cross-table lookups connect two tables. Ours connect a table with itself and with the verifier's
//! list, so each side is a sum of its own, `sum of filter / combine(tuple)` over the rows, and we compare the
//! sums: what is read with what is written, and the trace's claims with the list's.

use circuits_core::layout::Layout;
use circuits_prover::{
    basetypes::F,
    stark::lookups::{CrossTableSum, Filtered, Linear, Lookup},
};
use plonky2::field::types::Field;

use super::{columns::Row, rules::TABLE_MULTIPLES, system::int};
use crate::ecdsa::Claim;

/// The sums, in this order.
pub const SUMS: usize = 3;

/// One side of a lookup: a tuple in each row, and how often it counts.
pub type Side = Filtered<Vec<Linear>>;

/// All limbs have 13 bits, the top ones of the accumulator 9.
#[must_use]
pub fn range_lookup() -> Lookup {
    let columns = Row::columns();
    let limbs = columns.limbs().into_iter().map(Linear::column);
    let top_limbs = columns.top_limbs().into_iter().map(|top| Linear::combination([(top, int(16))]));
    Lookup {
        looking: limbs.chain(top_limbs).map(Filtered::always).collect(),
        table: Linear::column(columns.range),
        frequencies: Linear::column(columns.uses),
    }
}

/// Reads, writes and claims.
#[must_use]
pub fn sides() -> [Side; SUMS] {
    let c = Row::columns();
    let singles = |numbers: &[usize]| numbers.iter().copied().map(Linear::column).collect::<Vec<_>>();
    let powers = [1, 1 << 13, 1 << 26].map(int);
    let word = |limbs: &[usize]| Linear::combination(limbs.iter().copied().zip(powers));
    let words = |limbs: &[usize]| limbs.chunks(3).map(word).collect::<Vec<_>>();
    let index = || singles(&[c.index]);

    let selected = c.bits.into_iter().zip([1, 2, 4, 8].map(int));
    let key = [c.table[3], c.table[7], c.claim].map(|row| (row, int(4)));
    let read = vec![Linear::combination(selected.chain(key))];
    let table = c.table.into_iter().zip(TABLE_MULTIPLES.map(int)).filter(|&(row, _)| row != c.table[8]);
    let written = vec![Linear::combination(table.chain([(c.key, int(4))]))];
    [
        Side {
            value: [index(), read, singles(&c.tx), singles(&c.ty), singles(&[c.t_inf])].concat(),
            filter: Linear::column(c.read),
        },
        Side {
            value: [index(), written, singles(&c.x), singles(&c.y), singles(&[c.inf])].concat(),
            filter: Linear::column(c.reads),
        },
        Side {
            value: [index(), words(&c.tx), words(&c.ty), words(&c.y)].concat(),
            filter: Linear::column(c.claim),
        },
    ]
}

/// The sums of the sides.
#[must_use]
pub fn sums() -> Vec<CrossTableSum> {
    sides().map(|side| CrossTableSum { tuples: vec![side] }).into()
}

/// The tuple of claim `index` of the list.
#[must_use]
pub fn claim_tuple(index: usize, claim: &Claim) -> Vec<F> {
    [vec![F::from_canonical_usize(index)], claim.encode()].concat()
}

/// The tuple of `side` in a row given by its columns, and its multiplicity.
#[must_use]
pub fn contribution(side: &Side, row: &[F]) -> (Vec<F>, F) {
    let value = |linear: &Linear| linear.evaluate::<F, F, 1>(row);
    (side.value.iter().map(value).collect(), value(&side.filter))
}

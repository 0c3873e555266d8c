//! What the trace looks up: limbs in the range table, operands among the multiples that were written, and the claims,
//! which the verifier knows.
//!
//! starky's cross-table lookups connect two tables. Ours connect a table with itself and with the verifier's
//! list, so each side is a sum of its own, `sum of filter / combine(tuple)` over the rows, and we compare the
//! sums: what is read with what is written, and the trace's claims with the list's.

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;
use plonky2::field::types::Field;
use starky::{
    cross_table_lookup::{CrossTableLookup, TableWithColumns},
    lookup::{Column, Filter, Lookup},
};

use super::{columns::Row, rules::TABLE_MULTIPLES, system::int};
use crate::ecdsa::Claim;

/// The sums, in this order.
pub const SUMS: usize = 3;

/// A linear combination of a row's columns.
pub type Linear = Vec<(usize, F)>;

/// One side of a lookup: a tuple in each row, and how often it counts.
#[derive(Clone, Debug)]
pub struct Side {
    /// What the tuple is made of.
    pub tuple: Vec<Linear>,
    /// The column of its multiplicity.
    pub filter: usize,
}

/// All limbs have 13 bits, the top ones of the accumulator 9.
#[must_use]
pub fn range_lookup() -> Lookup<F> {
    let columns = Row::columns();
    let mut looking: Vec<_> = Column::singles(columns.limbs()).collect();
    for top in columns.top_limbs() {
        looking.push(Column::linear_combination([(top, int(16))]));
    }
    Lookup {
        filter_columns: vec![Filter::default(); looking.len()],
        columns: looking,
        table_column: Column::single(columns.range),
        frequencies_column: Column::single(columns.uses),
    }
}

/// Reads, writes and claims.
#[must_use]
pub fn sides() -> [Side; SUMS] {
    let c = Row::columns();
    let singles = |numbers: &[usize]| numbers.iter().map(|&c| vec![(c, F::ONE)]).collect::<Vec<_>>();
    let powers = [1, 1 << 13, 1 << 26].map(int);
    let word = |limbs: &[usize]| limbs.iter().copied().zip(powers).collect::<Linear>();
    let words = |limbs: &[usize]| limbs.chunks(3).map(word).collect::<Vec<_>>();
    let index = || singles(&[c.index]);

    let selected = c.bits.into_iter().zip([1, 2, 4, 8].map(int));
    let key = [c.table[3], c.table[7], c.claim].map(|row| (row, int(4)));
    let read = vec![selected.chain(key).collect()];
    let table = c.table.into_iter().zip(TABLE_MULTIPLES.map(int)).filter(|&(row, _)| row != c.table[8]);
    let written = vec![table.chain([(c.key, int(4))]).collect()];
    [
        Side {
            tuple: [index(), read, singles(&c.tx), singles(&c.ty), singles(&[c.t_inf])].concat(),
            filter: c.read,
        },
        Side {
            tuple: [index(), written, singles(&c.x), singles(&c.y), singles(&[c.inf])].concat(),
            filter: c.reads,
        },
        Side { tuple: [index(), words(&c.tx), words(&c.ty), words(&c.y)].concat(), filter: c.claim },
    ]
}

/// The sides as starky's lookups, each from the only table into one that does not exist.
#[must_use]
pub fn cross_table_lookups(sides: &[Side]) -> Vec<CrossTableLookup<F>> {
    sides
        .iter()
        .map(|side| {
            let table = |index| {
                TableWithColumns::new(index, side.columns(), Filter::new_simple(Column::single(side.filter)))
            };
            CrossTableLookup::new(vec![table(0)], table(1))
        })
        .collect()
}

/// The tuple of claim `index` of the list.
#[must_use]
pub fn claim_tuple(index: usize, claim: &Claim) -> Vec<F> {
    [vec![F::from_canonical_usize(index)], claim.encode()].concat()
}

impl Side {
    /// The tuple as starky takes it.
    #[must_use]
    pub fn columns(&self) -> Vec<Column<F>> {
        self.tuple.iter().map(|terms| Column::linear_combination(terms.clone())).collect()
    }

    /// The tuple of a row given by its columns, and its multiplicity.
    #[must_use]
    pub fn of(&self, row: &[F]) -> (Vec<F>, F) {
        let value = |terms: &Linear| terms.iter().map(|&(column, factor)| row[column] * factor).sum();
        (self.tuple.iter().map(value).collect(), row[self.filter])
    }
}

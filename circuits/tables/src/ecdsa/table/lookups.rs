//! What the trace looks up: limbs in the range table, operands among the multiples that were written, and the claims,
//! which the verifier knows.

use circuits_prover::stark::lookups::{Filtered, Linear, Lookup};

use super::{columns::Row, rules::TABLE_MULTIPLES};
use crate::table::{Balance, Side, system::int};

/// The number of sums.
const SUMS: usize = 3;
/// The number of the sum of claims.
pub const CLAIMS: usize = 2;
/// What is read has been written.
pub const READS_AND_WRITES: Balance =
    Balance { left: 0, right: 1, otherwise: "the trace reads a multiple that it has not written" };

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

/// Reads, writes and claims, in this order.
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

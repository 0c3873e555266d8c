//! The operand: a constant, or an entry of the table of multiples.
//!
//! ```text
//! row        holds           operand      row        holds           operand
//! key        Q               none         table 6    Q+lQ+G          -G
//! table 0    lQ              +G           table 7    Q+lQ            read Q, replaces
//! table 1    lQ+G            +lG          table 8    Q               +G
//! table 2    lQ+G+lG         -G           table 9    Q+G             +lG
//! table 3    lQ+lG           read Q       table 10   Q+G+lG          -G
//! table 4    Q+lQ+lG         +G           table 11   Q+lG            none, resets
//! table 5    Q+lQ+G+lG       -lG
//! ```
//!
//! An addition's operand is the multiple that its four bits select: 0 is infinity, 1 to 3 are constants, and
//! the others have been written by the rows above. What is written is read by a lookup over (signature,
//! multiple, point).

use std::sync::LazyLock;

use super::boolean;
use crate::{
    ecdsa::table::{
        columns::{LIMBS, Row},
        limbs::{Limbs, Point, limbs},
    },
    table::system::{System, When},
};

/// The multiple that each row of the table holds: bits for G, lG, Q, lQ.
pub const TABLE_MULTIPLES: [i64; 12] = [8, 9, 11, 10, 14, 15, 13, 12, 4, 5, 7, 6];

/// The coordinates of `G`, `lG`, `G + lG`, and the second coordinate of `-G` and `-lG`.
struct Constants {
    x: [Limbs; 3],
    y: Limbs,
    minus_y: Limbs,
}

static CONSTANTS: LazyLock<Constants> = LazyLock::new(|| {
    let image = Point::G.endomorphism();
    // 1 + lambda + lambda^2 = 0.
    let sum = image.endomorphism().negate();
    Constants {
        x: [limbs(&Point::G.x), limbs(&image.x), limbs(&sum.x)],
        y: limbs(&Point::G.y),
        minus_y: limbs(&sum.y),
    }
});

pub(super) fn enforce<S: System>(s: &mut S, row: &Row<S::Value>) {
    let infinite = source(s, row);
    point(s, row, infinite);

    let written = s.sum(&row.table);
    let written = s.add(written, row.key);
    let written = s.sub(written, row.table[8]);
    let unwritten = s.not(written);
    let value = s.mul(unwritten, row.reads);
    s.zero("only an entry of the table is read", When::Always, value);
}

/// Exactly one source in the rows that have a choice of operand. Returns whether the operand is infinity by choice.
fn source<S: System>(s: &mut S, row: &Row<S::Value>) -> S::Value {
    for flag in row.constant.into_iter().chain([row.read, row.t_inf]) {
        boolean(s, "an operand's source is boolean", flag);
    }
    for bit in row.bits {
        boolean(s, "a scalar's bit is boolean", bit);
    }
    let must_read = s.sum(&[row.table[3], row.table[7], row.claim]);
    let not_read = s.not(row.read);
    let value = s.mul(must_read, not_read);
    s.zero("a key is read where it is needed", When::Always, value);

    // 1 - (constants + read) in an addition, -constants in rows that must read, and -(constants + read) in all
    // others: boolean only if at most one of them is set in the first, and none in the rest.
    let chosen = s.sum(&row.constant);
    let chosen = s.add(chosen, row.read);
    let choice = s.add(must_read, row.add);
    let infinite = s.sub(choice, chosen);
    boolean(s, "an operand has one source", infinite);

    let bits = s.sum(&row.bits);
    let not_add = s.not(row.add);
    let value = s.mul(not_add, bits);
    s.zero("only additions use bits", When::Always, value);

    let multiple = multiple(s, row);
    let unread = s.mul(not_read, multiple);
    let [g, image, sum] = row.constant;
    let constant = s.times_add(2, image, g);
    let constant = s.times_add(3, sum, constant);
    let value = s.sub(unread, constant);
    s.zero("a constant is the multiple that the bits select", When::Always, value);
    infinite
}

/// The multiple that the bits select.
fn multiple<S: System>(s: &mut S, row: &Row<S::Value>) -> S::Value {
    let [a, b, c, d] = row.bits;
    let value = s.times_add(2, b, a);
    let value = s.times_add(4, c, value);
    s.times_add(8, d, value)
}

/// An operand that is not read is a constant, infinity written (0, 0), or absent and 0.
fn point<S: System>(s: &mut S, row: &Row<S::Value>, infinite: S::Value) {
    let t = &row.table;
    let plus_g = s.sum(&[row.constant[0], t[0], t[4], t[8]]);
    let minus_g = s.sum(&[t[2], t[6], t[10]]);
    let plus_image = s.sum(&[row.constant[1], t[1], t[9]]);
    let minus_image = t[5];
    let sum = row.constant[2];
    let g = s.add(plus_g, minus_g);
    let image = s.add(plus_image, minus_image);
    let plus = s.add(plus_g, plus_image);
    let minus = s.sum(&[minus_g, minus_image, sum]);

    let not_read = s.not(row.read);
    let constants = &*CONSTANTS;
    for j in 0..LIMBS {
        let expected = s.int(0);
        let expected = s.times_add(constants.x[0][j], g, expected);
        let expected = s.times_add(constants.x[1][j], image, expected);
        let expected = s.times_add(constants.x[2][j], sum, expected);
        let unread = s.mul(not_read, row.tx[j]);
        let value = s.sub(unread, expected);
        s.zero("an operand that is not read is a constant", When::Always, value);

        let expected = s.int(0);
        let expected = s.times_add(constants.y[j], plus, expected);
        let expected = s.times_add(constants.minus_y[j], minus, expected);
        let unread = s.mul(not_read, row.ty[j]);
        let value = s.sub(unread, expected);
        s.zero("an operand that is not read is a constant", When::Always, value);
    }
    let unread = s.mul(not_read, row.t_inf);
    let value = s.sub(unread, infinite);
    s.zero("infinity is added if all bits are 0", When::Always, value);
}

//! Complete addition: the sum of accumulator and operand in all cases.
//!
//! ```text
//! accumulator   operand     relation               case       next accumulator
//! finite        finite      different x            chord      third point of the chord, negated
//! finite        finite      same x, same y         tangent    third point of the tangent, negated
//! finite        finite      same x, different y    opposite   infinity
//! any           infinity                           keep       accumulator
//! infinity      finite                             take       operand
//! doubling: finite -> tangent, infinity -> keep; table 7 -> take; table 11 -> infinity, without a case
//! ```
//!
//! No finite point has y = 0, since the group's order is odd. "Different" means different as integers; that is
//! different modulo the field prime, since accumulators and what is copied from them are canonical. The points
//! themselves are computed by the identities.

use super::{boolean, words_of_limbs};
use crate::{
    ecdsa::table::columns::{LIMBS, Row},
    table::system::{System, When},
};

pub(super) fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    cases(s, row);
    relations(s, row);
    result(s, row, next);
    unused(s, row);
}

fn cases<S: System>(s: &mut S, row: &Row<S::Value>) {
    for case in row.cases() {
        boolean(s, "a case is boolean", case);
    }
    boolean(s, "infinity is boolean", row.inf);
    let all = s.sum(&row.cases());
    let operations = s.sum(&row.table[..11]);
    let operations = s.sum(&[operations, row.add, row.double]);
    let value = s.sub(all, operations);
    s.zero("an operation has one case", When::Always, value);

    let doubled = s.add(row.tangent, row.keep);
    let other = s.not(doubled);
    let value = s.mul(row.double, other);
    let other = s.not(row.take);
    let value = s.mul_add(row.table[7], other, value);
    s.zero("doublings and copies have their cases", When::Always, value);

    let computed = s.sum(&[row.chord, row.tangent, row.opposite]);
    let infinite = s.add(row.inf, row.t_inf);
    let value = s.mul(computed, infinite);
    s.zero("a sum is computed from finite points", When::Always, value);

    let finite = s.not(row.t_inf);
    let finite = s.sub(finite, row.double);
    let value = s.mul(row.keep, finite);
    s.zero("the accumulator is kept if the operand is infinity", When::Always, value);
    let doubled = s.mul(row.double, row.keep);
    let finite = s.not(row.inf);
    let value = s.mul(doubled, finite);
    s.zero("a doubling keeps infinity only", When::Always, value);

    let value = s.sub(finite, row.table[7]);
    let value = s.mul(row.take, value);
    s.zero("the operand is taken if the accumulator is infinity", When::Always, value);
    let value = s.mul(row.take, row.t_inf);
    s.zero("a taken operand is finite", When::Always, value);
}

/// Equal coordinates are equal in all words; different ones have a word whose difference has an inverse.
fn relations<S: System>(s: &mut S, row: &Row<S::Value>) {
    let difference = |s: &mut S, a: &[S::Value], b: &[S::Value]| {
        let differences: Vec<_> = a.iter().zip(b).map(|(&a, &b)| s.sub(a, b)).collect();
        words_of_limbs(s, &differences)
    };
    let dx = difference(s, &row.tx, &row.x);
    let dy = difference(s, &row.ty, &row.y);
    let not_doubled = s.not(row.double);
    let same = s.mul(row.tangent, not_doubled);
    let same_x = s.add(same, row.opposite);
    let mut shown = s.int(0);
    for ((&dx, &dy), &inverse) in dx.iter().zip(&dy).zip(&row.inverse) {
        let value = s.mul(same_x, dx);
        s.zero("tangent and opposite have the same x", When::Always, value);
        let value = s.mul(same, dy);
        s.zero("a tangent has the same y", When::Always, value);
        let different = s.mul(row.chord, dx);
        let different = s.mul_add(row.opposite, dy, different);
        shown = s.mul_add(different, inverse, shown);
    }
    let claimed = s.add(row.chord, row.opposite);
    let value = s.sub(shown, claimed);
    s.zero("chord and opposite have different coordinates", When::Always, value);

    let shown = s.add(claimed, row.end);
    for (j, &inverse) in row.inverse.iter().enumerate() {
        let used = if j < 2 { shown } else { claimed };
        let unused = s.not(used);
        let value = s.mul(unused, inverse);
        s.zero("unused inverses are 0", When::Always, value);
    }
}

/// The next accumulator, where it is not computed by an identity.
fn result<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    let kept = s.mul(row.keep, row.inf);
    let infinite = s.sum(&[kept, row.opposite, row.table[11]]);
    let value = s.sub(next.inf, infinite);
    s.zero("the result is infinity in these cases only", When::Always, value);
    let coordinates = [row.x, row.y].concat();
    let all = s.sum(&coordinates);
    let value = s.mul(row.inf, all);
    s.zero("infinity is written (0, 0)", When::Always, value);
    let value = s.mul(row.pad, all);
    s.zero("padding has no point", When::Always, value);
    let never = s.sum(&[row.key, row.end, row.pad]);
    let value = s.mul(never, row.inf);
    s.zero("key and result are finite", When::Always, value);

    // A key's row passes its y on to the endomorphism's image.
    let keep_y = s.add(row.keep, row.key);
    for (keep, now, operand, next) in
        [(row.keep, &row.x, &row.tx, &next.x), (keep_y, &row.y, &row.ty, &next.y)]
    {
        for j in 0..LIMBS {
            let kept = s.sub(next[j], now[j]);
            let taken = s.sub(next[j], operand[j]);
            let value = s.mul(keep, kept);
            let value = s.mul_add(row.take, taken, value);
            s.zero("accumulator or operand become the result", When::Always, value);
        }
    }
}

fn unused<S: System>(s: &mut S, row: &Row<S::Value>) {
    let used = s.sum(&[row.chord, row.tangent, row.key, row.scalars, row.claim]);
    let idle = s.not(used);
    let slope = s.sum(&row.lambda);
    let value = s.mul(idle, slope);
    s.zero("an unused slope is 0", When::Always, value);
}

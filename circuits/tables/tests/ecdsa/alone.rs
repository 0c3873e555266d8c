//! Forgeries of a row and its next one that one rule alone stops: what a prover would gain if it were missing.

use circuits_core::F;
use k256::U256;
use plonky2::field::types::Field;

use super::fixtures::{integer, point};
use circuits_tables::{
    ecdsa::table::{
        SignatureTable,
        columns::Row,
        limbs::{Limbs, Point, limbs},
        trace::{Trace, at, empty, fill_identities},
    },
    table::{check::broken_between, system::int},
};

/// A row, its next one, and whether it is the first or the last.
struct Forgery {
    row: Row<F>,
    next: Row<F>,
    first: bool,
    last: bool,
}

impl Forgery {
    /// The first honest row for which `choose` holds, with the next one.
    #[track_caller]
    fn of(trace: &Trace, choose: impl Fn(&Row<F>) -> bool) -> Self {
        let Some(index) = trace.rows.iter().position(choose) else { panic!("the trace has no such row") };
        Self { row: trace.rows[index], next: trace.rows[index + 1], first: false, last: false }
    }

    /// The rule that stops it.
    #[track_caller]
    fn stopped_by(mut self, rule: &'static str) -> &'static str {
        fill_identities(&mut self.row, &self.next);
        let broken = broken_between::<SignatureTable>(&self.row, &self.next, self.first, self.last);
        assert_eq!(broken, [rule]);
        rule
    }

    /// Sets the words that the next row must have if `shift` is the share of a shift, and `1 - shift` that of none.
    fn fit_words(&mut self, shift: i64) {
        for i in 0..4 {
            let now: [F; 4] = self.row.scalar(i).try_into().expect("four words");
            let doubled = now[0].double() + self.row.bits[i];
            let stay = [doubled, now[1], now[2], now[3]];
            let shifted = [F::ZERO, doubled, now[1], now[2]];
            for j in 0..4 {
                self.next.words[4 * i + j] = int(1 - shift) * stay[j] + int(shift) * shifted[j];
            }
        }
    }

    /// Makes the accumulator `now`, kept as the result.
    fn keep(&mut self, now: &Point) {
        let from = at(now);
        for row in [&mut self.row, &mut self.next] {
            (row.x, row.y) = (from.x, from.y);
            (row.shifted, row.shifted_carry, row.shifted_inverse) =
                (from.shifted, from.shifted_carry, from.shifted_inverse);
        }
    }

    /// Makes the row a tangent at its accumulator.
    fn tangent(&mut self) {
        let now = accumulator(&self.row);
        let slope = now.tangent();
        let result = now.along(&slope, &now.x);
        (self.row.chord, self.row.tangent, self.row.inverse) = (F::ZERO, F::ONE, [F::ZERO; 7]);
        self.row.lambda = limbs(&slope).map(int);
        (self.next.x, self.next.y) = (limbs(&result.x).map(int), limbs(&result.y).map(int));
    }
}

fn integer_of(limbs: &[F]) -> U256 {
    use plonky2::field::types::PrimeField64;
    limbs
        .iter()
        .rev()
        .fold(U256::ZERO, |value, limb| value.shl_vartime(13).wrapping_add(&integer(limb.to_canonical_u64())))
}

fn accumulator(row: &Row<F>) -> Point {
    point(integer_of(&row.x), integer_of(&row.y))
}

fn operand(row: &Row<F>) -> Point {
    point(integer_of(&row.tx), integer_of(&row.ty))
}

fn one(value: F) -> bool {
    value == F::ONE
}

/// Carries out all forgeries; returns the rules that stop them.
pub(super) fn forgeries(trace: &Trace) -> Vec<&'static str> {
    [order(trace), operands(trace), additions(trace), signatures(trace)].concat()
}

fn order(trace: &Trace) -> Vec<&'static str> {
    let first = || Forgery { row: trace.rows[0], next: trace.rows[1], first: true, last: false };
    let adding = || Forgery::of(trace, |row| one(row.add) && !one(row.word_ends));
    let ending = || Forgery::of(trace, |row| one(row.word_ends) && !one(row.last));
    let finishing = || Forgery::of(trace, |row| one(row.last));
    let mut found = vec![];

    let mut forgery = first();
    forgery.row.range = F::ONE;
    found.push(forgery.stopped_by("the range table starts at 0"));

    let mut forgery = Forgery { first: true, ..adding() };
    (forgery.row.range, forgery.next.range) = (F::ZERO, F::ZERO);
    found.push(forgery.stopped_by("the first row is a key or padding"));

    let mut forgery = Forgery { last: true, ..adding() };
    forgery.row.range = int(8191);
    found.push(forgery.stopped_by("the last row is a claim or padding"));

    // A row of no kind, followed by another.
    let row = at(&point(U256::ZERO, U256::ZERO));
    let forgery = Forgery { row, next: row, first: false, last: false };
    found.push(forgery.stopped_by("a row has one kind"));

    // Twice the last row of the table less padding.
    let mut row = empty();
    (row.table[11], row.pad) = (F::TWO, F::NEG_ONE);
    let twice = 2 * ((1_i64 << 32) + 977);
    for coordinate in 0..2 {
        for limb in 0..3 {
            row.shifted[3 * coordinate + limb] = int(twice >> (13 * limb) & 8191);
        }
    }
    let next =
        Row { add: F::TWO, pad: F::NEG_ONE, inf: F::TWO, bits_left: int(12), words_left: int(4), ..empty() };
    found.push(Forgery { row, next, first: false, last: false }.stopped_by("a row kind is boolean"));

    let mut forgery = finishing();
    (forgery.row.words_left, forgery.next.words_left) = (F::TWO, F::ONE);
    found.push(forgery.stopped_by("the last addition is in the last word"));

    let mut forgery = finishing();
    forgery.row.word_ends = F::ZERO;
    (forgery.next.bits_left, forgery.next.words_left) = (int(-39), F::ONE);
    forgery.fit_words(-1);
    found.push(forgery.stopped_by("the last addition ends its word"));

    let mut forgery = finishing();
    forgery.row.last = F::TWO;
    (forgery.next.end, forgery.next.double) = (F::TWO, F::NEG_ONE);
    forgery.next.bits_left = int(-39);
    forgery.fit_words(-1);
    found.push(forgery.stopped_by("the last addition is boolean"));

    let mut forgery = ending();
    forgery.row.word_ends = F::TWO;
    forgery.next.bits_left = int(78);
    forgery.next.words_left = forgery.row.words_left - F::TWO;
    forgery.fit_words(2);
    found.push(forgery.stopped_by("the end of a word is boolean"));

    let mut forgery = Forgery::of(trace, |row| one(row.double) && one(row.bits_left));
    forgery.row.word_ends = F::ONE;
    found.push(forgery.stopped_by("only an addition ends a word"));
    found
}

fn operands(trace: &Trace) -> Vec<&'static str> {
    let image = || {
        Forgery::of(trace, |row| {
            one(row.add) && one(row.constant[1]) && !one(row.word_ends) && one(row.chord)
        })
    };
    let mut found = vec![];

    // 2 times the bit of G instead of the bit of lambda G: the same multiple.
    let mut forgery = image();
    forgery.row.bits = [F::TWO, F::ZERO, F::ZERO, F::ZERO];
    forgery.fit_words(0);
    found.push(forgery.stopped_by("a scalar's bit is boolean"));

    let mut forgery = image();
    forgery.row.bits = [F::ONE, F::ZERO, F::ZERO, F::ZERO];
    forgery.fit_words(0);
    found.push(forgery.stopped_by("a constant is the multiple that the bits select"));

    // Infinity instead of the key in the table.
    let mut forgery = Forgery::of(trace, |row| one(row.table[3]) && one(row.chord));
    (forgery.row.tx, forgery.row.ty) = ([F::ZERO; 20], [F::ZERO; 20]);
    (forgery.row.read, forgery.row.t_inf) = (F::ZERO, F::ONE);
    (forgery.row.chord, forgery.row.keep) = (F::ZERO, F::ONE);
    (forgery.row.lambda, forgery.row.inverse) = ([F::ZERO; 20], [F::ZERO; 7]);
    (forgery.next.x, forgery.next.y) = (forgery.row.x, forgery.row.y);
    found.push(forgery.stopped_by("a key is read where it is needed"));
    found
}

fn additions(trace: &Trace) -> Vec<&'static str> {
    let reading = || Forgery::of(trace, |row| one(row.add) && one(row.read) && one(row.chord));
    let keeping = || Forgery::of(trace, |row| one(row.add) && one(row.keep) && !one(row.inf));
    let doubling = || Forgery::of(trace, |row| one(row.double) && one(row.tangent));
    let mut found = vec![];

    let mut forgery = reading();
    forgery.tangent();
    (forgery.row.tx, forgery.row.ty) = (forgery.row.x, forgery.row.y);
    forgery.row.ty[4] += F::ONE;
    found.push(forgery.stopped_by("a tangent has the same y"));

    let mut forgery = reading();
    forgery.tangent();
    (forgery.row.tx, forgery.row.ty) = (forgery.row.x, forgery.row.y);
    forgery.row.tx[4] += F::ONE;
    found.push(forgery.stopped_by("tangent and opposite have the same x"));

    let mut forgery = doubling();
    (forgery.row.tangent, forgery.row.keep) = (F::ZERO, F::ONE);
    forgery.row.lambda = [F::ZERO; 20];
    (forgery.next.x, forgery.next.y) = (forgery.row.x, forgery.row.y);
    found.push(forgery.stopped_by("a doubling keeps infinity only"));

    // The row that copies the key adds it instead.
    let mut forgery = Forgery::of(trace, |row| one(row.table[7]));
    let (now, key) = (accumulator(&forgery.row), operand(&forgery.row));
    let slope = now.chord(key);
    let result = now.along(&slope, &key.x);
    (forgery.row.take, forgery.row.chord) = (F::ZERO, F::ONE);
    forgery.row.lambda = limbs(&slope).map(int);
    let word = |limbs: &[F]| limbs[0] + limbs[1] * int(1 << 13) + limbs[2] * int(1 << 26);
    forgery.row.inverse[0] = (word(&forgery.row.tx) - word(&forgery.row.x)).inverse();
    (forgery.next.x, forgery.next.y) = (limbs(&result.x).map(int), limbs(&result.y).map(int));
    found.push(forgery.stopped_by("doublings and copies have their cases"));

    // Infinity doubled to (0, 0), which is no point of the curve.
    let mut forgery = doubling();
    forgery.keep(&Point::INFINITY);
    (forgery.row.inf, forgery.row.lambda) = (F::ONE, [F::ZERO; 20]);
    (forgery.row.tangent, forgery.row.keep) = (F::ZERO, F::ONE);
    (forgery.row.chord, forgery.row.opposite) = (F::ONE, F::NEG_ONE);
    forgery.next.inf = F::ZERO;
    found.push(forgery.stopped_by("a case is boolean"));

    let mut forgery = keeping();
    forgery.next.x[0] += F::ONE;
    found.push(forgery.stopped_by("accumulator or operand become the result"));

    let mut forgery = keeping();
    forgery.keep(&Point::INFINITY);
    (forgery.row.inf, forgery.next.inf) = (F::TWO, F::TWO);
    found.push(forgery.stopped_by("infinity is boolean"));
    found
}

fn signatures(trace: &Trace) -> Vec<&'static str> {
    let keeping = || Forgery::of(trace, |row| one(row.add) && one(row.keep) && !one(row.inf));
    let mut found = vec![];

    // p + 1, whose higher limbs are at their maximum.
    let mut top: Limbs = [8191; 20];
    top[19] = 511;
    let above = PRIME.wrapping_add(&integer(1));
    let mut forgery = keeping();
    forgery.keep(&point(above, U256::ZERO));
    found.push(forgery.stopped_by("a coordinate is below the field prime"));

    // 2^256 - 2^39 is canonical, and has these limbs too.
    let mut forgery = keeping();
    (top[0], top[1], top[2]) = (0, 0, 0);
    forgery.keep(&point(integer_of(&top.map(int)), U256::ZERO));
    forgery.row.shifted_inverse[0] = int(5);
    found.push(forgery.stopped_by("the inverse of an absent carry is 0"));

    let mut forgery = Forgery::of(trace, |row| one(row.scalars));
    forgery.row.words[8] += F::ONE;
    forgery.next.words[8] += F::ONE;
    found.push(forgery.stopped_by("a scalar's limbs are its words"));
    found
}

const PRIME: U256 = U256::from_be_hex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");

//! The rows of one signature.

use circuits_prover::basetypes::F;
use k256::U256;
use plonky2::field::types::Field;

use super::rows::{at, elements, empty, fill_difference, fill_identities, inverse_of_sum, set_operand};
use crate::ecdsa::{
    Signed,
    table::{
        columns::{Row, SCALARS},
        limbs::{Fn, LAMBDA, Point, SCALAR_BITS, from_bytes, inverse_scalar, limbs, split},
        rows_per_signature,
        rules::TABLE_MULTIPLES,
    },
};
use crate::table::system::int;

/// What a prover chooses for one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub key: Point,
    pub hash: U256,
    /// The signature's `r`.
    pub r: U256,
    /// The signature's `s`.
    pub s: U256,
    /// `s lambda` modulo the group order.
    pub v: U256,
    /// `a1`, `a2`, `b1`, `b2`: the sum is `(a1 + a2 lambda) G + (b1 + b2 lambda) key`.
    pub scalars: [U256; SCALARS],
}

impl Assignment {
    /// The honest choice for a signature, valid or not.
    #[must_use]
    pub fn new(signed: &Signed) -> Self {
        let point = Point { x: from_bytes(signed.key.x()), y: from_bytes(signed.key.y()), inf: false };
        let [r, s] = [signed.signature.r, signed.signature.s].map(|bytes| from_bytes(&bytes));
        Self::of(point, from_bytes(&signed.hash), r, s)
    }

    /// The honest choice for these numbers.
    #[must_use]
    pub fn of(key: Point, hash: U256, r: U256, s: U256) -> Self {
        let inverse = inverse_scalar(Fn::new(&s));
        let (a1, a2) = split(&(Fn::new(&hash) * inverse).retrieve());
        let (b1, b2) = split(&(Fn::new(&r) * inverse).retrieve());
        let v = (Fn::new(&s) * Fn::new(&LAMBDA)).retrieve();
        Self { key, hash, r, s, v, scalars: [a1, a2, b1, b2] }
    }

    /// The rows of the signature with number `index`.
    pub(super) fn rows(&self, index: usize) -> Vec<Row<F>> {
        let mut run = Run { rows: Vec::with_capacity(rows_per_signature()), ..Run::new(self.key) };
        run.key();
        run.table();
        run.additions(&self.scalars);
        run.finish(self);
        let Run { mut rows, reads, .. } = run;
        for row in &mut rows {
            row.index = F::from_canonical_usize(index);
        }
        rows[0].reads = F::from_canonical_u64(reads[4]);
        for (i, &multiple) in TABLE_MULTIPLES.iter().enumerate().filter(|&(i, _)| i != 8) {
            rows[1 + i].reads = F::from_canonical_u64(reads[multiple as usize]);
        }
        for i in 0..rows.len() {
            // The last row's identities do not look at the next one.
            let next = rows[(i + 1).min(rows.len() - 1)];
            fill_identities(&mut rows[i], &next);
        }
        rows
    }
}

/// The state between two rows.
struct Run {
    rows: Vec<Row<F>>,
    accumulator: Point,
    multiples: [Point; 16],
    reads: [u64; 16],
}

impl Run {
    fn new(key: Point) -> Self {
        let image = Point::G.endomorphism();
        let mut multiples = [Point::INFINITY; 16];
        multiples[1] = Point::G;
        multiples[2] = image;
        multiples[3] = image.endomorphism().negate();
        multiples[4] = key;
        Self { rows: vec![], accumulator: key, multiples, reads: [0; 16] }
    }

    fn key(&mut self) {
        let mut row = Row { key: F::ONE, ..at(&self.accumulator) };
        let x = super::super::limbs::Fp::new(&self.accumulator.x);
        row.lambda = elements(&limbs(&(x * x).retrieve()));
        self.rows.push(row);
        self.accumulator = self.accumulator.endomorphism();
    }

    fn table(&mut self) {
        let [g, image] = [self.multiples[1], self.multiples[2]];
        let (minus_g, minus_image) = (g.negate(), image.negate());
        let operands =
            [g, image, minus_g, self.read(4), g, minus_image, minus_g, self.read(4), g, image, minus_g];
        for (i, multiple) in TABLE_MULTIPLES.into_iter().enumerate() {
            self.multiples[multiple as usize] = self.accumulator;
            let mut row = at(&self.accumulator);
            row.table[i] = F::ONE;
            row.read = F::from_bool(i == 3 || i == 7);
            match operands.get(i) {
                Some(&key) if i == 7 => {
                    set_operand(&mut row, &key);
                    row.take = F::ONE;
                    self.rows.push(row);
                    self.accumulator = key;
                }
                Some(&operand) => self.add(row, operand),
                None => {
                    self.rows.push(row);
                    self.accumulator = Point::INFINITY;
                }
            }
        }
    }

    fn additions(&mut self, scalars: &[U256; SCALARS]) {
        let mut words = [F::ZERO; 16];
        for step in 0..SCALAR_BITS {
            let position = SCALAR_BITS - 1 - step;
            let last = position == 0;
            // Words end after bits 117, 78, 39 and 0.
            let (bits_left, words_left) = (position % 39 + 1, position / 39 + 1);
            let ends = bits_left == 1;
            let bits = scalars.map(|scalar| F::from_bool(scalar.bit_vartime(position as u32)));
            let selected = (0..SCALARS).filter(|&i| bits[i] == F::ONE).map(|i| 1 << i).sum::<usize>();

            let mut row = Row {
                add: F::ONE,
                bits,
                words,
                bits_left: F::from_canonical_usize(bits_left),
                words_left: F::from_canonical_usize(words_left),
                word_ends: F::from_bool(ends),
                last: F::from_bool(last),
                ..at(&self.accumulator)
            };
            if (1..4).contains(&selected) {
                row.constant[selected - 1] = F::ONE;
            }
            row.read = F::from_bool(selected >= 4);
            let operand = if selected >= 4 { self.read(selected) } else { self.multiples[selected] };
            self.add(row, operand);
            for (scalar, bit) in words.chunks_mut(4).zip(bits) {
                scalar[0] = scalar[0].double() + bit;
                if ends && !last {
                    scalar.rotate_right(1);
                    scalar[0] = F::ZERO;
                }
            }
            if !last {
                let (bits_left, words_left) =
                    if ends { (39, words_left - 1) } else { (bits_left - 1, words_left) };
                self.double(Row {
                    double: F::ONE,
                    words,
                    bits_left: F::from_canonical_usize(bits_left),
                    words_left: F::from_canonical_usize(words_left),
                    ..at(&self.accumulator)
                });
            }
        }
        self.rows.push(Row { end: F::ONE, words, ..at(&self.accumulator) });
    }

    fn finish(&mut self, assignment: &Assignment) {
        let Assignment { hash, r, s, v, scalars: [a1, a2, b1, b2], .. } = assignment;
        let pair = |low: &U256, high: &U256| {
            let (low, high) = (limbs(low), limbs(high));
            let both: [i64; 20] = std::array::from_fn(|i| if i < 10 { low[i] } else { high[i - 10] });
            both.map(int)
        };
        let end = self.rows.last_mut().expect("the additions end with a row");
        let words = end.words;
        let (r, s) = (elements(&limbs(r)), elements(&limbs(s)));
        end.inverse[0] = inverse_of_sum(&r);
        end.inverse[1] = inverse_of_sum(&s);
        self.rows.push(Row { scalars: F::ONE, words, x: s, y: r, lambda: pair(b1, b2), ..empty() });
        let mut row = Row {
            claim: F::ONE,
            words,
            x: elements(&limbs(v)),
            y: elements(&limbs(hash)),
            lambda: pair(a1, a2),
            read: F::ONE,
            ..empty()
        };
        set_operand(&mut row, &self.read(4));
        self.rows.push(row);
    }

    fn read(&mut self, multiple: usize) -> Point {
        self.reads[multiple] += 1;
        self.multiples[multiple]
    }

    fn double(&mut self, mut row: Row<F>) {
        if self.accumulator.inf {
            row.keep = F::ONE;
            self.rows.push(row);
        } else {
            self.tangent(row);
        }
    }

    /// Adds `operand`, in whichever case it is.
    fn add(&mut self, mut row: Row<F>, operand: Point) {
        set_operand(&mut row, &operand);
        let now = self.accumulator;
        if operand.inf {
            row.keep = F::ONE;
        } else if now.inf {
            row.take = F::ONE;
            self.accumulator = operand;
        } else if now.x != operand.x {
            row.chord = F::ONE;
            let slope = now.chord(operand);
            row.lambda = elements(&limbs(&slope));
            let (a, b) = (row.tx, row.x);
            fill_difference(&mut row, &a, &b);
            self.accumulator = now.along(&slope, &operand.x);
        } else if now.y == operand.y {
            return self.tangent(row);
        } else {
            row.opposite = F::ONE;
            let (a, b) = (row.ty, row.y);
            fill_difference(&mut row, &a, &b);
            self.accumulator = Point::INFINITY;
        }
        self.rows.push(row);
    }

    fn tangent(&mut self, mut row: Row<F>) {
        row.tangent = F::ONE;
        let slope = self.accumulator.tangent();
        row.lambda = elements(&limbs(&slope));
        self.accumulator = self.accumulator.along(&slope, &self.accumulator.x);
        self.rows.push(row);
    }
}

//! The constraints as a whole: one text for all evaluations, degree 3, and integers that do not wrap.

use circuits_core::layout::Layout;
use circuits_prover::basetypes::{C, D, F};
use plonky2::field::types::{Field64, PrimeField64};
use starky::stark_testing::{test_stark_circuit_constraints, test_stark_low_degree};

use circuits_tables::{
    ecdsa::table::{
        SignatureTable,
        columns::{COLUMNS, LIMBS, Row},
        rules,
    },
    table::{
        self, TableStark,
        system::{System, When},
    },
};

type SignatureStark = TableStark<SignatureTable>;

#[test]
fn natively_and_in_circuit_the_constraints_have_the_same_values() {
    test_stark_circuit_constraints::<F, C, SignatureStark, D>(SignatureStark::default()).unwrap();
}

#[test]
fn the_constraints_have_degree_3() {
    test_stark_low_degree::<F, SignatureStark, D>(SignatureStark::default()).unwrap();
}

#[test]
fn the_number_of_constraints_is_known() {
    assert_eq!(table::rules::<SignatureTable>().len(), 287);
}

/// An interval of integers, inclusive.
#[derive(Clone, Copy, Debug)]
struct Interval(i128, i128);

/// Interval arithmetic: what the identities' digits can be, whatever a prover chooses within the range table.
#[derive(Default)]
struct Bounds {
    largest: i128,
    digits: usize,
}

impl Bounds {
    fn signed(value: F) -> i128 {
        let value = i128::from(value.to_canonical_u64());
        let order = i128::from(F::ORDER);
        if value > order / 2 { value - order } else { value }
    }
}

impl System for Bounds {
    type Value = Interval;
    fn constant(&mut self, value: F) -> Interval {
        let value = Self::signed(value);
        Interval(value, value)
    }
    fn mul_add(&mut self, a: Interval, b: Interval, c: Interval) -> Interval {
        let product = self.mul(a, b);
        self.add(product, c)
    }
    fn scale_add(&mut self, k: F, a: Interval, c: Interval) -> Interval {
        let k = self.constant(k);
        self.mul_add(k, a, c)
    }
    fn mul(&mut self, a: Interval, b: Interval) -> Interval {
        let products = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
        Interval(products.into_iter().min().unwrap(), products.into_iter().max().unwrap())
    }
    fn add(&mut self, a: Interval, b: Interval) -> Interval {
        Interval(a.0 + b.0, a.1 + b.1)
    }
    fn sub(&mut self, a: Interval, b: Interval) -> Interval {
        Interval(a.0 - b.1, a.1 - b.0)
    }
    fn zero(&mut self, rule: &'static str, _: When, value: Interval) {
        if rule == "an identity holds" {
            self.digits += 1;
            self.largest = self.largest.max(value.0.abs()).max(value.1.abs());
        }
    }
}

#[test]
fn no_digit_of_an_identity_wraps() {
    // Every limb at any value of the range table, every flag 0 or 1, all at once.
    let columns = Row::columns();
    let mut row = vec![Interval(0, 1); COLUMNS];
    let limbs = [columns.limbs(), columns.tx.to_vec(), columns.ty.to_vec()].concat();
    for column in limbs {
        row[column] = Interval(0, 8191);
    }
    for column in columns.inverse.into_iter().chain(columns.words) {
        row[column] = Interval(0, 0);
    }
    let row = Row::decode(&row).unwrap();
    let mut bounds = Bounds::default();
    rules::enforce(&mut bounds, &row, &row);
    assert_eq!(bounds.digits, 3 * 13);
    assert!(bounds.largest < i128::from(F::ORDER) / 2, "{}", bounds.largest);
    assert!(bounds.largest > 1 << 61, "the bound is near what the comment says: {}", bounds.largest);
    assert_eq!(LIMBS, 20);
}

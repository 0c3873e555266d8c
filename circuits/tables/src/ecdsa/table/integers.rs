//! [`System`] over plain integers: what the trace's identities amount to before any modulus.

use circuits_core::layout::Layout;
use circuits_prover::basetypes::F;
use plonky2::field::types::PrimeField64;

use super::columns::Row;
use crate::table::system::{System, When};

/// Integers that do not wrap. Used for limbs and flags only.
pub(super) struct Integers;

impl Integers {
    /// The row as integers. Elements that are not limbs or flags lose their meaning.
    pub(super) fn row(row: &Row<F>) -> Row<i64> {
        let integers: Vec<_> =
            row.encode().into_iter().map(|element: F| element.to_canonical_u64() as i64).collect();
        Row::decode(&integers).expect("rows have one length")
    }
}

impl System for Integers {
    type Value = i64;

    fn constant(&mut self, value: F) -> i64 {
        let negative = (-value).to_canonical_u64();
        let value = value.to_canonical_u64();
        if value <= negative { value as i64 } else { -(negative as i64) }
    }
    fn mul_add(&mut self, a: i64, b: i64, c: i64) -> i64 {
        a * b + c
    }
    fn scale_add(&mut self, k: F, a: i64, c: i64) -> i64 {
        self.constant(k) * a + c
    }
    fn mul(&mut self, a: i64, b: i64) -> i64 {
        a * b
    }
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }
    fn sub(&mut self, a: i64, b: i64) -> i64 {
        a - b
    }
    fn zero(&mut self, _: &'static str, _: When, _: i64) {}
    fn int(&mut self, value: i64) -> i64 {
        value
    }
    fn times_add(&mut self, k: i64, a: i64, c: i64) -> i64 {
        k * a + c
    }
}

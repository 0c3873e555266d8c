//! The algebra that constraints are written in, so that they are written once: over packed field elements for
//! the prover and the native verifier, over targets for the recursive verifier, and over plain elements for
//! tests.

use circuits_prover::basetypes::{Builder, D, F};
use plonky2::{
    field::{extension::FieldExtension, packed::PackedField, types::Field},
    iop::ext_target::ExtensionTarget,
};
use starky::constraint_consumer::{ConstraintConsumer, RecursiveConstraintConsumer};

/// The rows that a constraint holds in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Every row; the row after the last one is the first one.
    Always,
    /// Every row but the last.
    Transition,
    /// The first row.
    First,
    /// The last row.
    Last,
}

/// Values, and the constraint that one of them is zero.
pub trait System {
    /// A value.
    type Value: Copy;

    /// A constant.
    fn constant(&mut self, value: F) -> Self::Value;
    /// `a b + c`.
    fn mul_add(&mut self, a: Self::Value, b: Self::Value, c: Self::Value) -> Self::Value;
    /// `k a + c`.
    fn scale_add(&mut self, k: F, a: Self::Value, c: Self::Value) -> Self::Value;
    /// `a b`.
    fn mul(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `a + b`.
    fn add(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `a - b`.
    fn sub(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// Enforces the rule called `rule`: `value = 0`.
    fn zero(&mut self, rule: &'static str, when: When, value: Self::Value);

    /// A constant integer.
    fn int(&mut self, value: i64) -> Self::Value {
        self.constant(int(value))
    }
    /// `a` times an integer, plus `c`.
    fn times_add(&mut self, k: i64, a: Self::Value, c: Self::Value) -> Self::Value {
        self.scale_add(int(k), a, c)
    }
    /// `1 - a`.
    fn not(&mut self, a: Self::Value) -> Self::Value {
        let one = self.int(1);
        self.sub(one, a)
    }
    /// The sum of `values`.
    fn sum(&mut self, values: &[Self::Value]) -> Self::Value {
        match values.split_first() {
            Some((&first, rest)) => rest.iter().fold(first, |sum, &value| self.add(sum, value)),
            None => self.int(0),
        }
    }
    /// The 39-bit words of an integer in 13-bit limbs.
    fn words(&mut self, limbs: &[Self::Value]) -> Vec<Self::Value> {
        limbs
            .chunks(3)
            .map(|limbs| {
                let (&top, rest) = limbs.split_last().expect("chunks are not empty");
                rest.iter().rev().fold(top, |word, &limb| self.times_add(1 << 13, word, limb))
            })
            .collect()
    }
}

/// An integer as a field element.
pub fn int(value: i64) -> F {
    let magnitude = F::from_canonical_u64(value.unsigned_abs());
    if value < 0 { -magnitude } else { magnitude }
}

/// [`System`] over packed elements of the field `FE`.
pub struct Native<'a, FE, P: PackedField, const D2: usize> {
    consumer: &'a mut ConstraintConsumer<P>,
    field: std::marker::PhantomData<FE>,
}

impl<'a, FE, P: PackedField, const D2: usize> Native<'a, FE, P, D2> {
    /// Constraints go to `consumer`.
    pub fn new(consumer: &'a mut ConstraintConsumer<P>) -> Self {
        Self { consumer, field: std::marker::PhantomData }
    }
}

impl<FE, P, const D2: usize> System for Native<'_, FE, P, D2>
where
    FE: FieldExtension<D2, BaseField = F>,
    P: PackedField<Scalar = FE>,
{
    type Value = P;

    fn constant(&mut self, value: F) -> P {
        P::from(FE::from_basefield(value))
    }
    fn mul_add(&mut self, a: P, b: P, c: P) -> P {
        a * b + c
    }
    fn scale_add(&mut self, k: F, a: P, c: P) -> P {
        a * FE::from_basefield(k) + c
    }
    fn mul(&mut self, a: P, b: P) -> P {
        a * b
    }
    fn add(&mut self, a: P, b: P) -> P {
        a + b
    }
    fn sub(&mut self, a: P, b: P) -> P {
        a - b
    }
    fn zero(&mut self, _: &'static str, when: When, value: P) {
        match when {
            When::Always => self.consumer.constraint(value),
            When::Transition => self.consumer.constraint_transition(value),
            When::First => self.consumer.constraint_first_row(value),
            When::Last => self.consumer.constraint_last_row(value),
        }
    }
}

/// [`System`] over targets.
pub struct Recursive<'a> {
    pub builder: &'a mut Builder,
    /// Where constraints go.
    pub consumer: &'a mut RecursiveConstraintConsumer<F, D>,
}

impl System for Recursive<'_> {
    type Value = ExtensionTarget<D>;

    fn constant(&mut self, value: F) -> Self::Value {
        self.builder.constant_extension(value.into())
    }
    fn mul_add(&mut self, a: Self::Value, b: Self::Value, c: Self::Value) -> Self::Value {
        self.builder.mul_add_extension(a, b, c)
    }
    fn scale_add(&mut self, k: F, a: Self::Value, c: Self::Value) -> Self::Value {
        self.builder.mul_const_add_extension(k, a, c)
    }
    fn mul(&mut self, a: Self::Value, b: Self::Value) -> Self::Value {
        self.builder.mul_extension(a, b)
    }
    fn add(&mut self, a: Self::Value, b: Self::Value) -> Self::Value {
        self.builder.add_extension(a, b)
    }
    fn sub(&mut self, a: Self::Value, b: Self::Value) -> Self::Value {
        self.builder.sub_extension(a, b)
    }
    fn zero(&mut self, _: &'static str, when: When, value: Self::Value) {
        match when {
            When::Always => self.consumer.constraint(self.builder, value),
            When::Transition => self.consumer.constraint_transition(self.builder, value),
            When::First => self.consumer.constraint_first_row(self.builder, value),
            When::Last => self.consumer.constraint_last_row(self.builder, value),
        }
    }
}

//! The algebra that constraints are written in, so that they are written once: over packed field elements for
//! the prover and the native verifier, over targets for the recursive verifier, and over plain elements for
//! tests.

use circuits_prover::basetypes::{Builder, D, F};
use plonky2::{
    field::{extension::FieldExtension, packed::PackedField, types::Field},
    gates::reducing_extension::ReducingExtensionGate,
    iop::ext_target::ExtensionTarget,
    util::reducing::ReducingFactorTarget,
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
    /// `k a b + l c`, one operation of a circuit.
    fn arithmetic(&mut self, k: F, a: Self::Value, b: Self::Value, l: F, c: Self::Value) -> Self::Value {
        let (product, zero) = (self.mul(a, b), self.int(0));
        let scaled = self.scale_add(l, c, zero);
        self.scale_add(k, product, scaled)
    }
    /// `a b - c`, one operation of a circuit.
    fn mul_sub(&mut self, a: Self::Value, b: Self::Value, c: Self::Value) -> Self::Value {
        self.arithmetic(F::ONE, a, b, F::NEG_ONE, c)
    }
    /// The integer whose bits these are, the least significant first: the sum of `2^i bits[i]`.
    fn bits(&mut self, bits: &[Self::Value]) -> Self::Value {
        match bits.split_last() {
            Some((&top, rest)) => rest.iter().rev().fold(top, |sum, &bit| self.times_add(2, sum, bit)),
            None => self.int(0),
        }
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
        scaled::<FE, P, D2>(k, a) + c
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
    fn arithmetic(&mut self, k: F, a: P, b: P, l: F, c: P) -> P {
        scaled::<FE, P, D2>(k, a * b) + scaled::<FE, P, D2>(l, c)
    }
    fn bits(&mut self, bits: &[P]) -> P {
        bits.iter().rev().fold(P::ZEROS, |sum, &bit| sum + sum + bit)
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

/// `k a`, by additions for the smallest factors: a product of packed elements takes longer.
fn scaled<FE, P, const D2: usize>(k: F, a: P) -> P
where
    FE: FieldExtension<D2, BaseField = F>,
    P: PackedField<Scalar = FE>,
{
    if k == F::ONE {
        a
    } else if k == F::NEG_ONE {
        -a
    } else if k == F::TWO {
        a + a
    } else if k == -F::TWO {
        -(a + a)
    } else {
        a * FE::from_basefield(k)
    }
}

/// The largest number of bits over full rows for which operations take less than a row.
const MAX_LEFT_OVER: usize = 3;

/// What constraints over targets go to.
pub trait Consumer {
    /// Adds the constraint that `value` is zero.
    fn constraint(&mut self, builder: &mut Builder, when: When, value: ExtensionTarget<D>);
}

impl Consumer for RecursiveConstraintConsumer<F, D> {
    fn constraint(&mut self, builder: &mut Builder, when: When, value: ExtensionTarget<D>) {
        match when {
            When::Always => self.constraint(builder, value),
            When::Transition => self.constraint_transition(builder, value),
            When::First => self.constraint_first_row(builder, value),
            When::Last => self.constraint_last_row(builder, value),
        }
    }
}

/// [`System`] over targets.
pub struct Recursive<'a, C> {
    pub builder: &'a mut Builder,
    /// Where constraints go.
    pub consumer: &'a mut C,
}

impl<C: Consumer> System for Recursive<'_, C> {
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
    fn arithmetic(&mut self, k: F, a: Self::Value, b: Self::Value, l: F, c: Self::Value) -> Self::Value {
        self.builder.arithmetic_extension(k, l, a, b, c)
    }
    fn bits(&mut self, bits: &[Self::Value]) -> Self::Value {
        bits_circuit(self.builder, bits)
    }
    fn zero(&mut self, _: &'static str, when: When, value: Self::Value) {
        self.consumer.constraint(self.builder, when, value);
    }
}

/// [`System::bits`] in-circuit.
pub fn bits_circuit(builder: &mut Builder, bits: &[ExtensionTarget<D>]) -> ExtensionTarget<D> {
    // A row of the reducing gate takes three times as many terms as a row of arithmetic has operations. What is left
    // over a number of full rows is added by arithmetic.
    let row =
        ReducingExtensionGate::<D>::max_coeffs_len(builder.config.num_wires, builder.config.num_routed_wires);
    let left_over = Some(bits.len() % row).filter(|&rest| rest <= MAX_LEFT_OVER).unwrap_or(0);
    let (low, high) = bits.split_at(bits.len() - left_over);
    let two = builder.two_extension();
    let weight = F::TWO.exp_u64(low.len() as u64);
    let low = ReducingFactorTarget::new(two).reduce(low, builder);
    match high.split_last() {
        Some((&top, rest)) => {
            let add = |high, &bit| builder.mul_const_add_extension(F::TWO, high, bit);
            let high = rest.iter().rev().fold(top, add);
            builder.mul_const_add_extension(weight, high, low)
        }
        None => low,
    }
}

//! Division of products: against integers of 128 bits, and against a prover with hints of his own.

use circuits_core::{
    Builder, Compiled, Definition, F, Witness,
    amount::AMOUNT_BITS,
    division::{DIVISOR_BITS, SATURATED, mul_div, mul_div_circuit},
    layout::{WitnessError, set_target},
};
use circuits_forging::{
    Forgery, Kit, Mutator, assert_accepts, assert_rejects, assert_rejects_forgery, check,
};
use circuits_prover::basetypes::standard_config;
use plonky2::{
    field::types::{Field, Field64},
    iop::target::Target,
    plonk::circuit_data::CircuitConfig,
};
use proptest::prelude::*;

use super::element;

/// (a, b, divisor) to (floor, ceil), all public.
struct MulDiv;

impl Definition for MulDiv {
    type Statement = [Target; 5];
    type NativeStatement = [F; 5];
    type Targets = [Target; 3];
    type Input = [u64; 3];

    fn name(&self) -> String {
        "mul-div".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; 5], [Target; 3]) {
        let [a, b, divisor] = builder.add_virtual_target_arr();
        let quotients = mul_div_circuit(builder, a, b, divisor);
        ([a, b, divisor, quotients.floor, quotients.ceil], [a, b, divisor])
    }

    fn assign(
        &self,
        targets: &[Target; 3],
        input: &[u64; 3],
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        targets
            .iter()
            .zip(input)
            .try_for_each(|(&target, &value)| set_target(witness, target, element(value)))
    }
}

const TOP: u64 = (1 << AMOUNT_BITS) - 1;
const TOP_DIVISOR: u64 = (1 << DIVISOR_BITS) - 1;

/// Ordinary, exact, small by large, at the limits, saturated by one, and by zero.
const CASES: [[u64; 3]; 11] = [
    [1_000_003, 999_983, 77],
    [35, 22, 11],
    [0, 5, 7],
    [1, 1, TOP_DIVISOR],
    [TOP, TOP, TOP_DIVISOR],
    [TOP, TOP, TOP],
    [TOP, 1, 1],
    [TOP, TOP, 1],
    [1 << 57, 2, 1],
    [TOP, 3, 2],
    [5, 7, 0],
];

fn agrees(compiled: &Compiled<MulDiv>, input: [u64; 3]) {
    let [a, b, divisor] = input;
    let quotients = mul_div(a, b, divisor);
    let expected = [a, b, divisor, quotients.floor, quotients.ceil].map(element);
    assert_eq!(check(compiled, &input).unwrap(), expected, "{input:?}");
}

#[test]
fn a_product_is_divided_exactly() {
    let compiled = Compiled::new(MulDiv).unwrap();
    CASES.into_iter().for_each(|input| agrees(&compiled, input));
    let mut runner = proptest::test_runner::TestRunner::default();
    let number = |bits: u32| (0..bits, any::<u64>()).prop_map(|(bits, value)| value & ((2 << bits) - 1));
    let inputs = (number(58), number(58), number(59));
    runner
        .run(&inputs, |(a, b, divisor)| {
            let quotients = mul_div(a, b, divisor);
            let product = u128::from(a) * u128::from(b);
            if quotients.ceil < SATURATED {
                prop_assert!(u128::from(quotients.floor) * u128::from(divisor) <= product);
                prop_assert!(product <= u128::from(quotients.ceil) * u128::from(divisor));
                prop_assert!(quotients.ceil - quotients.floor <= 1);
            }
            agrees(&compiled, [a, b, divisor]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_operand_out_of_range_is_not_divided() {
    let compiled = Compiled::new(MulDiv).unwrap();
    for input in [[TOP + 1, 1, 1], [1, TOP + 1, 1], [1, 1, TOP_DIVISOR + 1], [1 << 63, 1, 3]] {
        assert_rejects(&compiled, &input);
    }
}

/// A dishonest prover: the input, the quotient's limbs, whether it is saturated, the remainder and the excess;
/// and lower limbs by operand (0 for a, 1 for b, 2 for the divisor, 3 for the remainder).
struct Attack {
    input: [u64; 3],
    answer: [F; 5],
    limb: Option<(usize, F)>,
}

impl Attack {
    fn new(input: [u64; 3], answer: [F; 5]) -> Self {
        Self { input, answer, limb: None }
    }

    fn with_limb(self, operand: usize, low: F) -> Self {
        Self { limb: Some((operand, low)), ..self }
    }

    fn forgery(&self) -> Forgery<'_, MulDiv> {
        let forgery = Forgery::new(&self.input).hint("DivisionHint", 0, &self.answer);
        match self.limb {
            Some((operand, low)) => forgery.hint("LowLimbHint", operand, &[low]),
            None => forgery,
        }
    }
}

const LIMB: u64 = 1 << 29;

fn exact(quotient: u64, remainder: u64) -> [F; 5] {
    [quotient % LIMB, quotient / LIMB, 0, remainder, 0].map(element)
}

/// The quotient of `a * b + k * p`, which is `a * b` in the field.
fn wrapped([a, b, divisor]: [u64; 3], k: u64) -> Attack {
    let total = u128::from(a) * u128::from(b) + u128::from(k) * u128::from(F::ORDER);
    let part = |value: u128| u64::try_from(value).unwrap();
    let (quotient, rest) = (part(total / u128::from(divisor)), part(total % u128::from(divisor)));
    Attack::new([a, b, divisor], exact(quotient, rest))
}

fn attacks() -> Vec<Attack> {
    let (one, zero) = (F::ONE, F::ZERO);
    let small = [10, 10, 7];
    let [low, high] = [element((SATURATED - 1) % LIMB), element((SATURATED - 1) / LIMB)];
    // x * y = p + t with a small t.
    let y = (1 << 20) + 7;
    let x = F::ORDER / y + 1;
    let t = u64::try_from(u128::from(x) * u128::from(y) - u128::from(F::ORDER)).unwrap();
    vec![
        // 10 * 10 / 7 = 14, rest 2: one less with a rest above the divisor, one more with a rest below 0.
        Attack::new(small, exact(13, 9)),
        Attack::new(small, [element(15), zero, zero, -element(5), zero]),
        Attack::new(small, [element(15), zero, zero, -element(5), zero]).with_limb(3, -element(5)),
        Attack::new(small, [element(15), zero, zero, -element(5), zero]).with_limb(3, element(LIMB - 5)),
        Attack::new(small, exact(0, 100)),
        // Not saturated, with something in excess.
        Attack::new(small, [element(14), zero, zero, element(2) - element(1 << 58), one]),
        Attack::new([1 << 30, 1 << 30, 7], [0, 0, 0, 0, 4].map(element)),
        // Saturated although it is not, with the difference hidden in rest or excess; or halfway.
        Attack::new(small, [zero, zero, one, element(100) - element(7 << 58), zero]),
        Attack::new(small, [zero, zero, one, element(100), -element(7)]),
        Attack::new(small, [element(14), zero, one, element(2) - element(7 << 58), zero]),
        Attack::new([10, 10, 1], [element(100), zero, one, zero, -one]),
        Attack::new(small, [zero, zero, element(2), element(100) - element(7 << 59), zero]),
        // Not saturated although it is: the right quotient, which is no amount.
        Attack::new([TOP, TOP, 1], [low, high, zero, zero, element(TOP - 1)]),
        Attack::new([1 << 37, 1 << 37, 1], [zero, element(1 << 45), zero, zero, zero]),
        // The right quotient in limbs out of range.
        Attack::new(small, [element(14) + element(LIMB), -one, zero, element(2), zero]),
        Attack::new([TOP, 1, 1], [low + element(LIMB), high - one, zero, zero, zero]),
        // Right in the field and not over the integers: in no column, in the lower one, in both but for its carry.
        wrapped([10, 10, 1 << 57], 1),
        wrapped([10, 10, (1 << 58) - 1], LIMB),
        wrapped([10, 10, LIMB - 1], 1),
        // Right modulo 2^58 and not in the field.
        Attack::new([1 << 30, 1 << 30, 7], exact(0, 0)),
        // An operand without an upper limb makes the middle column wrap.
        Attack::new([x, y * LIMB, 1], exact(t * LIMB, 0)).with_limb(0, element(x)),
        Attack::new([y * LIMB, x, 1], exact(t * LIMB, 0)).with_limb(1, element(x)),
        Attack::new([t * LIMB, 1, x], exact(y * LIMB, 0)).with_limb(2, element(x)),
    ]
}

#[test]
fn case_36_a_division_by_zero_has_one_answer() {
    let compiled = Compiled::new(MulDiv).unwrap();
    agrees(&compiled, [5, 7, 0]);
    agrees(&compiled, [0, 0, 0]);
    for answer in [exact(0, 35), exact(1, 35), exact(5, 0)] {
        assert_rejects_forgery(&compiled, &Attack::new([5, 7, 0], answer).forgery());
    }
}

#[test]
fn a_quotient_has_one_answer() {
    let compiled = Compiled::new(MulDiv).unwrap();
    let attacks = attacks();
    attacks.iter().for_each(|attack| assert_rejects_forgery(&compiled, &attack.forgery()));
    CASES.iter().for_each(|input| assert_accepts(&compiled, input));
    let report = Kit::new(&compiled)
        .inputs(&CASES)
        .sample(1.0)
        .masked("what is saturated, and what is not")
        .proofs(1)
        .run();
    report.assert_sound();
    assert!(report.classes > 50 && report.hints > 1000, "{report}");
    let dishonest = [[TOP + 1, 1, 1], [1, TOP + 1, 1], [1, 1, TOP_DIVISOR + 1], [1 << 63, 1, 3]];
    Mutator::new(&MulDiv)
        .honest(&CASES)
        .dishonest(&dishonest)
        .forgeries(attacks.iter().map(Attack::forgery))
        .masked("what is saturated, and what is not")
        .run()
        .assert_complete();
}

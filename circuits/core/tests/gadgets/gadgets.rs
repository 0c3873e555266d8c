//! Hashes, integers, amounts and the assertions themselves, each as a circuit of its own.

use circuits_core::{
    Builder, Definition, F, Witness,
    amount::{AMOUNT_BITS, enforce_amount},
    constrain::{Constrain, DigestOps},
    digest::{Digest, DigestTarget},
    hash::{Domain, hash_circuit, hash_pair_swapped_circuit},
    integer::{HEIGHT_BITS, enforce_less_or_equal, is_less, is_nonzero},
    layout::{Layout, WitnessError, set_target},
};
use circuits_forging::{Exception, Kind};
use circuits_prover::basetypes::standard_config;
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

use super::{digest, element, examine};

/// A gadget given `N` public elements, all set by the input; what it returns is public too.
struct Gadget<const N: usize, const M: usize> {
    name: &'static str,
    define: fn(&mut Builder, [Target; N]) -> [Target; M],
}

impl<const N: usize, const M: usize> Definition for Gadget<N, M> {
    type Statement = [Target; M];
    type NativeStatement = [F; M];
    type Targets = [Target; N];
    type Input = [F; N];

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> ([Target; M], [Target; N]) {
        let given = builder.add_virtual_target_arr();
        ((self.define)(builder, given), given)
    }

    fn assign(
        &self,
        targets: &[Target; N],
        input: &[F; N],
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        targets.iter().zip(input).try_for_each(|(&target, &value)| set_target(witness, target, value))
    }
}

fn four(elements: &[Target]) -> DigestTarget {
    circuits_core::Digest(std::array::from_fn(|i| elements[i]))
}

#[test]
fn a_comparison_has_one_answer() {
    let define = |builder: &mut Builder, [a, b]: [Target; 2]| {
        builder.enforce_range(a, HEIGHT_BITS);
        builder.enforce_range(b, HEIGHT_BITS);
        [a, b, is_less(builder, a, b, HEIGHT_BITS).target]
    };
    let top = (1 << HEIGHT_BITS) - 1;
    let honest = [[1, 2], [2, 1], [7, 7], [0, top], [top, 0]].map(|pair| pair.map(element));
    // `is_less` is only asked about integers in range.
    let dishonest = [[1 << 40, 0], [0, 1 << 40], [top + 2, 0], [0, top + 1]].map(|pair| pair.map(element));
    examine(
        Gadget { name: "is-less", define },
        &honest,
        &dishonest,
        |kit| kit,
        |mutator| {
            mutator.allow_up_to(
                "enforce_range",
                2,
                "out of range the decomposition of the difference overflows",
            )
        },
    );
}

#[test]
fn zero_is_told_from_all_other_elements() {
    let define = |builder: &mut Builder, [x, claimed]: [Target; 2]| {
        let flag = is_nonzero(builder, x);
        builder.enforce_equal(flag.target, claimed);
        [x, claimed]
    };
    let honest = [[F::ZERO, F::ZERO], [F::ONE, F::ONE], [element(5), F::ONE], [F::NEG_ONE, F::ONE]];
    let dishonest =
        [[F::ZERO, F::ONE], [element(5), F::ZERO], [element(5), element(2)], [F::NEG_ONE, F::NEG_ONE]];
    examine(Gadget { name: "is-nonzero", define }, &honest, &dishonest, |kit| kit, |mutator| mutator);
}

#[test]
fn an_order_is_enforced() {
    let define = |builder: &mut Builder, [a, b]: [Target; 2]| {
        enforce_less_or_equal(builder, a, b, HEIGHT_BITS);
        [a, b]
    };
    let honest = [[1, 2], [7, 7]].map(|pair| pair.map(element));
    let dishonest = [[2, 1], [8, 7], [1, 0]].map(|pair| pair.map(element));
    let gadget = Gadget { name: "less-or-equal", define };
    examine(gadget, &honest, &dishonest, |kit| kit, |mutator| mutator);
}

#[test]
fn an_amount_has_its_bits() {
    let define = |builder: &mut Builder, [amount]: [Target; 1]| {
        enforce_amount(builder, amount);
        [amount]
    };
    let honest = [[element(0)], [element((1 << AMOUNT_BITS) - 1)]];
    let dishonest = [[element(1 << AMOUNT_BITS)], [F::NEG_ONE], [element(1 << 63)]];
    examine(Gadget { name: "amount", define }, &honest, &dishonest, |kit| kit, |mutator| mutator);
}

#[test]
fn a_hash_of_one_and_of_two_blocks_is_bound() {
    let define = |builder: &mut Builder, input: [Target; 11]| {
        let short = hash_circuit(builder, Domain::new("short"), &input[..2]);
        let long = hash_circuit(builder, Domain::new("long"), &input);
        let empty = hash_circuit(builder, Domain::new("empty"), &[]);
        std::array::from_fn(|i| [short.0, long.0, empty.0].concat()[i])
    };
    let honest = [std::array::from_fn(|i| element(i as u64 * 77))];
    let gadget: Gadget<11, 12> = Gadget { name: "hashes", define };
    examine(gadget, &honest, &[], |kit| kit, |mutator| mutator);
}

#[test]
fn the_direction_of_a_node_is_boolean() {
    let define = |builder: &mut Builder, input: [Target; 9]| {
        let (left, right) = (four(&input), four(&input[4..]));
        // The Poseidon gate's own constraint: no `new_bool` here.
        let swap = BoolTarget::new_unsafe(input[8]);
        hash_pair_swapped_circuit(builder, Domain::new("node"), left, right, swap).0
    };
    let input = |swap| {
        let elements = [&digest(1).0[..], &digest(2).0, &[swap]].concat();
        std::array::from_fn(|i| elements[i])
    };
    let honest = [input(F::ZERO), input(F::ONE)];
    let dishonest = [input(element(2)), input(F::NEG_ONE)];
    examine(Gadget { name: "swapped-node", define }, &honest, &dishonest, |kit| kit, |mutator| mutator);
}

#[test]
fn every_assertion_asserts() {
    let define = |builder: &mut Builder, input: [Target; 14]| {
        let [flag, a, b, c, zero, one, ..] = input;
        let (left, right) = (four(&input[6..]), four(&input[10..]));
        let flag = BoolTarget::new_unsafe(flag);
        builder.enforce_bool(flag);
        builder.enforce_equal(a, b);
        builder.enforce_zero(zero);
        builder.enforce_true(BoolTarget::new_unsafe(one));
        builder.enforce_equal_if(flag, a, c);
        builder.enforce_digest_equal_if(flag, left, right);
        let same = builder.digests_equal(left, right);
        let selected = builder.select_digest(flag, left, right);
        [flag.target, same.target, selected.0[0], selected.0[1], selected.0[2], selected.0[3], a, c]
    };
    let input = |flag: u64, others: [u64; 5], left: u64, right: u64| -> [F; 14] {
        let [a, b, c, zero, one] = others;
        let scalars = [flag, a, b, c, zero, one].map(element);
        let elements = [&scalars[..], &digest(left).0, &digest(right).0].concat();
        std::array::from_fn(|i| elements[i])
    };
    let honest = [input(1, [5, 5, 5, 0, 1], 1, 1), input(0, [5, 5, 6, 0, 1], 1, 2)];
    let mut dishonest = vec![
        input(1, [5, 5, 6, 0, 1], 1, 1),
        input(1, [5, 6, 5, 0, 1], 1, 1),
        input(1, [5, 5, 5, 1, 1], 1, 1),
        input(1, [5, 5, 5, 0, 0], 1, 1),
        input(1, [5, 5, 5, 0, 2], 1, 1),
        input(2, [5, 5, 5, 0, 1], 1, 1),
    ];
    // A digest's four comparisons are four assertions.
    for limb in 6..10 {
        let mut other = honest[0];
        other[limb] += F::ONE;
        dishonest.push(other);
    }
    let gadget: Gadget<14, 8> = Gadget { name: "assertions", define };
    let masked = "the other side of the condition";
    // The input's elements have no names of their own.
    let element = || Exception::fields(Kind::Unranged, &["target"], "an element of a digest");
    examine(
        gadget,
        &honest,
        &dishonest,
        |kit| kit.masked(masked).except(element()),
        |mutator| mutator.masked(masked),
    );
}

circuits_core::layout! {
    /// A layout with one field of each kind.
    pub struct Inner<T> {
        pub digests: [Digest<T>; 2],
        pub limbs: [T; 2],
    }
}

circuits_core::layout! {
    /// A layout in a layout.
    pub struct Outer<T> {
        pub number: T,
        pub inner: Inner<T>,
        pub digest: Digest<T>,
    }
}

#[test]
fn names_follow_the_encoding() {
    let names = <Outer as Layout<F>>::names();
    assert_eq!(names.len(), <Outer as Layout<F>>::LEN);
    let name = |index: usize| (names[index].path.as_str(), names[index].position, names[index].in_digest);
    assert_eq!(name(0), ("number", 0, false));
    assert_eq!(name(8), ("inner.digests", 7, true));
    assert_eq!(name(10), ("inner.limbs", 1, false));
    assert_eq!(name(14), ("digest", 3, true));
}

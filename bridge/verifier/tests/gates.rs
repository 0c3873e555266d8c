//! The contract's constraints of each gate equal plonky2's, at random openings.

mod parts;

use circuits_prover::{D, F, basetypes::standard_config};
use parts::{base, base_word, call, extension, scaled, word};
use plonky2::{
    field::types::Field,
    gates::{
        arithmetic_base::ArithmeticGate, arithmetic_extension::ArithmeticExtensionGate,
        base_sum::BaseSumGate, constant::ConstantGate, coset_interpolation::CosetInterpolationGate,
        exponentiation::ExponentiationGate, gate::Gate, multiplication_extension::MulExtensionGate,
        poseidon::PoseidonGate, public_input::PublicInputGate, random_access::RandomAccessGate,
        reducing::ReducingGate, reducing_extension::ReducingExtensionGate,
    },
    hash::hash_types::HashOut,
    plonk::{circuit_data::CircuitConfig, vars::EvaluationVars},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use revm::primitives::U256;

/// The vectors of each gate.
const CASES: u32 = 1000;
/// Routed wires of the last circuit.
const ROUTED_WIRES: usize = 41;

fn config() -> CircuitConfig {
    CircuitConfig { num_routed_wires: ROUTED_WIRES, ..standard_config() }
}

/// Compares a gate, which is number `kind` in the harness, on `CASES` random openings.
fn compare(kind: u64, parameters: &[u64], gate: &impl Gate<F, D>) {
    let num_wires = config().num_wires;
    let mut runner = TestRunner::deterministic();
    let strategy = (
        prop::collection::vec(extension(), num_wires),
        prop::collection::vec(extension(), 2),
        prop::array::uniform4(base()),
    );
    let mut gas = U256::ZERO;
    for _ in 0..CASES {
        let (wires, constants, digest) = strategy.new_tree(&mut runner).unwrap().current();
        let vars = EvaluationVars {
            local_constants: &constants,
            local_wires: &wires,
            public_inputs_hash: &HashOut { elements: digest },
        };
        let expected: Vec<U256> = gate.eval_unfiltered(vars).into_iter().map(word).collect();
        let outcome = call(&parts::gateCall {
            kind: U256::from(kind),
            parameters: parameters.iter().map(|&p| U256::from(p)).collect(),
            wires: wires.into_iter().map(word).collect(),
            constants: constants.into_iter().map(word).collect(),
            publicInputsHash: digest.map(base_word),
        });
        assert_eq!(expected.len(), gate.num_constraints());
        assert_eq!(outcome.constraints, expected, "{}", gate.id());
        gas = outcome.gasUsed;
    }
    println!("{}: {} constraints, {gas} gas", gate.id(), gate.num_constraints());
}

#[test]
fn constants_are_the_same() {
    compare(0, &[2], &ConstantGate::new(2));
}

#[test]
fn public_inputs_are_the_same() {
    compare(1, &[], &PublicInputGate);
}

#[test]
fn arithmetic_is_the_same() {
    let gate = ArithmeticGate::new_from_config(&config());
    compare(2, &[gate.num_ops as u64], &gate);
}

#[test]
fn arithmetic_of_the_extension_field_is_the_same() {
    let gate = ArithmeticExtensionGate::<D>::new_from_config(&config());
    compare(3, &[gate.num_ops as u64], &gate);
}

#[test]
fn products_of_the_extension_field_are_the_same() {
    let gate = MulExtensionGate::<D>::new_from_config(&config());
    compare(4, &[gate.num_ops as u64], &gate);
}

#[test]
fn sums_of_bits_are_the_same() {
    for limbs in [1, 16, 40, 63] {
        compare(5, &[limbs as u64], &BaseSumGate::<2>::new(limbs));
    }
}

#[test]
fn exponentiation_is_the_same() {
    let gate = ExponentiationGate::<F, D>::new_from_config(&config());
    compare(6, &[gate.num_power_bits as u64], &gate);
}

#[test]
fn random_access_is_the_same() {
    for bits in 1..=5 {
        let gate = RandomAccessGate::<F, D>::new_from_config(&config(), bits);
        compare(7, &[bits as u64, gate.num_copies as u64, gate.num_extra_constants as u64], &gate);
    }
}

/// Compares a reducing gate, whose constraints the contract combines at once.
fn compare_reducing(count: usize, width: usize, gate: &impl Gate<F, D>) {
    let mut runner = TestRunner::deterministic();
    let strategy = (prop::collection::vec(extension(), config().num_wires), base());
    for _ in 0..CASES {
        let (wires, challenge) = strategy.new_tree(&mut runner).unwrap().current();
        let vars = EvaluationVars {
            local_constants: &[],
            local_wires: &wires,
            public_inputs_hash: &HashOut { elements: [F::ZERO; 4] },
        };
        let powers = challenge.powers();
        let expected =
            gate.eval_unfiltered(vars).into_iter().zip(powers).map(|(c, power)| scaled(c, power)).sum();
        let outcome = call(&parts::reducingCall {
            wires: wires.into_iter().map(word).collect(),
            challenge: base_word(challenge),
            count: U256::from(count),
            width: U256::from(width),
        });
        assert_eq!(outcome.sum, word(expected), "{}", gate.id());
    }
}

#[test]
fn reducing_is_the_same() {
    let count = ReducingGate::<D>::max_coeffs_len(config().num_wires, ROUTED_WIRES);
    compare_reducing(count, 1, &ReducingGate::<D>::new(count));
    let count = ReducingExtensionGate::<D>::max_coeffs_len(config().num_wires, ROUTED_WIRES);
    compare_reducing(count, D, &ReducingExtensionGate::<D>::new(count));
}

#[test]
fn coset_interpolation_is_the_same() {
    for bits in 1..=3 {
        let generator = F::primitive_root_of_unity(bits).0;
        compare(8, &[1 << bits, generator], &CosetInterpolationGate::<F, D>::new(bits));
    }
}

#[test]
fn the_permutation_is_the_same() {
    compare(9, &[], &PoseidonGate::<F, D>::new());
}

//! What cannot be proved is refused, and what is wrong does not verify.

use std::sync::Arc;

use circuits_prover::{
    F,
    plonk::{self, ProveError},
};
use plonky2::{
    field::types::Field as _,
    iop::{
        generator::generate_partial_witness,
        target::Target,
        witness::{PartialWitness, PartitionWitness, WitnessWrite as _},
    },
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{CircuitConfig, CircuitData},
    },
};
use proptest::prelude::*;

use crate::configuration::{Quadratic, config};

/// A circuit with one public input, the square of a secret, and the inputs of its proof.
fn square(config: CircuitConfig) -> (CircuitData<F, Quadratic, 2>, PartialWitness<F>, Target) {
    let mut builder = CircuitBuilder::<F, 2>::new(config);
    let secret = builder.add_virtual_target();
    let square = builder.square(secret);
    builder.register_public_input(square);
    let mut inputs = PartialWitness::new();
    inputs.set_target(secret, F::from_canonical_u64(5)).unwrap();
    (builder.build::<Quadratic>(), inputs, square)
}

#[test]
fn zero_knowledge_is_refused() {
    let (circuit, inputs, _) = square(CircuitConfig { zero_knowledge: true, ..config() });
    assert!(matches!(plonk::prove(&circuit, inputs), Err(ProveError::ZeroKnowledge)));
}

#[test]
fn lookup_tables_are_refused() {
    let mut builder = CircuitBuilder::<F, 2>::new(config());
    let table = builder.add_lookup_table_from_pairs(Arc::new(vec![(1, 2), (3, 4)]));
    let input = builder.constant(F::ONE);
    builder.add_lookup_from_index(input, table);
    let circuit = builder.build::<Quadratic>();
    let result = plonk::prove(&circuit, PartialWitness::new());
    assert!(matches!(result, Err(ProveError::LookupTables { tables: 1 })));
}

#[test]
fn a_rate_below_the_quotients_degree_is_refused() {
    let (mut circuit, inputs, _) = square(config());
    circuit.common.quotient_degree_factor = 9;
    let result = plonk::prove(&circuit, inputs);
    assert!(matches!(result, Err(ProveError::Rate { degree_factor: 9, rate_bits: 3 })));
}

#[test]
fn too_few_routed_wires_are_refused() {
    let (mut circuit, inputs, _) = square(config());
    circuit.common.config.num_routed_wires = 8;
    let result = plonk::prove(&circuit, inputs);
    assert!(matches!(result, Err(ProveError::RoutedWires { num_routed_wires: 8, degree_factor: 8 })));
}

#[test]
fn a_public_input_without_a_value_is_refused() {
    let (circuit, ..) = square(config());
    let common = &circuit.common;
    let map = &circuit.prover_only.representative_map;
    let empty = PartitionWitness::new(common.config.num_wires, common.degree(), map);
    let result = plonk::prove_assigned(&circuit, empty, None);
    assert!(matches!(result, Err(ProveError::PublicInput { index: 0 })));
}

#[test]
fn a_witness_of_another_circuit_is_refused() {
    let (circuit, ..) = square(config());
    let map: Vec<usize> = (0..10).collect();
    let result = plonk::prove_assigned(&circuit, PartitionWitness::new(2, 5, &map), None);
    assert!(matches!(result, Err(ProveError::WitnessSize { found: 10, .. })));
}

#[test]
fn a_wrong_nonce_is_refused() {
    let (circuit, inputs, _) = square(config());
    let witness = generate_partial_witness(inputs, &circuit.prover_only, &circuit.common).unwrap();
    let result = plonk::prove_assigned(&circuit, witness, Some(F::ZERO));
    assert!(matches!(result, Err(ProveError::Opening(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_witness_that_breaks_a_constraint_gives_an_error_or_a_proof_that_does_not_verify(
        class in any::<prop::sample::Index>(),
        degree_factor in 7_usize..9,
        value in any::<u64>(),
    ) {
        let (circuit, inputs, square) =
            square(CircuitConfig { max_quotient_degree_factor: degree_factor, ..config() });
        let mut witness =
            generate_partial_witness(inputs, &circuit.prover_only, &circuit.common).unwrap();
        // The classes of the public input, of a wire of its gate, and of any wire that a constraint binds.
        let index = square.index(circuit.common.config.num_wires, circuit.common.degree());
        let bound = [witness.representative_map[index], witness.representative_map[0]];
        let class = *class.get(&bound);
        prop_assume!(witness.values[class] != Some(F::from_noncanonical_u64(value)));
        witness.values[class] = Some(F::from_noncanonical_u64(value));
        if let Ok(proof) = plonk::prove_assigned(&circuit, witness, None) {
            prop_assert!(circuit.verify(proof).is_err());
        }
    }
}

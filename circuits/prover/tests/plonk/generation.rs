//! Key generation returns what plonky2's `build` does.

use std::sync::Arc;

use circuits_prover::{F, generate};
use plonky2::{
    field::{extension::Extendable, types::Field as _},
    gates::{gate::GateRef, noop::NoopGate, poseidon_mds::PoseidonMdsGate, reducing::ReducingGate},
    hash::poseidon::PoseidonHash,
    iop::target::Target,
    plonk::{circuit_builder::CircuitBuilder, circuit_data::CircuitConfig, config::GenericConfig},
};

use crate::configuration::{Quadratic, Quartic, config};

/// A circuit of 2^`bits` rows that hashes.
fn example<const D: usize>(bits: usize) -> CircuitBuilder<F, D>
where
    F: Extendable<D>,
{
    let mut builder = CircuitBuilder::<F, D>::new(config());
    let inputs: Vec<Target> = (0..20).map(|_| builder.add_virtual_public_input()).collect();
    let hash = builder.hash_n_to_hash_no_pad::<PoseidonHash>(inputs);
    let constant = builder.constant(F::from_canonical_u64(1 << 40));
    let sum = builder.mul_add(hash.elements[0], hash.elements[1], constant);
    builder.register_public_input(sum);
    while builder.num_gates() <= 1 << (bits - 1) {
        builder.add_gate(NoopGate, vec![]);
    }
    builder
}

fn assert_same_circuit<C, const D: usize>(build: impl Fn() -> CircuitBuilder<F, D>)
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F, Hasher = PoseidonHash, InnerHasher = PoseidonHash>,
{
    let stock = build().build::<C>();
    let ours = generate::build::<C, D>(build());
    // Generators compare by name alone.
    let names = |circuit: &plonky2::plonk::circuit_data::CircuitData<F, C, D>| {
        circuit.prover_only.generators.iter().map(|generator| format!("{generator:?}")).collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(&stock));
    assert_eq!(ours.common, stock.common);
    assert_eq!(ours.verifier_only, stock.verifier_only);
    assert_eq!(ours.prover_only, stock.prover_only);
}

#[test]
fn a_generated_circuit_equals_plonky2s_in_every_field() {
    for bits in [3, 6, 10] {
        assert_same_circuit::<Quadratic, 2>(|| example(bits));
    }
    assert_same_circuit::<Quartic, 4>(|| example(6));
}

#[test]
fn a_domain_separator_reaches_the_digest() {
    let build = || {
        let mut builder = example::<2>(4);
        builder.set_domain_separator(vec![F::TWO, F::ONE]);
        builder
    };
    assert_same_circuit::<Quadratic, 2>(build);
    assert_ne!(
        generate::build::<Quadratic, 2>(build()).verifier_only.circuit_digest,
        generate::build::<Quadratic, 2>(example(4)).verifier_only.circuit_digest,
    );
}

#[test]
fn an_empty_circuit_equals_plonky2s() {
    assert_same_circuit::<Quadratic, 2>(|| CircuitBuilder::new(config()));
}

#[test]
fn a_circuit_with_gates_in_no_row_equals_plonky2s() {
    assert_same_circuit::<Quadratic, 2>(|| {
        let mut builder = example::<2>(4);
        builder.add_gate_to_gate_set(GateRef::new(PoseidonMdsGate::<F, 2>::new()));
        builder.add_gate_to_gate_set(GateRef::new(ReducingGate::<2>::new(5)));
        builder
    });
}

/// Keys can be generated of circuits that cannot be proved here.
#[test]
fn a_circuit_with_lookup_tables_equals_plonky2s() {
    let build = || {
        let mut builder = example::<2>(4);
        let table = builder.add_lookup_table_from_pairs(Arc::new((0..300).map(|i| (i, 2 * i)).collect()));
        let input = builder.add_virtual_target();
        let output = builder.add_lookup_from_index(input, table);
        builder.register_public_input(output);
        builder
    };
    assert_same_circuit::<Quadratic, 2>(build);
    let (stock, ours) = (build().build::<Quadratic>(), generate::build::<Quadratic, 2>(build()));
    assert_eq!(ours.prover_only.lookup_rows, stock.prover_only.lookup_rows);
    assert_eq!(ours.prover_only.lut_to_lookups, stock.prover_only.lut_to_lookups);
}

#[test]
fn a_circuit_with_zero_knowledge_equals_plonky2s() {
    let config = CircuitConfig { zero_knowledge: true, ..config() };
    assert_same_circuit::<Quadratic, 2>(|| {
        let mut builder = CircuitBuilder::new(config.clone());
        let input = builder.add_virtual_public_input();
        let square = builder.square(input);
        builder.register_public_input(square);
        builder
    });
}

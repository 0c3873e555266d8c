//! Witnesses have the values that plonky2 generates.

use circuits_prover::{
    F,
    witness::{WitnessError, generate},
};
use plonky2::{
    field::types::Field as _,
    hash::hash_types::NUM_HASH_OUT_ELTS,
    iop::{
        generator::{
            GeneratedValues, SimpleGenerator, WitnessGenerator, WitnessGeneratorRef, generate_partial_witness,
        },
        target::Target,
        witness::{PartialWitness, PartitionWitness, Witness as _, WitnessWrite as _},
    },
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{CircuitData, CommonCircuitData},
    },
    util::serialization::{Buffer, IoResult},
};
use proptest::prelude::*;

use crate::{
    configuration::{Quadratic, config},
    equality::recursion,
};

/// A circuit that computes, and its targets.
struct Example {
    circuit: CircuitData<F, Quadratic, 2>,
    inputs: [Target; 2],
    sum: Target,
}

fn example() -> Example {
    let mut builder = CircuitBuilder::<F, 2>::new(config());
    let inputs = [builder.add_virtual_target(), builder.add_virtual_target()];
    let mut sum = builder.add(inputs[0], inputs[1]);
    builder.register_public_input(sum);
    for _ in 0..40 {
        let bits = builder.split_le(sum, 64);
        let part = builder.le_sum(bits[3..40].iter());
        let quotient = builder.is_equal(part, sum);
        sum = builder.mul_add(part, sum, quotient.target);
        let hash =
            builder.hash_n_to_hash_no_pad::<plonky2::hash::poseidon::PoseidonHash>(vec![sum, inputs[0]]);
        sum = hash.elements[1];
    }
    Example { circuit: builder.build::<Quadratic>(), inputs, sum }
}

/// The wires of the public-input gate that nothing uses.
fn is_unused(circuit: &CircuitData<F, Quadratic, 2>, row: usize, column: usize) -> bool {
    let gates = &circuit.common.gates;
    let public_inputs = gates.iter().position(|gate| gate.0.id() == "PublicInputGate").unwrap();
    let selectors = circuit.prover_only.constants_sigmas_commitment.polynomials
        [..circuit.common.selectors_info.num_selectors()]
        .iter()
        .map(|polynomial| polynomial.clone().fft().values[row]);
    let mut selectors = selectors;
    column >= NUM_HASH_OUT_ELTS
        && selectors.any(|selector| selector == F::from_canonical_usize(public_inputs))
}

fn assert_same_values(
    circuit: &CircuitData<F, Quadratic, 2>,
    ours: &PartitionWitness<'_, F>,
    stock: &PartitionWitness<'_, F>,
) {
    let num_wires = circuit.common.config.num_wires;
    let mut unused = 0;
    for (class, (ours, stock)) in ours.values.iter().zip(&stock.values).enumerate() {
        let (row, column) = (class / num_wires, class % num_wires);
        if ours != stock {
            assert!(row < circuit.common.degree() && is_unused(circuit, row, column), "{row} {column}");
            assert_eq!(*ours, Some(F::ZERO));
            unused += 1;
        }
    }
    assert_eq!(unused, num_wires - NUM_HASH_OUT_ELTS);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn a_witness_has_plonky2s_values_but_for_wires_that_nothing_uses(a: u64, b: u64) {
        let Example { circuit, inputs, .. } = example();
        let mut witness = PartialWitness::new();
        witness.set_target(inputs[0], F::from_noncanonical_u64(a)).unwrap();
        witness.set_target(inputs[1], F::from_noncanonical_u64(b)).unwrap();
        let ours = generate(&circuit, witness.clone()).unwrap();
        let stock = generate_partial_witness(witness, &circuit.prover_only, &circuit.common).unwrap();
        assert_same_values(&circuit, &ours, &stock);
    }
}

#[test]
fn the_witness_of_a_recursion_has_plonky2s_values_but_for_wires_that_nothing_uses() {
    let mut builder = CircuitBuilder::<F, 2>::new(config());
    let secret = builder.add_virtual_target();
    let square = builder.square(secret);
    builder.register_public_input(square);
    let mut inputs = PartialWitness::new();
    inputs.set_target(secret, F::TWO).unwrap();
    let (circuit, inputs) = recursion::<Quadratic, 2>(&builder.build::<Quadratic>(), inputs);
    let ours = generate(&circuit, inputs.clone()).unwrap();
    let stock = generate_partial_witness(inputs, &circuit.prover_only, &circuit.common).unwrap();
    assert_same_values(&circuit, &ours, &stock);
}

/// Sets its targets one after the other, one in each run, and watches all of them.
#[derive(Debug)]
struct OneByOne(Vec<Target>);

impl WitnessGenerator<F, 2> for OneByOne {
    fn id(&self) -> String {
        "OneByOne".to_owned()
    }

    fn watch_list(&self) -> Vec<Target> {
        self.0.clone()
    }

    fn run(&self, witness: &PartitionWitness<'_, F>, out: &mut GeneratedValues<F>) -> bool {
        let mut missing = self.0.iter().filter(|&&target| witness.try_get_target(target).is_none());
        if let Some(&target) = missing.next() {
            out.set_target(target, F::TWO).unwrap();
        }
        missing.next().is_none()
    }

    fn serialize(&self, target: &mut Vec<u8>, _: &CommonCircuitData<F, 2>) -> IoResult<()> {
        plonky2::util::serialization::Write::write_target_vec(target, &self.0)
    }

    fn deserialize(source: &mut Buffer<'_>, _: &CommonCircuitData<F, 2>) -> IoResult<Self> {
        plonky2::util::serialization::Read::read_target_vec(source).map(Self)
    }
}

/// Sets a target. It has the identifier of plonky2's generator of random values.
#[derive(Debug)]
struct Namesake(Target);

impl SimpleGenerator<F, 2> for Namesake {
    fn id(&self) -> String {
        "RandomValueGenerator".to_owned()
    }

    fn dependencies(&self) -> Vec<Target> {
        vec![]
    }

    fn run_once(
        &self,
        _: &PartitionWitness<'_, F>,
        out: &mut GeneratedValues<F>,
    ) -> Result<(), anyhow::Error> {
        out.set_target(self.0, F::TWO)
    }

    fn serialize(&self, target: &mut Vec<u8>, _: &CommonCircuitData<F, 2>) -> IoResult<()> {
        plonky2::util::serialization::Write::write_target(target, self.0)
    }

    fn deserialize(source: &mut Buffer<'_>, _: &CommonCircuitData<F, 2>) -> IoResult<Self> {
        plonky2::util::serialization::Read::read_target(source).map(Self)
    }
}

#[test]
fn a_generator_that_watches_what_it_sets_runs_until_it_is_finished() {
    let mut builder = CircuitBuilder::<F, 2>::new(config());
    let targets = builder.add_virtual_targets(4);
    builder.add_generators(vec![WitnessGeneratorRef::new(OneByOne(targets.clone()))]);
    builder.register_public_inputs(&targets);
    let circuit = builder.build::<Quadratic>();
    let ours = generate(&circuit, PartialWitness::new()).unwrap();
    let stock =
        generate_partial_witness(PartialWitness::new(), &circuit.prover_only, &circuit.common).unwrap();
    assert_same_values(&circuit, &ours, &stock);
}

#[test]
fn only_random_values_of_unused_wires_are_zero() {
    let mut builder = CircuitBuilder::<F, 2>::new(config());
    let secret = builder.add_virtual_target();
    let square = builder.square(secret);
    // A virtual target, and a wire of a gate whose column is free in the gate of the public inputs.
    let wire = Target::wire(builder.add_gate(plonky2::gates::noop::NoopGate, vec![]), NUM_HASH_OUT_ELTS);
    let targets = [builder.add_virtual_target(), wire];
    for target in targets {
        builder.add_simple_generator(Namesake(target));
    }
    builder.register_public_inputs(&[targets[0], square]);
    let circuit = builder.build::<Quadratic>();
    let mut inputs = PartialWitness::new();
    inputs.set_target(secret, F::TWO).unwrap();
    let ours = generate(&circuit, inputs.clone()).unwrap();
    assert_eq!(targets.map(|target| ours.get_target(target)), [F::TWO; 2]);
    let stock = generate_partial_witness(inputs, &circuit.prover_only, &circuit.common).unwrap();
    assert_same_values(&circuit, &ours, &stock);
}

#[test]
fn two_values_for_copies_of_one_target_are_refused() {
    let Example { circuit, inputs, sum } = example();
    let mut witness = PartialWitness::new();
    witness.set_target(inputs[0], F::ONE).unwrap();
    witness.set_target(inputs[1], F::TWO).unwrap();
    witness.set_target(sum, F::from_canonical_u64(7)).unwrap();
    let error = generate(&circuit, witness).unwrap_err();
    assert!(matches!(error, WitnessError::Conflict { first, second, .. } if first == 7 || second == 7));
}

#[test]
fn generators_whose_inputs_are_missing_are_counted() {
    let Example { circuit, inputs, .. } = example();
    let mut witness = PartialWitness::new();
    witness.set_target(inputs[0], F::ONE).unwrap();
    let stock = generate_partial_witness(witness.clone(), &circuit.prover_only, &circuit.common).unwrap_err();
    let Err(WitnessError::NotRun { count, total }) = generate(&circuit, witness) else { panic!() };
    assert_eq!(total, circuit.prover_only.generators.len());
    assert_eq!(stock.to_string(), format!("{count} generators weren't run"));
}

#[test]
fn a_target_of_another_circuit_is_refused() {
    let Example { circuit, inputs, .. } = example();
    let num_wires = circuit.common.config.num_wires * circuit.common.degree();
    let num_targets = circuit.prover_only.representative_map.len();
    for target in [
        Target::VirtualTarget { index: 1 << 40 },
        Target::VirtualTarget { index: num_targets - num_wires },
        // Beside the wires, these indices wrap around to those of targets that exist.
        Target::VirtualTarget { index: usize::MAX },
        Target::VirtualTarget { index: num_wires.wrapping_neg() },
        Target::wire(0, circuit.common.config.num_wires),
        Target::wire(circuit.common.degree(), 0),
    ] {
        let mut witness = PartialWitness::new();
        witness.set_target(inputs[0], F::ONE).unwrap();
        witness.set_target(target, F::ONE).unwrap();
        let error = generate(&circuit, witness).unwrap_err();
        assert_eq!(error, WitnessError::UnknownTarget { target });
    }
}

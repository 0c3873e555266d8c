//! Our proofs have the bytes of plonky2's.

use circuits_prover::{F, plonk};
use plonky2::{
    field::{extension::Extendable, types::Field as _},
    gates::noop::NoopGate,
    hash::{hash_types::RichField, poseidon::PoseidonHash},
    iop::{
        target::Target,
        witness::{PartialWitness, WitnessWrite as _},
    },
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{CircuitConfig, CircuitData},
        config::GenericConfig,
    },
};
use proptest::prelude::*;

use crate::configuration::{Quadratic, Quartic, Quintic, assert_same_proof, both, config};

/// A circuit under construction with some values in it and the inputs of its proof.
struct Example<const D: usize>
where
    F: RichField + Extendable<D>,
{
    builder: CircuitBuilder<F, D>,
    inputs: PartialWitness<F>,
    values: Vec<Target>,
}

impl<const D: usize> Example<D>
where
    F: RichField + Extendable<D>,
{
    fn new(config: CircuitConfig, inputs: &[u64]) -> Self {
        let mut builder = CircuitBuilder::new(config);
        let mut witness = PartialWitness::new();
        let values = inputs
            .iter()
            .map(|&input| {
                let target = builder.add_virtual_target();
                witness.set_target(target, F::from_noncanonical_u64(input)).unwrap();
                target
            })
            .collect();
        Self { builder, inputs: witness, values }
    }

    fn assert_same_proof<C>(self)
    where
        F: Extendable<D, Extension = C::FE>,
        C: GenericConfig<D, F = F, Hasher = PoseidonHash, InnerHasher = PoseidonHash>,
    {
        assert_same_proof::<C, D>(&self.builder.build::<C>(), self.inputs);
    }

    /// Uses one kind of gate.
    fn add(&mut self, operation: Operation, left: usize, right: usize) {
        let builder = &mut self.builder;
        let (a, b) = (self.values[left % self.values.len()], self.values[right % self.values.len()]);
        let result = match operation {
            Operation::Arithmetic => builder.mul_add(a, b, a),
            Operation::ArithmeticExtension => {
                let (a, b) = (builder.convert_to_ext(a), builder.convert_to_ext(b));
                builder.mul_add_extension(a, b, b).0[0]
            }
            Operation::MulExtension => {
                let (a, b) = (builder.convert_to_ext(a), builder.convert_to_ext(b));
                builder.mul_extension(a, b).0[D - 1]
            }
            Operation::BaseSum => {
                let bits = builder.split_le(a, 64);
                builder.le_sum(bits[..20].iter())
            }
            Operation::Exponentiation => {
                let bits = builder.split_le(a, 64);
                builder.exp_from_bits(b, bits[..12].iter())
            }
            Operation::RandomAccess => {
                let bits = builder.split_le(a, 64);
                let index = builder.le_sum(bits[..2].iter());
                builder.random_access(index, vec![a, b, b, a])
            }
            Operation::Poseidon => {
                let hash = builder.hash_n_to_hash_no_pad::<PoseidonHash>(vec![a, b]);
                hash.elements[2]
            }
            Operation::Reducing => {
                let alpha = builder.convert_to_ext(b);
                let terms: Vec<Target> = (0..70).map(|i| if i % 3 == 0 { a } else { b }).collect();
                plonky2::util::reducing::ReducingFactorTarget::new(alpha).reduce_base(&terms, builder).0[0]
            }
            Operation::ReducingExtension => {
                let alpha = builder.convert_to_ext(b);
                let term = builder.convert_to_ext(a);
                plonky2::util::reducing::ReducingFactorTarget::new(alpha).reduce(&[term; 40], builder).0[0]
            }
            Operation::Inverse => {
                let one = builder.one();
                let sum = builder.mul_add(a, a, one);
                let is_zero = builder.is_equal(sum, b);
                builder.select(is_zero, a, sum)
            }
            Operation::PublicInput => {
                builder.register_public_input(a);
                b
            }
            Operation::Noop => {
                builder.add_gate(NoopGate, vec![]);
                a
            }
        };
        self.values.push(result);
    }
}

/// What a random circuit is made of: each brings in a gate of plonky2.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Arithmetic,
    ArithmeticExtension,
    MulExtension,
    BaseSum,
    Exponentiation,
    RandomAccess,
    Poseidon,
    Reducing,
    ReducingExtension,
    Inverse,
    PublicInput,
    Noop,
}

const OPERATIONS: [Operation; 12] = [
    Operation::Arithmetic,
    Operation::ArithmeticExtension,
    Operation::MulExtension,
    Operation::BaseSum,
    Operation::Exponentiation,
    Operation::RandomAccess,
    Operation::Poseidon,
    Operation::Reducing,
    Operation::ReducingExtension,
    Operation::Inverse,
    Operation::PublicInput,
    Operation::Noop,
];

#[test]
fn each_operation_has_the_same_proof_over_the_quadratic_extension() {
    for operation in OPERATIONS {
        let mut example = Example::<2>::new(config(), &[3, u64::MAX]);
        example.add(operation, 0, 1);
        example.assert_same_proof::<Quadratic>();
    }
}

#[test]
fn each_operation_has_the_same_proof_over_the_quartic_extension() {
    for operation in OPERATIONS {
        let mut example = Example::<4>::new(config(), &[3, u64::MAX]);
        example.add(operation, 0, 1);
        example.assert_same_proof::<Quartic>();
    }
}

#[test]
fn a_circuit_over_the_quintic_extension_has_the_same_proof() {
    let mut example = Example::<5>::new(config(), &[3, u64::MAX]);
    for operation in OPERATIONS {
        example.add(operation, 0, 1);
    }
    example.assert_same_proof::<Quintic>();
}

#[test]
fn a_smaller_quotient_than_the_rate_allows_has_the_same_proof() {
    let mut config = config();
    config.fri_config.rate_bits = 4;
    let mut example = Example::<2>::new(config, &[3, 4]);
    for operation in OPERATIONS {
        example.add(operation, 0, 1);
    }
    example.assert_same_proof::<Quadratic>();
}

#[test]
fn a_quotient_whose_degree_is_no_power_of_two_has_the_same_proof() {
    let config = CircuitConfig { max_quotient_degree_factor: 7, ..config() };
    let mut example = Example::<2>::new(config, &[3, 4]);
    for operation in [Operation::Arithmetic, Operation::Poseidon, Operation::PublicInput] {
        example.add(operation, 0, 1);
    }
    example.assert_same_proof::<Quadratic>();
}

#[test]
fn a_tiny_circuit_has_the_same_proof() {
    let mut config = config();
    config.fri_config.cap_height = 0;
    assert_same_proof::<Quadratic, 2>(
        &CircuitBuilder::<F, 2>::new(config).build::<Quadratic>(),
        PartialWitness::new(),
    );
}

#[test]
fn the_same_inputs_give_the_same_proof() {
    let mut example = Example::<2>::new(config(), &[3, 4]);
    example.add(Operation::Poseidon, 0, 1);
    let circuit = example.builder.build::<Quadratic>();
    let prove = || plonk::prove(&circuit, example.inputs.clone()).unwrap();
    let proof = prove();
    assert_eq!(proof.to_bytes(), prove().to_bytes());
    circuit.verify(proof).unwrap();
}

/// A circuit that verifies proofs of `inner`, and the inputs of its proof.
pub(crate) fn recursion<C, const D: usize>(
    inner: &CircuitData<F, C, D>,
    inputs: PartialWitness<F>,
) -> (CircuitData<F, C, D>, PartialWitness<F>)
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F, Hasher = PoseidonHash, InnerHasher = PoseidonHash> + 'static,
{
    let [_, proof] = both(inner, inputs);
    let mut builder = CircuitBuilder::<F, D>::new(config());
    let key = builder.constant_verifier_data(&inner.verifier_only);
    let target = builder.add_virtual_proof_with_pis(&inner.common);
    builder.verify_proof::<C>(&target, &key, &inner.common);
    builder.register_public_inputs(&target.public_inputs);
    let mut witness = PartialWitness::new();
    witness.set_proof_with_pis_target(&target, &proof).unwrap();
    (builder.build::<C>(), witness)
}

#[test]
fn a_recursion_has_the_same_proof_over_the_quadratic_extension() {
    let mut example = Example::<2>::new(config(), &[3, 4]);
    example.add(Operation::PublicInput, 0, 1);
    let (circuit, inputs) = recursion::<Quadratic, 2>(&example.builder.build::<Quadratic>(), example.inputs);
    assert_same_proof(&circuit, inputs);
}

#[test]
fn a_recursion_has_the_same_proof_over_the_quartic_extension() {
    let mut example = Example::<4>::new(config(), &[3, 4]);
    example.add(Operation::PublicInput, 0, 1);
    let (circuit, inputs) = recursion::<Quartic, 4>(&example.builder.build::<Quartic>(), example.inputs);
    assert_same_proof(&circuit, inputs);
}

/// Random circuits: inputs, and operations on values that there are.
fn circuits() -> impl Strategy<Value = (Vec<u64>, Vec<(usize, usize, usize)>)> {
    let operation = (0..OPERATIONS.len(), any::<usize>(), any::<usize>());
    (prop::collection::vec(any::<u64>(), 1..5), prop::collection::vec(operation, 0..40))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn random_circuits_have_the_same_proof_over_the_quadratic_extension((inputs, operations) in circuits()) {
        let mut example = Example::<2>::new(config(), &inputs);
        for (operation, left, right) in operations {
            example.add(OPERATIONS[operation], left, right);
        }
        example.assert_same_proof::<Quadratic>();
    }

    #[test]
    fn random_circuits_have_the_same_proof_over_the_quartic_extension((inputs, operations) in circuits()) {
        let mut example = Example::<4>::new(config(), &inputs);
        for (operation, left, right) in operations {
            example.add(OPERATIONS[operation], left, right);
        }
        example.assert_same_proof::<Quartic>();
    }
}

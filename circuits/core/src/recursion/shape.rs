//! A shape: the `CommonCircuitData` that all proofs of one kind share, so that a verifier can take the key as a
//! witness.

use circuits_prover::{
    basetypes::{Builder, Circuit, CommonData, D, F},
    proving,
};
use plonky2::{
    field::{interpolation::barycentric_weights, types::Field},
    gates::{
        arithmetic_base::ArithmeticGate, arithmetic_extension::ArithmeticExtensionGate,
        base_sum::BaseSumGate, constant::ConstantGate, coset_interpolation::CosetInterpolationGate,
        exponentiation::ExponentiationGate, gate::GateRef, multiplication_extension::MulExtensionGate,
        noop::NoopGate, poseidon::PoseidonGate, public_input::PublicInputGate,
        random_access::RandomAccessGate, reducing::ReducingGate, reducing_extension::ReducingExtensionGate,
    },
    plonk::{circuit_builder::CircuitBuilder, circuit_data::CircuitConfig},
};
use thiserror::Error;

/// The number of bits of FRI's folding arity and of the cap height. For both, a verifier picks one of 16.
const ARITY_BITS: usize = 4;
/// The number of bits of a query index into the largest child that a shape's circuits verify: 2^16 rows at rate 1/8.
const LARGEST_INDEX_BITS: usize = 16 + 3;
/// The logarithm of the rows of the circuit that a shape's data is taken from. Only the FRI parameters depend on it.
const TEMPLATE_DEGREE_BITS: usize = 6;

/// A fixed set of gates, degree and number of public inputs.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What has the shape, for messages.
    pub name: &'static str,
    /// The data that every circuit of this shape shares.
    pub common: CommonData,
}

/// Why a circuit does not have a shape.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShapeError {
    /// The circuit has too many rows.
    #[error("{gates} rows do not fit the {shape} shape of 2^{degree_bits} rows")]
    TooLarge {
        shape: &'static str,
        gates: usize,
        /// The logarithm of the rows allowed.
        degree_bits: usize,
    },
    /// The circuit has another number of public inputs.
    #[error("{found} public inputs where the {shape} shape has {expected}")]
    PublicInputs { shape: &'static str, expected: usize, found: usize },
    /// The circuit has a gate outside of the shape's set, or another configuration.
    #[error("the circuit's gates or configuration are not those of the {shape} shape")]
    Gates { shape: &'static str },
}

/// The gates of plonky2's recursive verifier and of our gadgets, closed under verifying a circuit of the same gates.
fn gate_set(config: &CircuitConfig) -> Vec<GateRef<F, D>> {
    let (wires, routed) = (config.num_wires, config.num_routed_wires);
    let arithmetic = ArithmeticGate::new_from_config(config);
    // plonky2 raises to the power of a FRI query's index in one row of arithmetic if it fits, else by a gate of
    // its own.
    let exponentiation = (arithmetic.num_ops < LARGEST_INDEX_BITS)
        .then(|| GateRef::new(ExponentiationGate::<F, D>::new_from_config(config)));
    let gates = vec![
        GateRef::new(NoopGate),
        GateRef::new(ConstantGate::new(config.num_constants)),
        GateRef::new(PublicInputGate),
        GateRef::new(BaseSumGate::<2>::new_from_config::<F>(config)),
        GateRef::new(arithmetic),
        GateRef::new(ArithmeticExtensionGate::<D>::new_from_config(config)),
        GateRef::new(MulExtensionGate::<D>::new_from_config(config)),
        GateRef::new(ReducingGate::<D>::new(ReducingGate::<D>::max_coeffs_len(wires, routed))),
        GateRef::new(ReducingExtensionGate::<D>::new(ReducingExtensionGate::<D>::max_coeffs_len(
            wires, routed,
        ))),
        GateRef::new(RandomAccessGate::<F, D>::new_from_config(config, ARITY_BITS)),
        GateRef::new(interpolation_gate()),
        GateRef::new(PoseidonGate::<F, D>::new()),
    ];
    gates.into_iter().chain(exponentiation).collect()
}

/// The gate that interpolates one FRI coset of 16 points, with the constraint degree that plonky2 chooses for a
/// maximum of 8.
fn interpolation_gate() -> CosetInterpolationGate<F, D> {
    let points: Vec<_> = F::two_adic_subgroup(ARITY_BITS).into_iter().map(|point| (point, F::ZERO)).collect();
    let mut gate = CosetInterpolationGate::default();
    gate.subgroup_bits = ARITY_BITS;
    gate.degree = 6;
    gate.barycentric_weights = barycentric_weights(&points);
    gate
}

impl Shape {
    /// The shape of circuits with `2^degree_bits` rows and `num_public_inputs` public inputs.
    #[must_use]
    pub fn new(
        name: &'static str,
        config: CircuitConfig,
        degree_bits: usize,
        num_public_inputs: usize,
    ) -> Self {
        Self::with_gates(name, config, degree_bits, num_public_inputs, vec![])
    }

    /// [`Self::new`] with `more` gates than plonky2's recursive verifier and our gadgets have.
    #[must_use]
    pub fn with_gates(
        name: &'static str,
        config: CircuitConfig,
        degree_bits: usize,
        num_public_inputs: usize,
        more: Vec<GateRef<F, D>>,
    ) -> Self {
        let fri_params = config.fri_config.fri_params(degree_bits, config.zero_knowledge);
        let gates = [gate_set(&config), more].concat();
        let mut builder = CircuitBuilder::<F, D>::new(config);
        let public_inputs = builder.add_virtual_targets(num_public_inputs);
        builder.register_public_inputs(&public_inputs);
        pad(&mut builder, &gates, TEMPLATE_DEGREE_BITS);
        let template = proving::common_data(builder);
        Self { name, common: CommonData { fri_params, ..template } }
    }

    /// Pads `builder` to this shape and builds it.
    ///
    /// # Errors
    /// [`ShapeError`] if the circuit is larger, or has other gates, configuration or number of public inputs.
    pub fn build(&self, mut builder: Builder) -> Result<Circuit, ShapeError> {
        let (shape, degree_bits) = (self.name, self.common.degree_bits());
        let (expected, found) = (self.common.num_public_inputs, builder.num_public_inputs());
        if expected != found {
            return Err(ShapeError::PublicInputs { shape, expected, found });
        }
        let gates = builder.num_gates();
        pad(&mut builder, &self.common.gates, degree_bits);
        let circuit = proving::build(builder);
        if circuit.common.degree_bits() != degree_bits {
            return Err(ShapeError::TooLarge { shape, gates, degree_bits });
        }
        if circuit.common != self.common {
            return Err(ShapeError::Gates { shape });
        }
        Ok(circuit)
    }
}

/// Adds `gates` to the gate set, and rows until plonky2 rounds up to `2^degree_bits`.
fn pad(builder: &mut Builder, gates: &[GateRef<F, D>], degree_bits: usize) {
    for gate in gates {
        builder.add_gate_to_gate_set(gate.clone());
    }
    while builder.num_gates() <= 1 << (degree_bits - 1) {
        builder.add_gate(NoopGate, vec![]);
    }
}

#[cfg(test)]
mod tests {
    use circuits_prover::basetypes::{client_config, standard_config};

    use super::*;

    #[test]
    fn a_shape_equals_the_data_of_a_circuit_built_to_it() {
        for config in [standard_config(), client_config()] {
            let shape = Shape::new("test", config.clone(), 9, 3);
            let mut builder = Builder::new(config);
            let public_inputs = builder.add_virtual_targets(3);
            builder.register_public_inputs(&public_inputs);
            let circuit = shape.build(builder).unwrap();
            assert_eq!(circuit.common, shape.common);
        }
    }

    #[test]
    fn a_verifier_of_a_shape_uses_the_standard_gates_only() {
        let verifier = Shape::new("verifier", standard_config(), 12, 4);
        for config in [standard_config(), client_config()] {
            let child = Shape::new("child", config.clone(), 12, 4);
            let mut builder = Builder::new(standard_config());
            let key = builder.add_virtual_verifier_data(config.fri_config.cap_height);
            proving::verify_circuit(&mut builder, &child.common, &key);
            let gates = proving::common_data(builder).gates;
            assert!(gates.len() > 10);
            for gate in gates {
                assert!(verifier.common.gates.contains(&gate), "{gate:?} is not in the set");
            }
        }
    }

    #[test]
    fn a_circuit_with_too_many_rows_is_refused() {
        let shape = Shape::new("test", standard_config(), 6, 0);
        let mut builder = Builder::new(standard_config());
        (0..100).for_each(|_| {
            builder.add_gate(NoopGate, vec![]);
        });
        let error = shape.build(builder).unwrap_err();
        assert_eq!(error, ShapeError::TooLarge { shape: "test", gates: 100, degree_bits: 6 });
    }
}

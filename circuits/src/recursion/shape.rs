//! A shape: the `CommonCircuitData` that all proofs of one kind share, so that a verifier can take the key as a witness.

use plonky2::{
    gates::{gate::GateRef, noop::NoopGate},
    plonk::{circuit_builder::CircuitBuilder, circuit_data::CircuitConfig},
};
use thiserror::Error;

use crate::basetypes::{Builder, C, Circuit, CommonData, D, F};

/// Rows of the smallest circuit that is verified, as a logarithm; any size gives the verifier the same gates.
const SMALL_DEGREE_BITS: usize = 12;

/// A fixed set of gates, degree and number of public inputs.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What the shape is of.
    pub name: &'static str,
    /// The data that every circuit of this shape shares.
    pub common: CommonData,
}

/// Why a circuit does not have a shape.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShapeError {
    /// Too many rows.
    #[error("{gates} rows do not fit the {shape} shape of 2^{degree_bits} rows")]
    TooLarge {
        /// The shape.
        shape: &'static str,
        /// Rows used.
        gates: usize,
        /// Logarithm of the rows allowed.
        degree_bits: usize,
    },
    /// Another number of public inputs.
    #[error("{found} public inputs where the {shape} shape has {expected}")]
    PublicInputs {
        /// The shape.
        shape: &'static str,
        /// Public inputs of the shape.
        expected: usize,
        /// Public inputs found.
        found: usize,
    },
    /// A gate outside the shape's set, or another configuration.
    #[error("the circuit's gates or configuration are not those of the {shape} shape")]
    Gates {
        /// The shape.
        shape: &'static str,
    },
}

/// The gates of a circuit that verifies circuits like itself: what plonky2's recursive verifier uses, closed under
/// verifying that verifier.
fn gate_set(config: &CircuitConfig) -> Vec<GateRef<F, D>> {
    let mut gates = vec![];
    loop {
        let mut builder = Builder::new(config.clone());
        pad(&mut builder, &gates, SMALL_DEGREE_BITS);
        let child = builder.mock_build::<C>().common;
        let mut builder = Builder::new(config.clone());
        let proof = builder.add_virtual_proof_with_pis(&child);
        let key = builder.add_virtual_verifier_data(config.fri_config.cap_height);
        builder.verify_proof::<C>(&proof, &key, &child);
        let verifier = builder.mock_build::<C>().common.gates;
        if verifier.len() == gates.len() {
            return verifier;
        }
        gates = verifier;
    }
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
        let gates = gate_set(&config);
        let mut builder = CircuitBuilder::<F, D>::new(config);
        let public_inputs = builder.add_virtual_targets(num_public_inputs);
        builder.register_public_inputs(&public_inputs);
        pad(&mut builder, &gates, degree_bits);
        Self { name, common: builder.mock_build::<C>().common }
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
        let circuit = builder.build::<C>();
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

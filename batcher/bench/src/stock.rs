//! plonky2 as anybody else would run it: its own prover and, unlike our circuits, its own standard configuration over
//! the extension of degree 2.

use circuits_core::{F, Witness};
use plonky2::{
    field::types::Field as _,
    gates::noop::NoopGate,
    iop::witness::WitnessWrite as _,
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{CircuitConfig, CircuitData},
        config::PoseidonGoldilocksConfig as C,
        proof::{ProofWithPublicInputs, ProofWithPublicInputsTarget},
    },
};

use crate::{error::BenchError, figures::timed};

/// The degree of the extension over which plonky2's standard configuration proves.
const D: usize = 2;

type Builder = CircuitBuilder<F, D>;
type Circuit = CircuitData<F, C, D>;
type Proof = ProofWithPublicInputs<F, C, D>;

/// A circuit that squares its public input. The rest of its rows are empty: what a proof costs depends on their number.
pub(crate) struct Square(Circuit);

impl Square {
    /// Builds the circuit with 2^`degree_bits` rows.
    pub(crate) fn new(config: CircuitConfig, degree_bits: usize) -> Self {
        let mut builder = Builder::new(config);
        let input = builder.add_virtual_public_input();
        builder.square(input);
        while builder.num_gates() <= 1 << (degree_bits - 1) {
            builder.add_gate(NoopGate, vec![]);
        }
        Self(builder.build())
    }

    /// Makes one proof and returns the seconds that it takes.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub(crate) fn measure(&self) -> Result<f64, BenchError> {
        Ok(timed(|| self.prove())?.0)
    }

    fn prove(&self) -> Result<Proof, BenchError> {
        let mut witness = Witness::new();
        let input = self.0.prover_only.public_inputs[0];
        witness.set_target(input, F::TWO).map_err(BenchError::baseline)?;
        self.0.prove(witness).map_err(BenchError::baseline)
    }
}

/// A circuit that verifies one proof, with that proof.
pub(crate) struct Recursion {
    outer: Circuit,
    target: ProofWithPublicInputsTarget<D>,
    inner: Proof,
}

impl Recursion {
    /// Builds the circuit that verifies a proof of `child`, and makes the proof.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub(crate) fn new(config: CircuitConfig, child: &Square) -> Result<Self, BenchError> {
        let inner = child.prove()?;
        let mut builder = Builder::new(config);
        let key = builder.constant_verifier_data(&child.0.verifier_only);
        let target = builder.add_virtual_proof_with_pis(&child.0.common);
        builder.verify_proof::<C>(&target, &key, &child.0.common);
        Ok(Self { outer: builder.build(), target, inner })
    }

    /// Makes one proof and returns the seconds that it takes.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub(crate) fn measure(&self) -> Result<f64, BenchError> {
        Ok(timed(|| self.prove())?.0)
    }

    fn prove(&self) -> Result<Proof, BenchError> {
        let mut witness = Witness::new();
        witness.set_proof_with_pis_target(&self.target, &self.inner).map_err(BenchError::baseline)?;
        self.outer.prove(witness).map_err(BenchError::baseline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_of_a_proof_of_2_to_the_12_rows_has_as_many_and_its_proof_is_valid() {
        let config = CircuitConfig::standard_recursion_config();
        let child = Square::new(config.clone(), 12);
        assert_eq!(child.0.common.degree_bits(), 12);
        let recursion = Recursion::new(config, &child).unwrap();
        assert_eq!(recursion.outer.common.degree_bits(), 12);
        recursion.outer.verify(recursion.prove().unwrap()).unwrap();
    }
}

//! The unit of all costs, `t1`: stock plonky2 verifying one proof of 2^12 rows recursively.

use std::time::Instant;

use circuits_core::{Builder, Circuit, F, Proof, Witness};
use circuits_prover::{
    proving::{self, ProofTarget},
    stock,
};
use plonky2::{
    field::types::Field as _, gates::noop::NoopGate, iop::witness::WitnessWrite as _,
    plonk::circuit_data::CircuitConfig,
};

use crate::error::BenchError;

/// Rows of the proof that `t1` verifies, as a logarithm.
const BASELINE_DEGREE_BITS: usize = 12;

/// The circuit of `t1`, with the proof that it verifies.
pub struct Baseline {
    outer: Circuit,
    target: ProofTarget,
    inner: Proof,
}

impl Baseline {
    /// Builds the circuit and the proof that it verifies.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub fn new() -> Result<Self, BenchError> {
        let config = CircuitConfig::standard_recursion_config();
        let mut builder = Builder::new(config.clone());
        let input = builder.add_virtual_public_input();
        builder.square(input);
        while builder.num_gates() <= 1 << (BASELINE_DEGREE_BITS - 1) {
            builder.add_gate(NoopGate, vec![]);
        }
        let circuit = proving::build(builder);
        let mut witness = Witness::new();
        witness.set_target(input, F::TWO).map_err(BenchError::baseline)?;
        let inner = proving::prove(&circuit, witness).map_err(BenchError::baseline)?;

        let mut builder = Builder::new(config);
        let key = builder.constant_verifier_data(&circuit.verifier_only);
        let target = proving::verify_circuit(&mut builder, &circuit.common, &key);
        Ok(Self { outer: proving::build(builder), target, inner })
    }

    /// Makes one proof and returns the seconds that it takes.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub fn measure(&self) -> Result<f64, BenchError> {
        let mut witness = Witness::new();
        witness.set_proof_with_pis_target(&self.target, &self.inner).map_err(BenchError::baseline)?;
        let started = Instant::now();
        stock::prove(&self.outer, witness).map_err(BenchError::baseline)?;
        Ok(started.elapsed().as_secs_f64())
    }
}

//! The Keccak hop built, as `Compiled` holds circuits of the workspace's own configuration.

use circuits_core::{CircuitError, Definition as _, Proof, Witness, circuit::defined};
use circuits_prover::outer::{self, OuterCircuit, OuterKey, OuterProof};

use crate::circuits::KeccakHop;

/// The Keccak hop with its targets. Its keys are not kept in files: building it takes as long as proving with it.
pub struct OuterCompiled {
    definition: KeccakHop,
    circuit: OuterCircuit,
    targets: <KeccakHop as circuits_core::Definition>::Targets,
    gates: usize,
}

impl OuterCompiled {
    /// Builds the circuit.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if its code does not exist, which its configuration excludes.
    pub fn new(definition: KeccakHop) -> Result<Self, CircuitError> {
        let (builder, targets, gates) = defined(&definition);
        let circuit =
            outer::build(builder).map_err(|error| Self::unprovable(&definition, error.to_string()))?;
        Ok(Self { definition, circuit, targets, gates })
    }

    /// The verifier key.
    #[must_use]
    pub const fn key(&self) -> &OuterKey {
        &self.circuit.verifier_only
    }

    /// The circuit.
    #[must_use]
    pub const fn circuit(&self) -> &OuterCircuit {
        &self.circuit
    }

    /// The number of rows in use before padding.
    #[must_use]
    pub const fn gates(&self) -> usize {
        self.gates
    }

    /// Makes a proof, and verifies it before it is returned.
    ///
    /// # Errors
    /// [`CircuitError::Witness`] or [`CircuitError::Unprovable`] if the proof of the Poseidon hop does not verify.
    pub fn prove(&self, proof: &Proof) -> Result<OuterProof, CircuitError> {
        let unprovable = |reason| Self::unprovable(&self.definition, reason);
        let mut witness = Witness::new();
        self.definition
            .assign(&self.targets, proof, &mut witness)
            .map_err(|source| CircuitError::Witness { name: self.definition.name(), source })?;
        let proof = outer::prove(&self.circuit, witness).map_err(unprovable)?;
        outer::verify(&proof, self.key(), &self.circuit.common).map_err(unprovable)?;
        Ok(proof)
    }

    fn unprovable(definition: &KeccakHop, reason: String) -> CircuitError {
        CircuitError::Unprovable { name: definition.name(), reason }
    }
}

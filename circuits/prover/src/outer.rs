//! Building, proving and verifying for the configuration of proofs that L1 verifies, as `proving` does for our own.

use plonky2::plonk::{
    circuit_data::{CircuitData, VerifierCircuitData, VerifierOnlyCircuitData},
    proof::ProofWithPublicInputs,
};

use crate::{
    basetypes::{Builder, CommonData, D, F, OuterC, Witness},
    commitment::CommitmentError,
    generate,
    panics::contained,
    plonk,
};

/// A built circuit, without the leaves of its commitment.
pub type OuterCircuit = CircuitData<F, OuterC, D>;
/// A verifier key.
pub type OuterKey = VerifierOnlyCircuitData<OuterC, D>;
/// A proof with its public inputs.
pub type OuterProof = ProofWithPublicInputs<F, OuterC, D>;

/// Builds the circuit.
///
/// # Errors
/// [`CommitmentError`] if the configuration's code does not exist.
///
/// # Panics
/// Where plonky2's `build` does.
pub fn build(builder: Builder) -> Result<OuterCircuit, CommitmentError> {
    generate::build_without_leaves(builder)
}

/// Makes a proof, without verifying it. Values that violate a constraint give an error, or a proof that does not verify.
///
/// # Errors
/// The prover's reason, also if it panics.
pub fn prove(circuit: &OuterCircuit, witness: Witness) -> Result<OuterProof, String> {
    contained(|| plonk::prove(circuit, witness))?.map_err(|error| error.to_string())
}

/// Verifies a proof.
///
/// # Errors
/// plonky2's reason, also if its verifier panics, as it does for some malformed proofs.
pub fn verify(proof: &OuterProof, key: &OuterKey, common: &CommonData) -> Result<(), String> {
    let data = VerifierCircuitData::<F, OuterC, D> { verifier_only: key.clone(), common: common.clone() };
    contained(|| data.verify(proof.clone()))?.map_err(|error| error.to_string())
}

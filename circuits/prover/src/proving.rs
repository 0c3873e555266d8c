//! Building, proving and verifying for our field and hash: our prover and plonky2's verifiers.
//!
//! No function here is generic, so that plonky2's code and ours are compiled once, in this crate, and not in every crate
//! and test that builds a circuit.

use plonky2::{
    iop::witness::PartitionWitness,
    plonk::{circuit_data::VerifierCircuitTarget, proof::ProofWithPublicInputsTarget},
};

use crate::{
    basetypes::{Builder, C, Circuit, CommonData, D, F, Proof, VerifierData, VerifierKey, Witness},
    generate,
    panics::contained,
    plonk::{self, Stage},
    witness,
};

/// A proof inside a circuit.
pub type ProofTarget = ProofWithPublicInputsTarget<D>;

/// Builds the circuit.
///
/// # Panics
/// Where plonky2's `build` does.
#[must_use]
pub fn build(builder: Builder) -> Circuit {
    generate::build(builder)
}

/// Computes the common data that [`build`] would return, without computing the commitments.
#[must_use]
pub fn common_data(builder: Builder) -> CommonData {
    builder.mock_build::<C>().common
}

/// Makes a proof, without verifying it. Values that violate a constraint give an error, or a proof that does not verify.
///
/// # Errors
/// The prover's reason, also if it panics.
pub fn prove(circuit: &Circuit, witness: Witness) -> Result<Proof, String> {
    contained(|| plonk::prove(circuit, witness))?.map_err(|error| error.to_string())
}

/// Computes the values of all copy classes from the inputs of a proof.
///
/// # Errors
/// The reason.
pub fn generate(circuit: &Circuit, inputs: Witness) -> Result<PartitionWitness<'_, F>, String> {
    witness::generate(circuit, inputs).map_err(|error| error.to_string())
}

/// As [`prove_assigned`], and tells `finished` of each stage.
///
/// # Errors
/// As [`prove`].
pub fn prove_in_stages(
    circuit: &Circuit,
    witness: PartitionWitness<'_, F>,
    finished: &mut dyn FnMut(Stage),
) -> Result<Proof, String> {
    contained(|| plonk::prove_in_stages(circuit, witness, None, finished))?.map_err(|error| error.to_string())
}

/// Makes a proof from the values of all copy classes, right or wrong, without verifying it. Values that violate a
/// constraint give an error, or a proof that does not verify. For tests that play a dishonest prover.
///
/// # Errors
/// As [`prove`].
pub fn prove_assigned(circuit: &Circuit, witness: PartitionWitness<'_, F>) -> Result<Proof, String> {
    prove_in_stages(circuit, witness, &mut |_| {})
}

/// Verifies a proof.
///
/// # Errors
/// plonky2's reason, also if its verifier panics, as it does for some malformed proofs.
pub fn verify(proof: &Proof, key: &VerifierKey, common: &CommonData) -> Result<(), String> {
    let data = VerifierData { verifier_only: key.clone(), common: common.clone() };
    contained(|| data.verify(proof.clone()))?.map_err(|error| error.to_string())
}

/// Encodes a proof as plonky2 does.
#[must_use]
pub fn encode(proof: &Proof) -> Vec<u8> {
    proof.to_bytes()
}

/// Decodes plonky2's encoding of a proof of a circuit with this `common` data. plonky2 allocates as much as lengths in
/// `bytes` announce, and accepts encodings that are not canonical: the caller must check both.
///
/// # Errors
/// plonky2's reason, also if its decoder panics.
pub fn decode(bytes: &[u8], common: &CommonData) -> Result<Proof, String> {
    contained(|| Proof::from_bytes(bytes.to_vec(), common))?.map_err(|error| error.to_string())
}

/// Adds a proof of a circuit with this `common` data and the constraint that it verifies under `key`.
///
/// This function does not bind the key. Callers must bind it, as `circuits_core::recursion` does.
pub fn verify_circuit(
    builder: &mut Builder,
    common: &CommonData,
    key: &VerifierCircuitTarget,
) -> ProofTarget {
    let proof = builder.add_virtual_proof_with_pis(common);
    builder.verify_proof::<C>(&proof, key, common);
    proof
}

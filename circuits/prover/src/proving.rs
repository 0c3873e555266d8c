//! plonky2's builder, prover and verifiers, for our field and hash.
//!
//! None of these functions is generic, so that plonky2's code for our field is compiled once, in this crate, and not
//! again in every crate and test that builds a circuit.

use plonky2::plonk::{circuit_data::VerifierCircuitTarget, proof::ProofWithPublicInputsTarget};

use crate::{
    basetypes::{Builder, C, Circuit, CommonData, D, Proof, VerifierData, VerifierKey, Witness},
    panics::contained,
};

/// A proof inside a circuit.
pub type ProofTarget = ProofWithPublicInputsTarget<D>;

/// Builds the circuit.
#[must_use]
pub fn build(builder: Builder) -> Circuit {
    builder.build::<C>()
}

/// What [`build`] would give as common data, without the commitments.
#[must_use]
pub fn common_data(builder: Builder) -> CommonData {
    builder.mock_build::<C>().common
}

/// Proves, contained. The proof is not verified: plonky2's prover can return one that does not.
///
/// # Errors
/// plonky2's reason; also if its prover panics.
pub fn prove(circuit: &Circuit, witness: Witness) -> Result<Proof, String> {
    contained(|| circuit.prove(witness))?.map_err(|error| error.to_string())
}

/// Verifies, contained.
///
/// # Errors
/// plonky2's reason; also if its verifier panics, as it does for some shapes.
pub fn verify(proof: &Proof, key: &VerifierKey, common: &CommonData) -> Result<(), String> {
    let data = VerifierData { verifier_only: key.clone(), common: common.clone() };
    contained(|| data.verify(proof.clone()))?.map_err(|error| error.to_string())
}

/// plonky2's encoding of a proof.
#[must_use]
pub fn encode(proof: &Proof) -> Vec<u8> {
    proof.to_bytes()
}

/// Reads plonky2's encoding of a proof of a circuit with this `common` data, contained. plonky2 allocates by lengths in
/// `bytes`, and takes encodings that are not canonical: the caller checks both.
///
/// # Errors
/// plonky2's reason; also if its reader panics.
pub fn decode(bytes: &[u8], common: &CommonData) -> Result<Proof, String> {
    contained(|| Proof::from_bytes(bytes.to_vec(), common))?.map_err(|error| error.to_string())
}

/// Adds a proof of a circuit with this `common` data and the constraint that it verifies under `key`.
///
/// The key is bound to nothing here; callers bind it, as `circuits_core::recursion` does.
pub fn verify_circuit(
    builder: &mut Builder,
    common: &CommonData,
    key: &VerifierCircuitTarget,
) -> ProofTarget {
    let proof = builder.add_virtual_proof_with_pis(common);
    builder.verify_proof::<C>(&proof, key, common);
    proof
}

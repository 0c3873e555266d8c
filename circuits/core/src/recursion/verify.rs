//! Verifying one proof inside a circuit, with its key bound.
//!
//! plonky2's recursive verifier takes the cap and the circuit digest of the child's key as two independent inputs, so a
//! prover could combine the digest of a listed circuit with the cap of another one. Therefore a key that is a witness is
//! always bound by [`key_digest`], which covers both, and the caller proves that this digest is in a tree with a pinned
//! root.

use circuits_prover::{
    basetypes::{Builder, CommonData, F, Proof, VerifierKey, Witness},
    proving::{ProofTarget, verify_circuit},
};
use plonky2::{
    iop::{target::Target, witness::WitnessWrite},
    plonk::circuit_data::VerifierCircuitTarget,
};

use crate::{
    digest::{Digest, DigestTarget},
    hash::{Domain, hash, hash_circuit},
    layout::{Layout, WitnessError},
    recursion::Shape,
};

/// The domain of verifier-key digests.
pub const KEY: Domain = Domain::new("vkey");

/// A proof verified inside a circuit.
pub struct ChildTarget<S> {
    /// The child's public inputs, which the proof binds.
    pub statement: S,
    proof: ProofTarget,
    key: Option<VerifierCircuitTarget>,
}

/// The digest of a verifier key: `H(KEY, cap, circuit_digest)`.
#[must_use]
pub fn key_digest(key: &VerifierKey) -> Digest {
    let mut elements: Vec<F> = key.constants_sigmas_cap.0.iter().flat_map(|hash| hash.elements).collect();
    elements.extend(key.circuit_digest.elements);
    hash(KEY, &elements)
}

/// The in-circuit twin of [`key_digest`].
pub fn key_digest_circuit(builder: &mut Builder, key: &VerifierCircuitTarget) -> DigestTarget {
    let mut elements: Vec<_> = key.constants_sigmas_cap.0.iter().flat_map(|hash| hash.elements).collect();
    elements.extend(key.circuit_digest.elements);
    hash_circuit(builder, KEY, &elements)
}

fn verify<S: Layout<Target>>(
    builder: &mut Builder,
    common: &CommonData,
    key: &VerifierCircuitTarget,
) -> (S, ProofTarget) {
    let first_row = builder.num_gates();
    let proof = verify_circuit(builder, common, key);
    crate::constrain::note_verifier_rows(first_row..builder.num_gates());
    let statement = S::decode(&proof.public_inputs).expect("the child's circuit exposes this statement");
    (statement, proof)
}

/// Verifies a proof of the one circuit whose key is `key`, a constant of this circuit.
///
/// # Panics
/// If `common` has another number of public inputs than `S` has elements.
pub fn verify_with_constant_key<S: Layout<Target>>(
    builder: &mut Builder,
    common: &CommonData,
    key: &VerifierKey,
) -> ChildTarget<S> {
    let key = builder.constant_verifier_data(key);
    let (statement, proof) = verify(builder, common, &key);
    ChildTarget { statement, proof, key: None }
}

/// Verifies a proof of any circuit of `shape`, with its key as a witness. Returns the key's digest. The caller must prove
/// that it is a member of a set whose root is pinned.
///
/// # Panics
/// If `shape` has another number of public inputs than `S` has elements.
pub fn verify_with_witness_key<S: Layout<Target>>(
    builder: &mut Builder,
    shape: &Shape,
) -> (ChildTarget<S>, DigestTarget) {
    let key = builder.add_virtual_verifier_data(shape.common.config.fri_config.cap_height);
    let (statement, proof) = verify(builder, &shape.common, &key);
    let digest = key_digest_circuit(builder, &key);
    (ChildTarget { statement, proof, key: Some(key) }, digest)
}

impl<S> ChildTarget<S> {
    /// Assigns the proof, and the key if it is a witness.
    ///
    /// # Errors
    /// [`WitnessError`] if a target already has another value.
    pub fn assign(
        &self,
        witness: &mut Witness,
        proof: &Proof,
        key: &VerifierKey,
    ) -> Result<(), WitnessError> {
        witness
            .set_proof_with_pis_target(&self.proof, proof)
            .and_then(|()| match &self.key {
                Some(target) => witness.set_verifier_data_target(target, key),
                None => Ok(()),
            })
            .map_err(|error| WitnessError::new(error.to_string()))
    }
}

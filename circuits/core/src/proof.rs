//! Proofs and verifier keys from outside, as bytes.
//!
//! The bytes of a peer are decoded against our own [`CommonData`], never against one that came with them. Their size is
//! known in advance and checked first. Panics of the decoder are contained. What was decoded must encode to the same
//! bytes, which excludes elements that are not canonical. Proof bytes are still not unique, so nothing is identified by
//! them.

use circuits_prover::{
    basetypes::{CommonData, D, Proof, VerifierKey},
    panics::contained,
    proving,
};
use plonky2::field::types::PrimeField64;
use thiserror::Error;

use crate::digest::{DIGEST_BYTES, Digest, DigestError};

/// The size of a field element.
const ELEMENT_BYTES: usize = 8;
/// The size of an element of the extension field.
const EXTENSION_BYTES: usize = ELEMENT_BYTES * D;

/// Why bytes are not a proof or a key of the expected circuit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The number of bytes is not that of a proof.
    #[error("a proof of this circuit has {expected} bytes, found {found}")]
    Size { expected: usize, found: usize },
    /// The bytes announce another number of public inputs.
    #[error("a proof of this circuit has {expected} public inputs, found {found}")]
    PublicInputs { expected: usize, found: u64 },
    /// plonky2 cannot decode the bytes.
    #[error("the bytes are not a proof: {reason}")]
    Malformed { reason: String },
    /// The bytes decode, but are not the canonical encoding of the proof.
    #[error(
        "the bytes are not the canonical encoding of the proof; the first difference is at byte {position}"
    )]
    NotCanonical {
        /// The first byte that differs.
        position: usize,
    },
    /// The number of bytes is not that of a key.
    #[error("a verifier key has {expected} bytes, found {found}")]
    KeySize { expected: usize, found: usize },
    /// A hash in the key is not canonical.
    #[error("hash {index} of a verifier key: {source}")]
    Key {
        /// The position: the cap's hashes come first, then the circuit digest.
        index: usize,
        source: DigestError,
    },
    /// The proof is well-formed, but does not verify.
    #[error("the proof does not verify: {reason}")]
    Invalid { reason: String },
}

/// The size of every uncompressed proof of a circuit, in bytes.
#[must_use]
pub fn encoded_len(common: &CommonData) -> usize {
    let config = &common.config;
    let fri = &common.fri_params;
    let cap_height = config.fri_config.cap_height;
    let cap = DIGEST_BYTES << cap_height;
    let path = |leaves_bits: usize| 1 + DIGEST_BYTES * leaves_bits.saturating_sub(cap_height);

    let openings = common.num_constants
        + config.num_routed_wires
        + config.num_wires
        + config.num_challenges * (2 + common.num_partial_products + common.quotient_degree_factor)
        + 2 * config.num_challenges * common.num_lookup_polys;

    let leaves = common.num_constants
        + config.num_routed_wires
        + config.num_wires
        + config.num_challenges
            * (1 + common.num_partial_products + common.num_lookup_polys + common.quotient_degree_factor);
    let mut query = ELEMENT_BYTES * leaves + 4 * path(fri.lde_bits());
    let mut bits = fri.lde_bits();
    for arity_bits in &fri.reduction_arity_bits {
        bits -= arity_bits;
        query += (EXTENSION_BYTES << arity_bits) + path(bits);
    }

    (3 + fri.reduction_arity_bits.len()) * cap
        + EXTENSION_BYTES * openings
        + config.fri_config.num_query_rounds * query
        + EXTENSION_BYTES * fri.final_poly_len()
        + ELEMENT_BYTES
        + ELEMENT_BYTES
        + ELEMENT_BYTES * common.num_public_inputs
}

/// Encodes a proof, for [`decode`].
#[must_use]
pub fn encode(proof: &Proof) -> Vec<u8> {
    proving::encode(proof)
}

/// Decodes a proof of a circuit with this `common` data, without verifying it.
///
/// # Errors
/// [`ProofError`] if the bytes are not exactly what [`encode`] gives for some proof of the circuit.
pub fn decode(bytes: &[u8], common: &CommonData) -> Result<Proof, ProofError> {
    let expected = encoded_len(common);
    if bytes.len() != expected {
        return Err(ProofError::Size { expected, found: bytes.len() });
    }
    // The count of public inputs is the only length that plonky2 reads as a 64-bit number, and it allocates that many.
    let count_at = expected - ELEMENT_BYTES * (common.num_public_inputs + 1);
    let found = word(&bytes[count_at..]);
    if found != common.num_public_inputs as u64 {
        return Err(ProofError::PublicInputs { expected: common.num_public_inputs, found });
    }
    let malformed = |reason| ProofError::Malformed { reason };
    let proof = proving::decode(bytes, common).map_err(malformed)?;
    let encoded = contained(|| encode(&proof)).map_err(malformed)?;
    if encoded == bytes {
        return Ok(proof);
    }
    let same = encoded.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(ProofError::NotCanonical { position: same })
}

/// Verifies a decoded proof against a key.
///
/// # Errors
/// [`ProofError::Invalid`] with plonky2's reason, also if its verifier panics.
pub fn verify(proof: &Proof, key: &VerifierKey, common: &CommonData) -> Result<(), ProofError> {
    proving::verify(proof, key, common).map_err(|reason| ProofError::Invalid { reason })
}

/// The size of every verifier key of a circuit, in bytes.
#[must_use]
pub fn encoded_key_len(common: &CommonData) -> usize {
    DIGEST_BYTES * ((1 << common.config.fri_config.cap_height) + 1)
}

/// Encodes a verifier key: the cap's hashes, then the circuit digest.
#[must_use]
pub fn encode_key(key: &VerifierKey) -> Vec<u8> {
    let hashes = key.constants_sigmas_cap.0.iter().chain([&key.circuit_digest]);
    hashes
        .flat_map(|hash| hash.elements)
        .flat_map(|element| element.to_canonical_u64().to_le_bytes())
        .collect()
}

/// Decodes what [`encode_key`] wrote, for a circuit of this configuration.
///
/// # Errors
/// [`ProofError::KeySize`] or [`ProofError::Key`] if the bytes are not exactly the encoding of a key.
pub fn decode_key(bytes: &[u8], common: &CommonData) -> Result<VerifierKey, ProofError> {
    let expected = encoded_key_len(common);
    if bytes.len() != expected {
        return Err(ProofError::KeySize { expected, found: bytes.len() });
    }
    let mut hashes = Vec::with_capacity(expected / DIGEST_BYTES);
    for (index, chunk) in bytes.chunks_exact(DIGEST_BYTES).enumerate() {
        let mut hash = [0; DIGEST_BYTES];
        hash.copy_from_slice(chunk);
        let digest = Digest::from_bytes(hash).map_err(|source| ProofError::Key { index, source })?;
        hashes.push(digest.into());
    }
    let circuit_digest = hashes.pop().ok_or(ProofError::KeySize { expected, found: bytes.len() })?;
    Ok(VerifierKey { constants_sigmas_cap: plonky2::hash::merkle_tree::MerkleCap(hashes), circuit_digest })
}

/// The first 8 bytes as a little-endian integer.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().take(ELEMENT_BYTES).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use circuits_prover::{
        F,
        basetypes::{Builder, Circuit, Witness, standard_config},
    };
    use plonky2::{
        field::types::{Field, Field64},
        iop::witness::WitnessWrite,
    };

    use super::*;

    /// A small circuit with two public inputs, and a proof.
    fn example(config: plonky2::plonk::circuit_data::CircuitConfig, rows: usize) -> (Circuit, Proof) {
        let mut builder = Builder::new(config);
        let a = builder.add_virtual_public_input();
        let b = builder.square(a);
        builder.register_public_input(b);
        for _ in 0..rows {
            builder.add_gate(plonky2::gates::noop::NoopGate, vec![]);
        }
        let circuit = proving::build(builder);
        let mut witness = Witness::new();
        witness.set_target(a, F::from_canonical_u64(3)).expect("unset");
        let proof = proving::prove(&circuit, witness).expect("provable");
        (circuit, proof)
    }

    #[test]
    fn the_size_of_a_proof_is_known_before_it_is_read() {
        for (config, rows) in [(standard_config(), 10), (standard_config(), 600), (standard_config(), 5000)] {
            let (circuit, proof) = example(config, rows);
            let bytes = encode(&proof);
            assert_eq!(bytes.len(), encoded_len(&circuit.common));
            let decoded = decode(&bytes, &circuit.common).expect("our own proof");
            assert_eq!(decoded, proof);
            verify(&decoded, &circuit.verifier_only, &circuit.common).expect("valid");
        }
    }

    #[test]
    fn a_truncated_or_extended_proof_is_rejected() {
        let (circuit, proof) = example(standard_config(), 10);
        let bytes = encode(&proof);
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            assert!(matches!(decode(&bytes[..length], &circuit.common), Err(ProofError::Size { .. })));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(decode(&longer, &circuit.common), Err(ProofError::Size { .. })));
    }

    #[test]
    fn a_length_field_that_asks_for_gigabytes_is_rejected_before_it_is_used() {
        let (circuit, proof) = example(standard_config(), 10);
        let mut bytes = encode(&proof);
        let count_at = bytes.len() - 8 * 3;
        bytes[count_at..count_at + 8].copy_from_slice(&(u64::MAX / 8).to_le_bytes());
        assert!(matches!(
            decode(&bytes, &circuit.common),
            Err(ProofError::PublicInputs { expected: 2, found }) if found == u64::MAX / 8
        ));
    }

    #[test]
    fn a_second_encoding_of_an_element_is_rejected() {
        let (circuit, proof) = example(standard_config(), 10);
        let mut bytes = encode(&proof);
        let at = bytes.len() - 16;
        assert_eq!(word(&bytes[at..]), 3);
        bytes[at..at + 8].copy_from_slice(&(3 + F::ORDER).to_le_bytes());
        assert!(matches!(
            decode(&bytes, &circuit.common),
            Err(ProofError::NotCanonical { .. } | ProofError::Malformed { .. })
        ));
    }

    #[test]
    fn a_key_is_read_back_and_no_other_encoding_is() {
        let (circuit, _) = example(standard_config(), 10);
        let bytes = encode_key(&circuit.verifier_only);
        assert_eq!(decode_key(&bytes, &circuit.common), Ok(circuit.verifier_only.clone()));
        assert!(matches!(decode_key(&bytes[1..], &circuit.common), Err(ProofError::KeySize { .. })));
        let mut changed = bytes;
        changed[32..40].copy_from_slice(&F::ORDER.to_le_bytes());
        assert!(matches!(decode_key(&changed, &circuit.common), Err(ProofError::Key { index: 1, .. })));
    }

    #[test]
    fn a_proof_with_another_public_input_does_not_verify() {
        let (circuit, mut proof) = example(standard_config(), 10);
        proof.public_inputs[1] += F::ONE;
        assert!(matches!(
            verify(&proof, &circuit.verifier_only, &circuit.common),
            Err(ProofError::Invalid { .. })
        ));
    }
}

//! The sets of keys that the hop's circuits have as constants, and the digest by which contracts know the last circuit.

use batcher_verify::keys::PinnedKeys;
use circuits_core::{CommonData, Digest, F, recursion::key_digest};
use circuits_protocol::key_set::KeySet;
use circuits_prover::{keccak::keccak256, outer::OuterKey};
use plonky2::{
    field::types::{Field as _, PrimeField64 as _},
    plonk::config::GenericHashOut as _,
};

use crate::circuits::{PoseidonHop, Shrink, Source};

/// The keys of the shrinks.
///
/// # Panics
/// If there are more than a set holds, which a test of the embedded keys excludes.
#[must_use]
pub fn shrink_set(pinned: &PinnedKeys) -> KeySet {
    KeySet::new(&pinned.hop.shrink_set)
}

/// The shrink of superblock proofs of a shape.
#[must_use]
pub fn shrink(pinned: &PinnedKeys, source: Source) -> Shrink {
    Shrink::new(source, |circuit| pinned.superblock(circuit).map_or(Digest::ZERO, key_digest))
}

/// The Poseidon hop.
#[must_use]
pub fn poseidon_hop(pinned: &PinnedKeys) -> PoseidonHop {
    PoseidonHop::new(shrink_set(pinned).root())
}

/// The elements by which a transcript observes FRI's parameters, as plonky2's `FriParams::observe` does.
pub(crate) fn fri_params_elements(common: &CommonData) -> Vec<F> {
    let (config, params) = (&common.config.fri_config, &common.fri_params);
    let usize_element = |value: &usize| F::from_canonical_usize(*value);
    let mut elements = vec![
        usize_element(&config.rate_bits),
        usize_element(&config.cap_height),
        F::from_canonical_u32(config.proof_of_work_bits),
    ];
    elements.extend(config.reduction_strategy.serialize::<F>());
    elements.extend([
        usize_element(&config.num_query_rounds),
        F::from_bool(params.hiding),
        usize_element(&params.degree_bits),
    ]);
    elements.extend(params.reduction_arity_bits.iter().map(usize_element));
    elements
}

/// What the transcript absorbs before the digest of the public inputs: FRI's parameters and the circuit digest, each element
/// in 8 bytes, big-endian.
#[must_use]
pub fn transcript_start(key: &OuterKey, common: &CommonData) -> Vec<u8> {
    let elements = [fri_params_elements(common), key.circuit_digest.to_vec()].concat();
    elements.into_iter().flat_map(|element| element.to_canonical_u64().to_be_bytes()).collect()
}

/// The cap over a key's constants and permutation, as the contract has it.
#[must_use]
pub fn key_cap(key: &OuterKey) -> Vec<u8> {
    key.constants_sigmas_cap.0.iter().flat_map(|digest| digest.0).collect()
}

/// The name of the last circuit, by which a router of contracts finds a verifier: Keccak-256 of [`transcript_start`], then
/// [`key_cap`]. It names no contract, so a corrected verifier takes proofs that were made before.
#[must_use]
pub fn outer_digest(key: &OuterKey, common: &CommonData) -> [u8; 32] {
    keccak256(&[transcript_start(key, common), key_cap(key)].concat())
}

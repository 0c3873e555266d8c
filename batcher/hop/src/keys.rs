//! The sets of keys that the hop's circuits have as constants, and the digest by which a contract knows the last key.

use batcher_verify::keys::PinnedKeys;
use circuits_core::{Digest, recursion::key_digest};
use circuits_protocol::key_set::KeySet;
use circuits_prover::{keccak::keccak256, outer::OuterKey};

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

/// The digest by which the contracts know a key of the Keccak hop: Keccak-256 of the cap over constants and permutation, then
/// the circuit digest.
#[must_use]
pub fn outer_digest(key: &OuterKey) -> [u8; 32] {
    let hashes = key.constants_sigmas_cap.0.iter().chain([&key.circuit_digest]);
    keccak256(&hashes.flat_map(|hash| hash.0).collect::<Vec<_>>())
}

//! Makes the hop of a superblock: shrink, Poseidon hop, Keccak hop.

use std::sync::OnceLock;

use batcher_verify::{circuit::SuperblockCircuit, keys::PinnedKeys};
use circuits_core::{CircuitError, Definition, Digest, Proof, recursion::key_digest};
use circuits_keys::CircuitCache;
use circuits_protocol::fold::FoldChild;
use thiserror::Error;

use crate::{
    circuits::{KeccakHop, Source, keccak_common},
    keys::{outer_digest, poseidon_hop, shrink, shrink_set},
    outer_circuit::OuterCompiled,
    proof::HopProof,
};

/// Why there is no hop.
#[derive(Debug, Error)]
pub enum HopProveError {
    /// The pinned keys lack this superblock circuit.
    #[error("there is no superblock circuit {}", .0.name())]
    UnknownSuperblock(SuperblockCircuit),
    /// Building or proving failed, as it does if the superblock's proof does not verify.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// The code builds another circuit than the one whose key is checked in.
    #[error(
        "circuit {name} has key {built}, but the embedded key is {pinned}; regenerate the pins if this is intended"
    )]
    StaleKey { name: String, pinned: String, built: String },
}

/// Makes hops. It holds the Keccak hop once it is built.
pub struct HopProver<'a> {
    pinned: &'a PinnedKeys,
    cache: &'a CircuitCache,
    keccak: OnceLock<OuterCompiled>,
}

impl<'a> HopProver<'a> {
    /// A prover that finds or builds circuits through `cache` and requires the `pinned` keys.
    #[must_use]
    pub const fn new(pinned: &'a PinnedKeys, cache: &'a CircuitCache) -> Self {
        Self { pinned, cache, keccak: OnceLock::new() }
    }

    /// Makes the hop of a proof of a superblock circuit.
    ///
    /// # Errors
    /// [`HopProveError`], all variants.
    pub fn prove(&self, circuit: SuperblockCircuit, proof: Proof) -> Result<HopProof, HopProveError> {
        let key = self.pinned.superblock(circuit).ok_or(HopProveError::UnknownSuperblock(circuit))?;
        let shrink = shrink(self.pinned, Source::of(circuit));
        let membership = shrink.superblock_set().membership(key_digest(key));
        let membership = membership.ok_or(HopProveError::UnknownSuperblock(circuit))?;
        let superblock = FoldChild { proof, key: key.clone(), membership };
        let shrunk = shrink_set(self.pinned).prove(self.cache, shrink, &superblock)?;
        drop(superblock);
        let poseidon = self.cache.circuit(poseidon_hop(self.pinned))?;
        let pinned = self.pinned.hop.poseidon.get();
        if poseidon.key() != pinned {
            return Err(stale(&poseidon.definition.name(), key_digest(pinned), key_digest(poseidon.key())));
        }
        let hopped = poseidon.prove(&shrunk)?;
        drop((shrunk, poseidon));
        let keccak = self.keccak()?;
        Ok(HopProof::new(outer_digest(keccak.key(), keccak_common()), keccak.prove(&hopped)?))
    }

    /// The Keccak hop, which is built when it is asked for first.
    ///
    /// # Errors
    /// [`HopProveError::StaleKey`] if the code does not build the pinned circuit.
    pub fn keccak(&self) -> Result<&OuterCompiled, HopProveError> {
        if let Some(built) = self.keccak.get() {
            return Ok(built);
        }
        let definition = KeccakHop::new(self.pinned.hop.poseidon.get().clone());
        let name = definition.name();
        let built = OuterCompiled::new(definition)?;
        let pinned = self.pinned.hop.keccak.get();
        if built.key() != pinned {
            let spelled =
                |key, common| outer_digest(key, common).iter().map(|b| format!("{b:02x}")).collect();
            let pinned = spelled(pinned, keccak_common());
            let built = spelled(built.key(), &built.circuit().common);
            return Err(HopProveError::StaleKey { name, pinned, built });
        }
        Ok(self.keccak.get_or_init(|| built))
    }
}

fn stale(name: &str, pinned: Digest, built: Digest) -> HopProveError {
    HopProveError::StaleKey { name: name.to_owned(), pinned: pinned.to_string(), built: built.to_string() }
}

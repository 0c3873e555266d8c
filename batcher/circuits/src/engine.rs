//! The batcher's circuits, each found or built only when a plan needs it.

use std::sync::Arc;

use batcher_verify::{
    circuit::{SuperblockCircuit, superblock_shape},
    keys::PinnedKeys,
};
use circuits_core::{
    CircuitError, Compiled, Definition, Digest, Proof, VerifierKey,
    layout::{Layout, LayoutError},
    proof::{self, ProofError},
    recursion::key_digest,
};
use circuits_keys::CircuitCache;
use circuits_protocol::{fold::FoldDefinition, key_set::KeyMembership, statement::SuperblockStatement};
use thiserror::Error;

use super::{
    messages::MessageSegment,
    segment::{SegmentChain, SegmentCircuit, SegmentLeaf, segment_fold},
    superblock::SuperblockDefinition,
};

/// Why a circuit of the batcher cannot be used, or a proof of it is not accepted.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Building or proving failed.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// The code builds another circuit than the one whose key is checked in.
    #[error(
        "circuit {name} has key {built}, but the embedded key is {pinned}; regenerate the pins if this is intended"
    )]
    StaleKey { name: String, pinned: String, built: Digest },
    /// The pinned keys lack this superblock circuit.
    #[error("there is no superblock circuit over {0:?}")]
    UnknownSuperblock(SuperblockCircuit),
    /// The key is not in the segment set.
    #[error("key {0} is not one of the segment circuits")]
    UnlistedSegment(Digest),
    /// The superblock proof does not verify.
    #[error("superblock: {0}")]
    Invalid(#[source] ProofError),
    /// The superblock proof's public inputs are not a statement.
    #[error(transparent)]
    Statement(#[from] LayoutError),
}

/// Finds or builds the batcher's circuits, and checks that they have the pinned keys.
pub struct Engine {
    pinned: PinnedKeys,
    cache: Arc<CircuitCache>,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(PinnedKeys::embedded().clone(), Arc::default())
    }
}

impl Engine {
    /// An engine that finds or builds circuits through `cache` and requires the `pinned` keys.
    #[must_use]
    pub fn new(pinned: PinnedKeys, cache: Arc<CircuitCache>) -> Self {
        Self { pinned, cache }
    }

    /// The keys that the batcher's circuits must have.
    #[must_use]
    pub fn pinned(&self) -> &PinnedKeys {
        &self.pinned
    }

    /// The cache of circuits, those of environments included.
    #[must_use]
    pub fn cache(&self) -> &CircuitCache {
        &self.cache
    }

    fn pinned_segment(&self, circuit: SegmentCircuit) -> Option<Digest> {
        let index = SegmentCircuit::all().position(|candidate| candidate == circuit)?;
        self.pinned.segment_set.get(index).copied()
    }

    fn required<Def>(&self, definition: Def, key: Option<Digest>) -> Required<'_, Def> {
        Required { cache: &self.cache, definition, key }
    }

    /// The leaf of `blocks` blocks, `1..=LEAF_MAX_BLOCKS`.
    #[must_use]
    pub fn leaf(&self, blocks: usize) -> Required<'_, SegmentLeaf> {
        self.required(SegmentLeaf::new(blocks), self.pinned_segment(SegmentCircuit::Leaf(blocks)))
    }

    /// The fold of `arity` segments, `2..=FOLD_MAX_ARITY`.
    #[must_use]
    pub fn fold(&self, arity: usize) -> Required<'_, FoldDefinition<SegmentChain>> {
        self.required(segment_fold(arity), self.pinned_segment(SegmentCircuit::Fold(arity)))
    }

    /// The message segment.
    #[must_use]
    pub fn messages(&self) -> Required<'_, MessageSegment> {
        self.required(MessageSegment::default(), self.pinned_segment(SegmentCircuit::Messages))
    }

    /// The superblock circuit over `source`.
    ///
    /// # Errors
    /// [`EngineError::UnknownSuperblock`].
    pub fn superblock(
        &self,
        source: SuperblockCircuit,
    ) -> Result<Required<'_, SuperblockDefinition>, EngineError> {
        let key = self.pinned.superblock(source).ok_or(EngineError::UnknownSuperblock(source))?;
        let definition = SuperblockDefinition::new(source, self.pinned.key_set().root());
        Ok(self.required(definition, Some(key_digest(key))))
    }

    /// Proof that a segment circuit's key is in the segment set.
    ///
    /// # Errors
    /// [`EngineError::UnlistedSegment`].
    pub fn membership(&self, key: &VerifierKey) -> Result<KeyMembership, EngineError> {
        let digest = key_digest(key);
        self.pinned.key_set().membership(digest).ok_or(EngineError::UnlistedSegment(digest))
    }

    /// Verifies a superblock proof with the pinned key; builds no circuit.
    ///
    /// # Errors
    /// [`EngineError::UnknownSuperblock`], [`EngineError::Invalid`] or [`EngineError::Statement`].
    pub fn verify_superblock(
        &self,
        source: SuperblockCircuit,
        proof: &Proof,
    ) -> Result<SuperblockStatement, EngineError> {
        let key = self.pinned.superblock(source).ok_or(EngineError::UnknownSuperblock(source))?;
        proof::verify(proof, key, &superblock_shape(source).common).map_err(EngineError::Invalid)?;
        Ok(SuperblockStatement::decode(&proof.public_inputs)?)
    }
}

/// A circuit of the batcher and the key that it must have.
pub struct Required<'a, Def> {
    cache: &'a CircuitCache,
    definition: Def,
    key: Option<Digest>,
}

impl<Def: Definition + Clone + 'static> Required<'_, Def> {
    fn check(&self, key: &VerifierKey) -> Result<(), EngineError> {
        let built = key_digest(key);
        if self.key == Some(built) {
            return Ok(());
        }
        let pinned = self.key.map_or_else(|| "absent".to_owned(), |digest| digest.to_string());
        Err(EngineError::StaleKey { name: self.definition.name(), pinned, built })
    }

    /// The circuit, ready to prove.
    ///
    /// # Errors
    /// [`EngineError::StaleKey`] if the code does not build the pinned circuit.
    pub fn circuit(&self) -> Result<Arc<Compiled<Def>>, EngineError> {
        let circuit = self.cache.circuit(self.definition.clone())?;
        self.check(circuit.key())?;
        Ok(circuit)
    }

    /// The circuit's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.definition.name()
    }

    /// The digest of the key that the circuit must have; `None` if the pinned keys lack it.
    #[must_use]
    pub const fn key(&self) -> Option<Digest> {
        self.key
    }
}

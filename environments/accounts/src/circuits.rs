//! The circuits of all account-based environments.

use std::sync::Arc;

use circuits_core::{CircuitError, Digest, Proof, recursion::key_digest};
use circuits_keys::CircuitCache;
use circuits_protocol::{
    fold::{FoldChild, FoldDefinition},
    key_set::KeySet,
};
use circuits_prover::basetypes::VerifierData;
use circuits_tables::ecdsa::Signed;
use environments_core::kernel::Kernel;

use crate::{
    block::{CHUNK_SLOTS, FOLD_ARITIES, Variant},
    chunk::{ChunkChain, ChunkInput, ChunkLeaf, chunk_shape},
    kernel::BlockKernel,
};

/// All circuits of the chunk shape as definitions, and the set of their keys.
#[derive(Clone)]
pub struct ChunkCircuits {
    set: KeySet,
}

impl ChunkCircuits {
    /// The chunk circuits, of which only the keys are needed.
    ///
    /// # Errors
    /// If one cannot be built.
    pub fn new(cache: &CircuitCache) -> Result<Self, CircuitError> {
        let mut digests = vec![key_digest(&cache.verifier(Self::leaf())?.verifier_only)];
        for fold in Self::folds() {
            digests.push(key_digest(&cache.verifier(fold)?.verifier_only));
        }
        Ok(Self { set: KeySet::new(&digests) })
    }

    /// Root of the set of keys.
    #[must_use]
    pub fn key_set_root(&self) -> Digest {
        self.set.root()
    }

    /// The chunk.
    #[must_use]
    pub const fn leaf() -> ChunkLeaf {
        ChunkLeaf::new(CHUNK_SLOTS)
    }

    /// The folds, by arity as in [`FOLD_ARITIES`].
    pub fn folds() -> impl Iterator<Item = FoldDefinition<ChunkChain>> {
        FOLD_ARITIES.into_iter().map(|arity| FoldDefinition::new(chunk_shape(), arity))
    }

    /// Proves a chunk.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if it breaks a rule.
    pub fn prove(&self, cache: &CircuitCache, input: &ChunkInput) -> Result<FoldChild, CircuitError> {
        self.set.prove(cache, Self::leaf(), input)
    }

    /// Folds chunks; `None` if no circuit has their number.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if they do not follow on each other.
    pub fn fold(
        &self,
        cache: &CircuitCache,
        children: &Vec<FoldChild>,
    ) -> Option<Result<FoldChild, CircuitError>> {
        let position = FOLD_ARITIES.iter().position(|&arity| arity == children.len())?;
        Some(self.set.prove(cache, Self::folds().nth(position)?, children))
    }
}

/// What proves the signatures of blocks, by the size of its tables.
pub trait Signatures: Send + Sync {
    /// The circuit of the table for so many signatures, as its verifier knows it.
    ///
    /// # Errors
    /// If it cannot be built.
    fn key(&self, cache: &CircuitCache, table: usize) -> Result<Arc<VerifierData>, CircuitError>;

    /// Proves signatures with the table for so many.
    ///
    /// # Errors
    /// If one does not hold.
    fn prove(&self, cache: &CircuitCache, table: usize, signatures: &[Signed])
    -> Result<Proof, CircuitError>;
}

/// Block kernels over one source of proofs of signatures.
#[derive(Clone, Copy)]
pub struct BlockKernels {
    signatures: &'static dyn Signatures,
}

impl BlockKernels {
    /// The kernels over `signatures`.
    #[must_use]
    pub const fn new(signatures: &'static dyn Signatures) -> Self {
        Self { signatures }
    }

    /// What proves the signatures.
    #[must_use]
    pub fn signatures(&self) -> &'static dyn Signatures {
        self.signatures
    }

    /// The definition of the kernel of one variant of blocks.
    ///
    /// # Errors
    /// If one of the circuits below it cannot be built.
    pub fn definition(&self, cache: &CircuitCache, variant: Variant) -> Result<BlockKernel, CircuitError> {
        let signatures = variant.table().map(|table| self.signatures.key(cache, table)).transpose()?;
        let chunk_set_root = match variant {
            Variant::Empty | Variant::Unsigned | Variant::Direct(_) => Digest::ZERO,
            Variant::Chunks { .. } => ChunkCircuits::new(cache)?.key_set_root(),
        };
        Ok(BlockKernel::new(variant, signatures, chunk_set_root))
    }

    /// The kernel of one variant of blocks, wrapped.
    ///
    /// # Errors
    /// If one of its circuits cannot be built.
    pub fn get(&self, cache: &CircuitCache, variant: Variant) -> Result<Kernel<BlockKernel>, CircuitError> {
        Kernel::new(cache, self.definition(cache, variant)?)
    }
}

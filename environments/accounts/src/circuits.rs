//! The circuits of all account-based environments.

use std::sync::Arc;

use circuits_core::{CircuitError, Digest, Proof, recursion::Shape};
use circuits_keys::CircuitCache;
use circuits_protocol::{fold::FoldChild, key_set::KeySet};
use circuits_prover::basetypes::VerifierData;
use circuits_tables::{ecdsa::Signed, keccak::Block};
use environments_core::{
    kernel::Kernels,
    parts::{PartChain, PartCircuits},
};

use crate::{
    block::{CHUNK_SLOTS, FOLD_ARITIES, Variant, child_sizes},
    chunk::{ChunkChain, ChunkInput, ChunkLeaf, chunk_shape},
    kernel::{BlockKernel, Hashing, Verified},
};

/// The circuits of chunks and of their folds.
pub type ChunkCircuits = PartCircuits<ChunkChain>;

impl PartChain for ChunkChain {
    type Leaf = ChunkLeaf;

    const FOLD_ARITIES: &'static [usize] = &FOLD_ARITIES;

    fn child_sizes(parts: usize) -> Vec<usize> {
        child_sizes(parts)
    }

    fn shape() -> &'static Shape {
        chunk_shape()
    }

    fn leaves(_: &CircuitCache) -> Result<Vec<ChunkLeaf>, CircuitError> {
        Ok(vec![ChunkLeaf::new(CHUNK_SLOTS)])
    }

    fn takes(leaf: &ChunkLeaf, input: &ChunkInput) -> bool {
        leaf.slots() == input.slots.len()
    }
}

/// A prover of the signatures of blocks, by the size of its tables.
pub trait Signatures: Send + Sync {
    /// The circuit of the table for this number of signatures, as its verifier knows it.
    ///
    /// # Errors
    /// If it cannot be built.
    fn key(&self, cache: &CircuitCache, table: usize) -> Result<Arc<VerifierData>, CircuitError>;

    /// Proves signatures with the table for `table` of them.
    ///
    /// # Errors
    /// If one is invalid.
    fn prove(&self, cache: &CircuitCache, table: usize, signatures: &[Signed])
    -> Result<Proof, CircuitError>;
}

/// A prover of what the transactions of blocks hash, in tables of several sizes whose circuits have one shape.
pub trait Hashes: Send + Sync {
    /// The shape of the circuits.
    fn shape(&self) -> &'static Shape;

    /// The keys of the circuits.
    ///
    /// # Errors
    /// If one cannot be built.
    fn keys(&self, cache: &CircuitCache) -> Result<KeySet, CircuitError>;

    /// How many blocks the smallest table takes that holds `blocks`; `None` if none does.
    fn table(&self, blocks: usize) -> Option<usize>;

    /// The digest of the key of the circuit of the table for `table` blocks.
    ///
    /// # Errors
    /// If it cannot be built.
    fn table_key(&self, cache: &CircuitCache, table: usize) -> Result<Digest, CircuitError>;

    /// Proves blocks with the smallest table that holds them.
    ///
    /// # Errors
    /// If one is wrong, or if they fit no table.
    fn prove(&self, cache: &CircuitCache, blocks: &[Block]) -> Result<FoldChild, CircuitError>;
}

/// Block kernels over one prover of signatures and one of hashes.
#[derive(Clone, Copy)]
pub struct BlockKernels {
    signatures: &'static dyn Signatures,
    hashes: &'static dyn Hashes,
}

impl BlockKernels {
    /// The kernels over `signatures` and `hashes`.
    #[must_use]
    pub const fn new(signatures: &'static dyn Signatures, hashes: &'static dyn Hashes) -> Self {
        Self { signatures, hashes }
    }

    /// The prover of the hashes.
    #[must_use]
    pub fn hashes(&self) -> &'static dyn Hashes {
        self.hashes
    }

    /// The prover of the signatures.
    #[must_use]
    pub fn signatures(&self) -> &'static dyn Signatures {
        self.signatures
    }
}

impl Kernels for BlockKernels {
    type Variant = Variant;
    type Definition = BlockKernel;

    fn definition(&self, cache: &CircuitCache, variant: Variant) -> Result<BlockKernel, CircuitError> {
        let verified = |table| {
            let signatures = self.signatures.key(cache, table)?;
            let hashes =
                Hashing { shape: self.hashes.shape(), key_set_root: self.hashes.keys(cache)?.root() };
            Ok(Verified { signatures, hashes })
        };
        let verified = variant.table().map(verified).transpose()?;
        let chunk_set_root = match variant {
            Variant::Empty | Variant::Unsigned | Variant::Direct { .. } => Digest::ZERO,
            Variant::Chunks { .. } => ChunkCircuits::new(cache)?.key_set_root(),
        };
        Ok(BlockKernel::new(variant, verified, chunk_set_root))
    }
}

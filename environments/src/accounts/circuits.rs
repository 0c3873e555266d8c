//! The circuits of all account-based environments, built once per process, on first use.

use std::sync::Arc;

use circuits::{
    CircuitError, Compiled, Definition, Digest, Proof,
    ecdsa::Signed,
    recursion::{FoldChild, FoldDefinition, KeySet, key_digest},
};

use crate::{
    accounts::{
        block::{CHUNK_SLOTS, FOLD_ARITIES, Variant},
        chunk::{ChunkChain, ChunkInput, ChunkLeaf, chunk_shape},
        kernel::{BlockKernel, SignatureKey},
    },
    kernel::{Kernel, Shared, SharedKernels},
};

/// All circuits of the chunk shape, and the set of their keys.
pub struct ChunkCircuits {
    leaf: Compiled<ChunkLeaf>,
    folds: Vec<Compiled<FoldDefinition<ChunkChain>>>,
    keys: KeySet,
}

impl ChunkCircuits {
    fn new() -> Result<Self, CircuitError> {
        let leaf = Compiled::new(ChunkLeaf::new(CHUNK_SLOTS))?;
        let folds: Vec<_> = FOLD_ARITIES
            .into_iter()
            .map(|arity| Compiled::new(FoldDefinition::new(chunk_shape(), arity)))
            .collect::<Result<_, _>>()?;
        let keys = [leaf.key()].into_iter().chain(folds.iter().map(Compiled::key));
        let keys = KeySet::new(&keys.map(key_digest).collect::<Vec<_>>());
        Ok(Self { leaf, folds, keys })
    }

    /// Root of the set of keys.
    #[must_use]
    pub fn key_set_root(&self) -> Digest {
        self.keys.root()
    }

    /// The chunk.
    #[must_use]
    pub fn leaf(&self) -> &Compiled<ChunkLeaf> {
        &self.leaf
    }

    /// The folds, by arity as in [`FOLD_ARITIES`].
    #[must_use]
    pub fn folds(&self) -> &[Compiled<FoldDefinition<ChunkChain>>] {
        &self.folds
    }

    /// Proves a chunk.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if it breaks a rule.
    pub fn prove(&self, input: &ChunkInput) -> Result<FoldChild, CircuitError> {
        Ok(self.listed(&self.leaf, self.leaf.prove(input)?))
    }

    /// Folds chunks; `None` if no circuit has their number.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if they do not follow on each other.
    pub fn fold(&self, children: &Vec<FoldChild>) -> Option<Result<FoldChild, CircuitError>> {
        let position = FOLD_ARITIES.iter().position(|&arity| arity == children.len())?;
        let fold = &self.folds[position];
        Some(fold.prove(children).map(|proof| self.listed(fold, proof)))
    }

    fn listed<D: Definition>(&self, circuit: &Compiled<D>, proof: Proof) -> FoldChild {
        let key = circuit.key().clone();
        let membership = self.keys.membership(key_digest(&key)).expect("the set holds all our keys");
        FoldChild { proof, key, membership }
    }
}

/// The chunk circuits.
///
/// # Errors
/// If one cannot be built.
pub fn chunk_circuits() -> Result<Arc<ChunkCircuits>, CircuitError> {
    static SHARED: Shared<ChunkCircuits> = Shared::new();
    SHARED.get(ChunkCircuits::new)
}

/// What proves the signatures of blocks, by the size of its tables.
pub trait Signatures: Send + Sync {
    /// The circuit of the table for so many signatures, as its verifier knows it.
    ///
    /// # Errors
    /// If it cannot be built.
    fn key(&self, table: usize) -> Result<Arc<SignatureKey>, CircuitError>;

    /// Proves signatures with the table for so many.
    ///
    /// # Errors
    /// If one does not hold.
    fn prove(&self, table: usize, signatures: &[Signed]) -> Result<Proof, CircuitError>;
}

/// Block kernels over one source of proofs of signatures.
pub struct BlockKernels {
    signatures: &'static dyn Signatures,
    kernels: SharedKernels<Variant, BlockKernel>,
}

impl BlockKernels {
    /// Nothing is built yet.
    #[must_use]
    pub const fn new(signatures: &'static dyn Signatures) -> Self {
        Self { signatures, kernels: SharedKernels::new() }
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
    pub fn definition(&self, variant: Variant) -> Result<BlockKernel, CircuitError> {
        let signatures = variant.table().map(|table| self.signatures.key(table)).transpose()?;
        let chunk_set_root = match variant {
            Variant::Empty | Variant::Unsigned | Variant::Direct(_) => Digest::ZERO,
            Variant::Chunks { .. } => chunk_circuits()?.key_set_root(),
        };
        Ok(BlockKernel::new(variant, signatures, chunk_set_root))
    }

    /// The kernel of one variant of blocks, wrapped.
    ///
    /// # Errors
    /// If one of its circuits cannot be built.
    pub fn get(&self, variant: Variant) -> Result<Arc<Kernel<BlockKernel>>, CircuitError> {
        let definition = self.definition(variant)?;
        self.kernels.get(variant, |_| definition)
    }
}

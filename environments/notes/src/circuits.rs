//! The circuits of all note-based environments.

use circuits_core::{CircuitError, Digest, recursion::key_digest};
use circuits_keys::CircuitCache;
use circuits_protocol::{
    fold::{FoldChild, FoldDefinition},
    key_set::KeySet,
};
use environments_core::kernel::Kernel;

use crate::{
    batch::{BatchChain, BatchInput, BatchLeaf, TransactionProof, batch_shape},
    block::{FOLD_ARITIES, MAX_BATCH, MIN_BATCH, Variant},
    kernel::BlockKernel,
    transaction::{TransactionKernel, TransactionKeys, TransactionWitness},
};

/// The keys of both transaction kernels.
///
/// # Errors
/// If one cannot be built.
pub fn transaction_keys(cache: &CircuitCache) -> Result<TransactionKeys, CircuitError> {
    let key = |kernel| Ok(cache.verifier(kernel)?.verifier_only.clone());
    Ok(TransactionKeys::new(key(TransactionKernel::Local)?, key(TransactionKernel::Exchange)?))
}

/// Proves a transaction with the kernel that its authority asks for.
///
/// # Errors
/// [`CircuitError::Unprovable`] if it breaks a rule.
pub fn prove_transaction(
    cache: &CircuitCache,
    witness: &TransactionWitness,
) -> Result<TransactionProof, CircuitError> {
    let kernel = witness.kernel();
    Ok(TransactionProof { kernel, proof: cache.circuit(kernel)?.prove(witness)? })
}

/// All circuits of the batch shape as definitions, and the set of their keys.
#[derive(Clone)]
pub struct BatchCircuits {
    transactions: TransactionKeys,
    set: KeySet,
}

impl BatchCircuits {
    /// The batch circuits, of which only the keys are needed.
    ///
    /// # Errors
    /// If one cannot be built.
    pub fn new(cache: &CircuitCache) -> Result<Self, CircuitError> {
        let transactions = transaction_keys(cache)?;
        let mut digests = vec![];
        for leaf in Self::all_leaves(&transactions) {
            digests.push(key_digest(&cache.verifier(leaf)?.verifier_only));
        }
        for fold in Self::folds() {
            digests.push(key_digest(&cache.verifier(fold)?.verifier_only));
        }
        Ok(Self { transactions, set: KeySet::new(&digests) })
    }

    /// Root of the set of keys.
    #[must_use]
    pub fn key_set_root(&self) -> Digest {
        self.set.root()
    }

    fn all_leaves(transactions: &TransactionKeys) -> impl Iterator<Item = BatchLeaf> {
        (MIN_BATCH..=MAX_BATCH).map(|size| BatchLeaf::new(transactions.clone(), size))
    }

    /// The batches, by size from [`MIN_BATCH`] on.
    pub fn leaves(&self) -> impl Iterator<Item = BatchLeaf> {
        Self::all_leaves(&self.transactions)
    }

    /// The folds, by arity as in [`FOLD_ARITIES`].
    pub fn folds() -> impl Iterator<Item = FoldDefinition<BatchChain>> {
        FOLD_ARITIES.into_iter().map(|arity| FoldDefinition::new(batch_shape(), arity))
    }

    /// Proves a batch; `None` if no circuit has its size.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if it breaks a rule.
    pub fn prove(&self, cache: &CircuitCache, input: &BatchInput) -> Option<Result<FoldChild, CircuitError>> {
        let leaf = self.leaves().nth(input.proofs.len().checked_sub(MIN_BATCH)?)?;
        Some(self.set.prove(cache, leaf, input))
    }

    /// Folds batches; `None` if no circuit has their number.
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

/// The definition of the kernel of one variant of blocks.
///
/// # Errors
/// If one of the circuits below it cannot be built.
pub fn block_definition(cache: &CircuitCache, variant: Variant) -> Result<BlockKernel, CircuitError> {
    let batch_set_root = match variant {
        Variant::Direct(_) => Digest::ZERO,
        Variant::Batches(_) => BatchCircuits::new(cache)?.key_set_root(),
    };
    Ok(BlockKernel::new(variant, transaction_keys(cache)?, batch_set_root))
}

/// The kernel of one variant of blocks, wrapped.
///
/// # Errors
/// If one of its circuits cannot be built.
pub fn block_kernel(cache: &CircuitCache, variant: Variant) -> Result<Kernel<BlockKernel>, CircuitError> {
    Kernel::new(cache, block_definition(cache, variant)?)
}

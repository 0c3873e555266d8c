//! The circuits of all note-based environments.

use circuits_core::{CircuitError, Digest, recursion::Shape};
use circuits_keys::CircuitCache;
use environments_core::{
    kernel::Kernels,
    parts::{PartChain, PartCircuits},
};

use crate::{
    batch::{BatchChain, BatchInput, BatchLeaf, batch_shape},
    block::{FOLD_ARITY, MAX_BATCH, MIN_BATCH, Variant, child_sizes},
    kernel::BlockKernel,
    transaction::{TransactionKernel, TransactionKeys, TransactionProof, TransactionWitness},
};

/// The keys of both transaction kernels.
///
/// # Errors
/// If one cannot be built.
pub fn transaction_keys(cache: &CircuitCache) -> Result<TransactionKeys, CircuitError> {
    let key = |kernel| Ok(cache.verifier(kernel)?.verifier_only.clone());
    Ok(TransactionKeys::new(key(TransactionKernel::Local)?, key(TransactionKernel::Exchange)?))
}

/// Proves a transaction with the kernel of its authority.
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

/// The circuits of batches and of their folds.
pub type BatchCircuits = PartCircuits<BatchChain>;

impl PartChain for BatchChain {
    type Leaf = BatchLeaf;

    const FOLD_ARITIES: &'static [usize] = &[FOLD_ARITY];

    fn shape() -> &'static Shape {
        batch_shape()
    }

    fn leaves(cache: &CircuitCache) -> Result<Vec<BatchLeaf>, CircuitError> {
        let keys = transaction_keys(cache)?;
        Ok((MIN_BATCH..=MAX_BATCH).map(|size| BatchLeaf::new(keys.clone(), size)).collect())
    }

    fn child_sizes(batches: usize) -> Vec<usize> {
        child_sizes(batches)
    }

    fn takes(leaf: &BatchLeaf, input: &BatchInput) -> bool {
        leaf.transactions() == input.proofs.len()
    }
}

/// Block kernels over the circuits of batches.
#[derive(Clone, Copy, Debug)]
pub struct BlockKernels;

/// The kernels of all note-based environments.
pub const KERNELS: BlockKernels = BlockKernels;

impl Kernels for BlockKernels {
    type Variant = Variant;
    type Definition = BlockKernel;

    fn definition(&self, cache: &CircuitCache, variant: Variant) -> Result<BlockKernel, CircuitError> {
        let batch_set_root = match variant {
            Variant::Inbox | Variant::Direct(_) => Digest::ZERO,
            Variant::Batches(_) => BatchCircuits::new(cache)?.key_set_root(),
        };
        Ok(BlockKernel::new(variant, transaction_keys(cache)?, batch_set_root))
    }
}

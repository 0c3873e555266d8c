//! The circuits of all note-based environments, built once per process, on first use.

use std::sync::Arc;

use circuits::{
    CircuitError, Compiled, Definition, Digest, Proof,
    recursion::{FoldChild, FoldDefinition, KeySet, key_digest},
};

use crate::{
    kernel::{Kernel, Shared, SharedKernels},
    notes::{
        batch::{BatchChain, BatchInput, BatchLeaf, TransactionProof, batch_shape},
        block::{FOLD_ARITIES, MAX_BATCH, MIN_BATCH, Variant},
        kernel::BlockKernel,
        transaction::{TransactionKernel, TransactionKeys, TransactionWitness},
    },
};

/// Both transaction kernels.
pub struct TransactionKernels {
    local: Compiled<TransactionKernel>,
    exchange: Compiled<TransactionKernel>,
    keys: TransactionKeys,
}

impl TransactionKernels {
    fn new() -> Result<Self, CircuitError> {
        let local = Compiled::new(TransactionKernel::Local)?;
        let exchange = Compiled::new(TransactionKernel::Exchange)?;
        let keys = TransactionKeys::new(local.key().clone(), exchange.key().clone());
        Ok(Self { local, exchange, keys })
    }

    /// Their keys.
    #[must_use]
    pub fn keys(&self) -> &TransactionKeys {
        &self.keys
    }

    /// One of them.
    #[must_use]
    pub fn of(&self, kernel: TransactionKernel) -> &Compiled<TransactionKernel> {
        match kernel {
            TransactionKernel::Local => &self.local,
            TransactionKernel::Exchange => &self.exchange,
        }
    }

    /// Proves a transaction with the kernel that its authority asks for.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if it breaks a rule.
    pub fn prove(&self, witness: &TransactionWitness) -> Result<TransactionProof, CircuitError> {
        let kernel = witness.kernel();
        Ok(TransactionProof { kernel, proof: self.of(kernel).prove(witness)? })
    }
}

/// The transaction kernels.
///
/// # Errors
/// If one cannot be built.
pub fn transaction_kernels() -> Result<Arc<TransactionKernels>, CircuitError> {
    static SHARED: Shared<TransactionKernels> = Shared::new();
    SHARED.get(TransactionKernels::new)
}

/// All circuits of the batch shape, and the set of their keys.
pub struct BatchCircuits {
    leaves: Vec<Compiled<BatchLeaf>>,
    folds: Vec<Compiled<FoldDefinition<BatchChain>>>,
    keys: KeySet,
}

impl BatchCircuits {
    fn new() -> Result<Self, CircuitError> {
        let transactions = transaction_kernels()?;
        let leaves: Vec<_> = (MIN_BATCH..=MAX_BATCH)
            .map(|size| Compiled::new(BatchLeaf::new(transactions.keys().clone(), size)))
            .collect::<Result<_, _>>()?;
        let folds: Vec<_> = FOLD_ARITIES
            .into_iter()
            .map(|arity| Compiled::new(FoldDefinition::new(batch_shape(), arity)))
            .collect::<Result<_, _>>()?;
        let keys = leaves.iter().map(Compiled::key).chain(folds.iter().map(Compiled::key));
        let keys = KeySet::new(&keys.map(key_digest).collect::<Vec<_>>());
        Ok(Self { leaves, folds, keys })
    }

    /// Root of the set of keys.
    #[must_use]
    pub fn key_set_root(&self) -> Digest {
        self.keys.root()
    }

    /// The batches, by size from [`MIN_BATCH`] on.
    #[must_use]
    pub fn leaves(&self) -> &[Compiled<BatchLeaf>] {
        &self.leaves
    }

    /// The folds, by arity as in [`FOLD_ARITIES`].
    #[must_use]
    pub fn folds(&self) -> &[Compiled<FoldDefinition<BatchChain>>] {
        &self.folds
    }

    /// Proves a batch; `None` if no circuit has its size.
    ///
    /// # Errors
    /// [`CircuitError::Unprovable`] if it breaks a rule.
    pub fn prove(&self, input: &BatchInput) -> Option<Result<FoldChild, CircuitError>> {
        let leaf = self.leaves.get(input.proofs.len().checked_sub(MIN_BATCH)?)?;
        Some(leaf.prove(input).map(|proof| self.listed(leaf, proof)))
    }

    /// Folds batches; `None` if no circuit has their number.
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

/// The batch circuits.
///
/// # Errors
/// If one cannot be built.
pub fn batch_circuits() -> Result<Arc<BatchCircuits>, CircuitError> {
    static SHARED: Shared<BatchCircuits> = Shared::new();
    SHARED.get(BatchCircuits::new)
}

/// The kernel of one variant of blocks, wrapped.
///
/// # Errors
/// If one of its circuits cannot be built.
pub fn block_kernel(variant: Variant) -> Result<Arc<Kernel<BlockKernel>>, CircuitError> {
    static SHARED: SharedKernels<Variant, BlockKernel> = SharedKernels::new();
    let keys = transaction_kernels()?.keys().clone();
    let batch_set_root = match variant {
        Variant::Direct(_) => Digest::ZERO,
        Variant::Batches(_) => batch_circuits()?.key_set_root(),
    };
    SHARED.get(variant, |variant| BlockKernel::new(variant, keys, batch_set_root))
}

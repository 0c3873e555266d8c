//! Batches: proofs that a group of transactions moves the public state, and folds of them.

use std::{collections::BTreeMap, sync::LazyLock};

use circuits_core::{
    Builder, Definition, Digest, DigestTarget, F, Witness,
    circuit::named,
    constrain::{Constrain, DigestOps},
    layout::{self, Layout, WitnessError, set},
    recursion::{ChildTarget, Shape, verify_with_witness_key},
};
use circuits_protocol::fold::{Chain, ChainError};
use circuits_prover::basetypes::standard_config;
use environments_core::folding::PartStatement;
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

use crate::{
    execute::Application,
    group::{GroupTargets, apply_group_circuit},
    state::{BlockContext, Running},
    transaction::{
        TransactionKernel, TransactionKeys, TransactionProof, TransactionStatement, transaction_shape,
    },
};

#[cfg(test)]
mod tests;

/// Rows of the batch shape, as a binary logarithm.
const SHAPE_DEGREE_BITS: usize = 15;

circuits_core::layout! {
    /// "In the block with this context, these transactions lead from `before` to `after`."
    pub struct BatchStatement<T> {
        /// Root of the keys of all batch circuits; pinned by the block kernel.
        pub key_set_root: Digest<T>,
        /// The block.
        pub context: BlockContext<T>,
        /// The running state before these transactions.
        pub before: Running<T>,
        /// The running state after them.
        pub after: Running<T>,
    }
}

impl PartStatement for BatchStatement<Target> {
    type Context = BlockContext<Target>;
    type Running = Running<Target>;

    fn parts(&self) -> (&BlockContext<Target>, &Running<Target>, &Running<Target>) {
        (&self.context, &self.before, &self.after)
    }
}

/// The shape of all batches.
#[must_use]
pub fn batch_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        Shape::new("batch", standard_config(), SHAPE_DEGREE_BITS, <BatchStatement as Layout<F>>::LEN)
    });
    &SHAPE
}

/// Batches that join into longer ones.
#[derive(Clone, Copy, Debug)]
pub struct BatchChain;

impl Chain for BatchChain {
    type Statement = BatchStatement<Target>;
    type Native = BatchStatement;

    const NAME: &'static str = "notes-batch";

    fn key_set_root(statement: &BatchStatement<Target>) -> DigestTarget {
        statement.key_set_root
    }

    fn join(left: &BatchStatement, right: &BatchStatement) -> Result<BatchStatement, ChainError> {
        ChainError::check("key set root", &left.key_set_root, &right.key_set_root)?;
        ChainError::check("context", &left.context, &right.context)?;
        ChainError::check("running state", &left.after, &right.before)?;
        Ok(BatchStatement { after: right.after, ..*left })
    }

    fn join_circuit(
        builder: &mut Builder,
        left: &BatchStatement<Target>,
        right: &BatchStatement<Target>,
    ) -> BatchStatement<Target> {
        builder.enforce_digest_equal(left.key_set_root, right.key_set_root);
        builder.enforce_layout_equal(&left.context, &right.context);
        builder.enforce_layout_equal(&left.after, &right.before);
        BatchStatement { after: right.after, ..*left }
    }
}

/// Proofs of a group of transactions, in-circuit.
pub struct TransactionsTarget {
    children: Vec<(ChildTarget<TransactionStatement<Target>>, BoolTarget)>,
}

impl TransactionsTarget {
    /// Verifies `count` transactions, each proved by one of the two kernels.
    pub fn verify(builder: &mut Builder, keys: &TransactionKeys, count: usize) -> Self {
        let local = builder.constant_digest(keys.digest_of(TransactionKernel::Local));
        let exchange = builder.constant_digest(keys.digest_of(TransactionKernel::Exchange));
        let children = (0..count)
            .map(|_| {
                let (child, key) = verify_with_witness_key(builder, transaction_shape());
                let is_exchange = builder.new_bool();
                let expected = builder.select_digest(is_exchange, exchange, local);
                builder.enforce_digest_equal(key, expected);
                (child, is_exchange)
            })
            .collect();
        Self { children }
    }

    /// What the transactions state.
    #[must_use]
    pub fn statements(&self) -> Vec<TransactionStatement<Target>> {
        self.children.iter().map(|(child, _)| child.statement).collect()
    }

    /// Assigns the proofs.
    ///
    /// # Errors
    /// If a target was already set to another value.
    pub fn set_targets(
        &self,
        witness: &mut Witness,
        keys: &TransactionKeys,
        proofs: &[TransactionProof],
    ) -> Result<(), WitnessError> {
        for ((child, is_exchange), proof) in self.children.iter().zip(proofs) {
            child.assign(witness, &proof.proof, keys.of(proof.kernel))?;
            let flag = F::from_bool(proof.kernel == TransactionKernel::Exchange);
            layout::set_target(witness, is_exchange.target, flag)?;
        }
        Ok(())
    }
}

/// The circuit of a batch of a fixed number of transactions.
#[derive(Clone)]
pub struct BatchLeaf {
    keys: TransactionKeys,
    transactions: usize,
}

impl BatchLeaf {
    /// A batch of `transactions` transactions.
    #[must_use]
    pub const fn new(keys: TransactionKeys, transactions: usize) -> Self {
        Self { keys, transactions }
    }

    /// Transactions in the batch.
    #[must_use]
    pub const fn transactions(&self) -> usize {
        self.transactions
    }

    /// The name of the circuit for this number of transactions.
    #[must_use]
    pub fn name_of(transactions: usize) -> String {
        format!("notes-batch-{transactions}")
    }
}

/// Targets of a batch.
pub struct BatchTargets {
    key_set_root: DigestTarget,
    context: BlockContext<Target>,
    before: Running<Target>,
    transactions: TransactionsTarget,
    group: GroupTargets,
}

/// What the prover of a batch must know.
#[derive(Clone, Debug)]
pub struct BatchInput {
    /// Root of the keys of all batch circuits.
    pub key_set_root: Digest,
    /// The block.
    pub context: BlockContext,
    /// The running state before the transactions.
    pub before: Running,
    /// The transactions.
    pub proofs: Vec<TransactionProof>,
    /// How the transactions apply.
    pub applications: Vec<Application>,
}

impl Definition for BatchLeaf {
    type Statement = BatchStatement<Target>;
    type NativeStatement = BatchStatement;
    type Targets = BatchTargets;
    type Input = BatchInput;

    fn name(&self) -> String {
        Self::name_of(self.transactions)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(batch_shape())
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        named([("transactions", self.transactions as u64)])
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        self.keys.digests()
    }

    fn define(&self, builder: &mut Builder) -> (BatchStatement<Target>, BatchTargets) {
        let key_set_root = builder.new_digest();
        let context: BlockContext<Target> = layout::new_virtual(builder);
        let before: Running<Target> = layout::new_virtual(builder);
        let transactions = TransactionsTarget::verify(builder, &self.keys, self.transactions);
        let (after, group) = apply_group_circuit(builder, &context, &before, &transactions.statements());
        let statement = BatchStatement { key_set_root, context, before, after };
        (statement, BatchTargets { key_set_root, context, before, transactions, group })
    }

    fn assign(
        &self,
        targets: &BatchTargets,
        input: &BatchInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, &targets.key_set_root, &input.key_set_root)?;
        set(witness, &targets.context, &input.context)?;
        set(witness, &targets.before, &input.before)?;
        targets.transactions.set_targets(witness, &self.keys, &input.proofs)?;
        targets.group.set_targets(witness, &input.applications)
    }
}

//! The block kernels: they take in messages, verify transactions directly or in batches, and make the block statement.

use std::collections::BTreeMap;

use circuits_core::{
    Builder, Definition, Digest, DigestTarget, F, Witness,
    circuit::named,
    constrain::DigestOps,
    layout::{self, WitnessError, set},
    trees::{PathTarget, append_subtree_circuit, index_bits},
};
use circuits_protocol::{
    fold::{FoldChild, ListedChildTarget},
    statement::{BlockStatement, empty_list},
};
use circuits_prover::basetypes::standard_config;
use environments_core::{
    folding::parts_circuit,
    kernel::{OneBlock, ProducerSecret},
};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::{
    arrival::{ArrivalsTargets, ArrivalsWitness, arrive_circuit},
    batch::{BatchChain, BatchStatement, TransactionsTarget, batch_shape},
    block::Variant,
    body::body_digest_circuit,
    execute::Application,
    group::{GroupTargets, apply_group_circuit},
    note::fee_note_circuit,
    record::no_records,
    state::{
        BlockContext, OUTPUTS_HEIGHT, Running, SealWitness, StateFields, TREE_DEPTH, TreeRoots,
        state_commitment_circuit,
    },
    transaction::{TransactionKeys, TransactionProof},
};

/// The kernel of one variant of blocks.
#[derive(Clone)]
pub struct BlockKernel {
    variant: Variant,
    keys: TransactionKeys,
    /// Root of the keys of all batch circuits; only for kernels that verify batches.
    batch_set_root: Digest,
}

impl BlockKernel {
    /// The kernel of a variant.
    #[must_use]
    pub const fn new(variant: Variant, keys: TransactionKeys, batch_set_root: Digest) -> Self {
        Self { variant, keys, batch_set_root }
    }
}

/// The transactions of a block, as its kernel verifies them.
#[derive(Clone, Debug)]
pub enum BlockTransactions {
    /// Verified by the kernel itself.
    Direct {
        /// The transactions.
        proofs: Vec<TransactionProof>,
        /// How they apply.
        applications: Vec<Application>,
    },
    /// Verified by batches, which the kernel verifies.
    Batches(Vec<FoldChild>),
}

/// What the prover of a block must know.
#[derive(Clone, Debug)]
pub struct BlockInput {
    /// The state before.
    pub before: StateFields,
    /// The messages that it takes in.
    pub arrivals: ArrivalsWitness,
    /// The transactions.
    pub transactions: BlockTransactions,
    /// The end of the block.
    pub seal: SealWitness,
    /// The producer's secret.
    pub secret: ProducerSecret,
}

enum TransactionsTargets {
    Direct { proofs: TransactionsTarget, group: GroupTargets },
    Batches(Vec<ListedChildTarget<BatchStatement<Target>>>),
}

/// Targets of a block.
pub struct BlockTargets {
    before: StateFields<Target>,
    arrivals: ArrivalsTargets,
    transactions: TransactionsTargets,
    fee_path: PathTarget,
    past_root_path: PathTarget,
    secret: DigestTarget,
}

impl Definition for BlockKernel {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = BlockTargets;
    type Input = BlockInput;

    fn name(&self) -> String {
        self.variant.kernel_name()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        let arrivals = ("arrivals", self.variant.arrivals() as u64);
        match self.variant {
            Variant::Inbox => named([arrivals]),
            Variant::Direct(count) => named([arrivals, ("transactions", count as u64)]),
            Variant::Batches(count) => named([arrivals, ("batches", count as u64)]),
        }
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        match self.variant {
            Variant::Inbox | Variant::Direct(_) => self.keys.digests(),
            Variant::Batches(_) => named([("notes-batch-set", self.batch_set_root)]),
        }
    }

    fn define(&self, builder: &mut Builder) -> (BlockStatement<Target>, BlockTargets) {
        let before: StateFields<Target> = layout::new_virtual(builder);
        let height = builder.add_const(before.height, F::ONE);
        let environment = before.environment;
        let context = before.context(height);

        // A block starts with the state's trees and the notes of its messages, without fees, records and messages
        // of its own.
        let zero = builder.zero();
        let records = builder.constant_digest(no_records());
        let outbox = builder.constant_digest(empty_list());
        let TreeRoots { notes, note_count, .. } = before.trees;
        let (arrived, arrivals) = arrive_circuit(builder, self.variant.arrivals(), notes, note_count);
        let trees = TreeRoots { notes: arrived.notes, note_count: arrived.note_count, ..before.trees };
        let start = Running { trees, fees: zero, transactions: zero, records, outbox };
        let (end, transactions) = match self.variant {
            Variant::Inbox | Variant::Direct(_) => {
                let count = self.variant.direct().unwrap_or_default();
                let proofs = TransactionsTarget::verify(builder, &self.keys, count);
                let (end, group) = apply_group_circuit(builder, &context, &start, &proofs.statements());
                (end, TransactionsTargets::Direct { proofs, group })
            }
            Variant::Batches(count) => {
                let root = self.batch_set_root;
                let (end, children) =
                    parts_circuit::<BatchChain>(builder, batch_shape(), root, &context, &start, count);
                (end, TransactionsTargets::Batches(children))
            }
        };

        let fee_path = PathTarget::new_virtual(builder, TREE_DEPTH - OUTPUTS_HEIGHT);
        let past_root_path = PathTarget::new_virtual(builder, TREE_DEPTH);
        let after = seal_circuit(builder, &before, &end, &context, &fee_path, &past_root_path);
        let secret = builder.new_digest();
        let block = OneBlock {
            environment,
            height,
            previous_state: state_commitment_circuit(builder, &before),
            new_state: state_commitment_circuit(builder, &after),
            outbox: end.outbox,
            inbox: arrived.inbox,
            body: body_digest_circuit(builder, end.records, end.transactions, arrived.list),
            secret,
        };
        let statement = block.statement_circuit(builder);
        (statement, BlockTargets { before, arrivals, transactions, fee_path, past_root_path, secret })
    }

    fn assign(
        &self,
        targets: &BlockTargets,
        input: &BlockInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, &targets.before, &input.before)?;
        targets.arrivals.set_targets(witness, &input.arrivals)?;
        set(witness, &targets.secret, &input.secret.expose())?;
        targets.fee_path.set_targets(witness, &input.seal.fee_path)?;
        targets.past_root_path.set_targets(witness, &input.seal.past_root_path)?;
        match (&targets.transactions, &input.transactions) {
            (
                TransactionsTargets::Direct { proofs: targets, group },
                BlockTransactions::Direct { proofs, applications },
            ) => {
                targets.set_targets(witness, &self.keys, proofs)?;
                group.set_targets(witness, applications)
            }
            (TransactionsTargets::Batches(targets), BlockTransactions::Batches(children)) => {
                targets.iter().zip(children).try_for_each(|(target, child)| target.assign(witness, child))
            }
            // Transactions of another variant: nothing is assigned, so nothing can be proved.
            (TransactionsTargets::Direct { .. }, BlockTransactions::Batches(_))
            | (TransactionsTargets::Batches(_), BlockTransactions::Direct { .. }) => Ok(()),
        }
    }
}

/// In-circuit twin of [`NotesState::seal`](super::state::NotesState::seal): the fees become one note, and the root of
/// the note tree a past root.
fn seal_circuit(
    builder: &mut Builder,
    before: &StateFields<Target>,
    end: &Running<Target>,
    context: &BlockContext<Target>,
    fee_path: &PathTarget,
    past_root_path: &PathTarget,
) -> StateFields<Target> {
    let block_name = [context.chain_id, context.environment, context.height];
    let fee_note = fee_note_circuit(builder, block_name, before.fee_asset, end.fees, before.fee_account);
    let empty = builder.constant_digest(Digest::ZERO);
    let leaves = [fee_note, empty, empty, empty];
    let TreeRoots { notes, note_count, .. } = end.trees;
    let (notes, note_count) =
        append_subtree_circuit(builder, TREE_DEPTH, OUTPUTS_HEIGHT, notes, note_count, &leaves, fee_path);
    let bits = index_bits(builder, context.height, TREE_DEPTH);
    let past_roots = past_root_path.replace_circuit(builder, before.past_roots, &bits, empty, notes);
    StateFields {
        height: context.height,
        trees: TreeRoots { notes, note_count, ..end.trees },
        past_roots,
        ..*before
    }
}

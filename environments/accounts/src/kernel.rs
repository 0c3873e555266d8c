//! The block kernels: they apply transactions in slots of their own or verify chunks of them, verify the proof of their
//! signatures, and make the block statement.

use std::{collections::BTreeMap, sync::Arc};

use circuits_core::{
    Builder, Definition, Digest, DigestTarget, F, Proof, Witness,
    amount::enforce_amount,
    circuit::named,
    constrain::{Constrain, DigestOps},
    layout::{self, WitnessError, set},
    recursion::{ChildTarget, Shape, key_digest, verify_with_constant_key},
    trees::LeafOpeningTarget,
};
use circuits_protocol::{
    fold::{FoldChild, ListedChildTarget},
    statement::{BlockStatement, empty_list},
};
use circuits_prover::basetypes::{VerifierData, standard_config};
use circuits_tables::{
    ecdsa::{SignatureStatement, empty_claims},
    keccak::{self, KeccakStatement},
};
use environments_core::{
    folding::parts_circuit,
    kernel::{OneBlock, ProducerSecret},
};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::{
    account::account_hash_circuit,
    address::account_key_circuit,
    block::{UNSIGNED_SLOTS, Variant},
    body::body_digest_circuit,
    chunk::{ChunkChain, ChunkStatement, chunk_shape},
    circuit::{AccountTarget, SlotInput, SlotTargets, slots_circuit},
    state::{BlockContext, Running, SealWitness, StateFields, TREE_DEPTH, state_commitment_circuit},
};

/// The kernel of one variant of blocks.
#[derive(Clone)]
pub struct BlockKernel {
    variant: Variant,
    /// The circuits whose proofs the transactions need; `None` for a block without transactions.
    verified: Option<Verified>,
    /// Root of the keys of all chunk circuits; only for kernels that verify chunks.
    chunk_set_root: Digest,
}

impl BlockKernel {
    /// The kernel of a variant. `verified` has the circuit of the variant's table of signatures.
    #[must_use]
    pub const fn new(variant: Variant, verified: Option<Verified>, chunk_set_root: Digest) -> Self {
        Self { variant, verified, chunk_set_root }
    }
}

/// The circuits whose proofs the transactions of a block need.
#[derive(Clone)]
pub struct Verified {
    /// The circuit whose proofs state the signatures.
    pub signatures: Arc<VerifierData>,
    /// The circuits whose proofs state the hashes.
    pub hashes: Hashing,
}

/// Circuits of one shape whose proofs state hashes.
#[derive(Clone, Copy)]
pub struct Hashing {
    /// The shape.
    pub shape: &'static Shape,
    /// Root of the keys.
    pub key_set_root: Digest,
}

/// Targets of the proofs that the transactions of a block need.
struct VerifiedTargets {
    signatures: ChildTarget<SignatureStatement<Target>>,
    hashes: ListedChildTarget<KeccakStatement<Target>>,
}

/// The transactions of a block, as its kernel takes them.
#[derive(Clone, Debug)]
pub enum BlockTransactions {
    /// Applied by the kernel itself, in as many slots as it has.
    Direct(Vec<SlotInput>),
    /// Applied by chunks, which the kernel verifies.
    Chunks(Vec<FoldChild>),
}

/// What the prover of a block must know.
#[derive(Clone, Debug)]
pub struct BlockInput {
    /// The state before.
    pub before: StateFields,
    /// The transactions.
    pub transactions: BlockTransactions,
    /// Their signatures; `None` for a block without transactions.
    pub signatures: Option<Proof>,
    /// What they hash; `None` for a block without transactions.
    pub hashes: Option<FoldChild>,
    /// The end of the block.
    pub seal: SealWitness,
    /// The producer's secret.
    pub secret: ProducerSecret,
}

enum TransactionsTargets {
    Direct(Vec<SlotTargets>),
    Chunks(Vec<ListedChildTarget<ChunkStatement<Target>>>),
}

/// Targets of a block.
pub struct BlockTargets {
    before: StateFields<Target>,
    transactions: TransactionsTargets,
    verified: Option<VerifiedTargets>,
    collector: AccountTarget,
    collector_leaf: LeafOpeningTarget,
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
        match self.variant {
            Variant::Empty => named([("slots", 0)]),
            Variant::Unsigned => named([("slots", UNSIGNED_SLOTS as u64)]),
            Variant::Direct { slots, table } => {
                named([("slots", slots as u64), ("signatures", table as u64)])
            }
            Variant::Chunks { children, table } => {
                named([("chunks", children as u64), ("signatures", table as u64)])
            }
        }
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        let verified = self.verified.iter().flat_map(|Verified { signatures, hashes }| {
            [("signatures", key_digest(&signatures.verifier_only)), ("keccak-set", hashes.key_set_root)]
        });
        let chunks = match self.variant {
            Variant::Empty | Variant::Unsigned | Variant::Direct { .. } => None,
            Variant::Chunks { .. } => Some(("accounts-chunk-set", self.chunk_set_root)),
        };
        verified.chain(chunks).map(|(name, digest)| (name.to_owned(), digest)).collect()
    }

    fn define(&self, builder: &mut Builder) -> (BlockStatement<Target>, BlockTargets) {
        let before: StateFields<Target> = layout::new_virtual(builder);
        let height = builder.add_const(before.height, F::ONE);
        let StateFields { chain_id, environment, fee_asset, minimum_deposit, minimum_fee, domain, .. } =
            before;
        let context =
            BlockContext { chain_id, environment, height, fee_asset, minimum_deposit, minimum_fee, domain };

        // A block starts with the state's records, without fees, claims, transactions and messages.
        let zero = builder.zero();
        let StateFields { root, count, pool_count, .. } = before;
        let claims = builder.constant_digest(empty_claims());
        let none = builder.constant_digest(empty_list());
        let start = Running {
            root,
            count,
            pool_count,
            fees: zero,
            claims,
            transactions: zero,
            hashes: builder.constant_digest(keccak::empty_list()),
            blocks: zero,
            outbox: none,
            inbox: none,
        };
        let (end, transactions) = match self.variant {
            Variant::Empty => (start, TransactionsTargets::Direct(vec![])),
            Variant::Unsigned => {
                let (end, slots) = slots_circuit(builder, &context, &start, UNSIGNED_SLOTS);
                (end, TransactionsTargets::Direct(slots))
            }
            Variant::Direct { slots, .. } => {
                let (end, slots) = slots_circuit(builder, &context, &start, slots);
                (end, TransactionsTargets::Direct(slots))
            }
            Variant::Chunks { children, .. } => {
                let root = self.chunk_set_root;
                let (end, children) =
                    parts_circuit::<ChunkChain>(builder, chunk_shape(), root, &context, &start, children);
                (end, TransactionsTargets::Chunks(children))
            }
        };

        // A kernel without signatures takes no transaction, so nothing is hashed.
        if self.verified.is_none() && self.variant != Variant::Empty {
            builder.enforce_zero(end.transactions);
        }
        let verified = self.verified.as_ref().map(|verified| verified.verify_circuit(builder, &end));

        let collector = AccountTarget::new_virtual(builder, fee_asset);
        let collector_leaf = LeafOpeningTarget::new_virtual(builder, TREE_DEPTH);
        let root = collect_circuit(builder, &before, &end, &collector, &collector_leaf);
        let Running { count, pool_count, .. } = end;
        let after = StateFields { height, root, count, pool_count, ..before };
        let secret = builder.new_digest();
        let block = OneBlock {
            environment,
            height,
            previous_state: state_commitment_circuit(builder, &before),
            new_state: state_commitment_circuit(builder, &after),
            outbox: end.outbox,
            inbox: end.inbox,
            body: body_digest_circuit(builder, end.claims, end.inbox),
            secret,
        };
        let statement = block.statement_circuit(builder);
        (statement, BlockTargets { before, transactions, verified, collector, collector_leaf, secret })
    }

    fn assign(
        &self,
        targets: &BlockTargets,
        input: &BlockInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, &targets.before, &input.before)?;
        set(witness, &targets.secret, &input.secret.expose())?;
        targets.collector.set_targets(witness, &input.seal.account.fields())?;
        targets.collector_leaf.set_targets(witness, &input.seal.leaf)?;
        if let (Some(targets), Some(verified)) = (&targets.verified, &self.verified) {
            if let Some(proof) = &input.signatures {
                targets.signatures.assign(witness, proof, &verified.signatures.verifier_only)?;
            }
            if let Some(proof) = &input.hashes {
                targets.hashes.assign(witness, proof)?;
            }
        }
        match (&targets.transactions, &input.transactions) {
            (TransactionsTargets::Direct(targets), BlockTransactions::Direct(slots)) => {
                targets.iter().zip(slots).try_for_each(|(target, slot)| target.set_targets(witness, slot))
            }
            (TransactionsTargets::Chunks(targets), BlockTransactions::Chunks(children)) => {
                targets.iter().zip(children).try_for_each(|(target, child)| target.assign(witness, child))
            }
            // Transactions of another variant: nothing is assigned, so nothing can be proved.
            (TransactionsTargets::Direct(_), BlockTransactions::Chunks(_))
            | (TransactionsTargets::Chunks(_), BlockTransactions::Direct(_)) => Ok(()),
        }
    }
}

impl Verified {
    /// Enforces that every transaction is signed: that the signatures claimed are all those proved, and that what was hashed
    /// for them is all that is proved, both in order.
    fn verify_circuit(&self, builder: &mut Builder, end: &Running<Target>) -> VerifiedTargets {
        let Self { signatures, hashes } = self;
        let signatures: ChildTarget<SignatureStatement<Target>> =
            verify_with_constant_key(builder, &signatures.common, &signatures.verifier_only);
        builder.enforce_digest_equal(signatures.statement.claims, end.claims);
        builder.enforce_equal(signatures.statement.count, end.transactions);

        let root = builder.constant_digest(hashes.key_set_root);
        let hashes: ListedChildTarget<KeccakStatement<Target>> =
            ListedChildTarget::verify(builder, hashes.shape, |_| root);
        builder.enforce_digest_equal(hashes.child.statement.list, end.hashes);
        builder.enforce_equal(hashes.child.statement.blocks, end.blocks);
        VerifiedTargets { signatures, hashes }
    }
}

/// In-circuit twin of [`AccountsState::seal`](super::state::AccountsState::seal): the root after the fees are
/// credited to their account.
fn collect_circuit(
    builder: &mut Builder,
    before: &StateFields<Target>,
    end: &Running<Target>,
    collector: &AccountTarget,
    leaf: &LeafOpeningTarget,
) -> DigestTarget {
    let key = account_key_circuit(builder, &before.fee_account);
    builder.enforce_digest_equal(leaf.key, key);
    let mut record = collector.0;
    let value = account_hash_circuit(builder, &record);
    builder.enforce_digest_equal(leaf.value, value);
    record.vault[1] = builder.add(record.vault[1], end.fees);
    enforce_amount(builder, record.vault[1]);
    let paid = account_hash_circuit(builder, &record);
    let [found, collected] = leaf.roots_circuit(builder, [leaf.value, paid]);
    builder.enforce_digest_equal(found, end.root);
    collected
}

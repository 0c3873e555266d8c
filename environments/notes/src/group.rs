//! Applying a group of transactions to the public state, in-circuit: the twin of
//! [`NotesState::apply_group`](super::state::NotesState::apply_group).
//!
//! An input is one of the following:
//!
//! | nullifier | unauthenticated | matched | its note | its nullifier |
//! |---|---|---|---|---|
//! | 0 | 0 | 0 | none | none |
//! | n | 0 | 0 | opened by the transaction, under a past root | inserted |
//! | n | c | 1 | an output of an earlier transaction of the group, which is erased | erased |
//! | n | c | 0 | member of the note tree before the group | inserted |
//!
//! No other line has a proof: an input without a commitment matches nothing, and no output is matched twice.

use circuits_core::{
    Builder, Digest, DigestTarget, F, Witness,
    amount::enforce_amount,
    constrain::{Constrain, DigestOps},
    integer::{HEIGHT_BITS, enforce_less_or_equal},
    layout::{WitnessError, set_target},
    trees::{
        InsertTarget, PRESENT, PathTarget, SetTarget, append_subtree_circuit, index_bits, insert_circuit,
        set_circuit,
    },
};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use crate::{
    execute::{Application, substitute_key},
    record::{Record, add_record_circuit},
    state::{BlockContext, OUTPUTS_HEIGHT, Running, TREE_DEPTH},
    transaction::{MAX_INPUTS, MAX_OUTPUTS, TransactionStatement, emission::outbox_after_circuit},
};

#[cfg(test)]
mod tests;

struct InputTargets {
    /// One flag per output of each earlier transaction.
    matches: Vec<[BoolTarget; MAX_OUTPUTS]>,
    index: Target,
    path: PathTarget,
    insertion: InsertTarget,
}

struct ApplicationTargets {
    reference: Target,
    reference_path: PathTarget,
    account: SetTarget,
    inputs: Vec<InputTargets>,
    outputs: PathTarget,
}

/// Targets of a group.
pub struct GroupTargets(Vec<ApplicationTargets>);

impl ApplicationTargets {
    fn new_virtual(builder: &mut Builder, position: usize) -> Self {
        let inputs = (0..MAX_INPUTS)
            .map(|_| InputTargets {
                matches: (0..position).map(|_| std::array::from_fn(|_| builder.new_bool())).collect(),
                index: builder.add_virtual_target(),
                path: PathTarget::new_virtual(builder, TREE_DEPTH),
                insertion: InsertTarget::new_virtual(builder, TREE_DEPTH),
            })
            .collect();
        Self {
            reference: builder.add_virtual_target(),
            reference_path: PathTarget::new_virtual(builder, TREE_DEPTH),
            account: SetTarget::new_virtual(builder, TREE_DEPTH),
            inputs,
            outputs: PathTarget::new_virtual(builder, TREE_DEPTH - OUTPUTS_HEIGHT),
        }
    }

    fn assign(&self, witness: &mut Witness, application: &Application) -> Result<(), WitnessError> {
        set_target(witness, self.reference, F::from_canonical_u32(application.reference))?;
        self.reference_path.set_targets(witness, &application.reference_path)?;
        self.account.set_targets(witness, &application.account)?;
        for (targets, input) in self.inputs.iter().zip(&application.inputs) {
            for (transaction, outputs) in targets.matches.iter().enumerate() {
                for (output, flag) in outputs.iter().enumerate() {
                    let matched = input.matched == Some((transaction, output));
                    set_target(witness, flag.target, F::from_bool(matched))?;
                }
            }
            set_target(witness, targets.index, F::from_noncanonical_u64(input.membership.index))?;
            targets.path.set_targets(witness, &input.membership.path)?;
            targets.insertion.set_targets(witness, &input.insertion)?;
        }
        self.outputs.set_targets(witness, &application.outputs)
    }
}

impl GroupTargets {
    /// Assigns the witness of each transaction.
    ///
    /// # Errors
    /// If a target was already set to another value.
    pub fn set_targets(
        &self,
        witness: &mut Witness,
        applications: &[Application],
    ) -> Result<(), WitnessError> {
        self.0.iter().zip(applications).try_for_each(|(targets, value)| targets.assign(witness, value))
    }
}

/// One transaction's inputs, as the group applies them.
struct Inputs {
    /// Whether the nullifier is inserted.
    inserted: Vec<BoolTarget>,
    /// The nullifiers that are inserted; zero for the others.
    nullifiers: [DigestTarget; MAX_INPUTS],
}

/// Applies transactions in order and returns the running state after them.
pub fn apply_group_circuit(
    builder: &mut Builder,
    context: &BlockContext<Target>,
    before: &Running<Target>,
    transactions: &[TransactionStatement<Target>],
) -> (Running<Target>, GroupTargets) {
    let targets: Vec<_> =
        (0..transactions.len()).map(|position| ApplicationTargets::new_virtual(builder, position)).collect();

    // Outputs that no later transaction of the group consumes.
    let notes_before = before.trees.notes;
    let mut erased = vec![[builder.zero(); MAX_OUTPUTS]; transactions.len()];
    let mut inputs = vec![];
    for (statement, targets) in transactions.iter().zip(&targets) {
        inputs.push(find_inputs(builder, notes_before, transactions, statement, targets, &mut erased));
    }
    let mut running = *before;
    for (position, statement) in transactions.iter().enumerate() {
        let notes = std::array::from_fn(|output| {
            let erased = BoolTarget::new_unsafe(erased[position][output]);
            builder.enforce_bool(erased);
            let kept = builder.not(erased);
            masked(builder, kept, statement.notes[output])
        });
        enforce_context(builder, context, statement, &targets[position]);
        running = apply_circuit(builder, &running, statement, &targets[position], &inputs[position], notes);
    }
    (running, GroupTargets(targets))
}

fn masked(builder: &mut Builder, flag: BoolTarget, digest: DigestTarget) -> DigestTarget {
    Digest(digest.0.map(|element| builder.mul(flag.target, element)))
}

/// The transaction is for this deployment, environment, fees and height, and its notes root is a past root.
fn enforce_context(
    builder: &mut Builder,
    context: &BlockContext<Target>,
    statement: &TransactionStatement<Target>,
    targets: &ApplicationTargets,
) {
    builder.enforce_equal(statement.chain_id, context.chain_id);
    builder.enforce_equal(statement.environment, context.environment);
    builder.enforce_equal(statement.fee_asset, context.fee_asset);
    let is_network = BoolTarget::new_unsafe(statement.network);
    let minimum_fee = builder.select(is_network, context.network_minimum_fee, context.minimum_fee);
    builder.enforce_equal(statement.minimum_fee, minimum_fee);
    // All below 2^32: the transaction kernel checks its heights, the block kernel its own.
    enforce_less_or_equal(builder, statement.not_before, context.height, HEIGHT_BITS);
    enforce_less_or_equal(builder, context.height, statement.valid_until, HEIGHT_BITS);

    // Every earlier height has a root, so no empty leaf is opened here.
    let bits = index_bits(builder, targets.reference, TREE_DEPTH);
    let root = targets.reference_path.root_circuit(builder, &bits, statement.notes_root);
    builder.enforce_digest_equal(root, context.past_roots);
    let next = builder.add_const(targets.reference, F::ONE);
    enforce_less_or_equal(builder, next, context.height, HEIGHT_BITS);
}

/// Finds the unauthenticated inputs of a transaction; see the module's table.
fn find_inputs(
    builder: &mut Builder,
    notes_before: DigestTarget,
    transactions: &[TransactionStatement<Target>],
    statement: &TransactionStatement<Target>,
    targets: &ApplicationTargets,
    erased: &mut [[Target; MAX_OUTPUTS]],
) -> Inputs {
    let zero = builder.constant_digest(Digest::ZERO);
    let mut inserted = vec![];
    let mut nullifiers = statement.nullifiers;
    for (slot, input) in targets.inputs.iter().enumerate() {
        let (nullifier, commitment) = (statement.nullifiers[slot], statement.unauthenticated[slot]);
        let mut count = builder.zero();
        for (transaction, flags) in input.matches.iter().enumerate() {
            for (output, &flag) in flags.iter().enumerate() {
                builder.enforce_digest_equal_if(flag, commitment, transactions[transaction].notes[output]);
                count = builder.add(count, flag.target);
                erased[transaction][output] = builder.add(erased[transaction][output], flag.target);
            }
        }
        let matched = BoolTarget::new_unsafe(count);
        builder.enforce_bool(matched);

        // An empty commitment matches no empty output: otherwise an opened note would lose its nullifier.
        let is_opened = builder.digests_equal(commitment, zero);
        let empty_match = builder.and(matched, is_opened);
        builder.enforce_zero(empty_match.target);

        // Neither opened nor matched: in the tree before the group.
        let not_matched = builder.not(matched);
        let not_opened = builder.not(is_opened);
        let is_member = builder.and(not_matched, not_opened);
        let bits = index_bits(builder, input.index, TREE_DEPTH);
        let root = input.path.root_circuit(builder, &bits, commitment);
        builder.enforce_digest_equal_if(is_member, root, notes_before);

        let is_unused = builder.digests_equal(nullifier, zero);
        let is_used = builder.not(is_unused);
        inserted.push(builder.and(is_used, not_matched));
        nullifiers[slot] = masked(builder, not_matched, nullifier);
    }
    Inputs { inserted, nullifiers }
}

fn apply_circuit(
    builder: &mut Builder,
    running: &Running<Target>,
    statement: &TransactionStatement<Target>,
    targets: &ApplicationTargets,
    inputs: &Inputs,
    notes: [DigestTarget; MAX_OUTPUTS],
) -> Running<Target> {
    let mut after = *running;
    let trees = &mut after.trees;

    // The account changes from what the transaction found to what it left.
    let account = set_circuit(
        builder,
        trees.accounts,
        trees.account_count,
        statement.account,
        statement.after,
        &targets.account,
    );
    builder.enforce_digest_equal(account.old_value, statement.before);
    (trees.accounts, trees.account_count) = (account.root, account.count);

    // Each nullifier that is inserted was absent. For an input without one, an insertion is proved and discarded.
    let stand_in = builder.constant_digest(substitute_key());
    let present = builder.constant_digest(PRESENT);
    let slots = inputs.inserted.iter().zip(inputs.nullifiers).zip(&targets.inputs);
    for ((&inserted, nullifier), input) in slots {
        let key = builder.select_digest(inserted, nullifier, stand_in);
        let (root, count) =
            insert_circuit(builder, trees.nullifiers, trees.nullifier_count, key, present, &input.insertion);
        trees.nullifiers = builder.select_digest(inserted, root, trees.nullifiers);
        trees.nullifier_count = builder.select(inserted, count, trees.nullifier_count);
    }

    // The outputs that are left fill the next four leaves of the note tree.
    (trees.notes, trees.note_count) = append_subtree_circuit(
        builder,
        TREE_DEPTH,
        OUTPUTS_HEIGHT,
        trees.notes,
        trees.note_count,
        &notes,
        &targets.outputs,
    );

    after.fees = builder.add(running.fees, statement.fee);
    enforce_amount(builder, after.fees);
    after.transactions = builder.add_const(running.transactions, F::ONE);
    let record = Record {
        account: statement.account,
        after: statement.after,
        nullifiers: inputs.nullifiers,
        notes,
        fee: statement.fee,
        network: statement.network,
    };
    after.records = add_record_circuit(builder, running.records, &record);
    after.outbox = outbox_after_circuit(builder, running.outbox, statement.message);
    after
}

//! The bridge's steps in-circuit; the table of [`crate::step`] says what each does.

use circuits_core::{
    Builder, DigestTarget, F, Witness,
    amount::enforce_amount,
    constrain::{Constrain, DigestOps},
    integer::HEIGHT_BITS,
    layout::{WitnessError, new_virtual, set, set_target},
    trees::{InsertTarget, LeafOpeningTarget, PathTarget, index_bits, insert_circuit, update_if_circuit},
};
use circuits_protocol::{
    registry::ENVIRONMENT_BITS,
    statement::{SuperblockRoots, empty_list},
};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use crate::{
    balance::{BALANCES_DEPTH, balance_key_circuit, balance_value_circuit, unused_balance_value},
    lists::{BridgeLists, append_block_messages_circuit, append_index_circuit, block_messages_circuit},
    message::{
        MAX_LIFETIME, MESSAGES_DEPTH, MIN_LIFETIME, MessageFields, SEQUENCE_BITS, inbox_append_circuit,
        message_hash_circuit, outbox_append_circuit, tombstone,
    },
    step::{Chunk, NewBalance, Step, StepFields},
};

/// Bits of an asset's number.
const NUMBER_BITS: usize = 32;

/// What the steps so far lead to.
struct Running {
    roots: SuperblockRoots<Target>,
    lists: BridgeLists<Target>,
    /// Whether some of a block's messages are moved and others are not. If so, the next three fields are the block's
    /// environment and its lists so far; otherwise the lists are empty.
    in_block: BoolTarget,
    environment: Target,
    outbox: DigestTarget,
    inbox: DigestTarget,
    /// Whether the block whose messages are being moved has emitted one.
    after_emission: BoolTarget,
}

/// What more than one rule asks about a step.
struct Facts {
    emit: BoolTarget,
    claim: BoolTarget,
    /// Whether it is a claim or a refund.
    consume: BoolTarget,
    active: BoolTarget,
    ends_block: BoolTarget,
    /// Whether the actor's balance is moved for the first time.
    first: BoolTarget,
    hash: DigestTarget,
}

/// How many slots a circuit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// For balances, which are added first.
    pub new_balances: usize,
    /// For steps after them.
    pub steps: usize,
}

impl Capacity {
    /// No slot at all.
    pub const NONE: Self = Self { new_balances: 0, steps: 0 };
}

/// Slots for balances, then slots for steps.
pub struct CrossingTarget {
    new_balances: Vec<NewBalanceTarget>,
    steps: Vec<StepTarget>,
}

struct NewBalanceTarget {
    active: BoolTarget,
    environment: Target,
    asset: Target,
    insert: InsertTarget,
}

struct StepTarget {
    fields: StepFields<Target>,
    path: PathTarget,
    balance_leaf: LeafOpeningTarget,
}

impl CrossingTarget {
    /// Adds up to `new_balances` balances and then takes up to `steps` steps in superblock `number`, which has 32 bits.
    /// Moves `roots` and `lists` forward. A block whose messages begin in this circuit ends in it.
    pub fn apply(
        builder: &mut Builder,
        Capacity { new_balances, steps }: Capacity,
        (chain_id, number): (Target, Target),
        roots: &mut SuperblockRoots<Target>,
        lists: &mut BridgeLists<Target>,
    ) -> Self {
        let new_balances =
            (0..new_balances).map(|_| NewBalanceTarget::apply(builder, roots, lists)).collect();
        let (nobody, no) = (builder.zero(), builder._false());
        let empty = builder.constant_digest(empty_list());
        let mut running = Running {
            roots: *roots,
            lists: *lists,
            in_block: no,
            environment: nobody,
            outbox: empty,
            inbox: empty,
            after_emission: no,
        };
        let steps =
            (0..steps).map(|_| StepTarget::apply(builder, (chain_id, number), &mut running)).collect();

        // No block is moved in part only.
        builder.enforce_zero(running.in_block.target);
        (*roots, *lists) = (running.roots, running.lists);
        Self { new_balances, steps }
    }

    /// Assigns a chunk. Slots that are left over take its idle balance or no step, and do nothing.
    ///
    /// # Errors
    /// If a target already has another value.
    pub fn set_targets(&self, witness: &mut Witness, chunk: &Chunk) -> Result<(), WitnessError> {
        let Chunk { new_balances, idle, steps } = chunk;
        for (index, target) in self.new_balances.iter().enumerate() {
            target.set_targets(
                witness,
                new_balances.get(index).unwrap_or(idle),
                index < new_balances.len(),
            )?;
        }
        let idle = Step::idle();
        for (index, target) in self.steps.iter().enumerate() {
            target.set_targets(witness, steps.get(index).unwrap_or(&idle))?;
        }
        Ok(())
    }
}

impl NewBalanceTarget {
    /// Adds a balance of 0 under a key that has none, in the next slot. The prover chooses the key, but messages must move
    /// the balances that were added, in this order, before the superblock ends.
    fn apply(
        builder: &mut Builder,
        roots: &mut SuperblockRoots<Target>,
        lists: &mut BridgeLists<Target>,
    ) -> Self {
        let target = Self {
            active: builder.new_bool(),
            environment: builder.add_virtual_target(),
            asset: builder.add_virtual_target(),
            insert: InsertTarget::new_virtual(builder, BALANCES_DEPTH),
        };
        let key = balance_key_circuit(builder, target.environment, target.asset);
        let value = builder.constant_digest(unused_balance_value());
        let slot = builder.add(roots.balance_count, lists.unused_balances);
        let root = roots.balances_root;
        let (added, _) = insert_circuit(builder, root, slot, key, value, &target.insert);
        roots.balances_root = builder.select_digest(target.active, added, root);
        lists.unused_balances = builder.add(lists.unused_balances, target.active.target);
        target
    }

    fn set_targets(
        &self,
        witness: &mut Witness,
        balance: &NewBalance,
        active: bool,
    ) -> Result<(), WitnessError> {
        set_target(witness, self.active.target, F::from_bool(active))?;
        set_target(witness, self.environment, balance.key.environment.to_field())?;
        set_target(witness, self.asset, balance.key.asset.to_field())?;
        self.insert.set_targets(witness, &balance.witness)
    }
}

impl StepTarget {
    /// Takes one step after those that led to `running`.
    fn apply(builder: &mut Builder, (chain_id, number): (Target, Target), running: &mut Running) -> Self {
        let step = Self {
            fields: new_virtual(builder),
            path: PathTarget::new_virtual(builder, MESSAGES_DEPTH),
            balance_leaf: LeafOpeningTarget::new_virtual(builder, BALANCES_DEPTH),
        };
        let facts = step.facts(builder);
        step.enforce_well_formed(builder);
        step.enforce_parties(builder, &facts, chain_id);
        step.enforce_time(builder, &facts, number);
        step.enforce_order(builder, &facts, running);
        step.move_leaf(builder, &facts, running);
        step.move_balance(builder, &facts, running);
        step.extend_lists(builder, &facts, running);
        step
    }

    /// A step does one thing, or nothing.
    fn facts(&self, builder: &mut Builder) -> Facts {
        let StepFields { emit, claim, refund, ends_block, first, message, .. } = self.fields;
        let mut flag = |target| {
            let flag = BoolTarget::new_unsafe(target);
            builder.enforce_bool(flag);
            flag
        };
        let [emit, claim, refund, ends_block, first] =
            [emit, claim, refund, ends_block, first].map(&mut flag);
        let consume = BoolTarget::new_unsafe(builder.add(claim.target, refund.target));
        let active = BoolTarget::new_unsafe(builder.add(emit.target, consume.target));
        builder.enforce_bool(active);
        let hash = message_hash_circuit(builder, &message);
        Facts { emit, claim, consume, active, ends_block, first, hash }
    }

    /// The numbers that a kernel chooses have their bits, and neither the amount nor the asset's number is zero: a
    /// message has one reading, and native code can represent it. The source is the actor.
    fn enforce_well_formed(&self, builder: &mut Builder) {
        let MessageFields { destination, asset, sequence, amount, deadline, .. } = self.fields.message;
        builder.enforce_range(destination, ENVIRONMENT_BITS);
        // A name has one reading only: origin and number have 48 bits together.
        let origin = self.fields.asset_origin;
        builder.enforce_range(origin, ENVIRONMENT_BITS);
        let base = F::from_canonical_u64(1 << NUMBER_BITS);
        let packed_origin = builder.mul_const(base, origin);
        let local = builder.sub(asset, packed_origin);
        builder.enforce_range(local, NUMBER_BITS);
        builder.enforce_range(sequence, SEQUENCE_BITS);
        builder.enforce_range(deadline, HEIGHT_BITS);
        enforce_amount(builder, amount);
        let zero = builder.zero();
        for number in [local, amount] {
            let is_zero = builder.is_equal(number, zero);
            builder.enforce_zero(is_zero.target);
        }
    }

    /// | action | the actor is | and |
    /// |---|---|---|
    /// | emit | the source | not the destination |
    /// | claim | the destination | |
    /// | refund | the source | |
    fn enforce_parties(&self, builder: &mut Builder, facts: &Facts, chain_id: Target) {
        let MessageFields { source, destination, .. } = self.fields.message;
        builder.enforce_equal_if(facts.active, self.fields.message.chain_id, chain_id);
        let speaker = builder.select(facts.claim, destination, source);
        builder.enforce_equal_if(facts.active, speaker, self.fields.actor);
        let to_itself = builder.is_equal(source, destination);
        let to_itself = builder.and(facts.emit, to_itself);
        builder.enforce_zero(to_itself.target);
    }

    /// With `left = deadline - number`: an emission needs `MIN_LIFETIME <= left <= MAX_LIFETIME`, a claim `left >= 0`, a
    /// refund `left < 0`.
    fn enforce_time(&self, builder: &mut Builder, facts: &Facts, number: Target) {
        let left = builder.sub(self.fields.message.deadline, number);

        let minimum = F::from_canonical_u32(MIN_LIFETIME);
        let minimum = builder.mul_const(minimum, facts.emit.target);
        let beyond_minimum = builder.sub(left, minimum);
        let overdue = builder.neg(left);
        let overdue = builder.add_const(overdue, F::NEG_ONE);
        let forward = builder.or(facts.emit, facts.claim);
        let in_time = builder.select(forward, beyond_minimum, overdue);
        let in_time = builder.mul(in_time, facts.active.target);
        builder.enforce_range(in_time, HEIGHT_BITS);

        let maximum = builder.constant(F::from_canonical_u32(MAX_LIFETIME));
        let below_maximum = builder.sub(maximum, left);
        let below_maximum = builder.mul(below_maximum, facts.emit.target);
        builder.enforce_range(below_maximum, HEIGHT_BITS);
    }

    /// Steps have one order, which follows from the blocks and their lists: each consumes before it emits.
    fn enforce_order(&self, builder: &mut Builder, facts: &Facts, running: &mut Running) {
        let consumption_after_emission = builder.and(facts.consume, running.after_emission);
        builder.enforce_zero(consumption_after_emission.target);
        running.after_emission = builder.or(running.after_emission, facts.emit);
    }

    /// | action | leaf before | leaf after | at |
    /// |---|---|---|---|
    /// | emit | empty | the message | the count, which grows |
    /// | claim, refund | the message | tombstone | any index, which joins the list of these |
    fn move_leaf(&self, builder: &mut Builder, facts: &Facts, running: &mut Running) {
        let count = running.roots.message_count;
        builder.enforce_equal_if(facts.emit, self.fields.index, count);
        running.roots.message_count = builder.add(count, facts.emit.target);

        let empty = builder.constant_digest(circuits_core::Digest::ZERO);
        let tombstone = builder.constant_digest(tombstone());
        let before = builder.select_digest(facts.emit, empty, facts.hash);
        let after = builder.select_digest(facts.emit, facts.hash, tombstone);
        let bits = index_bits(builder, self.fields.index, MESSAGES_DEPTH);
        let root = running.roots.messages_root;
        let found = self.path.root_circuit(builder, &bits, before);
        builder.enforce_digest_equal_if(facts.active, found, root);
        let moved = self.path.root_circuit(builder, &bits, after);
        running.roots.messages_root = builder.select_digest(facts.active, moved, root);

        let consumed = append_index_circuit(builder, running.lists.consumed, self.fields.index);
        running.lists.consumed = builder.select_digest(facts.consume, consumed, running.lists.consumed);
    }

    /// The actor's balance rises if the asset's origin emits it or another environment consumes it, and falls
    /// otherwise. A balance that no message has moved yet is the next one.
    fn move_balance(&self, builder: &mut Builder, facts: &Facts, running: &mut Running) {
        let MessageFields { asset, amount, .. } = self.fields.message;
        let is_origin = builder.is_equal(self.fields.actor, self.fields.asset_origin);
        let rises = builder.is_equal(is_origin.target, facts.emit.target);
        let fallen = builder.neg(amount);
        let change = builder.select(rises, amount, fallen);
        let change = builder.mul(change, facts.active.target);
        let after = builder.add(self.fields.balance, change);
        enforce_amount(builder, after);

        let is_next = builder.and(facts.first, facts.active);
        let count = running.roots.balance_count;
        builder.enforce_equal_if(is_next, self.balance_leaf.index, count);
        running.roots.balance_count = builder.add(count, is_next.target);
        let unused = running.lists.unused_balances;
        running.lists.unused_balances = builder.sub(unused, is_next.target);

        let key = balance_key_circuit(builder, self.fields.actor, asset);
        let used = builder._false();
        let old_value = balance_value_circuit(builder, self.fields.balance, facts.first);
        let new_value = balance_value_circuit(builder, after, used);
        running.roots.balances_root = update_if_circuit(
            builder,
            facts.active,
            running.roots.balances_root,
            key,
            old_value,
            new_value,
            &self.balance_leaf,
        );
    }

    /// The step joins the lists of its block. Where a block's messages end, its lists join the list of blocks whose
    /// messages were moved.
    fn extend_lists(&self, builder: &mut Builder, facts: &Facts, running: &mut Running) {
        // Blocks come one at a time.
        let continues = builder.and(facts.active, running.in_block);
        builder.enforce_equal_if(continues, self.fields.actor, running.environment);
        running.environment = builder.select(facts.active, self.fields.actor, running.environment);
        let in_block = builder.or(facts.active, running.in_block);

        let sent = outbox_append_circuit(builder, running.outbox, facts.hash);
        let outbox = builder.select_digest(facts.emit, sent, running.outbox);
        let received = inbox_append_circuit(builder, running.inbox, facts.hash, self.fields.refund);
        let inbox = builder.select_digest(facts.consume, received, running.inbox);

        // Only a block ends.
        let ends = builder.and(facts.ends_block, in_block);
        let element = block_messages_circuit(builder, running.environment, outbox, inbox);
        let applied = append_block_messages_circuit(builder, running.lists.applied, element);
        running.lists.applied = builder.select_digest(ends, applied, running.lists.applied);
        let empty = builder.constant_digest(empty_list());
        running.outbox = builder.select_digest(ends, empty, outbox);
        running.inbox = builder.select_digest(ends, empty, inbox);
        running.in_block = BoolTarget::new_unsafe(builder.sub(in_block.target, ends.target));
        let goes_on = builder.not(ends);
        running.after_emission = builder.and(running.after_emission, goes_on);
    }

    fn set_targets(&self, witness: &mut Witness, step: &Step) -> Result<(), WitnessError> {
        set(witness, &self.fields, &step.fields)?;
        self.path.set_targets(witness, &step.path)?;
        self.balance_leaf.set_targets(witness, &step.balance_leaf)
    }
}

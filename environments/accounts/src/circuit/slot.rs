//! A slot: one action of a transaction, with what comes before the first action and after the last one.
//!
//! ```text
//!            first action                      every action                      last action
//!            key, fee, nonce                   sender and counterpart            claim, count
//! root ────────────────────────> charged ───────────────────────────> worked ─────────────────────> root
//!                                   │ base                    done? else charged │      all done?
//!                                   └────────────────────────────────────────────┴────> else base
//! ```
//!
//! A slot may be idle, but only between two transactions: it acts on a root of its own, and none of its results count.
//! Before the first transaction of a block an idle slot can take in a message: then only the receiver of its transfer
//! is written, to the records as they are.
//!
//! ```text
//! mode             sender                     counterpart                    what counts
//! 1  transaction   on the working records     on the sender's records after  all of it
//! 2  consumption   on a root of its own       on the working records         a credit, if it can be made, and the inbox
//! else             on a root of its own       there too                      nothing
//! ```

use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::{AMOUNT_BITS, MAX_SUMMANDS, enforce_amount},
    constrain::{Constrain, DigestOps},
    integer::{HEIGHT_BITS, enforce_less_or_equal, is_less},
    trees::{ShortKeyTarget, set_circuit},
};
use circuits_tables::ecdsa::append_committed_circuit;
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use super::{
    action::{Kinds, WellFormed, amount_words_circuit},
    balances::{VaultChange, VaultTarget, change_vault_circuit, is_open_circuit},
    crossing::Lists,
    targets::SlotTargets,
    trade::{Trade, all_circuit, trade_circuit},
    witness::Terms,
};
use crate::{
    account::{AccountFields, account_hash_circuit},
    address::{LIMBS, account_key_circuit, pool_key_circuit, receiver_key_circuit},
    pool::{POOL_NUMBER_BITS, PoolFields, pool_hash_circuit, share_asset_circuit},
    state::{BlockContext, Running},
    transaction::{MAX_ACTIONS, NONCE_BITS},
    typed_data::{BlockList, Hashed, SlotFlags, SlotTerms},
};

circuits_core::layout! {
    /// What a failed transaction restores: the commitment to the records of the state, and the outbox.
    pub struct Ledger<T> {
        /// Root of the tree of accounts and pools.
        pub root: Digest<T>,
        /// Leaves of that tree.
        pub count: T,
        /// Pools made so far.
        pub pool_count: T,
        /// The list of messages emitted so far.
        pub outbox: Digest<T>,
    }
}

/// The position of a block between two slots.
#[derive(Clone, Copy)]
struct Cursor {
    /// The running state after the slots before; its records are the working ones.
    running: Running<Target>,
    /// Whether the next slot starts a transaction. If so, the fields below are not read.
    first: BoolTarget,
    /// The records to return to if the transaction fails.
    base: Ledger<Target>,
    /// Whether all its actions so far were done.
    good: BoolTarget,
    /// What the transaction says besides its actions.
    terms: Terms<Target>,
    /// What is hashed of its actions so far.
    hashed: Hashed,
    /// The number of its actions so far.
    done: Target,
}

/// Applies slots in order, from the start of a transaction to the end of one.
pub fn slots_circuit(
    builder: &mut Builder,
    context: &BlockContext<Target>,
    before: &Running<Target>,
    count: usize,
) -> (Running<Target>, Vec<SlotTargets>) {
    let empty = empty_account(builder, context);
    let empty = account_hash_circuit(builder, &empty);
    let (zero, nothing) = (builder.zero(), builder.constant_digest(Digest::ZERO));
    let mut cursor = Cursor {
        running: *before,
        first: builder._true(),
        base: Ledger { root: nothing, count: zero, pool_count: zero, outbox: nothing },
        good: builder._false(),
        terms: Terms { sender: [zero; LIMBS], key: nothing, fee: zero, deadline: zero, actions: zero },
        hashed: Hashed::nothing(builder),
        done: zero,
    };
    let mut slots = vec![];
    for number in 1..=count {
        let slot = SlotTargets::new_virtual(builder, context);
        cursor = slot_circuit(builder, context, empty, &cursor, &slot);
        slots.push(slot);
        // The sum of all fees only grows, so it is an amount throughout if it is one before it can wrap.
        if number % (MAX_SUMMANDS - 1) == 0 || number == count {
            enforce_amount(builder, cursor.running.fees);
        }
    }
    builder.enforce_true(cursor.first);
    (cursor.running, slots)
}

/// The record of an account that does not exist.
fn empty_account(builder: &mut Builder, context: &BlockContext<Target>) -> AccountFields<Target> {
    let zero = builder.zero();
    let mut vault: VaultTarget = [zero; _];
    vault[0] = context.fee_asset;
    AccountFields { key: Digest([zero; 4]), nonce: zero, vault }
}

/// Applies one slot.
fn slot_circuit(
    builder: &mut Builder,
    context: &BlockContext<Target>,
    empty_account: DigestTarget,
    cursor: &Cursor,
    slot: &SlotTargets,
) -> Cursor {
    let first = cursor.first;
    let (zero, one, two) = (builder.zero(), builder.one(), builder.two());
    let [active, takes_in] = [one, two].map(|mode| builder.is_equal(slot.mode, mode));

    // A slot may be idle only between transactions.
    let (idle, within) = (builder.not(active), builder.not(first));
    let gap = builder.and(idle, within);
    builder.enforce_zero(gap.target);
    let root = builder.select_digest(active, cursor.running.root, slot.idle_root);

    // A transaction has 1 to 4 actions, of which this is one.
    let terms = select_terms(builder, first, &slot.terms, &cursor.terms);
    let Terms { sender: address, key, fee, actions, .. } = terms;
    let done = builder.select(first, zero, cursor.done);
    let done = builder.add(done, one);
    let is_at = positions_circuit(builder, first, done);
    let is_one = builder.add_many(is_at.map(|flag| flag.target));
    builder.enforce_equal(is_one, one);
    let last = builder.is_equal(done, actions);
    let ends = builder.and(active, last);
    let starts = builder.and(active, first);

    // The first slot charges the sender. A failed transaction leaves only this.
    let (sender, unspent) = charge_circuit(builder, context, slot, first, &terms);
    let sender_key = account_key_circuit(builder, &address);
    builder.enforce_digest_equal(slot.sender_leaf.key, sender_key);
    let before = account_hash_circuit(builder, &slot.sender.0);
    let charged = account_hash_circuit(builder, &sender);
    builder.enforce_digest_equal(slot.sender_leaf.value, before);

    // What is hashed: the key if the sender has made no transaction yet, the action, and the transaction if it ends here.
    let action = slot.action.well_formed(builder, context.environment, &slot.hashes.amounts);
    let signed = SlotTerms {
        domain: &context.domain,
        key,
        sender: &address,
        is_type: action.is_type,
        action: action.words,
        is_at,
        nonce: builder.add_const(sender.nonce, F::NEG_ONE),
        fee: amount_words_circuit(builder, fee, slot.hashes.fee),
        deadline: terms.deadline,
    };
    let flags = SlotFlags { spends_first: builder.and(starts, unspent), active, ends };
    let list = BlockList { list: cursor.running.hashes, count: cursor.running.blocks };
    let (hashed, list, hash) = slot.hashes.list_circuit(builder, &signed, flags, &cursor.hashed, list);

    // The action, if it can be done: the sender's record, then the counterpart's.
    let Kinds { transfer, bridge, .. } = action.kinds;
    let returns = builder.and(takes_in, slot.message.refund);
    let from = (&address, &sender);
    let effect = effect_circuit(builder, context, slot, &action, from, returns, cursor.running.pool_count);
    let after = account_hash_circuit(builder, &AccountFields { vault: effect.vault, ..sender });
    let after = builder.select_digest(effect.possible, after, charged);
    let leaf = &slot.sender_leaf;
    let [found, charged_root, middle] = leaf.roots_circuit(builder, [leaf.value, charged, after]);
    builder.enforce_digest_equal(found, root);
    let here = Ledger { root: charged_root, ..ledger_of(cursor) };
    let base = select_ledger(builder, first, &here, &cursor.base);

    // Nobody signs for a message that is taken in. The circuit computes that it is a credit that can be made, before
    // all transactions; otherwise it does nothing.
    let none_yet = builder.is_equal(cursor.running.transactions, zero);
    let consumes = all_circuit(builder, &[idle, takes_in, none_yet, transfer, effect.fits]);
    let ground = builder.select_digest(consumes, cursor.running.root, middle);
    let ground = Ground { root: ground, sender: sender_key, record: after };
    let written = counterpart_circuit(builder, empty_account, slot, &action, &effect, &here, &ground);

    // A message is numbered by the nonce and the position of its action.
    let Running { outbox, inbox, .. } = cursor.running;
    let from = (&address, sender.nonce, done);
    let lists =
        slot.message.append_circuit(builder, context, &action, consumes, from, &Lists { outbox, inbox });
    let outbox = builder.select_digest(bridge, lists.outbox, here.outbox);
    let inbox = builder.select_digest(consumes, lists.inbox, inbox);
    let worked = Ledger { outbox, ..written };
    let worked = select_ledger(builder, effect.possible, &worked, &here);
    let so_far = builder.or(cursor.good, first);
    let good = builder.and(so_far, effect.possible);

    // The last slot keeps the work if all was done, and claims the signature.
    let fails = builder.not(good);
    let returns = builder.and(last, fails);
    let kept = select_ledger(builder, returns, &base, &worked);
    let credited = select_ledger(builder, consumes, &written, &ledger_of(cursor));
    let Ledger { root, count, pool_count, outbox } = select_ledger(builder, active, &kept, &credited);
    let claimed = append_committed_circuit(builder, cursor.running.claims, key, &hash);
    let claims = builder.select_digest(ends, claimed, cursor.running.claims);
    let fees = builder.mul_add(starts.target, fee, cursor.running.fees);
    let transactions = builder.add(cursor.running.transactions, ends.target);

    Cursor {
        running: Running {
            root,
            count,
            pool_count,
            fees,
            claims,
            transactions,
            hashes: list.list,
            blocks: list.count,
            outbox,
            inbox,
        },
        first: builder.or(idle, last),
        base,
        good,
        terms,
        hashed,
        done,
    }
}

fn ledger_of(cursor: &Cursor) -> Ledger<Target> {
    let Running { root, count, pool_count, outbox, .. } = cursor.running;
    Ledger { root, count, pool_count, outbox }
}

fn select_ledger(
    builder: &mut Builder,
    condition: BoolTarget,
    a: &Ledger<Target>,
    b: &Ledger<Target>,
) -> Ledger<Target> {
    Ledger {
        root: builder.select_digest(condition, a.root, b.root),
        count: builder.select(condition, a.count, b.count),
        pool_count: builder.select(condition, a.pool_count, b.pool_count),
        outbox: builder.select_digest(condition, a.outbox, b.outbox),
    }
}

/// `if condition { a } else { b }`.
fn select_terms(
    builder: &mut Builder,
    condition: BoolTarget,
    a: &Terms<Target>,
    b: &Terms<Target>,
) -> Terms<Target> {
    Terms {
        sender: std::array::from_fn(|i| builder.select(condition, a.sender[i], b.sender[i])),
        key: builder.select_digest(condition, a.key, b.key),
        fee: builder.select(condition, a.fee, b.fee),
        deadline: builder.select(condition, a.deadline, b.deadline),
        actions: builder.select(condition, a.actions, b.actions),
    }
}

/// Which action of its transaction a slot has, if it is the `done`-th one.
fn positions_circuit(builder: &mut Builder, first: BoolTarget, done: Target) -> [BoolTarget; MAX_ACTIONS] {
    std::array::from_fn(|i| match i {
        0 => first,
        _ => {
            let position = builder.constant_u64(i as u64 + 1);
            builder.is_equal(done, position)
        }
    })
}

/// The sender's record: its first slot charges fee and nonce, and its first transaction fixes its key. Returns whether it had
/// none before.
fn charge_circuit(
    builder: &mut Builder,
    context: &BlockContext<Target>,
    slot: &SlotTargets,
    first: BoolTarget,
    terms: &Terms<Target>,
) -> (AccountFields<Target>, BoolTarget) {
    let Terms { key, fee, deadline, actions, .. } = *terms;
    let mut sender = slot.sender.0;

    // The account has no key yet, or this one.
    let nothing = builder.constant_digest(Digest::ZERO);
    let unspent = builder.digests_equal(sender.key, nothing);
    let known = builder.select_digest(unspent, key, sender.key);
    builder.enforce_digest_equal(known, key);
    sender.key = key;

    // The transaction is still valid. The block's height has its bits by the block kernel.
    builder.enforce_range(deadline, HEIGHT_BITS);
    enforce_less_or_equal(builder, context.height, deadline, HEIGHT_BITS);

    // The nonce does not overflow.
    sender.nonce = builder.add(sender.nonce, first.target);
    builder.enforce_range(sender.nonce, NONCE_BITS);

    // The fee covers each action: what it exceeds their minimum by is an amount. The minimum is below 2^60, so the fee
    // is not below 0; and as the sender's balance covers it, it is an amount too.
    let minimum = builder.mul(actions, context.minimum_fee);
    let excess = builder.sub(fee, minimum);
    enforce_amount(builder, excess);
    let charge = builder.mul(first.target, fee);
    sender.vault[1] = builder.sub(sender.vault[1], charge);
    enforce_amount(builder, sender.vault[1]);
    (sender, unspent)
}

/// The result of an action.
struct Effect {
    /// The sender's vault after.
    vault: VaultTarget,
    /// The receiver's record after.
    receiver: AccountFields<Target>,
    /// The pool's records before and after.
    pool: [PoolFields<Target>; 2],
    /// Whether the receiver takes it, whoever it comes from.
    fits: BoolTarget,
    /// Whether the action can be done.
    possible: BoolTarget,
}

/// The tree to which the counterpart is written.
struct Ground {
    /// Root of the tree.
    root: DigestTarget,
    /// Key of the sender's record there.
    sender: DigestTarget,
    /// Its value.
    record: DigestTarget,
}

/// The result of the action, for a sender with this address and record. `returns` is set if a refund brings it.
///
/// | kind | first: debit | second | third: credit |
/// |---|---|---|---|
/// | transfer, bridge | what is given | | |
/// | swap | what is sold | credit: what is bought | |
/// | add | first asset | debit: second asset | shares |
/// | remove | shares | credit: first asset | second asset |
fn effect_circuit(
    builder: &mut Builder,
    context: &BlockContext<Target>,
    slot: &SlotTargets,
    action: &WellFormed,
    (sender, record): (&[Target; LIMBS], &AccountFields<Target>),
    returns: BoolTarget,
    pool_count: Target,
) -> Effect {
    let WellFormed { fields, kinds, .. } = *action;
    let Kinds { transfer, add, remove, bridge, of_pool, .. } = kinds;
    let absent = slot.set.insert;

    let receiver = slot.receiver.0;
    let (received, fits) = receive_circuit(builder, context, action, &receiver, absent, returns);
    let same: Vec<_> = sender.iter().zip(fields.to).map(|(&a, b)| builder.is_equal(a, b)).collect();
    let oneself = all_circuit(builder, &same);
    let another = builder.not(oneself);
    let welcome = builder.and(another, fits);
    let before =
        PoolFields { asset_a: action.pair[0].target(), asset_b: action.pair[1].target(), ..slot.pool };
    let trade = trade_circuit(builder, action, &before, absent, pool_count);
    let Trade { after, first, second, possible } = trade;
    let counterpart = builder.select(transfer, welcome.target, possible.target);
    let counterpart = builder.or(bridge, BoolTarget::new_unsafe(counterpart));

    // Where nothing moves, amount 0 of the fee asset does.
    let (none, zero, shares) = (context.fee_asset, builder.zero(), fields.amount);
    let share = share_asset_circuit(builder, context.environment, after.number);
    let (debit, credit) = (builder._true(), builder._false());
    let assets = [
        builder.select(remove, share, fields.asset_in),
        {
            let asset = builder.select(remove, fields.asset_in, fields.asset_out);
            builder.select(of_pool, asset, none)
        },
        {
            let asset = builder.select(remove, fields.asset_out, none);
            builder.select(add, share, asset)
        },
    ];
    let amounts = [
        builder.select(add, first, fields.amount),
        {
            let amount = builder.select(add, second, first);
            builder.mul(of_pool.target, amount)
        },
        {
            let amount = builder.select(remove, second, zero);
            builder.select(add, shares, amount)
        },
    ];
    let mut vault = record.vault;
    let mut conditions = vec![counterpart];
    for (position, debits) in [debit, add, credit].into_iter().enumerate() {
        let change = change_vault_circuit(builder, &vault, assets[position], amounts[position], debits);
        vault = change.vault;
        conditions.push(change.possible);
    }
    let possible = all_circuit(builder, &conditions);
    let receiver = AccountFields { vault: received, ..receiver };
    Effect { vault, receiver, pool: [before, after], fits, possible }
}

/// The receiver's vault after a credit, and whether the receiver takes it. A refund is its own; the rest comes from
/// others.
///
/// | | creates an account | opens a slot while |
/// |---|---|---|
/// | transfer, claim | if it is at least the minimum deposit of the fee asset | more than `RESERVED_SLOTS` are empty |
/// | refund | whatever it is | one is empty |
fn receive_circuit(
    builder: &mut Builder,
    context: &BlockContext<Target>,
    action: &WellFormed,
    receiver: &AccountFields<Target>,
    absent: BoolTarget,
    returns: BoolTarget,
) -> (VaultTarget, BoolTarget) {
    let fields = &action.fields;
    let is_fee_asset = builder.is_equal(fields.asset_in, context.fee_asset);
    let too_little = is_less(builder, fields.amount, context.minimum_deposit, AMOUNT_BITS);
    let enough = builder.not(too_little);
    let pays_deposit = builder.and(is_fee_asset, enough);
    let creates = builder.or(pays_deposit, returns);
    let exists = builder.not(absent);
    let has_account = builder.or(exists, creates);

    let credit = builder._false();
    let VaultChange { vault, held, possible } =
        change_vault_circuit(builder, &receiver.vault, fields.asset_in, fields.amount, credit);
    let is_open = is_open_circuit(builder, &receiver.vault);
    let opens = builder.or(is_open, returns);
    let has_slot = builder.or(held, opens);
    (vault, all_circuit(builder, &[has_account, has_slot, possible]))
}

/// Writes the receiver or the pool over the record that was found. A message has neither: the sender's record is
/// written as it is.
fn counterpart_circuit(
    builder: &mut Builder,
    empty_account: DigestTarget,
    slot: &SlotTargets,
    action: &WellFormed,
    effect: &Effect,
    here: &Ledger<Target>,
    ground: &Ground,
) -> Ledger<Target> {
    let Kinds { transfer, bridge, of_pool, .. } = action.kinds;
    let [before, after] = &effect.pool;
    let receiver_key = receiver_key_circuit(builder, &action.receiver);
    let pool_key = pool_key_circuit(builder, action.pair);
    let key = ShortKeyTarget::select(builder, transfer, receiver_key, pool_key);
    let key = key.or_present(builder, bridge, ground.sender, &slot.set);
    let account_after = account_hash_circuit(builder, &effect.receiver);
    let pool_after = pool_hash_circuit(builder, after);
    let value = builder.select_digest(transfer, account_after, pool_after);
    let value = builder.select_digest(bridge, ground.record, value);
    let outcome = set_circuit(builder, ground.root, here.count, key, value, &slot.set);

    // The record before is the one found; what is absent is all 0.
    let zero = builder.zero();
    let account_before = account_hash_circuit(builder, &slot.receiver.0);
    let pool_before = pool_hash_circuit(builder, before);
    let no_pool = PoolFields { number: zero, reserve_a: zero, reserve_b: zero, shares: zero, ..*before };
    let empty_pool = pool_hash_circuit(builder, &no_pool);
    let claimed = builder.select_digest(transfer, account_before, pool_before);
    let claimed = builder.select_digest(bridge, ground.record, claimed);
    let empty = builder.select_digest(transfer, empty_account, empty_pool);
    let found = builder.select_digest(outcome.inserted, empty, outcome.old_value);
    builder.enforce_digest_equal(claimed, found);

    // A new pool takes the next number. A number out of range would name no asset, so no block
    // can hold such a transaction.
    let makes = builder.and(of_pool, outcome.inserted);
    let number = builder.mul(makes.target, here.pool_count);
    builder.enforce_range(number, POOL_NUMBER_BITS);
    let pool_count = builder.add(here.pool_count, makes.target);
    Ledger { root: outcome.root, count: outcome.count, pool_count, outbox: here.outbox }
}

//! The slots of a kernel: each consumes one message, or takes one deposit, or does nothing.

use bridge_core::{
    Consumption, Message,
    message::{
        MessageFields, inbox_append_circuit, message_hash, message_hash_circuit, outbox_append_circuit,
    },
};
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::AMOUNT_BITS,
    constrain::{Constrain, DigestOps},
    layout::{self, Layout},
};
use circuits_tables::keccak::{DIGEST_WORDS, append_message_circuit};
use environments_core::address::Address;
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use crate::{
    bytes32::Bytes32,
    deposit::{DepositFields, amount_words},
    payout::{PayoutFields, PayoutKind, payout_entry_circuit},
    queue::{ENTRY_BYTES, queue_entry_circuit},
    words::{
        AddressPieces, HALF_BITS, WORD_BITS, digest_circuit, element_circuit, is_noncanonical_circuit, pairs,
        shifted_sum,
    },
};

/// Bits of an amount's high word.
const HIGH_AMOUNT_BITS: usize = AMOUNT_BITS - WORD_BITS;

circuits_core::layout! {
    /// What is the same for all slots of a block.
    pub struct Context<T> {
        /// The deployment.
        pub chain_id: T,
        /// The superblock, below 2^32.
        pub number: T,
    }
}

circuits_core::layout! {
    /// What the slots of a block move.
    pub struct Running<T> {
        pub queue_digest: [T; DIGEST_WORDS],
        pub queue_length: T,
        /// The running digest of this block's payouts.
        pub payouts_digest: [T; DIGEST_WORDS],
        /// The index of the next payout.
        pub payouts: T,
        pub outbox: Digest<T>,
        pub inbox: Digest<T>,
        /// Digest of the blocks that Keccak-256 absorbs.
        pub hashed: Digest<T>,
        /// How many blocks these are.
        pub hashed_count: T,
    }
}

circuits_core::layout! {
    /// What a slot consumes.
    pub struct ConsumeFields<T> {
        /// Whether the slot is used: 0 or 1.
        pub used: T,
        /// Whether the message goes home, and not to L1: 0 or 1.
        pub is_refund: T,
        /// The environment at the other end of the message.
        pub elsewhere: T,
        /// Who is at the other end of the message.
        pub counterparty: Digest<T>,
        pub sequence: T,
        pub deadline: T,
        pub data: Digest<T>,
        /// Who is paid on L1.
        pub payee: AddressPieces<T>,
        pub asset_origin: T,
        pub asset_number: T,
        /// The words of the amount.
        pub amount: [T; 2],
        /// The words of the message's hash.
        pub name: [T; DIGEST_WORDS],
    }
}

circuits_core::layout! {
    /// A slot that consumes a message, or does nothing.
    pub struct ConsumeSlot<T> {
        pub fields: ConsumeFields<T>,
        /// The digest of the payouts after it.
        pub payouts_digest: [T; DIGEST_WORDS],
    }
}

circuits_core::layout! {
    /// A slot that takes a deposit, or does nothing.
    pub struct DepositSlot<T> {
        /// Whether it is used: 0 or 1.
        pub used: T,
        pub deposit: DepositFields<T>,
        /// The queue's digest after it.
        pub queue_digest: [T; DIGEST_WORDS],
        /// The digest of the payouts after it, if it bounces.
        pub payouts_digest: [T; DIGEST_WORDS],
    }
}

impl ConsumeFields {
    /// A slot that consumes `message`, for which L1 pays `payee`.
    #[must_use]
    pub fn new(message: &Message, consumption: Consumption, payee: Address) -> Self {
        let (elsewhere, counterparty) = match consumption {
            Consumption::Claim => (message.source, message.sender),
            Consumption::Refund => (message.destination, message.recipient),
        };
        let MessageFields { sequence, deadline, data, .. } = message.fields();
        Self {
            used: F::ONE,
            is_refund: consumption.to_field(),
            elsewhere: elsewhere.to_field(),
            counterparty,
            sequence,
            deadline,
            data,
            payee: AddressPieces::new(payee),
            asset_origin: F::from_canonical_u16(message.asset.origin()),
            asset_number: F::from_canonical_u32(message.asset.local()),
            amount: amount_words(message.amount.get()),
            name: Bytes32::of_digest(message.hash()).fields(),
        }
    }
}

impl ConsumeSlot {
    /// A slot that does nothing. Its message is none that could be consumed, but it has a hash.
    #[must_use]
    pub fn idle(chain_id: u64) -> Self {
        let zeros = vec![F::ZERO; <Self as Layout<F>>::LEN];
        let mut slot = Self::decode(&zeros).expect("as many zeros as elements");
        let message = MessageFields {
            chain_id: F::from_noncanonical_u64(chain_id),
            ..MessageFields::decode(&zeros[..<MessageFields as Layout<F>>::LEN]).expect("as many zeros")
        };
        slot.fields.name = Bytes32::of_digest(message_hash(&message)).fields();
        slot
    }
}

impl DepositSlot {
    /// A slot that does nothing.
    #[must_use]
    pub fn idle() -> Self {
        let zeros = vec![F::ZERO; <Self as Layout<F>>::LEN];
        Self::decode(&zeros).expect("as many zeros as elements")
    }
}

/// Adds an entry to the list of what Keccak-256 hashes, if `condition` holds. Returns the entry's digest.
fn hash_entry(
    builder: &mut Builder,
    running: &mut Running<Target>,
    condition: BoolTarget,
    words: &[Target],
) -> [Target; DIGEST_WORDS] {
    let (list, digest) = append_message_circuit(builder, running.hashed, words, ENTRY_BYTES);
    running.hashed = builder.select_digest(condition, list, running.hashed);
    running.hashed_count = builder.add(running.hashed_count, condition.target);
    digest
}

/// `if condition { a } else { b }`.
fn select_words(
    builder: &mut Builder,
    condition: BoolTarget,
    a: [Target; DIGEST_WORDS],
    b: [Target; DIGEST_WORDS],
) -> [Target; DIGEST_WORDS] {
    std::array::from_fn(|i| builder.select(condition, a[i], b[i]))
}

/// Adds a payout, if the slot makes one. Returns the digest of the payouts after it.
fn pay_circuit(
    builder: &mut Builder,
    running: &mut Running<Target>,
    pays: BoolTarget,
    payout: &PayoutFields<Target>,
) -> [Target; DIGEST_WORDS] {
    let words = payout_entry_circuit(builder, running.payouts_digest, payout);
    let digest = hash_entry(builder, running, pays, &words);
    running.payouts_digest = select_words(builder, pays, digest, running.payouts_digest);
    running.payouts = builder.add(running.payouts, pays.target);
    digest
}

/// In-circuit twin of what [`Body::outcome`](crate::Body::outcome) does for one message: it is consumed and paid.
///
/// | | source | destination | sender | recipient |
/// |---|---|---|---|---|
/// | claim | elsewhere | 0 | counterparty | payee |
/// | refund | 0 | elsewhere | payee | counterparty |
///
/// So no message is claimed that is not to L1, none is taken back that is not from L1, and nobody is paid who is not named by an
/// address: there is no witness for it.
pub fn consume_circuit(
    builder: &mut Builder,
    context: &Context<Target>,
    running: &mut Running<Target>,
) -> ConsumeSlot<Target> {
    let fields: ConsumeFields<Target> = layout::new_virtual(builder);
    let used = BoolTarget::new_unsafe(fields.used);
    let is_refund = BoolTarget::new_unsafe(fields.is_refund);
    builder.enforce_bool(used);
    builder.enforce_bool(is_refund);

    // What shares a word, or an element with another word, is in its range. Words are, because they are hashed.
    fields.payee.enforce_ranges(builder);
    builder.enforce_range(fields.asset_origin, HALF_BITS);
    builder.enforce_range(fields.amount[0], HIGH_AMOUNT_BITS);

    // The message is in the inbox.
    let message = message_circuit(builder, context, &fields, is_refund);
    let hash = message_hash_circuit(builder, &message);
    let inbox = inbox_append_circuit(builder, running.inbox, hash, is_refund.target);
    running.inbox = builder.select_digest(used, inbox, running.inbox);

    // The payout's name is the hash, in its only encoding.
    let name = digest_circuit(builder, fields.name);
    builder.enforce_digest_equal(name, hash);
    for words in pairs(fields.name) {
        let noncanonical = is_noncanonical_circuit(builder, words);
        builder.enforce_zero(noncanonical);
    }

    let payout = PayoutFields {
        index: running.payouts,
        recipient: fields.payee,
        // 0 for a claim and 1 for a refund, as in the inbox.
        kind: is_refund.target,
        asset_origin: fields.asset_origin,
        asset_number: fields.asset_number,
        amount: fields.amount,
        name: fields.name,
    };
    let payouts_digest = pay_circuit(builder, running, used, &payout);
    ConsumeSlot { fields, payouts_digest }
}

/// The message that a slot consumes.
fn message_circuit(
    builder: &mut Builder,
    context: &Context<Target>,
    fields: &ConsumeFields<Target>,
    is_refund: BoolTarget,
) -> MessageFields<Target> {
    let l1 = builder.zero();
    let payee: DigestTarget = fields.payee.digest(builder);
    MessageFields {
        chain_id: context.chain_id,
        source: builder.select(is_refund, l1, fields.elsewhere),
        destination: builder.select(is_refund, fields.elsewhere, l1),
        sequence: fields.sequence,
        sender: builder.select_digest(is_refund, payee, fields.counterparty),
        recipient: builder.select_digest(is_refund, fields.counterparty, payee),
        asset: shifted_sum(builder, fields.asset_origin, fields.asset_number, WORD_BITS),
        amount: element_circuit(builder, fields.amount),
        deadline: fields.deadline,
        data: fields.data,
    }
}

/// In-circuit twin of what [`Body::outcome`](crate::Body::outcome) does for one deposit: it is taken from the queue, and
/// becomes a message or bounces, whichever its [verdict](crate::Deposit::verdict) says.
pub fn deposit_circuit(
    builder: &mut Builder,
    context: &Context<Target>,
    running: &mut Running<Target>,
) -> DepositSlot<Target> {
    let used = builder.new_bool();
    let deposit: DepositFields<Target> = layout::new_virtual(builder);
    deposit.enforce_ranges(builder);

    // It is the next one in the queue.
    let words = queue_entry_circuit(builder, running.queue_digest, &deposit);
    let queue_digest = hash_entry(builder, running, used, &words);
    let index = running.queue_length;
    running.queue_digest = select_words(builder, used, queue_digest, running.queue_digest);
    running.queue_length = builder.add(index, used.target);

    // A good one becomes a message, numbered by its index in the queue.
    let good = deposit.verdict_circuit(builder, context.number);
    let message = deposit.message_circuit(builder, context.chain_id, index, context.number);
    let hash = message_hash_circuit(builder, &message);
    let outbox = outbox_append_circuit(builder, running.outbox, hash);
    let emits = builder.and(used, good);
    running.outbox = builder.select_digest(emits, outbox, running.outbox);

    // A broken one is paid back, and named by its place in the queue.
    let broken = builder.not(good);
    let bounces = builder.and(used, broken);
    let payout = PayoutFields {
        index: running.payouts,
        recipient: deposit.depositor,
        kind: builder.constant_u64(PayoutKind::Bounce as u64),
        asset_origin: deposit.asset_origin,
        asset_number: deposit.asset_number,
        amount: deposit.amount,
        name: queue_digest,
    };
    let payouts_digest = pay_circuit(builder, running, bounces, &payout);
    DepositSlot { used: used.target, deposit, queue_digest, payouts_digest }
}

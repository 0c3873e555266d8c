//! A message: an asset on its way from one environment to another.

use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::Amount,
    hash::{Domain, chain, chain_circuit, hash, hash_circuit},
    layout::Layout,
};
use circuits_protocol::{registry::EnvironmentId, statement::MESSAGE_LIST};
use plonky2::{
    field::types::{Field, Field64},
    iop::target::Target,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{asset::AssetId, balance::BalanceKey};

/// Domain of message hashes.
const MESSAGE: Domain = Domain::new("message");
/// Domain of what an inbox lists: a message and what becomes of it.
const CONSUMED: Domain = Domain::new("consume");
/// Domain of the leaf of a consumed message.
const TOMBSTONE: Domain = Domain::new("tombst");

/// Depth of the tree of messages: one leaf for every message ever emitted.
pub const MESSAGES_DEPTH: usize = 32;

/// The fewest superblocks between a message's emission and its deadline: time to claim it.
pub const MIN_LIFETIME: u32 = 64;
/// The most superblocks between a message's emission and its deadline: a refund is never too far off.
pub const MAX_LIFETIME: u32 = 1 << 20;

/// Bits of a message's number: the sender's nonce, and which message of its transaction.
pub const SEQUENCE_BITS: usize = 34;

/// How many superblocks before a deadline producers stop claiming, and stop sending what would expire so soon: a block
/// that comes late would be refused as a whole.
pub const TIMING_MARGIN: u32 = 16;

/// An asset on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    #[serde(deserialize_with = "canonical")]
    pub chain_id: u64,
    /// The environment that emits it; 0 is L1.
    pub source: EnvironmentId,
    /// The environment that may claim it.
    pub destination: EnvironmentId,
    /// Number among the messages of its sender, below `2^34`; no two of them share one.
    #[serde(deserialize_with = "canonical")]
    pub sequence: u64,
    /// The sender, in the source's terms.
    pub sender: Digest,
    /// The recipient, in the destination's terms.
    pub recipient: Digest,
    pub asset: AssetId,
    /// Not zero.
    pub amount: Amount,
    /// The last superblock in which the destination may claim it.
    pub deadline: u32,
    /// Digest of what the sender tells the recipient.
    pub data: Digest,
}

/// Reads an integer below the field's order. Two integers that are the same field element would be two texts of one
/// message.
fn canonical<'de, De: Deserializer<'de>>(deserializer: De) -> Result<u64, De::Error> {
    let value = u64::deserialize(deserializer)?;
    if value < F::ORDER {
        Ok(value)
    } else {
        Err(De::Error::custom(format!("{value} is not below the field order {}", F::ORDER)))
    }
}

circuits_core::layout! {
    /// A message in field elements: what its hash covers.
    pub struct MessageFields<T> {
        pub chain_id: T,
        pub source: T,
        /// The environment that may claim it.
        pub destination: T,
        /// Number among the messages of its sender.
        pub sequence: T,
        pub sender: Digest<T>,
        pub recipient: Digest<T>,
        /// What is sent: an asset's name, packed.
        pub asset: T,
        pub amount: T,
        /// The last superblock in which the destination may claim it.
        pub deadline: T,
        /// Digest of what the sender tells the recipient.
        pub data: Digest<T>,
    }
}

impl Message {
    /// The fields that the hash covers.
    #[must_use]
    pub fn fields(&self) -> MessageFields {
        MessageFields {
            chain_id: F::from_noncanonical_u64(self.chain_id),
            source: self.source.to_field(),
            destination: self.destination.to_field(),
            sequence: F::from_noncanonical_u64(self.sequence),
            sender: self.sender,
            recipient: self.recipient,
            asset: self.asset.to_field(),
            amount: self.amount.to_field(),
            deadline: F::from_canonical_u32(self.deadline),
            data: self.data,
        }
    }

    /// The balance that changes when `environment` emits or consumes the message.
    #[must_use]
    pub fn balance_key(&self, environment: EnvironmentId) -> BalanceKey {
        BalanceKey { environment, asset: self.asset }
    }

    /// The receiver of the asset, in the terms of the environment that consumes the message.
    #[must_use]
    pub fn beneficiary(&self, consumption: Consumption) -> Digest {
        match consumption {
            Consumption::Claim => self.recipient,
            Consumption::Refund => self.sender,
        }
    }

    /// The message's name everywhere: in outboxes, in inboxes, and as a leaf of the message tree.
    #[must_use]
    pub fn hash(&self) -> Digest {
        message_hash(&self.fields())
    }
}

/// `H(MESSAGE, all fields)`.
#[must_use]
pub fn message_hash(fields: &MessageFields) -> Digest {
    hash(MESSAGE, &fields.encode())
}

/// In-circuit twin of [`message_hash`]. Three rows.
pub fn message_hash_circuit(builder: &mut Builder, fields: &MessageFields<Target>) -> DigestTarget {
    hash_circuit(builder, MESSAGE, &fields.encode())
}

/// What becomes of a message that is consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consumption {
    /// The destination takes the asset, up to the deadline.
    Claim,
    /// The source takes it back, after the deadline.
    Refund,
}

impl Consumption {
    /// 0 for a claim, 1 for a refund.
    #[must_use]
    pub fn to_field(self) -> F {
        F::from_bool(self == Self::Refund)
    }
}

/// The digest of an outbox after one more message.
#[must_use]
pub fn outbox_append(outbox: Digest, message: Digest) -> Digest {
    chain(MESSAGE_LIST, outbox, message)
}

/// In-circuit twin of [`outbox_append`].
pub fn outbox_append_circuit(
    builder: &mut Builder,
    outbox: DigestTarget,
    message: DigestTarget,
) -> DigestTarget {
    chain_circuit(builder, MESSAGE_LIST, outbox, message)
}

/// The digest of an inbox after one more message was consumed.
#[must_use]
pub fn inbox_append(inbox: Digest, message: Digest, consumption: Consumption) -> Digest {
    chain(MESSAGE_LIST, inbox, consumed(message, consumption.to_field()))
}

/// In-circuit twin of [`inbox_append`]; `is_refund` is 0 or 1.
pub fn inbox_append_circuit(
    builder: &mut Builder,
    inbox: DigestTarget,
    message: DigestTarget,
    is_refund: Target,
) -> DigestTarget {
    let item = consumed_circuit(builder, message, is_refund);
    chain_circuit(builder, MESSAGE_LIST, inbox, item)
}

/// The digest of an outbox that was `outbox`, after all of `messages`.
#[must_use]
pub fn outbox_digest<'m>(outbox: Digest, messages: impl IntoIterator<Item = &'m Message>) -> Digest {
    messages.into_iter().fold(outbox, |list, message| outbox_append(list, message.hash()))
}

/// The digest of an inbox that was `inbox`, after all of `messages` were consumed.
#[must_use]
pub fn inbox_digest<'m>(
    inbox: Digest,
    messages: impl IntoIterator<Item = &'m (Message, Consumption)>,
) -> Digest {
    messages
        .into_iter()
        .fold(inbox, |list, (message, consumption)| inbox_append(list, message.hash(), *consumption))
}

/// The leaf that a consumed message leaves behind: not empty, and no message's hash.
#[must_use]
pub fn tombstone() -> Digest {
    hash(TOMBSTONE, &[])
}

/// `H(CONSUMED, message, claim or refund)`: the item of an inbox.
#[must_use]
pub(crate) fn consumed(message: Digest, is_refund: F) -> Digest {
    hash(CONSUMED, &[message.0.as_slice(), &[is_refund]].concat())
}

/// In-circuit twin of [`consumed`].
pub(crate) fn consumed_circuit(
    builder: &mut Builder,
    message: DigestTarget,
    is_refund: Target,
) -> DigestTarget {
    hash_circuit(builder, CONSUMED, &[message.0.as_slice(), &[is_refund]].concat())
}

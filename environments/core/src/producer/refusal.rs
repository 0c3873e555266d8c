//! Why a producer refuses a request, a message or a transaction.

use std::error::Error;

use bridge_core::BridgeError;
use circuits_core::{Digest, stored::ReadFailure};
use thiserror::Error;

use crate::{
    environment::ProveError,
    listing::OtherListing,
    pool::{MAX_EARLY_BLOCKS, PoolError, TransactionId},
};

/// Why a producer refused a request.
#[derive(Debug, Error)]
pub enum ProducerError {
    /// The pool refuses a transaction or a message.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A block that is not confirmed yet takes the message in.
    #[error("block {height} takes the message in already")]
    MessageTaken {
        /// The height.
        height: u32,
    },
    /// The environment refuses a transaction whatever its state is.
    #[error(transparent)]
    Invalid(Box<dyn Error + Send + Sync>),
    /// The environment cannot make a block on the last state.
    #[error("no block can be made at height {height}")]
    Propose {
        /// The height.
        height: u32,
        /// The environment's reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The environment made a block that does not follow from the last state: a bug in the adapter.
    #[error("the block proposed at height {height} does not follow from the chain: its {field} is wrong")]
    Inconsistent {
        /// The height.
        height: u32,
        /// The field of its statement, or another part.
        field: &'static str,
    },
    /// The environment made a block whose body is not the one that it states: a bug in the adapter.
    #[error(
        "the block proposed at height {height} states the body {stated}, and its body has the digest {found}"
    )]
    OtherBody {
        /// The height.
        height: u32,
        /// The digest in the block's statement.
        stated: Digest,
        /// The digest that the environment computes from the body.
        found: Digest,
    },
    /// The environment made a block whose body it cannot read: a bug in the adapter.
    #[error("the body of the block proposed at height {height} is malformed")]
    MalformedBody {
        /// The height.
        height: u32,
        /// The environment's reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The environment made a block with other messages than it names for its transactions: a bug in the adapter.
    #[error("the block proposed at height {height} does not carry the messages of its transactions: {other}")]
    Messages {
        /// The height.
        height: u32,
        /// The first message that differs.
        other: OtherListing,
    },
    /// A part of the state that somebody needed cannot be read.
    #[error("a part of the state cannot be read")]
    Read(#[from] ReadFailure),
    /// No proposed block has this height.
    #[error("no proposed block has height {height}; the chain has those above {base}, up to {head}")]
    NoSuchBlock {
        /// The height asked for.
        height: u32,
        /// Height of the last confirmed block.
        base: u32,
        /// Height of the last proposed block.
        head: u32,
    },
    /// The block was not proved.
    #[error("block {height} was not proved")]
    Prove {
        /// The height.
        height: u32,
        /// Why.
        source: ProveError,
    },
}

/// Why a transaction is not in a block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection<Err: Error> {
    /// The environment refuses it.
    #[error(transparent)]
    Environment(Err),
    /// One of its messages is too early or too late for the next superblocks.
    #[error(transparent)]
    Timing(BridgeError),
    /// It came too early, and what it needs did not come in time.
    #[error("what it needs did not come within {MAX_EARLY_BLOCKS} blocks")]
    Expired(#[source] Err),
    /// The same, for a reason that was found before the producer was restored from a database.
    #[error("what it needs did not come within {MAX_EARLY_BLOCKS} blocks")]
    ExpiredSince(#[source] NotedReason),
    /// Another one has its sender and its nonce and pays more, or takes in the same message.
    #[error("transaction {by} takes its place")]
    Replaced {
        /// The other one.
        by: TransactionId,
    },
    /// The pool was full, and another one was to come before it.
    #[error("the pool was full, and transaction {by} takes its place")]
    Evicted {
        /// The other one.
        by: TransactionId,
    },
    /// It is valid, and no block was made that had room for it.
    #[error("no block had room for it")]
    NoRoom,
}

/// An environment's reason as text, which is all that a database has of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NotedReason(pub String);

/// Why a transaction comes too early.
#[derive(Debug)]
pub(crate) enum EarlyReason<Err> {
    Found(Err),
    Noted(NotedReason),
}

impl<Err: Error> EarlyReason<Err> {
    /// The rejection of a transaction that came too early for too long.
    pub(crate) fn expired(self) -> Rejection<Err> {
        match self {
            Self::Found(reason) => Rejection::Expired(reason),
            Self::Noted(reason) => Rejection::ExpiredSince(reason),
        }
    }
}

/// A transaction that was refused.
#[derive(Debug)]
pub struct Rejected<Err: Error> {
    /// Its name.
    pub id: TransactionId,
    /// Why.
    pub reason: Rejection<Err>,
}

/// Why a message cannot be taken in.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// The state model has no messages.
    #[error("the {kind} environment takes no messages")]
    Unsupported {
        /// The state model.
        kind: &'static str,
    },
    /// The environment refuses it.
    #[error("the message is refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// The pool refuses it.
    #[error(transparent)]
    Producer(#[from] ProducerError),
}

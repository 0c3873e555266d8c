//! What the job asks of L1: the part of a node that it needs. [`Rpc`](crate::rpc::Rpc) asks a node,
//! [`Embedded`](crate::embedded::Embedded) is one.

use alloy_primitives::{Address, B256, Bytes, U256};
use thiserror::Error;

use crate::reason::Revert;

/// A block's header, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub number: u64,
    pub hash: B256,
    /// In seconds of the Unix epoch.
    pub timestamp: u64,
    /// In wei per gas.
    pub base_fee: u128,
}

/// Which block is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The head of the chain.
    Latest,
    /// The last block that the node holds final.
    Finalized,
    /// The block with this number.
    Number(u64),
}

/// A call, with which nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub from: Address,
    /// The contract; `None` creates one.
    pub to: Option<Address>,
    /// In wei.
    pub value: U256,
    pub input: Bytes,
}

/// What became of a transaction that is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub transaction: B256,
    pub block_number: u64,
    pub block_hash: B256,
    /// Whether it did what it was sent for; if not, it cost its gas and did nothing.
    pub succeeded: bool,
    pub gas_used: u64,
    /// The contract that it created.
    pub created: Option<Address>,
}

/// An event of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub block_number: u64,
    pub transaction: B256,
    pub topics: Vec<B256>,
    pub data: Bytes,
}

/// Whether an event's topics begin with those that are asked for.
pub(crate) fn begins_with(topics: &[B256], asked: &[Option<B256>]) -> bool {
    asked.len() <= topics.len()
        && asked.iter().zip(topics).all(|(asked, topic)| asked.is_none_or(|one| one == *topic))
}

/// Why L1 does not answer. No variant has the node's address, which may hold the key of an account there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum L1Error {
    /// Nothing came back, or nothing that a node says.
    #[error("L1's node gives no answer to {method}: {reason}")]
    Unreachable { method: &'static str, reason: String },
    /// The node refuses the request.
    #[error("L1's node refuses {method} with code {code}: {message}")]
    Refused { method: &'static str, code: i64, message: String },
    /// A contract reverts.
    #[error("the contract reverts: {0}")]
    Reverted(Revert),
    /// The node's answer is not what the method returns.
    #[error("L1's node answers {method} with {found}, not with {expected}")]
    Malformed { method: &'static str, expected: &'static str, found: String },
    /// The node's answer is too long to be read.
    #[error("L1's node answers {method} with more than {limit} bytes")]
    Oversized { method: &'static str, limit: usize },
    /// Somebody answers for the node who does not prove to be it.
    #[error("the certificate of L1's node is not trusted: {reason}")]
    Untrusted { reason: &'static str },
    /// A search of events would not end.
    #[error(
        "L1's events in blocks {first} to {last} take {what}, which is too much: search from a later block on (--from-block)"
    )]
    Search { first: u64, last: u64, what: String },
    /// The caller asked to stop.
    #[error("stopped before L1's node was asked")]
    Stopped,
    /// The signed transaction is not one that this L1 takes.
    #[error("L1 takes no such transaction: {reason}")]
    Transaction { reason: String },
}

impl L1Error {
    /// Whether the same question may have an answer later: nothing of it is the contract's word.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Malformed { .. }
            | Self::Oversized { .. } => true,
            Self::Reverted(_)
            | Self::Untrusted { .. }
            | Self::Search { .. }
            | Self::Stopped
            | Self::Transaction { .. } => false,
        }
    }
}

/// A node of L1. No answer is trusted more than the contract's state, which the same node tells.
pub trait L1 {
    /// The network's id, which signatures name.
    ///
    /// # Errors
    /// [`L1Error`]
    fn chain_id(&self) -> Result<u64, L1Error>;

    /// A block's header; `None` if there is no such block.
    ///
    /// # Errors
    /// [`L1Error`]
    fn block(&self, at: At) -> Result<Option<Block>, L1Error>;

    /// The root of the beacon block that has block `number`; `None` on a network without a beacon chain.
    ///
    /// # Errors
    /// [`L1Error`]
    fn beacon_block(&self, number: u64) -> Result<Option<B256>, L1Error> {
        let _ = number;
        Ok(None)
    }

    /// What the next block takes for the gas of blobs, in wei per gas; `None` if the network has no blobs.
    ///
    /// # Errors
    /// [`L1Error`]
    fn blob_base_fee(&self) -> Result<Option<u128>, L1Error> {
        Ok(None)
    }

    /// How many transactions of the account are in blocks, and how many with those that wait.
    ///
    /// # Errors
    /// [`L1Error`]
    fn nonces(&self, account: Address) -> Result<Nonces, L1Error>;

    /// The account's wei.
    ///
    /// # Errors
    /// [`L1Error`]
    fn balance(&self, account: Address) -> Result<U256, L1Error>;

    /// What became of a transaction; `None` if it is in no block.
    ///
    /// # Errors
    /// [`L1Error`]
    fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, L1Error>;

    /// The contract's events of a transaction, in order; `None` if it is in no block.
    ///
    /// # Errors
    /// [`L1Error`]
    fn events_of(&self, contract: Address, transaction: B256) -> Result<Option<Vec<Event>>, L1Error>;

    /// Hands over a signed transaction in its EIP-2718 encoding.
    ///
    /// # Errors
    /// [`L1Error`]. The transaction may be under way all the same.
    fn send(&self, transaction: &[u8]) -> Result<(), L1Error>;

    /// What the call returns.
    ///
    /// # Errors
    /// [`L1Error`], [`L1Error::Reverted`] with the contract's reason.
    fn call(&self, call: &Call, at: At) -> Result<Bytes, L1Error>;

    /// The gas that the call takes at the head of the chain.
    ///
    /// # Errors
    /// [`L1Error`], [`L1Error::Reverted`] with the contract's reason.
    fn estimate_gas(&self, call: &Call) -> Result<u64, L1Error>;

    /// The contract's events that begin with these topics in the blocks `first..=last`, in order. `None` stands for every topic.
    ///
    /// # Errors
    /// [`L1Error`]
    fn events(
        &self,
        contract: Address,
        topics: &[Option<B256>],
        first: u64,
        last: u64,
    ) -> Result<Vec<Event>, L1Error>;
}

/// How many transactions an account has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonces {
    /// Those in blocks: the nonce of the next one.
    pub latest: u64,
    /// With those that wait without a gap.
    pub pending: u64,
}

//! Published block data: the messages taken in, then the transactions and the keys that signed them, without
//! the signatures, which are proved.

use bridge_core::{Consumption, MAX_BLOCK_STEPS, Message};
use circuits_tables::ecdsa::PublicKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{block::MAX_TRANSACTIONS, transaction::Transaction};

/// Bytes of the largest body.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// A block as it is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The messages that were taken in, in order.
    pub consumed: Vec<(Message, Consumption)>,
    /// The transactions after them, in order.
    pub transactions: Vec<BodyTransaction>,
}

/// A transaction as it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyTransaction {
    /// What was signed.
    pub transaction: Transaction,
    /// By whom.
    pub key: PublicKey,
}

/// Why bytes are not a body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Too long.
    #[error("a body has at most {MAX_BODY_BYTES} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Not a list of messages and a list of transactions.
    #[error("the body is not a list of messages and a list of transactions")]
    Malformed(#[source] postcard::Error),
    /// Another encoding than the canonical one.
    #[error("the body is not in the canonical encoding")]
    NotCanonical,
    /// No block has this many transactions.
    #[error("a body has at most {MAX_TRANSACTIONS} transactions, found {found}")]
    Count {
        /// Transactions found.
        found: usize,
    },
    /// No block takes this many messages in.
    #[error("a body takes at most {MAX_BLOCK_STEPS} messages in, found {found}")]
    Messages {
        /// Messages found.
        found: usize,
    },
}

/// The canonical encoding of a body.
///
/// # Errors
/// [`BodyError::Malformed`]: never, as every body can be written.
pub fn encode_body(body: &Body) -> Result<Vec<u8>, BodyError> {
    postcard::to_stdvec(body).map_err(BodyError::Malformed)
}

/// Reads the canonical encoding of a body.
///
/// # Errors
/// One variant of [`BodyError`] per rule.
pub fn decode_body(bytes: &[u8]) -> Result<Body, BodyError> {
    let found = bytes.len();
    if found > MAX_BODY_BYTES {
        return Err(BodyError::TooLarge { found });
    }
    let body: Body = postcard::from_bytes(bytes).map_err(BodyError::Malformed)?;
    if body.transactions.len() > MAX_TRANSACTIONS {
        return Err(BodyError::Count { found: body.transactions.len() });
    }
    if body.consumed.len() > MAX_BLOCK_STEPS {
        return Err(BodyError::Messages { found: body.consumed.len() });
    }
    if encode_body(&body)? == bytes { Ok(body) } else { Err(BodyError::NotCanonical) }
}

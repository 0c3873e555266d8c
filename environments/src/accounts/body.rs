//! Published block data: the transactions and the keys that signed them, without the signatures, which are proved.

use circuits::ecdsa::PublicKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::accounts::{block::MAX_TRANSACTIONS, transaction::Transaction};

/// Bytes of the largest body.
pub const MAX_BODY_BYTES: usize = 1 << 20;

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
    /// Not a list of transactions.
    #[error("the body is not a list of transactions")]
    Malformed(#[source] postcard::Error),
    /// A list of transactions in another encoding than the canonical one.
    #[error("the body is not in the canonical encoding")]
    NotCanonical,
    /// No block has this many transactions.
    #[error("a body has at most {MAX_TRANSACTIONS} transactions, found {found}")]
    Count {
        /// Transactions found.
        found: usize,
    },
}

/// The canonical encoding of a body.
///
/// # Errors
/// [`BodyError::Malformed`]: never, as every transaction can be written.
pub fn encode_body(transactions: &[BodyTransaction]) -> Result<Vec<u8>, BodyError> {
    postcard::to_stdvec(transactions).map_err(BodyError::Malformed)
}

/// Reads the canonical encoding of a body.
///
/// # Errors
/// One variant of [`BodyError`] per rule.
pub fn decode_body(bytes: &[u8]) -> Result<Vec<BodyTransaction>, BodyError> {
    let found = bytes.len();
    if found > MAX_BODY_BYTES {
        return Err(BodyError::TooLarge { found });
    }
    let transactions: Vec<BodyTransaction> = postcard::from_bytes(bytes).map_err(BodyError::Malformed)?;
    if transactions.len() > MAX_TRANSACTIONS {
        return Err(BodyError::Count { found: transactions.len() });
    }
    if encode_body(&transactions)? == bytes { Ok(transactions) } else { Err(BodyError::NotCanonical) }
}

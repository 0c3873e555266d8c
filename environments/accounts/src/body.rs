//! Published block data: the messages taken in, then the transactions and the keys that signed them, without
//! the signatures, which are proved.

use bridge_core::{BlockMessages, Consumption, MAX_BLOCK_STEPS, Message};
use circuits_core::{
    Builder, Digest, DigestTarget,
    hash::{Domain, hash, hash_circuit},
};
use circuits_tables::ecdsa::{PublicKey, append, empty_claims};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    address::Address,
    block::{MAX_TRANSACTIONS, UNSIGNED_SLOTS},
    key::address_of,
    transaction::{Malformed, Transaction},
    typed_data::{SigningDomain, claim},
};

/// Domain of bodies.
pub const BODY: Domain = Domain::new("a-body");
/// Bytes of the largest body.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// A block as it is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The messages that were taken in, in order.
    pub arrivals: Vec<(Message, Consumption)>,
    /// The transactions after them, in order.
    pub transactions: Vec<BodyTransaction>,
}

/// A transaction as it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyTransaction {
    /// What was signed.
    pub transaction: Transaction,
    /// The key that signed it.
    pub key: PublicKey,
}

/// Why bytes are not a body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body is too long.
    #[error("a body has at most {MAX_BODY_BYTES} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// The bytes are not a list of messages and a list of transactions.
    #[error("the body is not a list of messages and a list of transactions")]
    Malformed(#[source] postcard::Error),
    /// The encoding is not the canonical one.
    #[error("the body is not in the canonical encoding")]
    NotCanonical,
    /// A transaction's sender is not who holds the key, which is all that the statement binds.
    #[error("transaction {index} of the body is of {sender}, but its key has the address {found}")]
    Sender {
        /// Its position.
        index: usize,
        /// The sender.
        sender: Address,
        /// The key's address.
        found: Address,
    },
    /// A recipient on L1 is no address, so that it is hashed as another one.
    #[error("transaction {index} of the body")]
    Recipient {
        /// Its position.
        index: usize,
        /// The recipient.
        source: Malformed,
    },
    /// No block has this many transactions.
    #[error("a body has at most {MAX_TRANSACTIONS} transactions, found {found}")]
    Count {
        /// Transactions found.
        found: usize,
    },
    /// No block takes this many messages in; one without transactions takes fewer.
    #[error("a body of {transactions} transactions takes in at most {limit} messages, found {found}")]
    Messages {
        /// Its transactions.
        transactions: usize,
        /// The most messages.
        limit: usize,
        /// Messages found.
        found: usize,
    },
}

impl Body {
    /// The canonical encoding.
    ///
    /// # Errors
    /// [`BodyError::Malformed`]: never, because every body can be written.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        postcard::to_stdvec(self).map_err(BodyError::Malformed)
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// One variant of [`BodyError`] per rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let found = bytes.len();
        if found > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge { found });
        }
        let body: Self = postcard::from_bytes(bytes).map_err(BodyError::Malformed)?;
        if body.transactions.len() > MAX_TRANSACTIONS {
            return Err(BodyError::Count { found: body.transactions.len() });
        }
        let (transactions, found) = (body.transactions.len(), body.arrivals.len());
        let limit = if transactions == 0 { UNSIGNED_SLOTS } else { MAX_BLOCK_STEPS };
        if found > limit {
            return Err(BodyError::Messages { transactions, limit, found });
        }
        for (index, BodyTransaction { transaction, key }) in body.transactions.iter().enumerate() {
            transaction.check_recipients().map_err(|source| BodyError::Recipient { index, source })?;
            let (sender, found) = (transaction.sender, address_of(key));
            if sender != found {
                return Err(BodyError::Sender { index, sender, found });
            }
        }
        if body.encode()? == bytes { Ok(body) } else { Err(BodyError::NotCanonical) }
    }

    /// The digest in the block statement, for a block of the environment with this domain.
    #[must_use]
    pub fn digest(self, domain: &SigningDomain) -> Digest {
        let claims = self.transactions.iter().fold(empty_claims(), |list, published| {
            append(list, &claim(domain, &published.transaction, &published.key))
        });
        let messages = BlockMessages { inbox: self.arrivals, ..BlockMessages::none(domain.environment) };
        body_digest(claims, messages.inbox_digest())
    }
}

/// The digest in the block statement. The list of claims binds every transaction and its key, which is its sender's, and the inbox
/// every message that was taken in before them, both in order.
#[must_use]
pub fn body_digest(claims: Digest, inbox: Digest) -> Digest {
    hash(BODY, &[claims.0, inbox.0].concat())
}

/// In-circuit twin of [`body_digest`].
pub fn body_digest_circuit(builder: &mut Builder, claims: DigestTarget, inbox: DigestTarget) -> DigestTarget {
    hash_circuit(builder, BODY, &[claims.0, inbox.0].concat())
}

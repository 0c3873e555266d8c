//! Proven transactions: what a client sends to a producer, without its secrets.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bridge_core::Message;
use circuits_core::{
    Digest, F, Proof,
    layout::{Layout, LayoutError},
    proof::{self, ProofError},
};
use circuits_files::file::{self, FileKind, FormatError};
use circuits_keys::CircuitCache;
use plonky2::field::types::Field;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

use super::{
    circuit::transaction_shape, kernel::TransactionKernel, proof::TransactionProof,
    statement::TransactionStatement,
};
use crate::account::Account;

/// Bytes of the largest bundle.
pub const MAX_BUNDLE_BYTES: u64 = 1 << 19;

/// Why bytes are not a proven transaction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransactionBundleError {
    /// The bytes are not a file of the right kind and size, in its only encoding.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The proof is malformed or invalid.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The public inputs are not a transaction's.
    #[error(transparent)]
    Statement(#[from] LayoutError),
    /// The message is not the one whose hash is stated.
    #[error("the proof states message {expected}, but the bundle carries {found}")]
    OtherMessage {
        /// What the proof states; zero for none.
        expected: Digest,
        /// The hash of what the bundle carries; zero for none.
        found: Digest,
    },
    /// The network account is not the one whose hash is stated.
    #[error("the proof states that it leaves the network account {expected}, but the bundle carries {found}")]
    OtherAccount {
        /// The hash that the proof states; zero if the account is no network account.
        expected: Digest,
        /// The hash of what the bundle carries; zero for none.
        found: Digest,
    },
    /// The proof was not verified yet.
    #[error("the proof is not verified")]
    Unopened,
    /// The kernels cannot be built.
    #[error("the transaction kernels cannot be built: {0}")]
    Kernels(String),
}

/// The payload of the file.
#[derive(Serialize, Deserialize)]
struct Payload {
    kernel: TransactionKernel,
    message: Option<Message>,
    account: Option<Account>,
    proof: Vec<u8>,
}

/// A transaction with its proof. A block takes it only after [`Self::open`], which verifies the proof once.
#[derive(Clone)]
pub struct ProvenTransaction {
    bytes: Arc<[u8]>,
    opened: Arc<OnceLock<Result<Opened, TransactionBundleError>>>,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The proof and its kernel.
    pub proof: TransactionProof,
    /// What it states.
    pub statement: TransactionStatement,
    /// The message that it sends.
    pub message: Option<Message>,
    /// The network account that it leaves; `None` if its account is no network account.
    pub account: Option<Account>,
}

impl ProvenTransaction {
    /// A proved transaction, the message that it sends, and the network account that it leaves.
    ///
    /// # Errors
    /// [`TransactionBundleError::Format`] if it cannot be serialised.
    pub fn new(
        kernel: TransactionKernel,
        proof: &Proof,
        message: Option<Message>,
        account: Option<Account>,
    ) -> Result<Self, TransactionBundleError> {
        let payload = Payload { kernel, message, account, proof: proof::encode(proof) };
        Ok(Self::from_bytes(&file::encode(FileKind::TransactionBundle, &payload, MAX_BUNDLE_BYTES)?))
    }

    /// A transaction in the bytes of a file, which are not decoded yet.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), opened: Arc::default() }
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the file claims, for inspection: its proof is not verified.
    ///
    /// # Errors
    /// As [`Self::open`], except for an invalid proof.
    pub fn claims(&self) -> Result<Opened, TransactionBundleError> {
        decode(&self.bytes)
    }

    /// The message that it sends, if the file is well-formed; until [`Self::open`] has verified the proof,
    /// the proof may state another one.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        match self.opened.get() {
            Some(Ok(opened)) => opened.message.clone(),
            _ => payload(&self.bytes).ok()?.message,
        }
    }

    /// The result of [`Self::open`].
    ///
    /// # Errors
    /// As [`Self::open`], and [`TransactionBundleError::Unopened`] if it was never called.
    pub fn opened(&self) -> Result<&Opened, TransactionBundleError> {
        let opened = self.opened.get().ok_or(TransactionBundleError::Unopened)?;
        opened.as_ref().map_err(Clone::clone)
    }

    /// Decodes the file and verifies the proof, the first time it is called.
    ///
    /// # Errors
    /// - [`TransactionBundleError::Format`]
    /// - [`TransactionBundleError::Proof`]
    /// - [`TransactionBundleError::Statement`]
    /// - [`TransactionBundleError::OtherMessage`]
    /// - [`TransactionBundleError::OtherAccount`]
    /// - [`TransactionBundleError::Kernels`]
    pub fn open(&self, cache: &CircuitCache) -> Result<&Opened, TransactionBundleError> {
        self.opened.get_or_init(|| open(cache, &self.bytes)).as_ref().map_err(Clone::clone)
    }
}

fn open(cache: &CircuitCache, bytes: &[u8]) -> Result<Opened, TransactionBundleError> {
    let opened = decode(bytes)?;
    let TransactionProof { kernel, proof } = &opened.proof;
    let data = cache.verifier(*kernel).map_err(|error| TransactionBundleError::Kernels(error.to_string()))?;
    proof::verify(proof, &data.verifier_only, &data.common)?;
    Ok(opened)
}

fn payload(bytes: &[u8]) -> Result<Payload, FormatError> {
    file::decode(FileKind::TransactionBundle, bytes, MAX_BUNDLE_BYTES)
}

fn decode(bytes: &[u8]) -> Result<Opened, TransactionBundleError> {
    let Payload { kernel, proof, message, account } = payload(bytes)?;
    let proof = proof::decode(&proof, &transaction_shape().common)?;
    let statement = <TransactionStatement as Layout<F>>::decode(&proof.public_inputs)?;
    let found = message.as_ref().map_or(Digest::ZERO, Message::hash);
    if found != statement.message {
        return Err(TransactionBundleError::OtherMessage { expected: statement.message, found });
    }
    let expected = if statement.network == F::ZERO { Digest::ZERO } else { statement.after };
    let found = account.as_ref().map_or(Digest::ZERO, Account::hash);
    if found != expected {
        return Err(TransactionBundleError::OtherAccount { expected, found });
    }
    Ok(Opened { proof: TransactionProof { kernel, proof }, statement, message, account })
}

impl PartialEq for ProvenTransaction {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl fmt::Debug for ProvenTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProvenTransaction({} bytes)", self.bytes.len())
    }
}

/// Hexadecimal. Bundles are files; JSON holds them only because a line must be able to hold any transaction.
impl Serialize for ProvenTransaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.bytes))
    }
}

impl<'de> Deserialize<'de> for ProvenTransaction {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        let bytes = hex::decode(String::deserialize(deserializer)?).map_err(De::Error::custom)?;
        Ok(Self::from_bytes(&bytes))
    }
}

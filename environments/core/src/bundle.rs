//! A proven block as it travels: statement, proof, key and body, in a file of kind [`FileKind::BlockBundle`].

use std::borrow::Cow;

use bridge_core::BlockMessages;
use circuits_core::{
    CommonData, Digest, Proof, VerifierKey, layout,
    proof::{self, ProofError},
    recursion::key_digest,
};
use circuits_files::file::{self, BUNDLE_LIMIT, FileKind, FormatError};
use circuits_protocol::statement::BlockStatement;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::block::{
    BlockError, MAX_BODY_BYTES, ProvenBlock, check_messages, check_proof_states, check_statement,
};

/// A proven block in bytes. Its statement is a claim, until [`BlockBundle::open`] has verified the proof; and the
/// proof is worth nothing unless the registry lists the key for the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockBundle {
    /// What the proof is claimed to state.
    pub statement: BlockStatement,
    /// The proof, in the block shape.
    pub proof: Vec<u8>,
    /// The key of the wrap that made the proof.
    pub key: Vec<u8>,
    /// The messages that the statement's outbox and inbox are digests of.
    pub messages: BlockMessages,
    /// The published block data. Its digest is in the statement; only the environment can compute it.
    pub body: Vec<u8>,
}

/// The payload of the file.
#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    statement: Cow<'a, [u8]>,
    proof: Cow<'a, [u8]>,
    key: Cow<'a, [u8]>,
    messages: Cow<'a, BlockMessages>,
    body: Cow<'a, [u8]>,
}

/// Why bytes are not a proven block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BundleError {
    /// The bytes are not a file of the right kind and size, in its only encoding.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The statement is not a block's, the messages do not match it, or the body is too large.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The proof or the key is malformed, or the proof does not verify.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl BlockBundle {
    /// A proven block in bytes.
    #[must_use]
    pub fn new(block: &ProvenBlock) -> Self {
        Self {
            statement: *block.statement(),
            proof: proof::encode(block.proof()),
            key: proof::encode_key(block.key()),
            messages: block.messages().clone(),
            body: block.body().to_vec(),
        }
    }

    /// The file.
    ///
    /// # Errors
    /// - [`BundleError::Block`]: no reader would accept the statement or the body.
    /// - [`BundleError::Format`]: it cannot be serialised.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        self.check()?;
        let payload = Payload {
            statement: layout::to_bytes(&self.statement).into(),
            proof: (&self.proof).into(),
            key: (&self.key).into(),
            messages: Cow::Borrowed(&self.messages),
            body: (&self.body).into(),
        };
        Ok(file::encode(FileKind::BlockBundle, &payload, BUNDLE_LIMIT)?)
    }

    /// Reads what [`Self::encode`] wrote; nothing is verified yet.
    ///
    /// # Errors
    /// - [`BundleError::Format`]: the bytes are not the only encoding of some bundle, or too many.
    /// - [`BundleError::Block`]: the statement's environment or heights are out of range, the messages do not match it, or
    ///   the body is too large.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let payload: Payload<'_> = file::decode(FileKind::BlockBundle, bytes, BUNDLE_LIMIT)?;
        let bundle = Self {
            statement: layout::from_bytes(&payload.statement).map_err(BlockError::Layout)?,
            proof: payload.proof.into_owned(),
            key: payload.key.into_owned(),
            messages: payload.messages.into_owned(),
            body: payload.body.into_owned(),
        };
        bundle.check()?;
        Ok(bundle)
    }

    fn check(&self) -> Result<(), BlockError> {
        check_statement(&self.statement)?;
        check_messages(&self.statement, &self.messages)?;
        match self.body.len() {
            0..=MAX_BODY_BYTES => Ok(()),
            found => Err(BlockError::BodyTooLarge { found }),
        }
    }

    /// Decodes proof and key against the block shape's `common` data, checks that the proof's public inputs are the
    /// statement, and verifies it. Returns the digest of the key too, for the registry.
    ///
    /// # Errors
    /// - [`BundleError::Proof`]: proof or key is malformed, or the proof does not verify with the key.
    /// - [`BundleError::Block`]: the statement is out of range, or the proof makes another one.
    pub fn open(&self, common: &CommonData) -> Result<(Proof, VerifierKey, Digest), BundleError> {
        self.check()?;
        let proof = proof::decode(&self.proof, common)?;
        let key = proof::decode_key(&self.key, common)?;
        check_proof_states(&self.statement, &proof)?;
        proof::verify(&proof, &key, common)?;
        let digest = key_digest(&key);
        Ok((proof, key, digest))
    }
}

//! A proven block as it travels: statement, proof, key and body, in a file of kind [`Kind::BlockBundle`].

use circuits::{
    CommonData, Digest, F, Proof, VerifierKey,
    file::{self, BUNDLE_LIMIT, FormatError, Kind},
    layout::Layout,
    proof::{self, ProofError},
    recursion::key_digest,
    statement::BlockStatement,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::block::{BlockError, MAX_BODY_BYTES, ProvenBlock, check_statement};

/// A proven block in bytes. Its statement is a claim, until [`BlockBundle::open`] has verified the proof; and the
/// proof is worth nothing unless the registry lists the key for the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockBundle {
    /// What the proof is claimed to state.
    #[serde(with = "statement_bytes")]
    pub statement: BlockStatement,
    /// The proof, in the block shape.
    pub proof: Vec<u8>,
    /// The key of the wrap that made the proof.
    pub key: Vec<u8>,
    /// The published block data. Its digest is in the statement; only the environment can compute it.
    pub body: Vec<u8>,
}

/// Why bytes are not a proven block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BundleError {
    /// Not a file of the right kind and size, in its only encoding.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The statement is of no block, or the body is too large.
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
            body: block.body().to_vec(),
        }
    }

    /// The file.
    ///
    /// # Errors
    /// - [`BundleError::Block`]: the body is larger than a reader accepts.
    /// - [`BundleError::Format`]: it cannot be serialised.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        self.check_size()?;
        Ok(file::encode(Kind::BlockBundle, self)?)
    }

    /// Reads what [`Self::encode`] wrote; nothing is verified yet.
    ///
    /// # Errors
    /// - [`BundleError::Format`]: the bytes are not the only encoding of some bundle, or too many.
    /// - [`BundleError::Block`]: the statement's environment or heights are out of range, or the body is too large.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let bundle: Self = file::decode(Kind::BlockBundle, bytes, BUNDLE_LIMIT)?;
        check_statement(&bundle.statement)?;
        bundle.check_size()?;
        Ok(bundle)
    }

    fn check_size(&self) -> Result<(), BlockError> {
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
        check_statement(&self.statement)?;
        let proof = proof::decode(&self.proof, common)?;
        let key = proof::decode_key(&self.key, common)?;
        let stated: Vec<F> = self.statement.encode();
        if let Some(element) = stated.iter().zip(&proof.public_inputs).position(|(a, b)| a != b) {
            return Err(BlockError::OtherStatement { element }.into());
        }
        proof::verify(&proof, &key, common)?;
        let digest = key_digest(&key);
        Ok((proof, key, digest))
    }
}

/// Statements travel as their canonical bytes.
mod statement_bytes {
    use circuits::{layout, statement::BlockStatement};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        statement: &BlockStatement,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        layout::to_bytes(statement).serialize(serializer)
    }

    pub(super) fn deserialize<'de, De: Deserializer<'de>>(
        deserializer: De,
    ) -> Result<BlockStatement, De::Error> {
        layout::from_bytes(&Vec::<u8>::deserialize(deserializer)?).map_err(De::Error::custom)
    }
}

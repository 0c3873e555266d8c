//! A proven block as it travels: statement, proof, key and body.

use circuits::{
    layout::{self, LayoutError},
    statement::BlockStatement,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::block::{BlockError, ProvenBlock};

/// A proven block in bytes. Proof and key are only as good as [`BlockBundle::statement`] and a verifier say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockBundle {
    statement: Vec<u8>,
    /// The proof, in the block shape.
    pub proof: Vec<u8>,
    /// The key of the wrap that made the proof; the registry must list its digest.
    pub key: Vec<u8>,
    /// The published block data.
    pub body: Vec<u8>,
}

/// Why bytes are not a block bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The statement is malformed.
    #[error("the bundle's statement is malformed")]
    Statement(#[from] LayoutError),
    /// The block is none.
    #[error("the bundle's block is refused")]
    Block(#[from] BlockError),
}

impl BlockBundle {
    /// A proven block in bytes.
    #[must_use]
    pub fn new(block: &ProvenBlock) -> Self {
        Self {
            statement: layout::to_bytes(block.statement()),
            proof: block.proof().to_bytes(),
            key: circuits::recursion::key_digest(block.key()).to_bytes().to_vec(),
            body: block.body().to_vec(),
        }
    }

    /// The statement that the bundle claims to prove.
    ///
    /// # Errors
    /// [`BundleError::Statement`]
    pub fn statement(&self) -> Result<BlockStatement, BundleError> {
        Ok(layout::from_bytes(&self.statement)?)
    }
}

//! What L1 verifies: the last proof of the hop.

use circuits_core::{
    F,
    layout::{self, Layout as _, LayoutError},
};
use circuits_protocol::statement::SuperblockStatement;
use circuits_prover::outer::{self, OuterKey, OuterProof};
use circuits_tasks::graph::Task;
use thiserror::Error;

use crate::{
    calldata::{self, CalldataError},
    circuits::keccak_common,
    keys::outer_digest,
};

/// A proof of the Keccak hop, and the digest of the key that it is said to verify under. Nothing in it is trusted before
/// [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopProof {
    outer_digest: [u8; 32],
    proof: OuterProof,
}

/// Why a hop is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HopError {
    /// The calldata is not that of a proof.
    #[error("the calldata of the hop: {0}")]
    Calldata(#[from] CalldataError),
    /// The public inputs are not a statement.
    #[error("the statement of the hop: {0}")]
    Statement(#[from] LayoutError),
    /// The hop was made for another key.
    #[error("the hop is of the key {}, and this program's is {}", hex(.found), hex(.expected))]
    OtherKey { expected: [u8; 32], found: [u8; 32] },
    /// The proof does not verify.
    #[error("the proof of the hop does not verify: {reason}")]
    Invalid { reason: String },
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

impl HopProof {
    pub(crate) const fn new(outer_digest: [u8; 32], proof: OuterProof) -> Self {
        Self { outer_digest, proof }
    }

    /// The digest of the key, by which a router of contracts finds the verifier.
    #[must_use]
    pub const fn outer_digest(&self) -> [u8; 32] {
        self.outer_digest
    }

    /// The elements of the superblock's statement, in the order of its layout: 39 numbers below the order of the field.
    #[must_use]
    pub fn public_inputs(&self) -> &[F] {
        &self.proof.public_inputs
    }

    /// The superblock's statement.
    ///
    /// # Errors
    /// [`HopError::Statement`] if the public inputs are none.
    pub fn statement(&self) -> Result<SuperblockStatement, HopError> {
        Ok(SuperblockStatement::decode(&self.proof.public_inputs)?)
    }

    /// The bytes that the verifier's contract takes as `proof`: always [`calldata_len`](calldata::calldata_len) of them.
    #[must_use]
    pub fn to_calldata(&self) -> Vec<u8> {
        calldata::encode(&self.proof)
    }

    /// Reads what [`Self::to_calldata`] wrote; nothing is verified yet.
    ///
    /// # Errors
    /// [`HopError::Calldata`] if the bytes or the number of public inputs are not those of a proof.
    pub fn from_calldata(
        outer_digest: [u8; 32],
        bytes: &[u8],
        public_inputs: &[F],
    ) -> Result<Self, HopError> {
        Ok(Self { outer_digest, proof: calldata::decode(bytes, public_inputs, keccak_common())? })
    }

    /// Reads the proof of a task of a hop's graph; nothing is verified yet.
    ///
    /// # Errors
    /// [`HopError::Statement`] or [`HopError::Calldata`].
    pub(crate) fn of_task(task: &Task, proof: &[u8]) -> Result<Self, HopError> {
        let statement: SuperblockStatement = layout::from_bytes(&task.statement)?;
        Self::from_calldata(task.key, proof, &statement.encode())
    }

    /// Verifies the proof as the contract of this key does.
    ///
    /// # Errors
    /// [`HopError::OtherKey`] or [`HopError::Invalid`].
    pub fn verify(&self, key: &OuterKey) -> Result<(), HopError> {
        let (expected, found) = (outer_digest(key, keccak_common()), self.outer_digest);
        if expected != found {
            return Err(HopError::OtherKey { expected, found });
        }
        outer::verify(&self.proof, key, keccak_common()).map_err(|reason| HopError::Invalid { reason })
    }

    /// The proof.
    #[must_use]
    pub const fn proof(&self) -> &OuterProof {
        &self.proof
    }
}

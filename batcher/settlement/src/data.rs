//! What a batcher publishes of a superblock: all that is needed to follow it, for whoever believes L1. There is no proof in it,
//! because the contract has verified one: it knows the digest of the statement, and the statement commits to everything here
//! but the bodies.

use alloy_primitives::B256;
use batcher_verify::bundle::{BlockEntry, BundleError, SuperblockBundle};
use circuits_core::Digest;
use circuits_files::file::{self, FileKind, FormatError, HEADER_BYTES};
use circuits_protocol::registry::EnvironmentId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    blobs::{MAX_BLOBS, MAX_DATA_BYTES, MOST_READ_BYTES},
    bodies::Bodies,
    superblock::{Superblock, UnstatableError},
};

/// Bytes of the largest payload: with its header it fits the blobs of one transaction.
pub const PAYLOAD_LIMIT: u64 = (MAX_DATA_BYTES - HEADER_BYTES) as u64;
/// Bytes of the largest payload that is read.
const READ_LIMIT: u64 = (MOST_READ_BYTES - HEADER_BYTES) as u64;

/// Why bytes are not the data of a superblock, or why there is none to publish.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DataError {
    /// The bytes are not the one encoding of some data, or there are more than blobs hold.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is more than blobs hold.
    #[error(
        "the data has {found} bytes, and the {MAX_BLOBS} blobs of a transaction hold {PAYLOAD_LIMIT}: settle with fewer blocks in \
         a superblock, without their bodies, or without blobs"
    )]
    TooLong { found: u64 },
    /// The statement is malformed, or does not commit to the lists.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The contract cannot have taken the statement.
    #[error(transparent)]
    Statement(#[from] UnstatableError),
    /// There is a key or a proof.
    #[error("there are {0} bytes of a proof or a key, and data has neither")]
    Proof(usize),
    /// There are bodies, and not one for each block.
    #[error("there are {found} bodies for {expected} blocks of environments other than L1")]
    Bodies { expected: usize, found: usize },
    /// The body of a block is to be published and not known.
    #[error(
        "environment {environment}: the body of block {height} of the superblock is not among those given"
    )]
    NoBody { environment: EnvironmentId, height: u32 },
    /// L1 settled another superblock.
    #[error("L1 has settled superblock {number} with statement digest {expected}, the data is about {found}")]
    OtherStatement { number: u32, expected: B256, found: B256 },
}

/// What a batcher publishes of a superblock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuperblockData {
    /// The superblock without its key and its proof.
    superblock: SuperblockBundle,
    /// The bodies of the blocks of environments other than L1, in order; all of them or none. L1's is in the statement.
    bodies: Vec<Vec<u8>>,
}

/// Whether the block's body is published by itself.
pub(crate) fn has_body(block: &&BlockEntry) -> bool {
    block.environment != EnvironmentId::L1.get()
}

impl SuperblockData {
    /// What to publish of a verified superblock; with the bodies of its blocks, if there are any.
    ///
    /// # Errors
    /// [`DataError::NoBody`]
    pub fn new(bundle: &SuperblockBundle, bodies: Option<&Bodies>) -> Result<Self, DataError> {
        let blocks = bundle.blocks.iter().filter(has_body);
        let body = |bodies: &Bodies, block: &BlockEntry| {
            let (environment, height) = (EnvironmentId(block.environment), block.last_height);
            bodies.get(block).map(<[u8]>::to_vec).ok_or(DataError::NoBody { environment, height })
        };
        let bodies = match bodies {
            Some(bodies) => blocks.map(|block| body(bodies, block)).collect::<Result<_, _>>()?,
            None => vec![],
        };
        let mut superblock = bundle.clone();
        (superblock.key, superblock.proof) = (Digest::ZERO, vec![]);
        Ok(Self { superblock, bodies })
    }

    /// The data as the bytes of a file: magic, version, kind, length, checksum, and the payload in postcard's encoding.
    ///
    /// # Errors
    /// [`DataError::TooLong`] if it is more than the blobs of one transaction hold, and [`DataError::Format`].
    pub fn encode(&self) -> Result<Vec<u8>, DataError> {
        match file::encode(FileKind::SuperblockData, self, PAYLOAD_LIMIT) {
            Err(FormatError::TooLarge { found, .. }) => Err(DataError::TooLong { found }),
            other => Ok(other?),
        }
    }

    /// Reads what [`Self::encode`] wrote, and checks that the statement commits to the lists. Whether L1 has settled the
    /// statement is for [`Self::check_settled`].
    ///
    /// # Errors
    /// [`DataError::Format`], [`DataError::Proof`], [`DataError::Bodies`] or [`DataError::Bundle`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DataError> {
        let data: Self = file::decode(FileKind::SuperblockData, bytes, READ_LIMIT)?;
        let Self { superblock, bodies } = &data;
        if superblock.key != Digest::ZERO || !superblock.proof.is_empty() {
            return Err(DataError::Proof(superblock.proof.len()));
        }
        let expected = superblock.blocks.iter().filter(has_body).count();
        if !bodies.is_empty() && bodies.len() != expected {
            return Err(DataError::Bodies { expected, found: bodies.len() });
        }
        superblock.check_published(&superblock.statement()?)?;
        Ok(data)
    }

    /// Checks that this is the superblock that L1 knows by the digest `settled`.
    ///
    /// # Errors
    /// [`DataError::OtherStatement`] or [`DataError::Statement`].
    pub fn check_settled(&self, settled: B256) -> Result<(), DataError> {
        let superblock = Superblock::of(&self.superblock)?;
        let (number, found) = (superblock.number(), superblock.statement_digest());
        if found == settled {
            Ok(())
        } else {
            Err(DataError::OtherStatement { number, expected: settled, found })
        }
    }

    /// The superblock's number.
    ///
    /// # Errors
    /// [`DataError::Statement`]
    pub fn number(&self) -> Result<u32, DataError> {
        Ok(Superblock::of(&self.superblock)?.number())
    }

    /// The superblock, without its key and its proof.
    #[must_use]
    pub const fn superblock(&self) -> &SuperblockBundle {
        &self.superblock
    }

    /// The blocks with their published bodies; none if no bodies are published. Whether a body is the block's,
    /// [`KnownKinds::is_body`](crate::bodies::KnownKinds::is_body) tells.
    pub fn bodies(&self) -> impl Iterator<Item = (&BlockEntry, &[u8])> {
        self.superblock.blocks.iter().filter(has_body).zip(self.bodies.iter().map(Vec::as_slice))
    }
}

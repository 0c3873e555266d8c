//! A proposed block as its producer publishes it, before it is proved, in a file of kind [`FileKind::ProposedBlock`].
//!
//! The signature makes the producer answer for the block: two different ones that cover one height are [`Evidence`] that it said
//! two things. It proves nothing else. What the body leads to, followers compute themselves; that the messages are those of the
//! body, only the proof shows.

use std::borrow::Cow;

use bridge_core::BlockMessages;
use circuits_core::{
    Digest, F,
    hash::{Domain, hash},
    layout::{self, Layout as _},
};
use circuits_files::file::{self, BUNDLE_LIMIT, FileKind, FormatError};
use circuits_protocol::{registry::Producer, statement::BlockStatement};
use circuits_tables::ecdsa::{EcdsaError, Signature, verify};
use plonky2::field::types::Field as _;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    block::{BlockError, BlockHeader, MAX_BODY_BYTES, check_messages, check_statement},
    genesis::{ChainIdError, check_chain_id},
    kernel::ProducerSecret,
};

/// Domain of what producers sign.
const PROPOSED: Domain = Domain::new("proposd");

/// A proposed block with its producer's signature. It is within all limits; whether the signature is the producer's, says
/// [`Self::check_signature`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedBlock {
    chain_id: u64,
    statement: BlockStatement,
    header: BlockHeader,
    messages: BlockMessages,
    body: Vec<u8>,
    signature: Signature,
}

/// The payload of the file.
#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    chain_id: u64,
    statement: Cow<'a, [u8]>,
    messages: Cow<'a, BlockMessages>,
    body: Cow<'a, [u8]>,
    signature: Signature,
}

/// Why bytes are not a proposed block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublishedError {
    /// The bytes are not a file of the right kind and size, in its only encoding.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The chain id is not a field element.
    #[error(transparent)]
    ChainId(#[from] ChainIdError),
    /// The statement is not a block's, the messages do not match it, or the body is too large.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// Why a proposed block is not its producer's.
#[derive(Debug, Error)]
pub enum SignatureError {
    /// The statement names another producer.
    #[error("the block is of the producer {found}, not of {expected}")]
    OtherProducer { expected: Digest, found: Digest },
    /// The signature is not that of the producer's key.
    #[error("the block is not signed by its producer")]
    Signature(#[source] EcdsaError),
}

impl PublishedBlock {
    /// A block of the chain `chain_id`, signed by its producer.
    ///
    /// # Errors
    /// [`PublishedError::ChainId`], [`PublishedError::Block`]
    pub fn sign(
        chain_id: u64,
        statement: BlockStatement,
        messages: BlockMessages,
        body: Vec<u8>,
        secret: ProducerSecret,
    ) -> Result<Self, PublishedError> {
        check_chain_id(chain_id)?;
        let signature = secret.sign(&block_id(chain_id, &statement).to_bytes());
        Self::new(chain_id, statement, messages, body, signature)
    }

    fn new(
        chain_id: u64,
        statement: BlockStatement,
        messages: BlockMessages,
        body: Vec<u8>,
        signature: Signature,
    ) -> Result<Self, PublishedError> {
        check_chain_id(chain_id)?;
        let header = check_statement(&statement)?;
        check_messages(&statement, &messages)?;
        if body.len() > MAX_BODY_BYTES {
            return Err(BlockError::BodyTooLarge { found: body.len() }.into());
        }
        Ok(Self { chain_id, statement, header, messages, body, signature })
    }

    /// Encodes the block as a file.
    ///
    /// # Errors
    /// [`PublishedError::Format`]: the file would be too large.
    pub fn encode(&self) -> Result<Vec<u8>, PublishedError> {
        let payload = Payload {
            chain_id: self.chain_id,
            statement: layout::to_bytes(&self.statement).into(),
            messages: Cow::Borrowed(&self.messages),
            body: (&self.body).into(),
            signature: self.signature,
        };
        Ok(file::encode(FileKind::ProposedBlock, &payload, BUNDLE_LIMIT)?)
    }

    /// Reads what [`Self::encode`] wrote. The signature is not checked yet.
    ///
    /// # Errors
    /// [`PublishedError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, PublishedError> {
        let payload: Payload<'_> = file::decode(FileKind::ProposedBlock, bytes, BUNDLE_LIMIT)?;
        let statement = layout::from_bytes(&payload.statement).map_err(BlockError::Layout)?;
        let Payload { chain_id, messages, body, signature, .. } = payload;
        Self::new(chain_id, statement, messages.into_owned(), body.into_owned(), signature)
    }

    /// The deployment.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// What the block's proof is to state.
    #[must_use]
    pub const fn statement(&self) -> &BlockStatement {
        &self.statement
    }

    /// Which blocks the statement is about.
    #[must_use]
    pub const fn header(&self) -> BlockHeader {
        self.header
    }

    /// What it emits and consumes, as its producer says.
    #[must_use]
    pub const fn messages(&self) -> &BlockMessages {
        &self.messages
    }

    /// The published data.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The block's name; see [`block_id`].
    #[must_use]
    pub fn id(&self) -> Digest {
        block_id(self.chain_id, &self.statement)
    }

    /// Checks that the block is this producer's.
    ///
    /// # Errors
    /// [`SignatureError`]
    pub fn check_signature(&self, producer: &Producer) -> Result<(), SignatureError> {
        let (expected, found) = (producer.commitment, self.statement.producer);
        if found != expected {
            return Err(SignatureError::OtherProducer { expected, found });
        }
        verify(&producer.signing_key, &self.id().to_bytes(), &self.signature)
            .map_err(SignatureError::Signature)
    }
}

/// What names a block, and what its producer signs: `H(PROPOSED, chain id, statement)`.
#[must_use]
pub fn block_id(chain_id: u64, statement: &BlockStatement) -> Digest {
    let statement: Vec<F> = statement.encode();
    hash(PROPOSED, &[&[F::from_canonical_u64(chain_id)], statement.as_slice()].concat())
}

/// Two different blocks of one height that their producer signed. An honest producer signs another block of a height only after
/// it has rolled back the first one, so this says that the first one was not to be relied on, and not why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    one: PublishedBlock,
    other: PublishedBlock,
}

/// Why two blocks are no evidence.
#[derive(Debug, Error)]
pub enum NoEvidence {
    /// They are one.
    #[error("both are block {0}")]
    Same(Digest),
    /// They are of different environments, or of different chains.
    #[error("the blocks are of different environments or chains")]
    Unrelated,
    /// They cover different heights.
    #[error("one block covers the heights {one:?}, the other {other:?}")]
    Apart { one: [u32; 2], other: [u32; 2] },
    /// One of them is not the producer's.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl Evidence {
    /// Checks that a producer signed two different blocks that cover one height.
    ///
    /// # Errors
    /// [`NoEvidence`]
    pub fn new(one: PublishedBlock, other: PublishedBlock, producer: &Producer) -> Result<Self, NoEvidence> {
        if one.id() == other.id() {
            return Err(NoEvidence::Same(one.id()));
        }
        let [ours, theirs] = [&one, &other].map(PublishedBlock::header);
        if (one.chain_id, ours.environment) != (other.chain_id, theirs.environment) {
            return Err(NoEvidence::Unrelated);
        }
        let heights = [ours, theirs].map(|header| [header.first_height, header.last_height]);
        let [[first, last], [other_first, other_last]] = heights;
        if last < other_first || other_last < first {
            return Err(NoEvidence::Apart { one: heights[0], other: heights[1] });
        }
        one.check_signature(producer)?;
        other.check_signature(producer)?;
        Ok(Self { one, other })
    }

    /// The two blocks.
    #[must_use]
    pub const fn blocks(&self) -> [&PublishedBlock; 2] {
        [&self.one, &self.other]
    }
}

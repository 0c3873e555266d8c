//! A superblock as it travels: its statement, the blocks that it names, its proof, and which circuit made it.

use bridge_core::{BlockMessages, lists::indices_digest};
use circuits_core::{
    Digest, F, VerifierKey,
    hash::{chain, hash},
    layout::{self, LayoutError},
    proof::{self, ProofError},
};
use circuits_files::file::{self, FileKind, FormatError};
use circuits_protocol::{
    l1::{L1Outcome, NotAWord, PayoutRange},
    statement::{BODY_CHAIN, BODY_ELEMENT, SuperblockStatement, empty_list},
};
use plonky2::field::types::{Field, PrimeField64};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    circuit::{SuperblockCircuit, superblock_shape},
    keys::PinnedKeys,
    older_key::OlderKeyError,
    payouts::{OtherPayouts, check_payouts},
};

/// Bytes of the largest superblock bundle.
pub const SUPERBLOCK_LIMIT: u64 = 16 << 20;

/// One block of a superblock: what the body chain commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockEntry {
    pub environment: u16,
    /// Height of the first block covered.
    pub first_height: u32,
    /// Height of the last block covered.
    pub last_height: u32,
    /// State commitment after.
    pub new_state: Digest,
    /// Digest of the published block data.
    pub body: Digest,
    /// Digest of what it emits.
    pub outbox: Digest,
    /// Digest of what it consumes.
    pub inbox: Digest,
}

impl BlockEntry {
    /// The block's element of the body chain: `H(BODY_ELEMENT, environment, first height, last height, new state, body,
    /// outbox, inbox)`.
    #[must_use]
    pub fn element(&self) -> Digest {
        let mut input = vec![
            F::from_canonical_u16(self.environment),
            F::from_canonical_u32(self.first_height),
            F::from_canonical_u32(self.last_height),
        ];
        for digest in [self.new_state, self.body, self.outbox, self.inbox] {
            input.extend(digest.0);
        }
        hash(BODY_ELEMENT, &input)
    }
}

/// A superblock in bytes. Nothing in it is trusted before [`SuperblockBundle::verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuperblockBundle {
    /// Digest of the key that the proof is said to verify under. The key itself comes from the program or a trust file.
    pub key: Digest,
    statement: Vec<u8>,
    /// The blocks, in order.
    pub blocks: Vec<BlockEntry>,
    /// The messages of those blocks that emit or consume, in order. With them, anybody who has the state before computes
    /// the state after.
    pub messages: Vec<BlockMessages>,
    /// The index of each message that is consumed, in the order of the blocks and their inboxes.
    pub consumed: Vec<u32>,
    /// What L1 pays, [`PAYOUT_BYTES`](circuits_protocol::l1::PAYOUT_BYTES) for each payout: what its contract takes.
    pub payouts: Vec<u8>,
    pub proof: Vec<u8>,
}

/// Why a bundle is not a superblock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BundleError {
    /// Not a file of the right kind and size, in its only encoding.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The statement is malformed.
    #[error("the superblock's statement is malformed: {0}")]
    Statement(#[from] LayoutError),
    /// Neither the program nor a trust file has the key.
    #[error("no superblock circuit of this program has the key {0}, and no trust file gives it")]
    UnknownKey(Digest),
    /// The trust file's key is not used.
    #[error("the older key of the trust file: {0}")]
    OlderKey(#[from] OlderKeyError),
    /// The proof is malformed or does not verify.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The proof makes another statement than the bundle.
    #[error("the proof states another superblock: element {element} of its statement differs")]
    OtherStatement {
        /// First element that differs.
        element: usize,
    },
    /// The list of blocks, or that of the indices of consumed messages, is not the one that the statement commits to.
    #[error(
        "the statement is about {stated} blocks with body chain {expected}, the {listed} listed ones, with {consumed} \
         indices of consumed messages, give {found}"
    )]
    Blocks {
        /// Blocks that the statement counts.
        stated: u64,
        listed: usize,
        /// Indices listed.
        consumed: usize,
        expected: Digest,
        found: Digest,
    },
    /// There is not one index for each message that is consumed.
    #[error("the superblock consumes {expected} messages, and {found} indices are listed")]
    Indices { expected: usize, found: usize },
    /// The messages are not those that the blocks emit and consume.
    #[error(
        "the messages listed are not those of block {index} of the superblock, or more than those of all"
    )]
    Messages {
        /// Position of the block; the number of blocks if there are more messages than theirs.
        index: usize,
    },
    /// The body of environment 0's block is nothing that a contract could have computed.
    #[error(transparent)]
    L1Body(#[from] NotAWord),
    /// The payouts are not those of the block of environment 0.
    #[error(transparent)]
    Payouts(#[from] OtherPayouts),
}

impl BundleError {
    /// Whether the bundle is well-formed and its proof or statement is wrong, rather than the file unreadable.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            Self::Proof(error) => matches!(error, ProofError::Invalid { .. }),
            Self::OtherStatement { .. }
            | Self::Blocks { .. }
            | Self::Indices { .. }
            | Self::Messages { .. }
            | Self::L1Body(_)
            | Self::Payouts(_)
            | Self::UnknownKey(_) => true,
            Self::Format(_) | Self::Statement(_) | Self::OlderKey(_) => false,
        }
    }
}

/// What a superblock publishes beside its statement and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The blocks of the body chain.
    pub blocks: Vec<BlockEntry>,
    /// The messages of those that emit or consume.
    pub messages: Vec<BlockMessages>,
    /// The indices of the messages consumed.
    pub consumed: Vec<u32>,
}

impl SuperblockBundle {
    /// A superblock with what it publishes and with its proof, which verifies under the key with this digest. It makes no
    /// payouts yet.
    #[must_use]
    pub fn new(
        statement: &SuperblockStatement,
        published: Published,
        proof: &circuits_core::Proof,
        key: Digest,
    ) -> Self {
        let Published { blocks, messages, consumed } = published;
        let (statement, proof) = (layout::to_bytes(statement), proof::encode(proof));
        Self { key, statement, blocks, messages, consumed, payouts: vec![], proof }
    }

    /// A superblock with what it publishes, without key and proof: for whoever knows that its statement holds.
    #[must_use]
    pub fn unproved(statement: &SuperblockStatement, published: Published, payouts: Vec<u8>) -> Self {
        let Published { blocks, messages, consumed } = published;
        let statement = layout::to_bytes(statement);
        Self { key: Digest::ZERO, statement, blocks, messages, consumed, payouts, proof: vec![] }
    }

    /// The bundle with these payouts, which are those of its block of environment 0.
    #[must_use]
    pub fn with_payouts(self, payouts: Vec<u8>) -> Self {
        Self { payouts, ..self }
    }

    /// The bundle as the bytes of a file.
    ///
    /// # Errors
    /// [`BundleError::Format`] if it cannot be serialised.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        Ok(file::encode(FileKind::SuperblockBundle, self, SUPERBLOCK_LIMIT)?)
    }

    /// Reads what [`Self::encode`] wrote; nothing is verified yet.
    ///
    /// # Errors
    /// [`BundleError::Format`] or [`BundleError::Statement`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let bundle: Self = file::decode(FileKind::SuperblockBundle, bytes, SUPERBLOCK_LIMIT)?;
        bundle.statement()?;
        Ok(bundle)
    }

    /// The statement that the bundle claims to prove.
    ///
    /// # Errors
    /// [`BundleError::Statement`].
    pub fn statement(&self) -> Result<SuperblockStatement, BundleError> {
        Ok(layout::from_bytes(&self.statement)?)
    }

    /// Verifies the proof with the embedded key that the bundle names, and checks that the statement, the blocks with their
    /// messages, the indices and the payouts are the proved ones.
    ///
    /// # Errors
    /// [`BundleError`], one variant per rule.
    pub fn verify(&self, keys: &PinnedKeys) -> Result<(SuperblockStatement, SuperblockCircuit), BundleError> {
        let (source, key) = keys.find(self.key).ok_or(BundleError::UnknownKey(self.key))?;
        Ok((self.verify_with(source, key)?, source))
    }

    /// [`Self::verify`] with this key of this circuit, both of which the caller has found by the bundle's digest.
    pub(crate) fn verify_with(
        &self,
        source: SuperblockCircuit,
        key: &VerifierKey,
    ) -> Result<SuperblockStatement, BundleError> {
        let statement = self.statement()?;
        let common = &superblock_shape(source).common;
        let proof = proof::decode(&self.proof, common)?;
        let stated = layout::to_bytes(&statement);
        let proved: Vec<u8> =
            proof.public_inputs.iter().flat_map(|element| element.to_canonical_u64().to_le_bytes()).collect();
        if let Some(byte) = stated.iter().zip(&proved).position(|(a, b)| a != b) {
            return Err(BundleError::OtherStatement { element: byte / 8 });
        }
        proof::verify(&proof, key, common)?;
        self.check_published(&statement)?;
        Ok(statement)
    }

    /// Checks that `statement` commits to what the bundle publishes. No proof is verified.
    ///
    /// # Errors
    /// [`BundleError::L1Body`], [`BundleError::Payouts`], [`BundleError::Indices`], [`BundleError::Blocks`] or
    /// [`BundleError::Messages`].
    pub fn check_published(&self, statement: &SuperblockStatement) -> Result<(), BundleError> {
        let stated = l1_outcome(statement)?.map_or_else(PayoutRange::default, |outcome| outcome.payouts);
        check_payouts(&self.payouts, stated)?;
        // An index takes one byte and is hashed: millions of them would take seconds.
        let expected = self.messages.iter().map(|block| block.inbox.len()).sum();
        let found = self.consumed.len();
        if found != expected {
            return Err(BundleError::Indices { expected, found });
        }
        let elements = self.blocks.iter().map(BlockEntry::element).chain([indices_digest(&self.consumed)]);
        let found = elements.fold(empty_list(), |digest, element| chain(BODY_CHAIN, digest, element));
        let count = statement.block_count.to_canonical_u64();
        if found != statement.body_chain || self.blocks.len() as u64 != count {
            return Err(BundleError::Blocks {
                stated: count,
                listed: self.blocks.len(),
                consumed: self.consumed.len(),
                expected: statement.body_chain,
                found,
            });
        }
        self.block_messages()?;
        Ok(())
    }

    /// Each block that emits or consumes, with its messages.
    ///
    /// # Errors
    /// [`BundleError::Messages`] if the messages are not those of the blocks.
    pub fn block_messages(&self) -> Result<Vec<(&BlockEntry, &BlockMessages)>, BundleError> {
        let mut messages = self.messages.iter();
        let mut found = vec![];
        for (index, block) in self.blocks.iter().enumerate() {
            if block.outbox == empty_list() && block.inbox == empty_list() {
                continue;
            }
            let one = messages.next().filter(|one| {
                one.environment.get() == block.environment
                    && one.outbox_digest() == block.outbox
                    && one.inbox_digest() == block.inbox
            });
            found.push((block, one.ok_or(BundleError::Messages { index })?));
        }
        match messages.next() {
            None => Ok(found),
            Some(_) => Err(BundleError::Messages { index: self.blocks.len() }),
        }
    }
}

/// What the superblock's block of environment 0 means to L1, if there is one.
///
/// # Errors
/// [`NotAWord`] if the body is not in integers of 32 bits.
pub fn l1_outcome(statement: &SuperblockStatement) -> Result<Option<L1Outcome>, NotAWord> {
    statement.l1_block().map(|body| L1Outcome::try_from(&body)).transpose()
}

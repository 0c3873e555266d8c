//! Blocks, as proposed (executed, commitments known, unproven) and as proven.

use bridge_core::{BlockMessages, OtherMessages, max_block_steps};
use circuits_core::{
    Digest, F, Proof, VerifierKey,
    layout::{Layout, LayoutError},
};
use circuits_protocol::{registry::EnvironmentId, statement::BlockStatement};
use plonky2::field::types::PrimeField64;
use thiserror::Error;

/// Bytes of the largest body.
pub const MAX_BODY_BYTES: usize = 16 << 20;

/// Why values are not a block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// The statement's environment is not below 2^16.
    #[error("{0} is not the id of an environment")]
    Environment(u64),
    /// A height is 0 or not below 2^32, or the last is before the first.
    #[error("a block cannot cover the heights {first} to {last}")]
    Heights {
        /// The statement's first height.
        first: u64,
        /// The statement's last height.
        last: u64,
    },
    /// The body is too large to publish.
    #[error("the body has {found} bytes, the limit is {MAX_BODY_BYTES}")]
    BodyTooLarge {
        /// Bytes found.
        found: usize,
    },
    /// The messages are not those that the statement names.
    #[error("the messages are not those of the statement's {list}")]
    OtherMessages {
        /// `environment`, `outbox` or `inbox`.
        list: &'static str,
    },
    /// The bridge moves fewer messages for one block.
    #[error("the block's messages take {found} steps, the limit is {limit}")]
    TooManyMessages {
        /// Steps.
        found: usize,
        /// The most steps of a block of its environment.
        limit: usize,
    },
    /// The proof's public inputs are not a block statement.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The proof states another block.
    #[error("the proof states another block: element {element} of its statement differs")]
    OtherStatement {
        /// First element that differs.
        element: usize,
    },
}

/// Which blocks a statement is about, as integers within their ranges: what is parsed once, when a statement is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockHeader {
    /// The environment; 0 is L1.
    pub environment: EnvironmentId,
    /// Height of the first block covered, at least 1.
    pub first_height: u32,
    /// Height of the last block covered, at least the first.
    pub last_height: u32,
}

/// The header of a statement.
///
/// # Errors
/// - [`BlockError::Environment`]
/// - [`BlockError::Heights`]
pub fn check_statement(statement: &BlockStatement) -> Result<BlockHeader, BlockError> {
    let id = statement.environment.to_canonical_u64();
    let environment = u16::try_from(id).map(EnvironmentId).map_err(|_| BlockError::Environment(id))?;
    let (first, last) = (statement.first_height.to_canonical_u64(), statement.last_height.to_canonical_u64());
    match (u32::try_from(first), u32::try_from(last)) {
        (Ok(first_height), Ok(last_height)) if first_height >= 1 && first_height <= last_height => {
            Ok(BlockHeader { environment, first_height, last_height })
        }
        _ => Err(BlockError::Heights { first, last }),
    }
}

/// Checks that `messages` are what `statement` says is emitted and consumed, and that one superblock can move them.
///
/// # Errors
/// - [`BlockError::OtherMessages`]
/// - [`BlockError::TooManyMessages`]
pub fn check_messages(statement: &BlockStatement, messages: &BlockMessages) -> Result<(), BlockError> {
    let (found, limit) = (messages.steps(), max_block_steps(messages.environment));
    if found > limit {
        return Err(BlockError::TooManyMessages { found, limit });
    }
    messages.check_named_in(statement).map_err(|OtherMessages { list }| BlockError::OtherMessages { list })
}

/// Checks that the public inputs of `proof` are `statement`.
///
/// # Errors
/// - [`BlockError::Layout`]: they have another length.
/// - [`BlockError::OtherStatement`]: they are another statement.
pub fn check_proof_states(statement: &BlockStatement, proof: &Proof) -> Result<(), BlockError> {
    let stated = <BlockStatement as Layout<F>>::decode(&proof.public_inputs)?;
    let (stated, expected): (Vec<F>, Vec<F>) = (stated.encode(), statement.encode());
    match stated.iter().zip(&expected).position(|(found, element)| found != element) {
        Some(element) => Err(BlockError::OtherStatement { element }),
        None => Ok(()),
    }
}

/// A block that was executed: all its commitments are known, and nothing is proved.
#[derive(Clone, Debug)]
pub struct ProposedBlock<W> {
    statement: BlockStatement,
    header: BlockHeader,
    messages: BlockMessages,
    body: Vec<u8>,
    witness: W,
}

impl<W> ProposedBlock<W> {
    /// A proposed block: what its proof will state, the messages that it emits and consumes, the data to
    /// publish, and what the kernel's prover must know.
    ///
    /// # Errors
    /// - [`BlockError::Environment`]: the statement's environment is not below 2^16.
    /// - [`BlockError::Heights`]: a height is 0 or not below 2^32, or the last is before the first.
    /// - [`BlockError::BodyTooLarge`]: the body has more than [`MAX_BODY_BYTES`].
    /// - [`BlockError::OtherMessages`], [`BlockError::TooManyMessages`]
    pub fn new(
        statement: BlockStatement,
        messages: BlockMessages,
        body: Vec<u8>,
        witness: W,
    ) -> Result<Self, BlockError> {
        let header = check_statement(&statement)?;
        check_messages(&statement, &messages)?;
        if body.len() > MAX_BODY_BYTES {
            return Err(BlockError::BodyTooLarge { found: body.len() });
        }
        Ok(Self { statement, header, messages, body, witness })
    }

    /// What the block's proof will state.
    pub fn statement(&self) -> &BlockStatement {
        &self.statement
    }

    /// Which blocks the statement is about.
    pub fn header(&self) -> BlockHeader {
        self.header
    }

    /// The environment.
    pub fn environment(&self) -> EnvironmentId {
        self.header.environment
    }

    /// Height of the first block covered.
    pub fn first_height(&self) -> u32 {
        self.header.first_height
    }

    /// Height of the last block covered.
    pub fn last_height(&self) -> u32 {
        self.header.last_height
    }

    /// What it emits and consumes.
    pub fn messages(&self) -> &BlockMessages {
        &self.messages
    }

    /// The data to publish.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The block as everybody may know it.
    #[must_use]
    pub fn without_witness(&self) -> ProposedBlock<()> {
        let Self { statement, header, messages, body, .. } = self;
        ProposedBlock {
            statement: *statement,
            header: *header,
            messages: messages.clone(),
            body: body.clone(),
            witness: (),
        }
    }

    /// What the kernel's prover must know.
    pub fn witness(&self) -> &W {
        &self.witness
    }
}

/// A block with a proof in the block shape.
#[derive(Clone, Debug)]
pub struct ProvenBlock {
    statement: BlockStatement,
    messages: BlockMessages,
    body: Vec<u8>,
    proof: Proof,
    key: VerifierKey,
}

impl ProvenBlock {
    /// A block, its wrapped proof and the wrap's key.
    ///
    /// # Errors
    /// - [`BlockError::Layout`]: the proof's public inputs have another length than a block statement.
    /// - [`BlockError::OtherStatement`]: they are not the block's statement.
    pub fn new<W>(block: &ProposedBlock<W>, proof: Proof, key: VerifierKey) -> Result<Self, BlockError> {
        check_proof_states(&block.statement, &proof)?;
        Ok(Self {
            statement: block.statement,
            messages: block.messages.clone(),
            body: block.body.clone(),
            proof,
            key,
        })
    }

    /// What the proof states.
    pub fn statement(&self) -> &BlockStatement {
        &self.statement
    }

    /// What it emits and consumes.
    pub fn messages(&self) -> &BlockMessages {
        &self.messages
    }

    /// The data to publish.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The proof, in the block shape.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The key of the wrap that made the proof.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The digest of the key, which the registry must list.
    pub fn key_digest(&self) -> Digest {
        circuits_core::recursion::key_digest(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use circuits_protocol::statement::empty_list;
    use plonky2::field::types::Field;

    use super::*;

    fn statement(environment: u64, first: u64, last: u64) -> BlockStatement {
        BlockStatement {
            environment: F::from_canonical_u64(environment),
            first_height: F::from_canonical_u64(first),
            last_height: F::from_canonical_u64(last),
            previous_state: Digest::ZERO,
            new_state: Digest::ZERO,
            outbox: empty_list(),
            inbox: empty_list(),
            body: Digest::ZERO,
            producer: Digest::ZERO,
        }
    }

    #[test]
    fn a_statement_with_an_id_or_a_height_out_of_range_is_refused() {
        let check = |environment, first, last| check_statement(&statement(environment, first, last));
        let top = u64::from(u32::MAX);
        let header =
            BlockHeader { environment: EnvironmentId(65535), first_height: 1, last_height: u32::MAX };
        assert_eq!(check(65535, 1, top), Ok(header));
        assert_eq!(check(0, 1, top), Ok(BlockHeader { environment: EnvironmentId::L1, ..header }));
        for environment in [1 << 16, (1 << 32) + 1] {
            assert_eq!(check(environment, 1, 1), Err(BlockError::Environment(environment)));
        }
        for (first, last) in [(0, 0), (0, 1), (2, 1), (1, top + 1), (top + 1, top + 1), ((1 << 32) + 1, 1)] {
            assert_eq!(check(1, first, last), Err(BlockError::Heights { first, last }));
        }
    }

    #[test]
    fn a_body_over_the_limit_is_refused() {
        let messages = || BlockMessages::none(EnvironmentId(1));
        let block = |bytes| ProposedBlock::new(statement(1, 1, 1), messages(), vec![0; bytes], ());
        assert!(block(MAX_BODY_BYTES).is_ok());
        let found = MAX_BODY_BYTES + 1;
        assert_eq!(block(found).err(), Some(BlockError::BodyTooLarge { found }));
    }
}

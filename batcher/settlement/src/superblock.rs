//! A superblock as the contract takes it.

use std::fmt;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use batcher_verify::bundle::{BundleError, SuperblockBundle, l1_outcome};
use circuits_core::{Digest, F};
use circuits_protocol::{l1::NotAWord, registry::EnvironmentId, statement::SuperblockStatement};
use environments_l1::Bytes32;
use plonky2::field::types::PrimeField64;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{
    abi::Settlement::{L1Body, Statement, settleCall, settleStalledCall},
    data::{DataError, SuperblockData},
    job::L1Proof,
};

/// A superblock that is to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    statement: SuperblockStatement,
    stated: Statement,
    payouts: Bytes,
    only_block: Option<OnlyBlock>,
    data: Option<Bytes>,
}

/// The block of environment 0 of a superblock without other blocks: what a stranger has to tell the contract of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OnlyBlock {
    /// The block's element of the body chain.
    element: B256,
    /// The indices of the messages that it consumes.
    consumed: Vec<u32>,
}

/// The contract cannot take the superblock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnstatableError {
    /// A number in the statement is wider than its type in the contract.
    #[error("the statement has {value} as its {field}, which the contract cannot take")]
    Wide { field: &'static str, value: u64 },
    /// The body of environment 0 is no body.
    #[error(transparent)]
    Body(#[from] NotAWord),
    /// The bundle is no superblock.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl Superblock {
    /// The superblock with this statement and these packed payouts. Nothing is verified. Only batchers can settle it, until
    /// [`Self::with_only_block`] says what its block is.
    ///
    /// # Errors
    /// [`UnstatableError`] if the contract has no room for a number of it.
    pub fn new(statement: &SuperblockStatement, payouts: &[u8]) -> Result<Self, UnstatableError> {
        let stated = state(statement)?;
        Ok(Self {
            statement: *statement,
            stated,
            payouts: payouts.to_vec().into(),
            only_block: None,
            data: None,
        })
    }

    /// The superblock with its data, which the job publishes in blobs.
    ///
    /// # Errors
    /// [`DataError`] if it is that of another superblock, or more than blobs hold.
    pub fn with_data(self, data: &SuperblockData) -> Result<Self, DataError> {
        data.check_settled(self.statement_digest())?;
        Ok(Self { data: Some(data.encode()?.into()), ..self })
    }

    /// What is published of it, encoded.
    #[must_use]
    pub const fn data(&self) -> Option<&Bytes> {
        self.data.as_ref()
    }

    /// The superblock with a single block, which is of environment 0: its element of the body chain, and the indices of the messages
    /// that it consumes.
    #[must_use]
    pub fn with_only_block(self, element: Digest, consumed: &[u32]) -> Self {
        let only_block = OnlyBlock { element: of_digest(element), consumed: consumed.to_vec() };
        Self { only_block: Some(only_block), ..self }
    }

    /// The superblock of a bundle, whose proof is not verified here.
    ///
    /// # Errors
    /// [`UnstatableError`]
    pub fn of(bundle: &SuperblockBundle) -> Result<Self, UnstatableError> {
        let superblock = Self::new(&bundle.statement()?, &bundle.payouts)?;
        Ok(match bundle.blocks.as_slice() {
            [block] if block.environment == EnvironmentId::L1.get() => {
                superblock.with_only_block(block.element(), &bundle.consumed)
            }
            _ => superblock,
        })
    }

    /// What its proof states.
    #[must_use]
    pub const fn statement(&self) -> &SuperblockStatement {
        &self.statement
    }

    /// The deployment that it is for.
    #[must_use]
    pub const fn deployment(&self) -> u64 {
        self.stated.deployment
    }

    #[must_use]
    pub const fn number(&self) -> u32 {
        self.stated.number
    }

    /// The state that it continues, as the contract has it.
    #[must_use]
    pub const fn previous_state(&self) -> B256 {
        self.stated.previousState
    }

    /// The state that it leads to, as the contract has it.
    #[must_use]
    pub const fn state(&self) -> B256 {
        self.stated.newState
    }

    /// The digest by which the contract knows the statement: `keccak256(abi.encode(statement))`.
    #[must_use]
    pub fn statement_digest(&self) -> B256 {
        keccak256(self.stated.abi_encode())
    }

    /// How many blocks it has.
    #[must_use]
    pub const fn block_count(&self) -> u32 {
        self.stated.blockCount
    }

    /// The call with which a batcher settles it.
    #[must_use]
    pub fn calldata(&self, proof: &L1Proof) -> Bytes {
        let call = settleCall {
            outerDigest: proof.outer_digest,
            statement: self.stated.clone(),
            payouts: self.payouts.clone(),
            proof: proof.proof.clone(),
        };
        call.abi_encode().into()
    }

    /// The call with which anybody settles it in a stall; `None` if it has another block than one of environment 0.
    #[must_use]
    pub fn stalled_calldata(&self, proof: &L1Proof) -> Option<Bytes> {
        let OnlyBlock { element, consumed } = self.only_block.as_ref()?;
        let call = settleStalledCall {
            outerDigest: proof.outer_digest,
            statement: self.stated.clone(),
            payouts: self.payouts.clone(),
            proof: proof.proof.clone(),
            blockDigest: *element,
            indices: consumed.clone(),
        };
        Some(call.abi_encode().into())
    }
}

/// The statement as the contract takes it.
fn state(statement: &SuperblockStatement) -> Result<Statement, UnstatableError> {
    let outcome = l1_outcome(statement)?;
    let narrow = |field, element: F| {
        let value = element.to_canonical_u64();
        u32::try_from(value).map_err(|_| UnstatableError::Wide { field, value })
    };
    let body = outcome.map_or_else(
        || L1Body {
            queueDigest: B256::ZERO,
            queueLength: 0,
            payoutsDigest: B256::ZERO,
            firstPayout: 0,
            payoutCount: 0,
        },
        |outcome| L1Body {
            queueDigest: B256::new(outcome.queue.digest.0),
            queueLength: outcome.queue.length.into(),
            payoutsDigest: B256::new(outcome.payouts.digest.0),
            firstPayout: outcome.payouts.first.into(),
            payoutCount: outcome.payouts.count,
        },
    );
    Ok(Statement {
        deployment: statement.chain_id.to_canonical_u64(),
        number: narrow("number", statement.number)?,
        previousState: of_digest(statement.previous_state),
        newState: of_digest(statement.new_state),
        registryRoot: of_digest(statement.registry_root),
        bodyChain: of_digest(statement.body_chain),
        blockCount: narrow("number of blocks", statement.block_count)?,
        hasL1Block: outcome.is_some(),
        l1Body: body,
    })
}

/// A digest of the proof system as a contract has it, which prints and serialises as digests do elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractDigest(pub B256);

impl fmt::Display for ContractDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Bytes32(self.0.0).to_digest() {
            Ok(digest) => digest.fmt(f),
            Err(_) => write!(f, "{}, which is no digest", self.0),
        }
    }
}

impl Serialize for ContractDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A digest as a contract has it.
#[must_use]
pub fn of_digest(digest: Digest) -> B256 {
    B256::new(Bytes32::of_digest(digest).0)
}

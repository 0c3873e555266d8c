//! Why a valid block is not in a superblock.

use std::fmt;

use bridge_core::{BridgeError, message::MAX_LIFETIME};
use circuits_core::Digest;
use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

/// A block, by its environment and first height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockName {
    pub environment: EnvironmentId,
    /// Its first height.
    pub height: u32,
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} of environment {}", self.height, self.environment)
    }
}

/// Why a valid block is not in a superblock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LeftOut {
    /// The environment is already past it.
    #[error("environment {environment} is already at height {height}")]
    AlreadyIncluded { environment: EnvironmentId, height: u32 },
    /// The superblock has another block that starts from the same state; see [`super::Planner::select`].
    #[error(
        "another block of environment {environment} that starts at height {height} is included; its statement digest is {winner}"
    )]
    Duplicate {
        environment: EnvironmentId,
        /// The first height of both.
        height: u32,
        /// The statement digest of the block that is included.
        winner: Digest,
    },
    /// It starts from a state that the environment is not in.
    #[error(
        "environment {environment} reached state {reached}, the block at height {height} starts from {found}"
    )]
    OtherState { environment: EnvironmentId, height: u32, reached: Digest, found: Digest },
    /// A block before it is missing.
    #[error("environment {environment} has no block for height {missing}")]
    Gap {
        environment: EnvironmentId,
        /// The first height without a block.
        missing: u32,
    },
    /// The superblock is full; the next one can take the block.
    #[error("the superblock has {limit} blocks already")]
    Full { limit: usize },
    /// The superblock, or the plan of it, was made without it earlier; the next one can take the block.
    #[error("the superblock was made or planned without it before")]
    MadeWithout,
    /// The superblock has no room for the steps that move its messages; the next one has.
    #[error(
        "its messages take {needed} steps of the bridge, and {left} of the superblock's {limit} are left"
    )]
    Steps { needed: usize, left: usize, limit: usize },
    /// The superblock has no room for the balances that its messages add; the next one has.
    #[error(
        "its messages add {needed} balances to the bridge, and {left} of the superblock's {limit} are left"
    )]
    Balances { needed: usize, left: usize, limit: usize },
    /// It consumes a message that nobody has emitted.
    #[error("the message {message} that it consumes was not emitted")]
    NotEmitted { message: Digest },
    /// A rule of the bridge refuses its messages.
    #[error("its messages cannot be moved: {0}")]
    Bridge(#[source] BridgeError),
    /// It consumes a message of a block that is left out too.
    #[error("the message {message} that it consumes is of {emitter}, which is left out")]
    Missing {
        message: Digest,
        /// The block that emits it.
        emitter: BlockName,
        /// Whether that block may come later.
        later: bool,
    },
    /// Each of these blocks needs another one of them to come first.
    #[error("it needs messages of blocks that need it: {}", names(.blocks))]
    Cycle {
        /// The blocks, by environment and height.
        blocks: Vec<BlockName>,
    },
    /// It comes after a block that is left out.
    #[error("it follows {block}, which is left out")]
    Follows {
        block: BlockName,
        /// Whether that block may come later.
        later: bool,
    },
}

impl LeftOut {
    /// Whether a later superblock could still include the block.
    #[must_use]
    pub fn may_come_later(&self) -> bool {
        match self {
            Self::Gap { .. } | Self::Full { .. } | Self::MadeWithout | Self::NotEmitted { .. } => true,
            Self::Steps { needed, limit, .. } | Self::Balances { needed, limit, .. } => needed <= limit,
            Self::AlreadyIncluded { .. }
            | Self::Duplicate { .. }
            | Self::OtherState { .. }
            | Self::Cycle { .. } => false,
            Self::Missing { later, .. } | Self::Follows { later, .. } => *later,
            Self::Bridge(error) => passes_with_time(error),
        }
    }
}

/// Whether a rule stops refusing a block when superblock numbers grow. Balances are changed by the environment's own
/// blocks only, and this block is the next one.
fn passes_with_time(error: &BridgeError) -> bool {
    match error {
        BridgeError::RefundTooEarly { .. } => true,
        BridgeError::Lifetime { number, deadline } => deadline.saturating_sub(*number) > MAX_LIFETIME,
        BridgeError::ChainId { .. }
        | BridgeError::Source { .. }
        | BridgeError::Destination { .. }
        | BridgeError::SelfMessage(_)
        | BridgeError::Sequence(_)
        | BridgeError::ZeroAmount
        | BridgeError::ClaimTooLate { .. }
        | BridgeError::NotPending { .. }
        | BridgeError::Balance { .. }
        | BridgeError::OutOfTurn { .. }
        | BridgeError::OtherIndex { .. }
        | BridgeError::Tree(_) => false,
    }
}

fn names(blocks: &[BlockName]) -> String {
    blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

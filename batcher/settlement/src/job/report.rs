//! What the job says: what it does, what it waits for, and why it ends.

use std::{error::Error, fmt, time::Duration};

use alloy_primitives::{Address, B256};
use thiserror::Error;

use crate::{
    blobs::BlobError,
    contract::NoContract,
    fees::{Fees, OverCap},
    journal::{JournalError, Stage},
    l1::L1Error,
    limits::Limit,
    reason::Revert,
    superblock::ContractDigest,
};

/// What the job does, for whoever watches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The journal has the superblock at this stage.
    Reached { number: u32, stage: Stage },
    /// Nothing is published, as this transaction without blobs waits.
    Silent { number: u32, transaction: B256 },
    /// A node is about to get a transaction.
    Sending { number: u32, transaction: B256, nonce: u64, fees: Fees },
    /// L1 has dropped the block in which the superblock was settled.
    Reorganised { number: u32 },
    /// The account is no batcher, and settles as anybody may in a stall.
    Stranger { number: u32, account: Address },
    /// A node that is behind others may be the reason for an answer that would end the job.
    AskingAgain { reason: String },
    /// A transaction is in a block and did nothing. The reason is what the contract says to the same call after that block; it may have
    /// changed its mind.
    Failed { number: u32, transaction: B256, reason: Option<Revert> },
    /// Somebody else has settled the superblock, with the same state.
    SettledByOther { number: u32 },
    /// There is nothing to do but to wait.
    Waiting { number: u32, reason: Waiting },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached { number, stage } => write!(f, "superblock {number} is {stage}"),
            Self::Silent { number, transaction } => write!(
                f,
                "superblock {number}: its data is not published, because transaction {transaction} without blobs waits already"
            ),
            Self::Sending { number, transaction, nonce, fees } => write!(
                f,
                "superblock {number}: sending transaction {transaction} with nonce {nonce}, at most {} wei per gas",
                fees.max
            ),
            Self::Reorganised { number } => {
                write!(f, "superblock {number}: L1 has dropped the block in which it was settled")
            }
            Self::Stranger { number, account } => {
                write!(
                    f,
                    "superblock {number}: {account} is no batcher, and settles as anybody may in a stall"
                )
            }
            Self::AskingAgain { reason } => write!(f, "{reason}; asking again, as the node may be behind"),
            Self::Failed { number, transaction, reason } => {
                write!(f, "superblock {number}: transaction {transaction} is in a block, and failed")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Self::SettledByOther { number } => write!(f, "superblock {number}: somebody else has settled it"),
            Self::Waiting { number, reason } => write!(f, "superblock {number}: {reason}"),
        }
    }
}

/// What the job waits for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Waiting {
    /// The node does not answer.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// Gas is too expensive.
    #[error(transparent)]
    Fee(#[from] OverCap),
    /// The superblock before is not settled (any more).
    #[error("L1 has settled up to superblock {0} only")]
    Predecessor(u32),
    /// No block has the transaction.
    #[error("no block has transaction {0} yet")]
    Inclusion(B256),
    /// The block is not final.
    #[error("block {0} is not final yet")]
    Finality(u64),
    /// The node contradicts itself.
    #[error(
        "the node says that transaction {0} succeeded, and that its contract has not settled the superblock"
    )]
    Contradiction(B256),
    /// The contract takes it later.
    #[error("the contract refuses with {reason}, until time {at}")]
    TooEarly {
        /// The name of the contract's error.
        reason: &'static str,
        /// In seconds of the Unix epoch, on the clock of the error.
        at: u64,
    },
    /// A transaction of the account that this job does not know comes first.
    #[error(
        "no block has the transaction with nonce {nonce} of {account}, which comes first and is not this job's"
    )]
    EarlierNonce { account: Address, nonce: u64 },
    /// The account cannot pay for a higher offer, and the lower one waits.
    #[error("transaction {transaction} waits, and its offer cannot be raised: {limit}")]
    NotRaised { transaction: B256, limit: Box<Limit> },
    /// The caps allow no offer that nodes take in place of the last one.
    #[error("no block has transaction {0} yet, and its offer is as high as the caps allow")]
    AtCap(B256),
    /// L1 has moved since it was asked.
    #[error("L1 has changed in the meantime")]
    Changed,
}

/// Why superblocks are not settled. What the journal has is kept: started again, the job goes on from there.
#[derive(Debug, Error)]
pub enum JobError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// L1 gives an answer that time does not change.
    #[error(transparent)]
    L1(L1Error),
    /// The node is that of another network.
    #[error("the node is on the network with chain id {found}, expected {expected}")]
    Network { expected: u64, found: u64 },
    /// There is no settlement contract.
    #[error(transparent)]
    NoContract(#[from] NoContract),
    /// The superblock is for another contract.
    #[error("superblock {number} is of deployment {found}, the contract's is {expected}")]
    OtherDeployment { number: u32, expected: u64, found: u64 },
    /// The superblocks are not numbered one after the other.
    #[error("superblock {previous} is followed by superblock {number}")]
    Order { previous: u32, number: u32 },
    /// A superblock before the first one is missing.
    #[error("L1 has settled up to superblock {settled}, the first one given is superblock {first}")]
    Gap { settled: u32, first: u32 },
    /// L1 has settled another superblock of this number.
    #[error("L1 has settled superblock {number} with state {found}, not with state {expected}")]
    OtherState { number: u32, expected: ContractDigest, found: ContractDigest },
    /// L1 has settled a superblock with this state and another statement, such as one with other payouts.
    #[error("L1 has settled superblock {number} with statement digest {found}, not with {expected}")]
    OtherStatement { number: u32, expected: B256, found: B256 },
    /// The superblock continues another state than L1's.
    #[error("superblock {number} continues state {found}, L1 is at state {expected}")]
    OtherPrevious { number: u32, expected: ContractDigest, found: ContractDigest },
    /// Only batchers settle it.
    #[error(
        "{account} is no batcher, and only batchers settle superblocks with other blocks than one of environment 0: superblock \
         {number} has {blocks} in all"
    )]
    Stranger { number: u32, account: Address, blocks: u32 },
    /// The contract takes it later, and that is too long to wait for.
    #[error("the contract takes superblock {number} in {seconds} seconds at the earliest: {reason}")]
    TooEarly { number: u32, seconds: u64, reason: Revert },
    /// The contract takes no such superblock.
    #[error("the contract refuses superblock {number}: {reason}")]
    Refused { number: u32, reason: Revert },
    /// L1 would take no such transaction.
    #[error("superblock {number}: {source}")]
    Limit { number: u32, source: Limit },
    /// What is to be published cannot be.
    #[error("superblock {number}: {source}")]
    Blobs { number: u32, source: BlobError },
    /// L1 takes no blobs.
    #[error("superblock {number}: L1's node knows no blobs, so nothing can be published there")]
    NoBlobs { number: u32 },
    /// Nodes replace a transaction with blobs only by another one.
    #[error(
        "superblock {number}: transaction {transaction} has blobs and waits, so it cannot be settled without them now"
    )]
    BlobsNeeded { number: u32, transaction: B256 },
    /// There is no proof for L1.
    #[error("superblock {number}: cannot make the proof for L1")]
    Prove { number: u32, source: Box<dyn Error + Send + Sync> },
    /// Transactions fail that should not.
    #[error("superblock {number}: {failed} transactions failed, the last one is {last}")]
    Failed { number: u32, failed: usize, last: B256 },
    /// Each transaction is gone, as the node says, and each may still settle, or cost its gas.
    #[error(
        "superblock {number}: transactions with {nonces} nonces were signed, and none has settled it as the node says; the last one is \
         {last}: ask another node for those in the journal's record, and remove the record to sign further ones"
    )]
    Nonces { number: u32, nonces: usize, last: B256 },
    /// The node contradicts itself for too long.
    #[error(
        "superblock {number}: the node says that transaction {transaction} succeeded, and that the contract has not settled"
    )]
    Contradiction { number: u32, transaction: B256 },
    /// Nothing has happened for too long.
    #[error("superblock {number} is {stage}, and nothing has happened for {} seconds: {waiting}", .patience.as_secs())]
    Patience { number: u32, stage: Stage, patience: Duration, waiting: Waiting },
    /// The caller asked to stop.
    #[error("stopped; the same command goes on from the journal")]
    Stopped,
}

impl JobError {
    /// Whether a node that is behind may be the reason, so that one round does not decide.
    pub(super) const fn is_doubtful(&self) -> bool {
        matches!(
            self,
            Self::NoContract(_)
                | Self::Gap { .. }
                | Self::OtherState { .. }
                | Self::OtherStatement { .. }
                | Self::OtherPrevious { .. }
                | Self::Stranger { .. }
                | Self::NoBlobs { .. }
                | Self::TooEarly { .. }
                | Self::Refused { .. }
        )
    }
}

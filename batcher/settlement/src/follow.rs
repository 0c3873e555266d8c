//! Following superblocks with nothing but L1: the contract says which ones it settled and by which blobs their data goes, and the
//! blobs say the rest.
//!
//! ```text
//! event: number, hashes of blobs --source--> blobs --hashes--> data --statement digest--> superblock --follow--> state
//! ```
//! No proof is verified here, as the contract has verified one of the statement whose digest it keeps. The statement commits to the
//! lists in the data, so whatever a source gives, the state that is reached is the one that L1 settled.

use std::collections::BTreeSet;

use alloy_primitives::{B256, Bytes};
use batcher_circuits::{
    follow::{FollowError, follow},
    state::SuperblockState,
};
use thiserror::Error;

use crate::{
    abi::Settlement::{SuperblockSettled, statementDigestOfCall},
    blob_source::{BlobDirectory, BlobSource, MOST_CANDIDATES, Settlement, SourceError, Stated},
    blobs::{BlobError, MOST_READ_BLOBS, data_of, versioned_hash},
    contract::Contract,
    data::{DataError, SuperblockData},
    finalized::{Finalized, FinalizedError},
    job::Finality,
    l1::{At, Event, L1Error},
    lone_block::{LoneBlockError, superblock_of_events},
    superblock::{ContractDigest, of_digest},
};

/// Why L1 does not lead on from a state.
#[derive(Debug, Error)]
pub enum L1FollowError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Finalized(#[from] FinalizedError),
    /// The states are those of another deployment.
    #[error("the contract is that of deployment {expected}, the state is of chain {found}")]
    OtherDeployment { expected: u64, found: u64 },
    /// L1 is behind, or the states are of another chain.
    #[error(
        "L1 has settled up to superblock {settled} for good, the state is that after superblock {number}"
    )]
    Ahead { settled: u32, number: u32 },
    /// The states are not those that L1 settled.
    #[error("L1 has settled superblock {number} with state {expected}, the state here is {found}")]
    OtherState { number: u32, expected: ContractDigest, found: ContractDigest },
    /// Nothing was published.
    #[error("superblock {number} was settled without blobs: follow it with its bundle")]
    NoBlobs { number: u32 },
    /// More blobs than are read.
    #[error(
        "the node tells of more than {MOST_READ_BLOBS} blobs of superblock {number}, and no more are read"
    )]
    TooMany { number: u32 },
    /// A source cannot be asked.
    #[error("superblock {number}: {source}")]
    Source { number: u32, source: SourceError },
    /// No source has a blob.
    #[error("superblock {number}: nobody who was asked has the blob with hash {hash}")]
    Missing { number: u32, hash: B256 },
    /// The blobs hold no data.
    #[error("superblock {number}: its blobs hold no data: {source}: follow it with its bundle")]
    Blobs { number: u32, source: BlobError },
    /// The data is not that of the superblock.
    #[error("superblock {number}: its blobs do not hold its data: {source}: follow it with its bundle")]
    Data { number: u32, source: DataError },
    /// A stranger settled it, and what the contract says does not lead to it.
    #[error("superblock {number}: {source}")]
    LoneBlock { number: u32, source: LoneBlockError },
    /// The superblock does not continue the state.
    #[error("superblock {number}: {source}")]
    Follow { number: u32, source: FollowError },
}

/// Reads superblocks from L1.
pub struct L1Follower<'a> {
    pub contract: Contract<'a>,
    pub finality: Finality,
    /// No event is older than this block.
    pub first_block: u64,
    /// Where blobs are looked for, in this order.
    pub sources: &'a [&'a dyn BlobSource],
    /// Where those that were found are kept.
    pub keep: Option<&'a BlobDirectory>,
}

impl L1Follower<'_> {
    /// The settlements for good that come after the state, in order. The state must be one that L1 settled.
    ///
    /// # Errors
    /// [`L1FollowError`], of L1 and of what it says of the state.
    pub fn settlements(&self, state: &SuperblockState) -> Result<Vec<Settlement>, L1FollowError> {
        let finalized = Finalized::read(self.contract, self.finality)?;
        let (deployment, settled, number) = (finalized.deployment, finalized.settled, state.number);
        if deployment != state.chain_id {
            return Err(L1FollowError::OtherDeployment { expected: deployment, found: state.chain_id });
        }
        if settled < number {
            return Err(L1FollowError::Ahead { settled, number });
        }
        let (expected, found) = (finalized.state(number)?, of_digest(state.commitment()));
        if expected != found {
            let [expected, found] = [expected, found].map(ContractDigest);
            return Err(L1FollowError::OtherState { number, expected, found });
        }
        // If the numbers end with this state, there is nothing after it.
        let Some(first) = number.checked_add(1) else { return Ok(vec![]) };
        let settlement = |(event, settled): (Event, SuperblockSettled)| Settlement {
            number: settled.number,
            block_number: event.block_number,
            transaction: event.transaction,
            stated: Stated {
                new_state: settled.newState,
                registry_root: settled.registryRoot,
                body_chain: settled.bodyChain,
                queue_length: settled.queueLength,
            },
            hashes: settled.blobs,
        };
        let settlements = finalized.settlements(self.first_block, (first, settled))?;
        Ok(settlements.into_iter().map(settlement).collect())
    }

    /// The data of a superblock, checked against its blobs' hashes and against the statement that the contract settled.
    ///
    /// # Errors
    /// [`L1FollowError`]
    pub fn read(&self, settlement: &Settlement) -> Result<SuperblockData, L1FollowError> {
        let number = settlement.number;
        match settlement.hashes.len() {
            0 => return Err(L1FollowError::NoBlobs { number }),
            found if found > MOST_READ_BLOBS => return Err(L1FollowError::TooMany { number }),
            _ => {}
        }
        let blobs = self.find(settlement)?;
        if let Some(directory) = self.keep {
            for (&hash, blob) in settlement.hashes.iter().zip(&blobs) {
                directory.keep(hash, blob).map_err(|source| L1FollowError::Source { number, source })?;
            }
        }
        let bytes = data_of(&blobs).map_err(|source| L1FollowError::Blobs { number, source })?;
        let failed = |source| L1FollowError::Data { number, source };
        let data = SuperblockData::decode(&bytes).map_err(failed)?;
        self.check_settled(number, &data)?;
        Ok(data)
    }

    /// The data of the superblock after `state`: from its blobs, or, if these do not have it, from what the contract says of one that
    /// a stranger settled. Strangers need not publish anything, as their superblocks have a block of environment 0 only.
    ///
    /// # Errors
    /// [`L1FollowError`]: that of [`Self::read`], if no stranger settled it.
    pub fn data_after(
        &self,
        state: &SuperblockState,
        settlement: &Settlement,
    ) -> Result<SuperblockData, L1FollowError> {
        let number = settlement.number;
        let unread = match self.read(settlement) {
            Err(error) if !matches!(error, L1FollowError::L1(_)) => error,
            read => return read,
        };
        let superblock = match superblock_of_events(&self.contract, self.finality, state, settlement) {
            Ok(superblock) => superblock,
            Err(LoneBlockError::NoStranger(_)) => return Err(unread),
            Err(source) => return Err(L1FollowError::LoneBlock { number, source }),
        };
        let failed = |source| L1FollowError::Data { number, source };
        let data = SuperblockData::of_unproved(superblock).map_err(failed)?;
        self.check_settled(number, &data)?;
        Ok(data)
    }

    /// Compares the data's statement with what the contract settled.
    fn check_settled(&self, number: u32, data: &SuperblockData) -> Result<(), L1FollowError> {
        // The contract never replaces a digest, so the newest block has that of the final one.
        let settled = self.contract.view(&statementDigestOfCall { number }, At::Latest)?;
        data.check_settled(settled.unwrap_or_default())
            .map_err(|source| L1FollowError::Data { number, source })
    }

    /// The state after a superblock whose data was read.
    ///
    /// # Errors
    /// [`L1FollowError::Follow`]
    pub fn next_state(
        &self,
        state: &SuperblockState,
        data: &SuperblockData,
    ) -> Result<SuperblockState, L1FollowError> {
        let number = state.number.saturating_add(1);
        follow(state, data.superblock()).map_err(|source| L1FollowError::Follow { number, source })
    }

    /// The blobs with the settlement's hashes, in their order.
    fn find(&self, settlement: &Settlement) -> Result<Vec<Bytes>, L1FollowError> {
        let number = settlement.number;
        let mut missing: BTreeSet<B256> = settlement.hashes.iter().copied().collect();
        let mut found: Vec<(B256, Bytes)> = vec![];
        let mut failed = None;
        for source in self.sources {
            if missing.is_empty() {
                break;
            }
            match source.blobs(settlement) {
                Ok(candidates) => {
                    for blob in candidates.into_iter().take(MOST_CANDIDATES) {
                        // What has no hash is not the blob that is looked for.
                        if let Ok(hash) = versioned_hash(&blob)
                            && missing.remove(&hash)
                        {
                            found.push((hash, blob));
                        }
                        if missing.is_empty() {
                            break;
                        }
                    }
                }
                // Another source may have them.
                Err(source) => failed = Some(source),
            }
        }
        match (missing.first(), failed) {
            (None, _) => {}
            (Some(_), Some(source)) => return Err(L1FollowError::Source { number, source }),
            (Some(&hash), None) => return Err(L1FollowError::Missing { number, hash }),
        }
        let blob = |hash| found.iter().find(|(one, _)| one == hash).map(|(_, blob)| blob.clone());
        Ok(settlement.hashes.iter().filter_map(blob).collect())
    }
}

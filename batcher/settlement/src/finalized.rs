//! What the contract says of superblocks in the last final block of L1.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolEvent as _;
use thiserror::Error;

use crate::{
    abi::Settlement::{SuperblockSettled, deploymentCall},
    blobs::MOST_READ_BLOBS,
    contract::{Contract, NoContract},
    history::{decode, search_back},
    job::Finality,
    l1::{At, Event, L1Error},
};

/// Why L1 does not say what is settled for good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FinalizedError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    NoContract(#[from] NoContract),
    /// No block is final yet.
    #[error("no block of L1 is final yet")]
    NothingFinal,
    /// The node leaves an event out.
    #[error("the node tells no event of superblock {number}, which the contract has settled")]
    NoEvent { number: u32 },
}

/// The contract as it is in the last final block.
pub(crate) struct Finalized<'a> {
    contract: Contract<'a>,
    /// The number of that block.
    pub(crate) block: u64,
    /// The deployment that the contract says it is.
    pub(crate) deployment: u64,
    /// The last superblock that is settled; 0 is genesis.
    pub(crate) settled: u32,
}

impl<'a> Finalized<'a> {
    pub(crate) fn read(contract: Contract<'a>, finality: Finality) -> Result<Self, FinalizedError> {
        let Contract { l1, address } = contract;
        let latest = l1.block(At::Latest)?.ok_or(FinalizedError::NothingFinal)?;
        let block = finality.block(l1, &latest)?.ok_or(FinalizedError::NothingFinal)?.number;
        let at = At::Number(block);
        let deployment = contract.view(&deploymentCall {}, at)?.ok_or(NoContract(address))?;
        let settled = contract.settled(at)?.ok_or(NoContract(address))?.number;
        Ok(Self { contract, block, deployment, settled })
    }

    /// The state after superblock `number`; zeros if it is not settled.
    pub(crate) fn state(&self, number: u32) -> Result<B256, FinalizedError> {
        Ok(self.contract.state(number, At::Number(self.block))?)
    }

    /// The events of superblocks `first..=last`, which are settled, in their order, without their data as bytes. No event is older than
    /// `first_block`.
    pub(crate) fn settlements(
        &self,
        first_block: u64,
        (first, last): (u32, u32),
    ) -> Result<Vec<(Event, SuperblockSettled)>, FinalizedError> {
        let mut told = BTreeMap::new();
        if first <= last {
            let (topics, range) = ([Some(SuperblockSettled::SIGNATURE_HASH)], (first_block, self.block));
            search_back(self.contract.l1, self.contract.address, &topics, range, |event| {
                // One that is malformed is missed below, if it is one of these superblocks.
                let Ok(mut settled) = decode::<SuperblockSettled>(&event) else { return true };
                let number = settled.number;
                if (first..=last).contains(&number) {
                    // A node can tell any number of blobs, and that there are too many is all that is asked about them.
                    settled.blobs.truncate(MOST_READ_BLOBS + 1);
                    settled.blobs.shrink_to_fit();
                    told.insert(number, (Event { data: Bytes::new(), ..event }, settled));
                }
                number > first
            })?;
        }
        let told = |number| told.remove(&number).ok_or(FinalizedError::NoEvent { number });
        (first..=last).map(told).collect()
    }
}

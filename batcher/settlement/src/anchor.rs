//! What a verifier trusts, taken from the contract instead of a file.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use batcher_verify::{
    trust::{Checkpoint, RegistryFrom, Trust},
    verify::Verified,
};
use circuits_core::{Digest, digest::DigestError};
use environments_l1::Bytes32;
use thiserror::Error;

use crate::{
    contract::Contract,
    deployment::deployment_id,
    finalized::{Finalized, FinalizedError},
    job::Finality,
    l1::L1Error,
};

/// Why the contract is no anchor for these superblocks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnchorError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Finalized(#[from] FinalizedError),
    /// L1 is not so far.
    #[error("L1 has settled up to superblock {settled} for good, not up to superblock {number}")]
    NotSettled { settled: u32, number: u32 },
    /// The contract has what is no digest.
    #[error("the contract has {value} for superblock {number}, which is no digest: {source}")]
    NoDigest { number: u32, value: B256, source: DigestError },
    /// The contract is that of another network, or of another address.
    #[error("the contract says that it is deployment {found}, by network and address it is {expected}")]
    OtherDeployment { expected: u64, found: u64 },
    /// The superblock is another one than L1 settled.
    #[error("L1 has settled superblock {number} with {field} {expected}, the file has {found}")]
    OtherSuperblock {
        number: u32,
        /// What differs.
        field: &'static str,
        expected: Digest,
        found: Digest,
    },
}

/// What L1 says of superblocks that it has settled for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub trust: Trust,
    /// The final block of which this is true.
    pub block: u64,
    settled: BTreeMap<u32, Settled>,
}

/// What L1 says of a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settled {
    state: Digest,
    body_chain: Digest,
}

impl Anchor {
    /// What L1 says of superblocks `first..=last`, which are proved with `keys`. No event is older than `first_block`.
    ///
    /// # Errors
    /// [`AnchorError`]
    pub fn read(
        contract: &Contract<'_>,
        finality: Finality,
        first_block: u64,
        (first, last): (u32, u32),
        keys: Vec<Digest>,
    ) -> Result<Self, AnchorError> {
        let finalized = Finalized::read(*contract, finality)?;
        let (block, deployment, settled) = (finalized.block, finalized.deployment, finalized.settled);
        let expected = deployment_id(contract.l1.chain_id()?, contract.address);
        if deployment != expected {
            return Err(AnchorError::OtherDeployment { expected, found: deployment });
        }
        if last > settled {
            return Err(AnchorError::NotSettled { settled, number: last });
        }
        let state = |number| to_digest(number, finalized.state(number)?);
        let before = first.saturating_sub(1);
        let start = Checkpoint { number: before, state: state(before)? };
        let (mut superblocks, mut registry) = (BTreeMap::new(), vec![]);
        for (_, event) in finalized.settlements(first_block, (first, last))? {
            let number = event.number;
            let body_chain = to_digest(number, event.bodyChain)?;
            superblocks.insert(number, Settled { state: state(number)?, body_chain });
            registry.push(RegistryFrom { from: number, root: to_digest(number, event.registryRoot)? });
        }
        let trust = Trust { chain_id: deployment, keys, start, l1_queue: None, registry, older_keys: vec![] };
        Ok(Self { trust, block, settled: superblocks })
    }

    /// Checks that L1 settled the superblock with this state and these blocks. They commit to the block of environment 0, whose queue
    /// the contract compared with its own, and whose payouts it lists: so deposits and payouts are L1's.
    ///
    /// # Errors
    /// [`AnchorError::NotSettled`] or [`AnchorError::OtherSuperblock`].
    pub fn check(&self, superblock: &Verified) -> Result<(), AnchorError> {
        let number = u32::try_from(superblock.number).unwrap_or(u32::MAX);
        let last = self.settled.keys().next_back().copied().unwrap_or_default();
        let settled = self.settled.get(&number).ok_or(AnchorError::NotSettled { settled: last, number })?;
        let rules = [
            ("state", settled.state, superblock.new_state),
            ("body chain", settled.body_chain, superblock.body_chain),
        ];
        match rules.into_iter().find(|(_, expected, found)| expected != found) {
            None => Ok(()),
            Some((field, expected, found)) => {
                Err(AnchorError::OtherSuperblock { number, field, expected, found })
            }
        }
    }
}

fn to_digest(number: u32, value: B256) -> Result<Digest, AnchorError> {
    Bytes32(value.0).to_digest().map_err(|source| AnchorError::NoDigest { number, value, source })
}

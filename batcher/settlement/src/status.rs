//! Where a settlement contract is.

use std::fmt;

use alloy_primitives::{Address, B256};
use serde::Serialize;

use crate::{
    abi::Settlement::{deploymentCall, nextRegistryRootCall, pausedUntilCall, progressCall, queueCall},
    contract::{Contract, NoContract},
    job::Finality,
    l1::{At, L1Error},
    superblock::ContractDigest,
    watch::WatchError,
};

/// The actions that are paused apart, in the contract's order.
const ACTIONS: [&str; 3] = ["deposit", "settle", "pay"];

/// What a contract says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    pub chain_id: u64,
    pub contract: Address,
    pub deployment: u64,
    /// The block of which this is true.
    pub block: u64,
    /// The last final block.
    pub final_block: Option<u64>,
    /// The last superblock that is settled; 0 is genesis.
    pub number: u32,
    pub state: ContractDigest,
    /// The registry root of the next one.
    pub registry_root: ContractDigest,
    /// Deposits in the queue, and those that superblocks have taken.
    pub deposits: u32,
    pub taken: u32,
    pub queue_digest: B256,
    /// The least that the next superblock's queue length may be.
    pub owed: u32,
    pub next_payout: u32,
    /// The actions that are paused, and until when, in seconds of the Unix epoch.
    pub paused: Vec<(&'static str, u32)>,
}

impl Status {
    /// Asks the contract.
    ///
    /// # Errors
    /// [`WatchError::L1`] or [`WatchError::NoContract`].
    pub fn read(contract: &Contract<'_>, finality: Finality) -> Result<Self, WatchError> {
        let Contract { l1, address } = *contract;
        let latest = l1.block(At::Latest)?.ok_or(WatchError::NothingFinal)?;
        let at = At::Number(latest.number);
        let missing = NoContract(address);
        let settled = contract.settled(at)?.ok_or(missing)?;
        let progress = contract.view(&progressCall {}, at)?.ok_or(missing)?;
        let queue = contract.view(&queueCall {}, at)?.ok_or(missing)?;
        let paused = |(action, name): (usize, &'static str)| -> Result<_, L1Error> {
            let until = contract.view(&pausedUntilCall { action: action as u8 }, at)?;
            Ok((name, until.unwrap_or_default()))
        };
        let paused: Vec<_> = ACTIONS.into_iter().enumerate().map(paused).collect::<Result<_, _>>()?;
        Ok(Self {
            chain_id: l1.chain_id()?,
            contract: address,
            deployment: contract.view(&deploymentCall {}, at)?.ok_or(missing)?,
            block: latest.number,
            final_block: finality.block(l1, &latest)?.map(|block| block.number),
            number: settled.number,
            state: ContractDigest(settled.state),
            registry_root: ContractDigest(contract.view(&nextRegistryRootCall {}, at)?.ok_or(missing)?),
            deposits: queue.length,
            taken: progress.taken,
            queue_digest: queue.digest,
            owed: progress.owed,
            next_payout: progress.nextPayout,
            paused: paused.into_iter().filter(|&(_, until)| u64::from(until) > latest.timestamp).collect(),
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain_id, contract, deployment, block, number, state, deposits, taken, owed, .. } = self;
        writeln!(f, "contract {contract} on network {chain_id}, deployment {deployment}, block {block}")?;
        writeln!(f, "superblock {number} is settled, state {state}")?;
        writeln!(f, "the next one states registry root {}", self.registry_root)?;
        write!(f, "{deposits} deposits, {taken} taken, {owed} owed by then; {} payouts", self.next_payout)?;
        self.paused.iter().try_for_each(|(action, until)| {
            write!(f, "\n{action} is paused until {until}, in seconds of the Unix epoch")
        })
    }
}

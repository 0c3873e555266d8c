//! A scenario's run on the embedded L1: its deposits, superblocks and payouts in the contracts that Ethereum gets.

use std::{error::Error, fmt, sync::atomic::AtomicBool};

use alloy_primitives::Address;
use batcher_job::{
    payouts::L1Summary,
    queue::Queue,
    run::RunReport,
    scenario::{Scenario, ScenarioError, SignedFor},
};
use circuits_files::file::{self, FileError, FileKind, SMALL_LIMIT};
use circuits_keys::CircuitCache;
use circuits_protocol::{l1::QueuePosition, registry::Registry};
use circuits_tasks::shared::Shared;
use environments_l1::Payout;
use serde::Serialize;
use thiserror::Error;

use crate::{
    deploy::DeployError,
    hops::{Hops, HopsError},
    job::Prove as _,
    local::{self, LocalError, LocalL1},
    payouts::{ClaimError, ClaimOutcome, Claimed, Claims},
    superblock::Superblock,
    wallet::WalletError,
    watch::account,
};

/// Why the embedded L1 does not settle a run.
#[derive(Debug, Error)]
pub enum SettledRunError {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Registry(#[from] FileError),
    #[error(transparent)]
    Hops(#[from] HopsError),
    #[error("the embedded L1: {0}")]
    Deploy(#[from] DeployError),
    /// The contract refuses a deposit of the scenario.
    #[error("the embedded L1: deposit {index}: {source}")]
    Deposit { index: usize, source: LocalError },
    /// Accounts of an environment sign for another contract.
    #[error(
        "environment {environment}: its accounts sign for contract {} on network {}, the embedded L1 has contract {} on \
         network {}",
        .found.contract, .found.chain_id, .expected.contract, .expected.chain_id
    )]
    SignedFor { environment: u16, expected: SignedFor, found: SignedFor },
    /// The contract and the run hash the queue in different ways.
    #[error("the embedded L1 has {found}, the scenario's queue is {expected}")]
    OtherQueue { expected: QueuePosition, found: QueuePosition },
    #[error("the embedded L1: superblock {number}: {source}")]
    Settle { number: u32, source: WalletError },
    #[error("superblock {number}: cannot make the proof for L1")]
    Prove { number: u32, source: Box<dyn Error + Send + Sync> },
    #[error("the embedded L1: {0}")]
    Claim(#[from] ClaimError),
}

/// A superblock in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SettledSuperblock {
    pub number: u32,
    pub calldata_bytes: usize,
    pub gas_used: u64,
}

/// What the embedded L1 did for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettledRun {
    pub contract: Address,
    /// The gas of all transactions of the deployment.
    pub deployment_gas: u64,
    /// Deposits in the queue.
    pub deposits: usize,
    pub superblocks: Vec<SettledSuperblock>,
    pub claims: Claims,
}

impl fmt::Display for SettledRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contract, deposits, superblocks, claims, .. } = self;
        write!(f, "embedded L1: contract {contract}, {deposits} deposits in its queue")?;
        superblocks.iter().try_for_each(|SettledSuperblock { number, calldata_bytes, gas_used }| {
            write!(f, "\n    superblock {number} settled: {calldata_bytes} bytes of calldata, {gas_used} gas")
        })?;
        claims.payouts.iter().try_for_each(|Claimed { payout, outcome, .. }| {
            let Payout { index, recipient, asset, amount, .. } = payout;
            let word = if matches!(outcome, ClaimOutcome::Refused(_)) { "refused" } else { "claimed" };
            write!(f, "\n    payout {index} {word}: {amount} of {asset} to {recipient}")
        })?;
        if claims.payouts.is_empty() { Ok(()) } else { write!(f, "\n    claims: {} gas", claims.gas_used) }
    }
}

/// Checks that the scenario's accounts sign for the contract of the embedded L1.
///
/// # Errors
/// [`SettledRunError::SignedFor`] or [`SettledRunError::Scenario`].
pub fn check_signed_for(scenario: &Scenario) -> Result<(), SettledRunError> {
    let contract = account(LocalL1::new().settlement());
    let expected = SignedFor { chain_id: local::CHAIN_ID, contract };
    match scenario.signed_for()?.into_iter().find(|&(_, found)| found != expected) {
        None => Ok(()),
        Some((environment, found)) => Err(SettledRunError::SignedFor { environment, expected, found }),
    }
}

impl LocalL1 {
    /// Deploys the contracts, makes the deposits of `queue`, settles the run's superblocks, each with its proof for L1, and claims
    /// what they pay. `note` receives a line for each proof that is made, `stop` stops before the next stage of
    /// one, and the stages are shared with workers if there is somewhere to share them.
    ///
    /// # Errors
    /// [`SettledRunError`]
    pub fn settle_run(
        &self,
        report: &RunReport,
        queue: &Queue,
        cache: &CircuitCache,
        note: &dyn Fn(&str),
        stop: &AtomicBool,
        shared: Option<Shared<'_>>,
    ) -> Result<SettledRun, SettledRunError> {
        let registry: Registry = file::read(FileKind::Registry, &report.registry, SMALL_LIMIT)?;
        let deployed = self.deploy(&registry)?;
        self.deposit_queue(queue)?;
        let (hops, opened) = Hops::open(&report.superblocks, cache, stop)?;
        let hops = hops.with_shared(shared);
        let mut superblocks = vec![];
        for superblock in &opened {
            note(&format!("superblock {}: making the proof for L1", superblock.number()));
            superblocks.push(self.settle_one(&hops, superblock)?);
        }
        let mut claims = Claims::default();
        for L1Summary { superblock, payouts, .. } in &report.l1 {
            let number = u32::try_from(*superblock).unwrap_or(u32::MAX);
            claims.extend(self.claim(number, payouts, |_| true)?);
        }
        Ok(SettledRun {
            contract: deployed.settlement,
            deployment_gas: deployed.gas_used,
            deposits: queue.deposits().len(),
            superblocks,
            claims,
        })
    }

    fn deposit_queue(&self, queue: &Queue) -> Result<(), SettledRunError> {
        let mut found = QueuePosition::default();
        for (index, deposit) in queue.deposits().iter().enumerate() {
            found = self.deposit(deposit).map_err(|source| SettledRunError::Deposit { index, source })?;
        }
        let expected = queue.position();
        if found == expected { Ok(()) } else { Err(SettledRunError::OtherQueue { expected, found }) }
    }

    fn settle_one(
        &self,
        hops: &Hops<'_>,
        superblock: &Superblock,
    ) -> Result<SettledSuperblock, SettledRunError> {
        let number = superblock.number();
        let proof = hops.prove(superblock).map_err(|source| SettledRunError::Prove { number, source })?;
        let receipt =
            self.settle(superblock, &proof).map_err(|source| SettledRunError::Settle { number, source })?;
        let calldata_bytes = superblock.calldata(&proof).len();
        Ok(SettledSuperblock { number, calldata_bytes, gas_used: receipt.gas_used })
    }
}

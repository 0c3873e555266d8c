//! The embedded L1 of `superblock run`: a run's deposits, superblocks and payouts in the contracts that Ethereum gets.

use std::{fmt, path::PathBuf};

use batcher_job::{
    output::OutputDirectory,
    payouts::L1Summary,
    queue::Queue,
    run::RunReport,
    scenario::{Scenario, SignedFor},
};
use batcher_settlement::{
    Address,
    deploy::DeployError,
    job::Prove as _,
    local::{self, LocalError, LocalL1},
    payouts::{ClaimError, ClaimOutcome, Claimed, Claims},
    superblock::Superblock,
    wallet::WalletError,
    watch::account,
};
use circuits_files::file::{self, FileKind, SMALL_LIMIT};
use circuits_keys::CircuitCache;
use circuits_protocol::{l1::QueuePosition, registry::Registry};
use environments_l1::Payout;
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::Failure,
    exit::{ExitCode, HasExitCode},
    l1_prover::L1Prover,
};

/// Why the embedded L1 does not settle a run.
#[derive(Debug, Error)]
pub(crate) enum RunL1Error {
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
    Prove { number: u32, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the embedded L1: {0}")]
    Claim(#[from] ClaimError),
}

impl HasExitCode for RunL1Error {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Deploy(error) => error.exit_code(),
            Self::Deposit { .. } | Self::SignedFor { .. } => ExitCode::Rejected,
            Self::OtherQueue { .. } => ExitCode::Invalid,
            Self::Settle { source, .. } => source.exit_code(),
            Self::Prove { .. } => ExitCode::Unavailable,
            Self::Claim(error) => error.exit_code(),
        }
    }
}

/// What the embedded L1 did.
#[derive(Serialize)]
pub(crate) struct OnLocalL1 {
    contract: Address,
    /// The gas of all transactions of the deployment.
    deployment_gas: u64,
    deposits: usize,
    superblocks: Vec<SettledSuperblock>,
    claims: Claims,
}

#[derive(Serialize)]
struct SettledSuperblock {
    number: u32,
    calldata_bytes: usize,
    gas_used: u64,
}

impl fmt::Display for OnLocalL1 {
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

/// Checks that the scenario's accounts sign for the contract that will settle it.
pub(crate) fn check(scenario: &Scenario) -> Result<(), Failure> {
    let contract = account(LocalL1::new().settlement());
    let expected = SignedFor { chain_id: local::CHAIN_ID, contract };
    match scenario.signed_for()?.into_iter().find(|&(_, found)| found != expected) {
        None => Ok(()),
        Some((environment, found)) => Err(RunL1Error::SignedFor { environment, expected, found }.into()),
    }
}

/// Deploys the contracts, makes the scenario's deposits, settles the run's superblocks, and claims what they pay.
pub(crate) fn settle(
    report: &RunReport,
    queue: &Queue,
    out: &std::path::Path,
    cache: &CircuitCache,
    note: &dyn Fn(&str),
) -> Result<OnLocalL1, Failure> {
    let l1 = LocalL1::new();
    let path = OutputDirectory::new(out).registry_file();
    let registry: Registry = file::read(FileKind::Registry, &path, SMALL_LIMIT)?;
    let deployed = l1.deploy(&registry).map_err(RunL1Error::from)?;
    let mut position = QueuePosition::default();
    for (index, deposit) in queue.deposits().iter().enumerate() {
        position = l1.deposit(deposit).map_err(|source| RunL1Error::Deposit { index, source })?;
    }
    let length = u32::try_from(queue.deposits().len()).unwrap_or(u32::MAX);
    let expected = QueuePosition { digest: queue.digest_of(length).unwrap_or_default(), length };
    if position != expected {
        return Err(RunL1Error::OtherQueue { expected, found: position }.into());
    }
    let files: Vec<PathBuf> = report.superblocks.clone();
    let (prover, opened) = L1Prover::open(&files, cache)?;
    let mut superblocks = vec![];
    for superblock in &opened {
        let number = superblock.number();
        note(&format!("superblock {number}: making the proof for L1"));
        superblocks.push(settle_one(&l1, &prover, superblock)?);
    }
    let mut claims = Claims::default();
    for L1Summary { superblock, payouts, .. } in &report.l1 {
        let number = u32::try_from(*superblock).unwrap_or(u32::MAX);
        let Claims { payouts, gas_used } = l1.claim(number, payouts, |_| true).map_err(RunL1Error::from)?;
        claims.payouts.extend(payouts);
        claims.gas_used += gas_used;
    }
    Ok(OnLocalL1 {
        contract: deployed.settlement,
        deployment_gas: deployed.gas_used,
        deposits: queue.deposits().len(),
        superblocks,
        claims,
    })
}

fn settle_one(
    l1: &LocalL1,
    prover: &L1Prover<'_>,
    superblock: &Superblock,
) -> Result<SettledSuperblock, RunL1Error> {
    let number = superblock.number();
    let proof = prover.prove(superblock).map_err(|source| RunL1Error::Prove { number, source })?;
    let receipt = l1.settle(superblock, &proof).map_err(|source| RunL1Error::Settle { number, source })?;
    let calldata_bytes = superblock.calldata(&proof).len();
    Ok(SettledSuperblock { number, calldata_bytes, gas_used: receipt.gas_used })
}

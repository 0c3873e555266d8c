//! Superblocks that the contract refuses: each with its reason, and nothing is proved or sent.

use std::error::Error;

use alloy_primitives::{B256, U256};
use batcher_settlement::{
    abi::Settlement::{AssetId, depositCall, pauseCall},
    job::{JobError, L1Proof, Prove},
    superblock::Superblock,
};
use circuits_protocol::l1::{KeccakDigest, QueuePosition};
use serde_json::json;

use crate::{
    anvil::KEY,
    deployment::{Deployment, POLICY, STRANGER_KEY, digest, signer},
    support::{GOOD_PROOF, l1_statement},
};

/// A prover that makes no proof.
struct NoProof;

impl Prove for NoProof {
    fn outer_digest(&self) -> B256 {
        GOOD_PROOF.outer_digest()
    }

    fn prove(&self, _: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
        Err("a proof is asked for".into())
    }
}

/// Why the superblock is not settled. No proof is made, and no transaction sent.
fn refused(deployment: &Deployment, superblock: Superblock, key: &str) -> JobError {
    refused_with(&NoProof, deployment, superblock, key)
}

fn refused_with(prover: &dyn Prove, deployment: &Deployment, superblock: Superblock, key: &str) -> JobError {
    let directory = tempfile::tempdir().expect("a directory");
    let url = deployment.node.url();
    let account = format!("{}", signer(key).address());
    let count = || deployment.node.ask("eth_getTransactionCount", json!([account, "pending"]));
    let before = count();
    let error = deployment
        .settle_with(prover, key, &url, &[superblock], directory.path(), POLICY, &|_| {})
        .expect_err("the contract refuses");
    assert_eq!(count(), before, "nothing is sent");
    error
}

/// The contract's reason.
fn refusal(deployment: &Deployment, superblock: Superblock, key: &str) -> String {
    match refused(deployment, superblock, key) {
        JobError::Refused { reason, .. } => reason.to_string(),
        other => other.to_string(),
    }
}

#[test]
fn another_registry_root_is_refused() {
    let deployment = Deployment::new();
    let mut statement = deployment.statement(1, digest(0), digest(1));
    statement.registry_root = digest(9);
    let superblock = Superblock::new(&statement, &[]).expect("it fits");
    let reason = refusal(&deployment, superblock, KEY);
    assert!(reason.starts_with("WrongRegistryRoot {"), "{reason}");
}

#[test]
fn a_gap_is_refused() {
    let deployment = Deployment::new();
    let superblock = deployment.superblock(3, digest(2), digest(3));
    let reason = refusal(&deployment, superblock, KEY);
    assert_eq!(reason, "L1 has settled up to superblock 0, the first one given is superblock 3");
}

#[test]
fn another_state_before_is_refused() {
    let deployment = Deployment::new();
    let superblock = deployment.superblock(1, digest(8), digest(1));
    let reason = refusal(&deployment, superblock, KEY);
    assert!(reason.starts_with("superblock 1 continues state 0100000000"), "{reason}");
}

#[test]
fn another_deployment_is_refused() {
    let deployment = Deployment::new();
    let mut statement = deployment.statement(1, digest(0), digest(1));
    statement.chain_id += plonky2::field::types::Field::ONE;
    let superblock = Superblock::new(&statement, &[]).expect("it fits");
    let reason = refusal(&deployment, superblock, KEY);
    assert!(reason.contains("is of deployment"), "{reason}");
}

/// Deposits an ether.
pub(crate) fn deposit(deployment: &Deployment) {
    let deposit = depositCall {
        asset: AssetId { origin: 0, number: 1 },
        tokens: U256::from(10).pow(U256::from(18)),
        destination: 5,
        recipient: Default::default(),
        lifetime: 100,
    };
    deployment.send(deployment.deployed.settlement, deposit.tokens, &deposit);
}

#[test]
fn a_superblock_that_owes_deposits_is_refused() {
    let deployment = Deployment::new();
    deposit(&deployment);
    deployment.skip(13 * 60 * 60);
    let directory = tempfile::tempdir().expect("a directory");
    {
        let _miner = deployment.miner();
        // What it owes was fixed before the deposit was ripe.
        deployment.settle(&deployment.chain(1..=1, 0), directory.path()).expect("it owes nothing");
    }
    let superblock = deployment.superblock(2, digest(1), digest(2));
    let reason = refusal(&deployment, superblock, KEY);
    assert_eq!(reason, "OwesDeposits { queueLength: 0, owed: 1 }");
}

/// A superblock with a block of environment 0 that took this queue.
fn taking(deployment: &Deployment, queue: QueuePosition) -> Superblock {
    let statement = deployment.statement(1, digest(0), digest(1));
    Superblock::new(&l1_statement(statement, queue, 0, &[]).0, &[]).expect("it fits")
}

#[test]
fn a_superblock_that_took_other_deposits_is_refused() {
    let deployment = Deployment::new();
    deposit(&deployment);
    let digest = KeccakDigest([9; 32]);
    let reason = refusal(&deployment, taking(&deployment, QueuePosition { length: 1, digest }), KEY);
    assert!(reason.starts_with("WrongQueueDigest { queueDigest: 0x0909"), "{reason}");
    let reason = refusal(&deployment, taking(&deployment, QueuePosition { length: 2, digest }), KEY);
    assert_eq!(reason, "NotInQueue { queueLength: 2, length: 1 }");
}

#[test]
fn a_pause_that_lasts_is_told() {
    let deployment = Deployment::new();
    deployment.send(deployment.deployed.settlement, U256::ZERO, &pauseCall { action: 1, duration: 3600 });
    let error = refused(&deployment, deployment.superblock(1, digest(0), digest(1)), KEY);
    assert!(matches!(error, JobError::TooEarly { number: 1, seconds: 3500..=3600, .. }), "{error}");
    assert!(error.to_string().contains("seconds at the earliest: PausedUntil {"), "{error}");
}

#[test]
fn a_pause_that_ends_soon_is_waited_for() {
    let deployment = Deployment::new();
    deployment.send(deployment.deployed.settlement, U256::ZERO, &pauseCall { action: 1, duration: 15 });
    let _miner = deployment.miner();
    let directory = tempfile::tempdir().expect("a directory");
    deployment.settle(&deployment.chain(1..=1, 0), directory.path()).expect("it ends");
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn superblocks_that_come_too_fast_are_told() {
    let deployment = Deployment::new();
    let directory = tempfile::tempdir().expect("a directory");
    let miner = deployment.miner();
    let error = deployment.settle(&deployment.chain(1..=40, 0), directory.path());
    drop(miner);
    let error = error.expect_err("32 come at once");
    assert!(error.to_string().contains("seconds at the earliest: TooManySuperblocks {"), "{error}");
    let settled = deployment.settlements().len();
    assert!((32..40).contains(&settled), "{settled}");
}

#[test]
fn a_circuit_that_the_router_does_not_know_is_refused() {
    struct Unknown;
    impl Prove for Unknown {
        fn outer_digest(&self) -> B256 {
            B256::repeat_byte(6)
        }
        fn prove(&self, _: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
            Err("a proof is asked for".into())
        }
    }
    let deployment = Deployment::new();
    let superblock = deployment.superblock(1, digest(0), digest(1));
    let error = refused_with(&Unknown, &deployment, superblock, KEY).to_string();
    assert!(error.contains("UnknownCircuit { outerDigest: 0x060606"), "{error}");
}

#[test]
fn an_account_that_cannot_pay_is_refused() {
    let deployment = Deployment::new();
    let account = format!("{}", signer(KEY).address());
    deployment.node.ask("anvil_setBalance", json!([account, "0x1"]));
    let superblock = deployment.superblock(1, digest(0), digest(1));
    let error = refused_with(&GOOD_PROOF, &deployment, superblock, KEY).to_string();
    assert!(error.contains("the sender may have to pay") || error.contains("nsufficient"), "{error}");
}

#[test]
fn a_stranger_is_refused_other_blocks_than_environment_zeros() {
    let deployment = Deployment::new();
    deployment.skip(4 * 24 * 60 * 60);
    let superblock = deployment.superblock(1, digest(0), digest(1));
    let error = refused(&deployment, superblock, STRANGER_KEY);
    assert!(matches!(error, JobError::Stranger { number: 1, blocks: 1, .. }), "{error}");
    let account = signer(STRANGER_KEY).address().to_string();
    assert!(error.to_string().starts_with(&format!("{account} is no batcher")), "{error}");
}

#[test]
fn a_stranger_is_told_when_a_stall_begins() {
    let deployment = Deployment::new();
    let error = refused(&deployment, deployment.l1_superblock(1, digest(0), digest(1)), STRANGER_KEY);
    let four_days = 4 * 24 * 60 * 60;
    let JobError::TooEarly { number: 1, seconds, ref reason } = error else { panic!("{error}") };
    assert!((four_days - 600..=four_days).contains(&seconds), "{error}");
    assert!(reason.to_string().starts_with("StrangerTooEarly {"), "{error}");
}

#[test]
fn a_stranger_is_refused_another_body_chain() {
    let deployment = Deployment::new();
    deployment.skip(4 * 24 * 60 * 60);
    let superblock = deployment.l1_superblock(1, digest(0), digest(1)).with_only_block(digest(601), &[3, 8]);
    let reason = refusal(&deployment, superblock, STRANGER_KEY);
    assert!(reason.starts_with("WrongBodyChain {"), "{reason}");
}

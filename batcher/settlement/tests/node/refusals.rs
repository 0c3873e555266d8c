//! Superblocks that the contract refuses: each with its reason, and nothing is sent.

use alloy_primitives::U256;
use batcher_settlement::{
    abi::Settlement::{AssetId, depositCall, pauseCall},
    job::JobError,
    rpc::Rpc,
    superblock::Superblock,
    wallet::Wallet,
};
use serde_json::json;

use crate::{
    anvil::KEY,
    deployment::{CHAIN_ID, Deployment, POLICY, TIMEOUT, digest, signer},
};

/// The reason for which the contract refuses the superblock. No transaction is sent.
fn refusal(deployment: &Deployment, superblock: Superblock, key: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let url = deployment.node.url();
    let account = format!("{}", signer(key).address());
    let count = || deployment.node.ask("eth_getTransactionCount", json!([account, "pending"]));
    let before = count();
    let error = deployment
        .settle_as(key, &url, &[superblock], directory.path(), POLICY, &|_| {})
        .expect_err("the contract refuses");
    assert_eq!(count(), before, "nothing is sent");
    match error {
        JobError::Refused { reason, .. } => reason.to_string(),
        other => other.to_string(),
    }
}

/// A transaction of the first account.
fn send(deployment: &Deployment, value: U256, call: &impl alloy_sol_types::SolCall) {
    let (rpc, signer) = (Rpc::new(&deployment.node.url(), TIMEOUT * 4).expect("an address"), signer(KEY));
    let wallet =
        Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy: POLICY, announce: &|_, _| {} };
    wallet.send(Some(deployment.deployed.settlement), value, call.abi_encode().into()).expect("it succeeds");
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

#[test]
fn a_superblock_that_owes_deposits_is_refused() {
    let deployment = Deployment::new();
    let deposit = depositCall {
        asset: AssetId { origin: 0, number: 1 },
        tokens: U256::from(10).pow(U256::from(18)),
        destination: 5,
        recipient: Default::default(),
        lifetime: 100,
    };
    send(&deployment, deposit.tokens, &deposit);
    deployment.node.ask("evm_increaseTime", json!([13 * 60 * 60]));
    deployment.node.mine(1);
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

#[test]
fn a_stranger_is_refused() {
    let deployment = Deployment::new();
    // The third account of anvil.
    let stranger = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
    let reason = refusal(&deployment, deployment.superblock(1, digest(0), digest(1)), stranger);
    assert!(reason.starts_with("NotBatcher {"), "{reason}");
}

#[test]
fn a_pause_is_told() {
    let deployment = Deployment::new();
    send(&deployment, U256::ZERO, &pauseCall { action: 1, duration: 3600 });
    let reason = refusal(&deployment, deployment.superblock(1, digest(0), digest(1)), KEY);
    assert!(reason.starts_with("PausedUntil {"), "{reason}");
}

#[test]
fn an_account_that_cannot_pay_is_refused() {
    let deployment = Deployment::new();
    let account = format!("{}", signer(KEY).address());
    deployment.node.ask("anvil_setBalance", json!([account, "0x1"]));
    let reason = refusal(&deployment, deployment.superblock(1, digest(0), digest(1)), KEY);
    assert!(reason.contains("the sender may have to pay") || reason.contains("nsufficient"), "{reason}");
}

//! Deposits that are cut off and repeated: each is made once.

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, U256};
use batcher_settlement::{
    abi::Settlement::queueCall,
    contract::Contract,
    deposit::{DepositError, Deposited, Order, deposit_once},
    job::Policy,
    l1::At,
    rpc::Rpc,
    wallet::{Wallet, WalletError},
};
use environments_l1::Bytes32;
use serde_json::json;

use crate::{
    anvil::KEY,
    deployment::{CHAIN_ID, Deployment, POLICY, TIMEOUT, signer},
    proxy::{self, Fate},
};

/// A caller who gives up soon, before any offer is raised.
const IMPATIENT: Policy = Policy { patience: Duration::from_millis(300), ..POLICY };

fn order(amount: u64) -> Order {
    let asset = "0:1".parse().expect("an asset");
    let recipient = Bytes32::default();
    Order { asset, amount, tokens: None, token: None, destination: 5, recipient, lifetime: 64, fee: 0 }
}

/// Deposits through the node at `url`.
fn deposit(
    deployment: &Deployment,
    url: &str,
    policy: Policy,
    order: &Order,
    record: &Path,
) -> Result<Deposited, DepositError> {
    let (rpc, signer) = (Rpc::new(url, TIMEOUT).expect("an address"), signer(KEY));
    let wallet = Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy, announce: &|_, _| {} };
    deposit_once(&wallet, deployment.deployed.settlement, order, record)
}

fn queue_length(deployment: &Deployment) -> u32 {
    let rpc = Rpc::new(&deployment.node.url(), TIMEOUT).expect("an address");
    let contract = Contract { l1: &rpc, address: deployment.deployed.settlement };
    contract.view(&queueCall {}, At::Latest).expect("it answers").expect("a contract").length
}

#[test]
fn a_deposit_whose_answers_get_lost_is_made_once() {
    let deployment = Deployment::new();
    let directory = tempfile::tempdir().expect("a directory");
    let mut count = 0;
    let url = proxy::start(deployment.node.port, move |method, _| {
        count += 1;
        if method == "eth_sendRawTransaction" || count % 3 == 0 { Fate::Lose } else { Fate::Pass }
    });
    deposit(&deployment, &url, POLICY, &order(100_000), &directory.path().join("record"))
        .expect("it arrives");
    assert_eq!(queue_length(&deployment), 1);
}

#[test]
fn a_deposit_that_was_cut_off_goes_on_with_its_nonce_and_is_known_afterwards() {
    let deployment = Deployment::new();
    let (node, url) = (&deployment.node, deployment.node.url());
    let directory = tempfile::tempdir().expect("a directory");
    let record = directory.path().join("record");
    let call = |policy, amount| deposit(&deployment, &url, policy, &order(amount), &record);
    node.ask("evm_setAutomine", json!([false]));
    for _ in 0..3 {
        let error = call(IMPATIENT, 100_000).expect_err("nothing is mined");
        assert!(matches!(error, DepositError::Wallet(WalletError::Patience { .. })), "{error}");
    }
    // The record is no other deposit's.
    let error = call(POLICY, 200_000).expect_err("another amount");
    assert!(matches!(error, DepositError::OtherDeposit { .. }), "{error}");
    node.mine(1);
    assert_eq!(queue_length(&deployment), 1);
    for _ in 0..2 {
        assert!(call(POLICY, 100_000).expect("it is there").earlier);
    }
    node.ask("evm_setAutomine", json!([true]));
    assert_eq!(queue_length(&deployment), 1);
    // Another record is another deposit.
    let other = directory.path().join("other");
    assert!(!deposit(&deployment, &url, POLICY, &order(100_000), &other).expect("a second one").earlier);
    assert_eq!(queue_length(&deployment), 2);
}

#[test]
fn a_deposit_whose_nonce_another_transaction_took_is_not_made_with_another_one() {
    let deployment = Deployment::new();
    let (node, url) = (&deployment.node, deployment.node.url());
    let directory = tempfile::tempdir().expect("a directory");
    let record = directory.path().join("record");
    node.ask("evm_setAutomine", json!([false]));
    deposit(&deployment, &url, IMPATIENT, &order(100_000), &record).expect_err("nothing is mined");
    // The transaction gets lost, and another one takes its nonce.
    node.ask("anvil_dropAllTransactions", json!([]));
    node.ask("evm_setAutomine", json!([true]));
    let (rpc, signer) = (Rpc::new(&url, TIMEOUT).expect("an address"), signer(KEY));
    let wallet =
        Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy: POLICY, announce: &|_, _| {} };
    wallet.send(Some(Address::ZERO), U256::from(1), Vec::new().into()).expect("it is mined");
    let error = deposit(&deployment, &url, POLICY, &order(100_000), &record).expect_err("the nonce is used");
    assert!(matches!(error, DepositError::NonceUsed { .. }), "{error}");
    assert_eq!(queue_length(&deployment), 0);
}

#[test]
fn what_the_contract_refuses_leaves_no_record() {
    let deployment = Deployment::new();
    let directory = tempfile::tempdir().expect("a directory");
    let record = directory.path().join("record");
    let refused = Order { destination: 0, ..order(100_000) };
    let error =
        deposit(&deployment, &deployment.node.url(), POLICY, &refused, &record).expect_err("L1 itself");
    assert!(error.to_string().contains("DestinationIsL1"), "{error}");
    assert!(!record.exists());
    std::fs::write(&record, "{}").expect("writable");
    let error =
        deposit(&deployment, &deployment.node.url(), POLICY, &order(1), &record).expect_err("no record");
    assert!(matches!(error, DepositError::NoRecord { .. }), "{error}");
}

#[test]
fn two_calls_with_one_record_make_one_deposit() {
    let deployment = Deployment::new();
    let (url, directory) = (deployment.node.url(), tempfile::tempdir().expect("a directory"));
    let record = directory.path().join("record");
    // The first call's node takes its time before it has named a nonce, and the second call comes then.
    let (began, begins) = std::sync::mpsc::channel();
    let slow = proxy::start(deployment.node.port, move |method, _| {
        if method != "eth_getTransactionCount" {
            return Fate::Pass;
        }
        let _ = began.send(());
        Fate::Delay(TIMEOUT / 4)
    });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| deposit(&deployment, &slow, POLICY, &order(100_000), &record));
        begins.recv().expect("it asks");
        let error = deposit(&deployment, &url, POLICY, &order(100_000), &record).expect_err("it is locked");
        assert!(matches!(error, DepositError::Locked { .. }), "{error}");
        assert!(!first.join().expect("no panic").expect("it deposits").earlier);
    });
    assert!(deposit(&deployment, &url, POLICY, &order(100_000), &record).expect("it is known").earlier);
    assert_eq!(queue_length(&deployment), 1);
}

//! Nodes that are away, slow or lie, and others who settle.

use std::{
    cell::{Cell, OnceCell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy_sol_types::SolCall as _;
use batcher_settlement::{
    abi::Settlement::pauseCall,
    job::{JobError, Policy, Progress, Waiting},
    journal::Stage,
};
use serde_json::{Value, json};

use crate::{
    anvil::{Anvil, KEY, post},
    deployment::{Deployment, IMPATIENT, OTHER_KEY, POLICY, TIMEOUT, signer},
    proxy::{self, Fate},
};

/// Settles superblock 1 through a proxy with this rule.
fn settle_through(
    deployment: &Deployment,
    policy: Policy,
    rule: impl FnMut(&str, &Value) -> Fate + Send + 'static,
) -> Result<Stage, JobError> {
    let directory = tempfile::tempdir().expect("a directory");
    let url = proxy::start(deployment.node.port, rule);
    let superblocks = deployment.chain(1..=1, 0);
    let records = deployment.settle_as(KEY, &url, &superblocks, directory.path(), policy, &|_| {})?;
    Ok(records[0].stage)
}

/// The fate of the first requests, after which the node is as it should be.
fn first(count: usize, fate: impl Fn() -> Fate + Send + 'static) -> impl FnMut(&str, &Value) -> Fate + Send {
    let seen = Arc::new(AtomicUsize::new(0));
    move |_: &str, _: &Value| if seen.fetch_add(1, Ordering::Relaxed) < count { fate() } else { Fate::Pass }
}

#[test]
fn a_node_that_comes_back_is_asked_again() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let stage = settle_through(&deployment, POLICY, first(12, || Fate::Drop)).expect("it comes back");
    assert_eq!((stage, deployment.settlements()), (Stage::Final, vec![1]));
}

#[test]
fn a_node_that_is_away_for_too_long_ends_the_job_with_that_reason() {
    let deployment = Deployment::new();
    let error = settle_through(&deployment, IMPATIENT, |_, _| Fate::Drop).expect_err("nobody answers");
    assert!(matches!(error, JobError::Patience { number: 1, waiting: Waiting::L1(_), .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("gives no answer to eth_chainId") && !text.contains("127.0.0.1"), "{text}");
}

#[test]
fn a_slow_node_is_asked_again() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let stage =
        settle_through(&deployment, POLICY, first(3, || Fate::Delay(TIMEOUT * 2))).expect("in the end");
    assert_eq!((stage, deployment.settlements()), (Stage::Final, vec![1]));
}

#[test]
fn every_third_answer_that_gets_lost_leads_to_one_settlement() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let mut count = 0;
    let rule = move |_: &str, _: &Value| {
        count += 1;
        if count % 3 == 0 { Fate::Lose } else { Fate::Pass }
    };
    let stage = settle_through(&deployment, POLICY, rule).expect("in the end");
    assert_eq!((stage, deployment.settlements()), (Stage::Final, vec![1]));
}

#[test]
fn a_transaction_whose_answer_gets_lost_is_settled_once() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let mut lost = 0;
    let rule = move |method: &str, _: &Value| {
        if method == "eth_sendRawTransaction" && lost < 2 {
            lost += 1;
            return Fate::Lose;
        }
        Fate::Pass
    };
    let stage = settle_through(&deployment, POLICY, rule).expect("L1 has it");
    assert_eq!((stage, deployment.settlements()), (Stage::Final, vec![1]));
}

#[test]
fn a_receipt_that_lies_about_success_is_not_believed() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let fail = |receipt: &mut Value| {
        if receipt.is_object() {
            receipt["status"] = json!("0x0");
        }
    };
    let rule = move |method: &str, _: &Value| match method {
        "eth_getTransactionReceipt" => Fate::Change(fail),
        _ => Fate::Pass,
    };
    let stage = settle_through(&deployment, POLICY, rule).expect("the contract says so");
    assert_eq!((stage, deployment.settlements()), (Stage::Final, vec![1]));
}

#[test]
fn a_receipt_for_a_transaction_that_is_in_no_block_ends_the_job_with_that_reason() {
    let deployment = Deployment::new();
    let block = deployment.node.ask("eth_getBlockByNumber", json!(["latest", false]));
    deployment.node.ask("evm_setAutomine", json!([false]));
    let rule = move |method: &str, parameters: &Value| match method {
        "eth_getTransactionReceipt" => Fate::Answer(json!({
            "transactionHash": parameters[0],
            "blockNumber": block["number"],
            "blockHash": block["hash"],
            "status": "0x1",
            "gasUsed": "0x5208",
        })),
        _ => Fate::Pass,
    };
    let error = settle_through(&deployment, POLICY, rule).expect_err("it was never mined");
    assert!(matches!(error, JobError::Contradiction { number: 1, .. }), "{error}");
    assert!(deployment.settlements().is_empty());
}

#[test]
fn a_receipt_of_another_transaction_ends_the_job_with_that_reason() {
    let deployment = Deployment::new();
    let other = |receipt: &mut Value| {
        if receipt.is_object() {
            receipt["transactionHash"] = json!(format!("0x{}", "11".repeat(32)));
        }
    };
    let rule = move |method: &str, _: &Value| match method {
        "eth_getTransactionReceipt" => Fate::Change(other),
        _ => Fate::Pass,
    };
    let error = settle_through(&deployment, IMPATIENT, rule).expect_err("it makes no sense");
    assert!(error.to_string().contains("not with the receipt that was asked for"), "{error}");
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_node_of_another_network_is_refused() {
    let deployment = Deployment::new();
    let rule = |method: &str, _: &Value| match method {
        "eth_chainId" => Fate::Answer(json!("0x1")),
        _ => Fate::Pass,
    };
    let error = settle_through(&deployment, POLICY, rule).expect_err("it is Ethereum");
    assert!(matches!(error, JobError::Network { expected: 31337, found: 1 }), "{error}");
    let other = Anvil::start(&["--chain-id", "5"]);
    let directory = tempfile::tempdir().expect("a directory");
    let superblocks = deployment.chain(1..=1, 0);
    let error = deployment
        .settle_as(KEY, &other.url(), &superblocks, directory.path(), POLICY, &|_| {})
        .expect_err("another network");
    assert!(matches!(error, JobError::Network { expected: 31337, found: 5 }), "{error}");
}

#[test]
fn a_failure_that_a_node_makes_up_ends_the_job_and_settles_once() {
    let deployment = Deployment::new();
    let block = deployment.node.ask("eth_getBlockByNumber", json!(["latest", false]));
    deployment.node.ask("evm_setAutomine", json!([false]));
    let rule = move |method: &str, parameters: &Value| match method {
        "eth_getTransactionReceipt" => Fate::Answer(json!({
            "transactionHash": parameters[0],
            "blockNumber": block["number"],
            "blockHash": block["hash"],
            "status": "0x0",
            "gasUsed": "0x5208",
        })),
        _ => Fate::Pass,
    };
    let error = settle_through(&deployment, POLICY, rule).expect_err("it fails again and again");
    assert!(matches!(error, JobError::Failed { number: 1, failed: 3, .. }), "{error}");
    deployment.node.ask("evm_setAutomine", json!([true]));
    deployment.node.mine(1);
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn late_finality_keeps_no_superblock_from_being_settled() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let directory = tempfile::tempdir().expect("a directory");
    // The node keeps no state of final blocks.
    let url = proxy::start(deployment.node.port, |method, parameters| match method {
        "eth_getBlockByNumber" if parameters[0] == "finalized" => Fate::Change(|block| {
            block["number"] = json!("0x1");
        }),
        "eth_call" if parameters[1] == "0x1" => Fate::Drop,
        _ => Fate::Pass,
    });
    let superblocks = deployment.chain(1..=3, 0);
    let policy = Policy { patience: Duration::from_secs(4), ..POLICY };
    let error = deployment.settle_as(KEY, &url, &superblocks, directory.path(), policy, &|_| {});
    let error = error.expect_err("nothing gets final");
    assert!(matches!(error, JobError::Patience { waiting: Waiting::Finality(_), .. }), "{error}");
    assert_eq!(deployment.settlements(), [1, 2, 3]);
}

#[test]
fn somebody_else_with_the_same_superblock_is_no_error() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let (own, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let superblocks = deployment.chain(1..=2, 0);
    let url = deployment.node.url();
    let by_other = Cell::new(0);
    let listener = |progress: &Progress| match progress {
        // Before our transaction is sent, theirs is in a block.
        Progress::Reached { number: 1, stage: Stage::Signed } => {
            let settled =
                deployment.settle_as(OTHER_KEY, &url, &superblocks[..1], other.path(), POLICY, &|_| {});
            settled.expect("it is theirs");
        }
        Progress::SettledByOther { number } => by_other.set(*number),
        _ => {}
    };
    let records = deployment.settle_as(KEY, &url, &superblocks, own.path(), POLICY, &listener);
    let records = records.expect("both are settled");
    assert_eq!((by_other.get(), deployment.settlements()), (1, vec![1, 2]));
    let [first, second] = [0, 1].map(|index| records[index].inclusion.expect("final").transaction);
    assert!(first.is_none() && second.is_some());
}

#[test]
fn somebody_else_with_another_superblock_ends_the_job() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let (own, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let url = deployment.node.url();
    let theirs = deployment.chain(1..=1, 500);
    deployment.settle_as(OTHER_KEY, &url, &theirs, other.path(), POLICY, &|_| {}).expect("theirs");
    let error = deployment.settle(&deployment.chain(1..=1, 0), own.path()).expect_err("L1 is elsewhere");
    assert!(matches!(error, JobError::OtherState { number: 1, .. }), "{error}");
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_whole_chain_is_settled_in_one_call_and_once() {
    let deployment = Deployment::new();
    let _miner = deployment.miner();
    let directory = tempfile::tempdir().expect("a directory");
    let superblocks = deployment.chain(1..=5, 0);
    let records = deployment.settle(&superblocks, directory.path()).expect("it settles");
    assert!(records.iter().all(|record| record.stage == Stage::Final && record.attempts.len() == 1));
    // Again, and with an empty journal: nothing is sent.
    let again = deployment.settle(&superblocks, directory.path()).expect("it is settled");
    assert_eq!(again, records);
    let empty = tempfile::tempdir().expect("a directory");
    let records = deployment.settle(&superblocks, empty.path()).expect("it is settled");
    assert!(records.iter().all(|record| record.attempts.is_empty()));
    assert_eq!(deployment.settlements(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_transaction_that_fails_in_its_block_is_followed_by_another_one_and_the_reason_is_told() {
    let deployment = Deployment::new();
    let directory = tempfile::tempdir().expect("a directory");
    deployment.node.ask("evm_setAutomine", json!([false]));
    let (reasons, miner) = (RefCell::new(vec![]), OnceCell::new());
    let listener = |progress: &Progress| match progress {
        // The guardian pauses in the same block, and first: it offers more.
        Progress::Reached { stage: Stage::Sent, .. } if miner.get().is_none() => {
            let call = pauseCall { action: 1, duration: 5 }.abi_encode();
            let guardian = deployment.node.ask("eth_accounts", json!([]))[0].clone();
            deployment.node.ask(
                "eth_sendTransaction",
                json!([{ "from": guardian, "to": deployment.deployed.settlement, "gas": "0x186a0",
                    "data": format!("0x{}", hex::encode(call)), "maxFeePerGas": "0x174876e800",
                    "maxPriorityFeePerGas": "0x174876e800" }]),
            );
            deployment.node.mine(1);
            miner.get_or_init(|| deployment.miner());
        }
        Progress::Failed { reason, .. } => {
            reasons.borrow_mut().push(reason.clone().expect("it is paused").to_string());
        }
        _ => {}
    };
    let (superblocks, url) = (deployment.chain(1..=1, 0), deployment.node.url());
    let records = deployment.settle_as(OTHER_KEY, &url, &superblocks, directory.path(), POLICY, &listener);
    let records = records.expect("the pause ends");
    assert!(records[0].attempts.len() >= 2 && records[0].attempts[0].failed);
    assert_eq!((records[0].stage, deployment.settlements()), (Stage::Final, vec![1]));
    let reasons = reasons.into_inner();
    assert!(reasons.len() == 1 && reasons[0].starts_with("PausedUntil {"), "{reasons:?}");
}

#[test]
fn nodes_of_which_some_are_behind_settle_each_superblock_once() {
    let deployment = Deployment::new();
    deployment.node.mine(10);
    let _miner = deployment.miner();
    let (port, mut count) = (deployment.node.port, 0);
    let older = move |blocks: u64| {
        let ask = |method, parameters: Value| {
            let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
            let answer = post(port, request.to_string().as_bytes()).expect("it answers");
            serde_json::from_slice::<Value>(&answer).expect("JSON")["result"].clone()
        };
        let head = ask("eth_blockNumber", json!([]));
        let head = u64::from_str_radix(&head.as_str().expect("a number")[2..], 16).expect("hexadecimal");
        ask("eth_getBlockByNumber", json!([format!("{:#x}", head - blocks), false]))
    };
    // Every other look at the head is that of a node which is three blocks behind.
    let url = proxy::start(port, move |method, parameters| {
        if method != "eth_getBlockByNumber" || parameters[0] != "latest" {
            return Fate::Pass;
        }
        count += 1;
        if count % 2 == 0 { Fate::Answer(older(3)) } else { Fate::Pass }
    });
    let directory = tempfile::tempdir().expect("a directory");
    let superblocks = deployment.chain(1..=4, 0);
    let policy = Policy { doubt: POLICY.patience, ..POLICY };
    let records = deployment.settle_as(KEY, &url, &superblocks, directory.path(), policy, &|_| {});
    assert!(records.expect("in the end").iter().all(|record| record.stage == Stage::Final));
    assert_eq!(deployment.settlements(), [1, 2, 3, 4]);
}

#[test]
fn what_a_journal_calls_final_is_settled_again_on_a_network_that_began_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    for _ in 0..2 {
        // Both contracts have one address and one deployment id.
        let deployment = Deployment::new();
        let _miner = deployment.miner();
        let records = deployment.settle(&deployment.chain(1..=1, 0), directory.path()).expect("it settles");
        assert_eq!((records[0].stage, deployment.settlements()), (Stage::Final, vec![1]));
    }
}

#[test]
fn a_node_that_hides_transactions_gets_no_further_ones_without_end() {
    let deployment = Deployment::new();
    deployment.node.ask("evm_setAutomine", json!([false]));
    let account = signer(KEY).address().to_string();
    let count = deployment.node.ask("eth_getTransactionCount", json!([account, "latest"]));
    let first = u64::from_str_radix(&count.as_str().expect("a number")[2..], 16).expect("hexadecimal");
    // Each nonce is used as soon as a transaction has it, and no block has the transaction.
    let sent = Arc::new(AtomicUsize::new(0));
    let taken = sent.clone();
    let url = proxy::start(deployment.node.port, move |method, _| match method {
        "eth_getTransactionCount" => {
            Fate::Answer(json!(format!("{:#x}", first + taken.load(Ordering::Relaxed) as u64)))
        }
        "eth_sendRawTransaction" => {
            taken.fetch_add(1, Ordering::Relaxed);
            Fate::Pass
        }
        _ => Fate::Pass,
    });
    let journal = tempfile::tempdir().expect("a directory");
    let superblocks = deployment.chain(1..=1, 0);
    // Started again, it counts what the journal has.
    for _ in 0..2 {
        let error = deployment.settle_as(KEY, &url, &superblocks, journal.path(), POLICY, &|_| {});
        let error = error.expect_err("the node hides everything");
        assert!(matches!(error, JobError::Nonces { number: 1, nonces: 4, .. }), "{error}");
        assert_eq!(sent.load(Ordering::Relaxed), 4);
    }
    // An honest node has the first one in a block.
    let _miner = deployment.miner();
    deployment.settle(&superblocks, journal.path()).expect("it is settled");
    assert_eq!(deployment.settlements(), [1]);
}

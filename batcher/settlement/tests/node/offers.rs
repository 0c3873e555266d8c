//! What transactions offer, and which nonces they have.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    path::Path,
};

use alloy_primitives::{Bytes, U256};
use batcher_settlement::{
    fees::{FeeLimits, Fees, GWEI},
    job::{JobError, Policy, Progress, Waiting},
    journal::Stage,
    l1::L1 as _,
    limits::Limit,
    rpc::Rpc,
    wallet::{Wallet, WalletError},
};
use serde_json::{Value, json};

use crate::{
    anvil::{Anvil, KEY},
    deployment::{CHAIN_ID, Deployment, IMPATIENT, POLICY, TIMEOUT, digest, signer},
    proxy::{self, Fate},
};

/// Settles superblock 1 with a node that mines nothing until `act` has done its part, once the transaction is sent.
fn settle_while_waiting(policy: Policy, act: impl Fn(&Anvil)) -> (Deployment, Vec<Progress>) {
    let deployment = Deployment::new();
    deployment.node.ask("evm_setAutomine", json!([false]));
    let directory = tempfile::tempdir().expect("a directory");
    let (seen, acted) = (RefCell::new(vec![]), Cell::new(false));
    let listener = |progress: &Progress| {
        seen.borrow_mut().push(progress.clone());
        if matches!(progress, Progress::Reached { stage: Stage::Sent, .. }) && !acted.replace(true) {
            act(&deployment.node);
        } else if acted.get() {
            deployment.node.mine(1);
        }
    };
    let superblocks = deployment.chain(1..=1, 0);
    let url = deployment.node.url();
    deployment.settle_as(KEY, &url, &superblocks, directory.path(), policy, &listener).expect("it settles");
    assert_eq!(deployment.settlements(), [1]);
    (deployment, seen.into_inner())
}

fn offers(seen: &[Progress]) -> Vec<(u64, u128)> {
    let offer = |progress: &Progress| match progress {
        Progress::Sending { nonce, fees, .. } => Some((*nonce, fees.max)),
        _ => None,
    };
    seen.iter().filter_map(offer).collect()
}

#[test]
fn an_offer_that_is_too_low_is_raised_until_a_block_takes_it() {
    let (_, seen) = settle_while_waiting(POLICY, |node| {
        node.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x174876e800"]));
        node.mine(1);
    });
    let offers = offers(&seen);
    assert!(offers.len() >= 2, "{offers:?}");
    assert!(
        offers.windows(2).all(|pair| pair[0].0 == pair[1].0 && pair[1].1 * 10 >= pair[0].1 * 11),
        "{offers:?}"
    );
}

#[test]
fn an_offer_never_passes_the_cap_and_the_reason_is_told() {
    let deployment = Deployment::new();
    deployment.node.ask("anvil_setNextBlockBaseFeePerGas", json!([format!("{:#x}", 300 * GWEI)]));
    deployment.node.mine(1);
    let directory = tempfile::tempdir().expect("a directory");
    let fees = FeeLimits { cap: 50 * GWEI, ..POLICY.fees };
    let superblocks = deployment.chain(1..=1, 0);
    let url = deployment.node.url();
    let policy = Policy { fees, ..IMPATIENT };
    let error = deployment.settle_as(KEY, &url, &superblocks, directory.path(), policy, &|_| {});
    let error = error.expect_err("it is too expensive");
    assert!(matches!(error, JobError::Patience { waiting: Waiting::Fee(_), .. }), "{error}");
    // When gas is cheaper the journal goes on.
    deployment.node.ask("anvil_setNextBlockBaseFeePerGas", json!([format!("{:#x}", GWEI)]));
    deployment.node.mine(1);
    let _miner = deployment.miner();
    deployment.settle(&superblocks, directory.path()).expect("it is cheap");
    assert_eq!(deployment.settlements(), [1]);
}

/// The offers of a job whose transaction is in no block until its patience ends, and what it waits for then.
fn offers_without_a_block(
    deployment: &Deployment,
    journal: &Path,
    url: &str,
    policy: Policy,
) -> (Vec<Fees>, Waiting) {
    let seen = RefCell::new(vec![]);
    let listener = |progress: &Progress| {
        if let Progress::Sending { fees, .. } = progress {
            seen.borrow_mut().push(*fees);
        }
    };
    let superblocks = deployment.chain(1..=1, 0);
    let error = deployment.settle_as(KEY, url, &superblocks, journal, policy, &listener);
    match error.expect_err("no block has it") {
        JobError::Patience { waiting, .. } => (seen.into_inner(), waiting),
        other => panic!("{other}"),
    }
}

#[test]
fn offers_rise_to_the_caps_and_no_further() {
    let deployment = Deployment::new();
    deployment.node.ask("evm_setAutomine", json!([false]));
    let directory = tempfile::tempdir().expect("a directory");
    let fees = FeeLimits { cap: 50 * GWEI, priority_cap: 2 * GWEI, ..POLICY.fees };
    let policy = Policy { fees, raise_after: POLICY.poll, ..IMPATIENT };
    let url = deployment.node.url();
    let (offers, waiting) = offers_without_a_block(&deployment, directory.path(), &url, policy);
    assert!(matches!(waiting, Waiting::AtCap(_)), "{waiting}");
    let tips: BTreeSet<_> = offers.iter().map(|offer| offer.priority).collect();
    // 1, 1.25, 1.5625 and 1.953125 gwei.
    assert_eq!(tips.len(), 4, "{tips:?}");
    assert!(tips.iter().all(|&tip| tip <= 2 * GWEI) && offers.iter().all(|offer| offer.max <= 50 * GWEI));
    deployment.node.ask("evm_setAutomine", json!([true]));
    let _miner = deployment.miner();
    deployment.settle(&deployment.chain(1..=1, 0), directory.path()).expect("a block takes it");
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_superblock_made_anew_does_not_wait_on_an_offer_at_the_cap_that_no_pool_has() {
    let deployment = Deployment::new();
    deployment.node.ask("evm_setAutomine", json!([false]));
    let (journal, url) = (tempfile::tempdir().expect("a directory"), deployment.node.url());
    // The first offer is the highest one.
    let fees = FeeLimits { priority_cap: POLICY.fees.priority, ..POLICY.fees };
    let hasty = Policy { fees, patience: POLICY.poll, ..POLICY };
    let (before, _) = offers_without_a_block(&deployment, journal.path(), &url, hasty);
    assert_eq!(before.len(), 1);
    deployment.node.ask("anvil_dropAllTransactions", json!([]));
    let _miner = deployment.miner();
    let anew = deployment.superblock(1, digest(0), digest(50));
    let policy = Policy { fees, ..POLICY };
    let records = deployment.settle_as(KEY, &url, &[anew], journal.path(), policy, &|_| {});
    let records = records.expect("it takes the nonce that is free");
    let [first, .., last] = records[0].attempts.as_slice() else { panic!("both were signed") };
    assert!(first.call != last.call && first.nonce == last.nonce);
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn an_account_that_cannot_pay_for_a_higher_offer_keeps_the_one_that_waits() {
    let deployment = Deployment::new();
    deployment.node.ask("evm_setAutomine", json!([false]));
    // Once the transaction is out, the account has less than a higher offer needs.
    let mut sent = false;
    let url = proxy::start(deployment.node.port, move |method, _| {
        sent |= method == "eth_sendRawTransaction";
        if sent && method == "eth_getBalance" { Fate::Answer(json!("0x1")) } else { Fate::Pass }
    });
    let directory = tempfile::tempdir().expect("a directory");
    let (offers, waiting) = offers_without_a_block(&deployment, directory.path(), &url, IMPATIENT);
    let Waiting::NotRaised { limit, .. } = waiting else { panic!("{waiting}") };
    assert!(matches!(*limit, Limit::Funds { .. }), "{limit}");
    assert!(offers.iter().all(|offer| *offer == offers[0]), "{offers:?}");
    let _miner = deployment.miner();
    deployment.settle(&deployment.chain(1..=1, 0), directory.path()).expect("a block takes it");
    assert_eq!(deployment.settlements(), [1]);
}

/// The address of a node that has a transaction of the account which no block takes.
fn with_a_stuck_transaction(deployment: &Deployment) -> String {
    let more = |count: &mut Value| {
        let found = u64::from_str_radix(&count.as_str().expect("a number")[2..], 16).expect("hexadecimal");
        *count = json!(format!("{:#x}", found + 1));
    };
    proxy::start(deployment.node.port, move |method, parameters| match method {
        "eth_getTransactionCount" if parameters[1] == "pending" => Fate::Change(more),
        _ => Fate::Pass,
    })
}

#[test]
fn a_wallet_tells_of_an_earlier_nonce_that_is_stuck_and_does_not_bid_against_it() {
    let deployment = Deployment::new();
    let url = with_a_stuck_transaction(&deployment);
    let (rpc, signer, hashes) =
        (Rpc::new(&url, TIMEOUT * 10).expect("an address"), signer(KEY), RefCell::new(BTreeSet::new()));
    let policy = Policy { raise_after: POLICY.poll, ..IMPATIENT };
    let announce = |hash, _| {
        hashes.borrow_mut().insert(hash);
    };
    let wallet = Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy, announce: &announce };
    let nonce = rpc.nonces(signer.address()).expect("it answers").latest;
    let error = wallet.send(Some(signer.address()), U256::from(1), Bytes::new()).expect_err("it waits");
    assert!(matches!(error, WalletError::Patience { earlier: Some(earlier), .. } if earlier == nonce));
    assert!(error.to_string().contains(&format!("transaction with nonce {nonce} comes first")), "{error}");
    assert_eq!(hashes.borrow().len(), 1, "one offer");
}

#[test]
fn an_earlier_nonce_that_is_stuck_is_told_and_not_bid_against() {
    let deployment = Deployment::new();
    let url = with_a_stuck_transaction(&deployment);
    let directory = tempfile::tempdir().expect("a directory");
    let policy = Policy { raise_after: POLICY.poll, ..IMPATIENT };
    let (offers, waiting) = offers_without_a_block(&deployment, directory.path(), &url, policy);
    let Waiting::EarlierNonce { account, .. } = waiting else { panic!("{waiting}") };
    assert_eq!(account, signer(KEY).address());
    assert!(offers.len() > 1 && offers.iter().all(|offer| *offer == offers[0]), "{offers:?}");
    // It got lost: the nonce is free, and the superblock is settled with it.
    let _miner = deployment.miner();
    deployment.settle(&deployment.chain(1..=1, 0), directory.path()).expect("it settles");
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_nonce_that_another_transaction_takes_is_replaced_by_the_next_one() {
    let (_, seen) = settle_while_waiting(POLICY, |node| {
        let accounts = node.ask("eth_accounts", json!([]));
        let waiting = node.ask("eth_getTransactionCount", json!([accounts[0], "latest"]));
        node.ask(
            "eth_sendTransaction",
            json!([{ "from": accounts[0], "to": accounts[1], "value": "0x1", "nonce": waiting,
                "maxFeePerGas": "0x2e90edd000", "maxPriorityFeePerGas": "0x2e90edd000", "gas": "0x5208" }]),
        );
        node.mine(1);
    });
    let nonces: Vec<_> = offers(&seen).iter().map(|offer| offer.0).collect();
    assert_eq!(nonces.last(), nonces.first().map(|nonce| nonce + 1).as_ref(), "{nonces:?}");
}

//! Blocks of L1 that go again.

use std::cell::{Cell, OnceCell, RefCell};

use batcher_settlement::{
    job::{Policy, Progress},
    journal::{Record, Stage},
};
use serde_json::{Value, json};

use crate::{
    anvil::{Anvil, KEY},
    deployment::{Deployment, OTHER_KEY, POLICY},
};

/// Settles superblock 1 and does `disturb` at the first progress for which it says that it did something.
fn settle_disturbed(deployment: &Deployment, disturb: impl Fn(&Progress) -> bool) -> (Vec<Record>, bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let (disturbed, reorganised) = (Cell::new(false), Cell::new(false));
    let listener = |progress: &Progress| {
        reorganised.set(reorganised.get() || matches!(progress, Progress::Reorganised { .. }));
        if !disturbed.get() {
            disturbed.set(disturb(progress));
        } else {
            deployment.node.mine(1);
        }
    };
    let superblocks = deployment.chain(1..=1, 0);
    let url = deployment.node.url();
    let records = deployment
        .settle_as(KEY, &url, &superblocks, directory.path(), POLICY, &listener)
        .expect("it settles");
    assert!(disturbed.get(), "nothing was disturbed");
    (records, reorganised.get())
}

/// Replaces the last blocks by empty ones.
fn reorganise(node: &Anvil, depth: u64) {
    node.ask("anvil_reorg", json!([depth, []]));
}

fn reached(progress: &Progress, wanted: Stage) -> bool {
    matches!(progress, Progress::Reached { stage, .. } if *stage == wanted)
}

#[test]
fn a_settlement_whose_block_goes_is_settled_again() {
    let deployment = Deployment::new();
    deployment.node.mine(5);
    let _miner = deployment.miner();
    let (records, reorganised) = settle_disturbed(&deployment, |progress| {
        if reached(progress, Stage::Included) {
            reorganise(&deployment.node, 4);
        }
        reached(progress, Stage::Included)
    });
    assert!(reorganised);
    assert_eq!(records[0].stage, Stage::Final);
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_reorganisation_before_inclusion_changes_nothing() {
    let deployment = Deployment::new();
    deployment.node.mine(5);
    deployment.node.ask("evm_setAutomine", json!([false]));
    let (records, _) = settle_disturbed(&deployment, |progress| {
        if reached(progress, Stage::Sent) {
            reorganise(&deployment.node, 3);
            deployment.node.ask("evm_setAutomine", json!([true]));
            deployment.node.mine(1);
        }
        reached(progress, Stage::Sent)
    });
    assert_eq!(records[0].stage, Stage::Final);
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_transaction_that_gets_lost_is_sent_again() {
    let deployment = Deployment::new();
    deployment.node.ask("evm_setAutomine", json!([false]));
    let (records, _) = settle_disturbed(&deployment, |progress| {
        if reached(progress, Stage::Sent) {
            deployment.node.ask("anvil_dropAllTransactions", Value::Array(vec![]));
            let _ = deployment.node.answer("evm_setAutomine", json!([true]));
        }
        reached(progress, Stage::Sent)
    });
    assert_eq!(records[0].stage, Stage::Final);
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn another_superblock_in_a_block_that_goes_ends_no_job() {
    let deployment = Deployment::new();
    let (own, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let url = deployment.node.url();
    // Theirs is in the last block, which is not final.
    let hasty = Policy { patience: POLICY.poll, ..POLICY };
    let theirs = deployment.chain(1..=1, 500);
    deployment
        .settle_as(OTHER_KEY, &url, &theirs, other.path(), hasty, &|_| {})
        .expect_err("it is not final");
    assert_eq!(deployment.settlements(), [1]);
    let (asked, miner) = (RefCell::new(vec![]), OnceCell::new());
    let listener = |progress: &Progress| {
        if let Progress::AskingAgain { reason } = progress {
            asked.borrow_mut().push(reason.clone());
            reorganise(&deployment.node, 1);
            deployment.node.ask("anvil_dropAllTransactions", json!([]));
            miner.get_or_init(|| deployment.miner());
        }
    };
    let policy = Policy { doubt: POLICY.patience, ..POLICY };
    let ours = deployment.chain(1..=1, 0);
    let records = deployment.settle_as(KEY, &url, &ours, own.path(), policy, &listener).expect("it settles");
    let asked = asked.into_inner();
    assert!(asked[0].starts_with("L1 has settled superblock 1 with state"), "{asked:?}");
    assert_eq!((records[0].stage, deployment.settlements()), (Stage::Final, vec![1]));
}

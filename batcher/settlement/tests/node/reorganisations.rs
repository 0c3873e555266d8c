//! Blocks of L1 that go again.

use std::cell::Cell;

use batcher_settlement::{
    job::Progress,
    journal::{Record, Stage},
};
use serde_json::{Value, json};

use crate::{
    anvil::{Anvil, KEY},
    deployment::{Deployment, POLICY},
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

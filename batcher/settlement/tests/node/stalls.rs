//! Strangers who settle because batchers do not.

use std::cell::Cell;

use batcher_settlement::{
    abi::Settlement::progressCall,
    job::{JobError, Progress},
    journal::{Record, Stage},
    superblock::Superblock,
};

use crate::{
    anvil::KEY,
    deployment::{Deployment, POLICY, STRANGER_KEY, digest},
};

/// The stall of the tests' deployment, in seconds.
pub(crate) const STALL: u64 = 4 * 24 * 60 * 60;

/// Settles as a stranger. Returns whether the job said so, too.
pub(crate) fn settle(
    deployment: &Deployment,
    superblock: Superblock,
) -> (Result<Vec<Record>, JobError>, bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let said = Cell::new(false);
    let listener = |progress: &Progress| {
        said.set(said.get() || matches!(progress, Progress::Stranger { .. }));
    };
    let url = deployment.node.url();
    let records =
        deployment.settle_as(STRANGER_KEY, &url, &[superblock], directory.path(), POLICY, &listener);
    (records, said.get())
}

#[test]
fn a_stranger_settles_in_a_stall() {
    let deployment = Deployment::new();
    deployment.skip(STALL + 1);
    let _miner = deployment.miner();
    let (records, said) = settle(&deployment, deployment.l1_superblock(1, digest(0), digest(1)));
    let records = records.expect("nobody else settles");
    assert!(said && records[0].inclusion.is_some_and(|inclusion| inclusion.transaction.is_some()));
    assert_eq!((records[0].stage, deployment.settlements()), (Stage::Final, vec![1]));
    let progress = deployment.view(&progressCall {});
    assert!(progress.batcherAt < progress.settledAt, "it was no batcher");
}

#[test]
fn a_stranger_waits_for_a_stall_that_begins_soon() {
    let deployment = Deployment::new();
    deployment.skip(STALL - 15);
    let _miner = deployment.miner();
    let (records, _) = settle(&deployment, deployment.l1_superblock(1, digest(0), digest(1)));
    assert_eq!(records.expect("it begins")[0].stage, Stage::Final);
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_batcher_settles_as_a_batcher_in_a_stall_too() {
    let deployment = Deployment::new();
    deployment.skip(STALL + 1);
    let _miner = deployment.miner();
    let directory = tempfile::tempdir().expect("a directory");
    let superblock = deployment.l1_superblock(1, digest(0), digest(1));
    deployment.settle(&[superblock], directory.path()).expect("it settles");
    let progress = deployment.view(&progressCall {});
    assert_eq!(progress.batcherAt, progress.settledAt);
}

#[test]
fn a_batcher_that_comes_back_first_has_settled_for_the_stranger() {
    let deployment = Deployment::new();
    deployment.skip(STALL + 1);
    let _miner = deployment.miner();
    let [own, other] = [0; 2].map(|_| tempfile::tempdir().expect("a directory"));
    let superblocks = [deployment.l1_superblock(1, digest(0), digest(1))];
    let url = deployment.node.url();
    let listener = |progress: &Progress| {
        if matches!(progress, Progress::Reached { stage: Stage::Signed, .. }) {
            deployment.settle_as(KEY, &url, &superblocks, other.path(), POLICY, &|_| {}).expect("theirs");
        }
    };
    let records = deployment.settle_as(STRANGER_KEY, &url, &superblocks, own.path(), POLICY, &listener);
    assert!(records.expect("it is settled")[0].inclusion.is_some_and(|one| one.transaction.is_none()));
    assert_eq!(deployment.settlements(), [1]);
}

//! The settlement job of a stranger, on the embedded L1.

use std::sync::atomic::AtomicBool;

use alloy_primitives::U256;
use batcher_settlement::{
    job::{Job, JobError, Policy},
    journal::{Journal, Record, Stage},
    signer::Signer,
    superblock::Superblock,
};
use circuits_core::F;
use circuits_protocol::statement::{L1Body, SuperblockStatement};
use plonky2::field::types::Field as _;

use crate::{
    CHAIN_ID, Local,
    support::{GOOD_PROOF, digest, l1_statement},
};

/// The stall of the tests' deployment, in seconds.
const STALL: u64 = 4 * 24 * 60 * 60;

/// Settles a superblock that takes the whole queue.
fn settle(local: &Local, signer: &Signer) -> Result<Vec<Record>, JobError> {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = Journal::open(directory.path()).expect("an empty directory");
    let statement = SuperblockStatement {
        chain_id: F::from_canonical_u64(local.deployed.deployment),
        number: F::ONE,
        previous_state: digest(0),
        new_state: digest(1),
        registry_root: local.root,
        body_chain: digest(0),
        block_count: F::ONE,
        has_l1_block: F::ZERO,
        l1_body: L1Body::ZERO,
    };
    let (statement, element) = l1_statement(statement, local.queue(), 0, &[5]);
    let superblock = Superblock::new(&statement, &[]).expect("it fits").with_only_block(element, &[5]);
    let job = Job {
        l1: &local.l1,
        chain_id: CHAIN_ID,
        contract: local.deployed.settlement,
        signer,
        prover: &GOOD_PROOF,
        journal: &journal,
        policy: Policy::default(),
        listener: &|_| {},
        stop: &AtomicBool::new(false),
    };
    job.run(&[superblock])
}

#[test]
fn a_stranger_settles_in_a_stall_and_not_before() {
    let (local, stranger) = (Local::new(), Signer::random());
    local.l1.fund(stranger.address(), U256::from(10).pow(U256::from(18)));
    let error = settle(&local, &stranger).expect_err("no stall yet");
    assert!(matches!(error, JobError::TooEarly { number: 1, .. }), "{error}");
    local.l1.skip(STALL);
    let records = settle(&local, &stranger).expect("nobody else settles");
    assert_eq!((records[0].stage, records[0].attempts.len()), (Stage::Final, 1));
}

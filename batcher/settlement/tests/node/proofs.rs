//! Proofs in the journal that are of no use any more.

use std::{cell::RefCell, fs, path::Path};

use alloy_primitives::U256;
use batcher_settlement::{
    abi::VerifierRouter::suspendCall,
    job::{JobError, Policy, Progress},
    journal::{Record, Stage},
    superblock::Superblock,
};
use serde_json::json;

use crate::{
    anvil::KEY,
    deployment::{Deployment, POLICY, digest},
    proxy::{self, Fate},
    support::{AnyProof, DIGESTS, GOOD_PROOF},
};

const NEWER_PROOF: AnyProof = AnyProof { verifier: DIGESTS[1], ..GOOD_PROOF };
const SPOILT_PROOF: AnyProof = AnyProof { first: 9, ..GOOD_PROOF };
/// Ends before it sends anything.
const HASTY: Policy = Policy { patience: std::time::Duration::from_millis(800), ..POLICY };

fn settle(
    deployment: &Deployment,
    prover: &AnyProof,
    superblock: Superblock,
    journal: &Path,
    policy: Policy,
) -> Result<Vec<Record>, JobError> {
    let url = deployment.node.url();
    deployment.settle_with(prover, KEY, &url, &[superblock], journal, policy, &|_| {})
}

/// Makes a proof that is not sent, because nothing is mined.
fn leave_a_proof(deployment: &Deployment, journal: &Path) {
    let superblock = deployment.superblock(1, digest(0), digest(1));
    deployment.node.ask("evm_setAutomine", json!([false]));
    settle(deployment, &GOOD_PROOF, superblock, journal, HASTY).expect_err("nothing is mined");
    deployment.node.ask("anvil_dropAllTransactions", json!([]));
    deployment.node.ask("evm_setAutomine", json!([true]));
}

/// Suspends the verifier of the older proofs.
fn suspend(deployment: &Deployment) {
    let outer_digest = U256::from(DIGESTS[0]).into();
    let call = suspendCall { outerDigest: outer_digest, duration: 3 * 24 * 60 * 60 };
    deployment.send(deployment.deployed.router, U256::ZERO, &call);
}

#[test]
fn a_proof_for_a_suspended_verifier_is_made_again_by_a_newer_program() {
    let (deployment, journal) = (Deployment::new(), tempfile::tempdir().expect("a directory"));
    leave_a_proof(&deployment, journal.path());
    suspend(&deployment);
    let _miner = deployment.miner();
    let superblock = deployment.superblock(1, digest(0), digest(1));
    let records = settle(&deployment, &NEWER_PROOF, superblock, journal.path(), POLICY).expect("it settles");
    let [record] = records.as_slice() else { panic!("one superblock") };
    assert_eq!(record.proof.map(|proof| proof.outer_digest), Some(U256::from(DIGESTS[1]).into()));
    assert_eq!((record.stage, deployment.settlements()), (Stage::Final, vec![1]));
}

#[test]
fn a_proof_for_a_verifier_that_counts_is_used_by_a_newer_program() {
    let (deployment, journal) = (Deployment::new(), tempfile::tempdir().expect("a directory"));
    leave_a_proof(&deployment, journal.path());
    let _miner = deployment.miner();
    let superblock = deployment.superblock(1, digest(0), digest(1));
    let records = settle(&deployment, &NEWER_PROOF, superblock, journal.path(), POLICY).expect("it settles");
    assert_eq!(records[0].proof.map(|proof| proof.outer_digest), Some(U256::from(DIGESTS[0]).into()));
}

#[test]
fn a_suspended_verifier_without_another_one_is_told() {
    let (deployment, journal) = (Deployment::new(), tempfile::tempdir().expect("a directory"));
    leave_a_proof(&deployment, journal.path());
    suspend(&deployment);
    let superblock = deployment.superblock(1, digest(0), digest(1));
    let error = settle(&deployment, &GOOD_PROOF, superblock, journal.path(), POLICY).expect_err("4 days");
    assert!(matches!(error, JobError::TooEarly { number: 1, .. }), "{error}");
    assert!(error.to_string().contains("SuspendedCircuit {"), "{error}");
}

#[test]
fn a_proof_that_the_verifier_refuses_is_made_again_by_the_next_process() {
    let (deployment, journal) = (Deployment::new(), tempfile::tempdir().expect("a directory"));
    let _miner = deployment.miner();
    let superblock = deployment.superblock(1, digest(0), digest(1));
    let error = settle(&deployment, &SPOILT_PROOF, superblock.clone(), journal.path(), POLICY);
    let error = error.expect_err("it is refused");
    assert!(matches!(error, JobError::Refused { number: 1, .. }), "{error}");
    settle(&deployment, &GOOD_PROOF, superblock, journal.path(), POLICY).expect("another proof");
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_good_proof_is_not_made_again_for_a_refusal_without_a_reason() {
    let (deployment, journal) = (Deployment::new(), tempfile::tempdir().expect("a directory"));
    leave_a_proof(&deployment, journal.path());
    let _miner = deployment.miner();
    // As nodes answer whose limit of gas is too low.
    let mut refusals = 2;
    let url = proxy::start(deployment.node.port, move |method, _| {
        if method == "eth_estimateGas" && refusals > 0 {
            refusals -= 1;
            return Fate::Refuse(3, "execution reverted");
        }
        Fate::Pass
    });
    let asked = RefCell::new(vec![]);
    let listener = |progress: &Progress| {
        if let Progress::AskingAgain { reason } = progress {
            asked.borrow_mut().push(reason.clone());
        }
    };
    let policy = Policy { doubt: POLICY.patience, ..POLICY };
    let superblock = deployment.superblock(1, digest(0), digest(1));
    // Another proof would be refused.
    let records =
        deployment.settle_with(&SPOILT_PROOF, KEY, &url, &[superblock], journal.path(), policy, &listener);
    records.expect("the proof in the journal is good");
    assert_eq!(asked.into_inner(), ["the contract refuses superblock 1: without a reason"]);
    assert_eq!(deployment.settlements(), [1]);
}

#[test]
fn a_proof_that_cannot_be_read_is_made_again() {
    for content in ["0x0102", "no proof", ""] {
        let (deployment, journal) = (Deployment::new(), tempfile::tempdir().expect("a directory"));
        leave_a_proof(&deployment, journal.path());
        fs::write(journal.path().join("superblock-000001.proof"), content).expect("writable");
        let _miner = deployment.miner();
        let superblock = deployment.superblock(1, digest(0), digest(1));
        settle(&deployment, &GOOD_PROOF, superblock, journal.path(), POLICY).expect("another proof");
        assert_eq!(deployment.settlements(), [1]);
    }
}

#[test]
fn a_superblock_that_is_made_anew_takes_the_nonce_of_the_one_before() {
    let (deployment, journal) = (Deployment::new(), tempfile::tempdir().expect("a directory"));
    deployment.node.ask("evm_setAutomine", json!([false]));
    let before = deployment.superblock(1, digest(0), digest(1));
    settle(&deployment, &GOOD_PROOF, before, journal.path(), HASTY).expect_err("nothing is mined");
    let anew = deployment.superblock(1, digest(0), digest(50));
    let state = anew.state();
    let miner = std::cell::OnceCell::new();
    let listener = |progress: &_| {
        if matches!(progress, Progress::Sending { .. }) {
            miner.get_or_init(|| deployment.miner());
        }
    };
    let url = deployment.node.url();
    let records = deployment.settle_as(KEY, &url, &[anew], journal.path(), POLICY, &listener);
    let records = records.expect("the newer one is settled");
    assert_eq!((records[0].goal.state, deployment.settlements()), (state, vec![1]));
    let [first, ..] = records[0].attempts.as_slice() else { panic!("the older one was sent") };
    let replacement = records[0].attempts.iter().find(|attempt| attempt.call != first.call);
    assert_eq!(replacement.map(|attempt| attempt.nonce), Some(first.nonce));
}

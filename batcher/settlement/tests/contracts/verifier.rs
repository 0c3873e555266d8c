//! The settlement job with the verifier that is deployed, and a proof of the hop that is valid for another statement.

use std::{error::Error, sync::atomic::AtomicBool};

use alloy_primitives::{B256, Bytes};
use batcher_settlement::{
    abi::SuperblockVerifier,
    deploy::{Plan, ProgramKeys, deploy},
    deployment::deployment_id,
    embedded::Embedded,
    job::{Job, JobError, L1Proof, Policy, Prove},
    journal::Journal,
    superblock::Superblock,
};
use circuits_core::F;
use circuits_protocol::statement::{L1Body, SuperblockStatement};
use plonky2::field::types::Field as _;
use serde::Deserialize;

use crate::{
    CHAIN_ID, RICH, SIGNER,
    support::{digest, registry},
};

/// The proof that contracts are tested against.
#[derive(Clone, Deserialize)]
struct Recorded {
    outer_digest: B256,
    proof: Bytes,
}

impl Prove for Recorded {
    fn outer_digest(&self) -> B256 {
        self.outer_digest
    }

    fn prove(&self, _: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
        Ok(L1Proof { outer_digest: self.outer_digest, proof: self.proof.clone() })
    }
}

#[test]
fn the_deployed_verifier_is_the_hops_and_refuses_its_proof_of_another_statement() {
    let recorded: Recorded =
        serde_json::from_str(include_str!("../../../hop/tests/hop/fixture.json")).expect("well-formed");
    let (signer, l1) = (SIGNER.clone(), Embedded::new(CHAIN_ID, &[(SIGNER.address(), RICH)]));
    let wallet = batcher_settlement::wallet::Wallet {
        l1: &l1,
        chain_id: CHAIN_ID,
        signer: &signer,
        policy: Policy::default(),
        announce: &|_, _| {},
    };
    let contract = signer.address().create(0);
    let deployment = deployment_id(CHAIN_ID, contract);
    let registry = registry(deployment);
    let program = ProgramKeys { kernels: vec![digest(5)], outer_digest: recorded.outer_digest };
    let plan = Plan { program: Some(program), ..Plan::standard(vec![signer.address()]) };
    deploy(&wallet, &plan, &registry, digest(0), None, &|_| {}).expect("it verifies the hop's proofs");

    let statement = SuperblockStatement {
        chain_id: F::from_canonical_u64(deployment),
        number: F::ONE,
        previous_state: digest(0),
        new_state: digest(1),
        registry_root: registry.root(),
        body_chain: digest(9),
        block_count: F::ONE,
        has_l1_block: F::ZERO,
        l1_body: L1Body::ZERO,
    };
    let directory = tempfile::tempdir().expect("a directory");
    let journal = Journal::open(directory.path()).expect("an empty directory");
    let settle = |statement: &SuperblockStatement| {
        let job = Job {
            l1: &l1,
            chain_id: CHAIN_ID,
            contract,
            signer: &signer,
            prover: &recorded,
            journal: &journal,
            policy: Policy { doubt: Default::default(), ..Policy::default() },
            listener: &|_| {},
            stop: &AtomicBool::new(false),
        };
        let superblock = Superblock::new(statement, &[]).expect("it fits");
        job.run(&[superblock]).expect_err("it proves something else")
    };
    let error = settle(&SuperblockStatement { registry_root: digest(3), ..statement });
    assert!(error.to_string().contains("WrongRegistryRoot {"), "before anything is proved: {error}");
    let JobError::Refused { number: 1, reason } = settle(&statement) else { panic!("another reason") };
    assert!(reason.is_of_verifier() && !reason.0.is_empty(), "{reason}");
    assert!(
        SuperblockVerifier::SuperblockVerifierErrors::SELECTORS.contains(&reason.0[..4].try_into().unwrap())
    );
}

//! The settlement job with the verifier that is deployed, and a proof of the hop that is valid for another statement.

use std::{error::Error, sync::atomic::AtomicBool};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall as _, SolInterface as _};
use batcher_hop::circuits::keccak_common;
use batcher_settlement::{
    abi::{
        SuperblockVerifier::{self, SuperblockVerifierErrors},
        VerifierRouter::verifyCall,
    },
    deploy::{DeployError, Deployed, Plan, ProgramKeys, deploy},
    deployment::deployment_id,
    embedded::Embedded,
    job::{Job, JobError, L1Proof, Policy, Prove},
    journal::Journal,
    l1::{At, Call, L1 as _, L1Error},
    superblock::Superblock,
    wallet::Wallet,
};
use bridge_verifier::{
    literal::{replace_key, replace_literal},
    recorded::Recorded,
};
use circuits_core::F;
use circuits_protocol::statement::{L1Body, SuperblockStatement};
use circuits_prover::outer::OuterKey;
use plonky2::field::types::Field as _;

use crate::{
    CHAIN_ID, RICH, SIGNER,
    support::{digest, registry},
};

/// A recorded proof, for whatever statement it is asked.
struct Replay<'a>(&'a Recorded);

impl Prove for Replay<'_> {
    fn outer_digest(&self) -> B256 {
        self.0.outer_digest.into()
    }

    fn prove(&self, _: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
        Ok(L1Proof { outer_digest: self.outer_digest(), proof: self.0.proof.clone().into() })
    }
}

/// The proof that contracts are tested against.
fn hop() -> Recorded {
    Recorded::from_json(include_str!("../../../hop/tests/hop/fixture.json")).expect("well-formed")
}

/// A proof that is valid for another circuit of the same form.
fn other_circuit() -> Recorded {
    Recorded::from_json(include_str!("../../../../bridge/verifier/tests/other_circuit.json"))
        .expect("well-formed")
}

fn network() -> Embedded {
    Embedded::new(CHAIN_ID, &[(SIGNER.address(), RICH)])
}

fn wallet(l1: &Embedded) -> Wallet<'_> {
    Wallet { l1, chain_id: CHAIN_ID, signer: &SIGNER, policy: Policy::default(), announce: &|_, _| {} }
}

#[test]
fn the_deployed_verifier_is_the_hops_and_refuses_its_proof_of_another_statement() {
    let (recorded, l1) = (hop(), network());
    let contract = SIGNER.address().create(0);
    let deployment = deployment_id(CHAIN_ID, contract);
    let registry = registry(deployment);
    let program = ProgramKeys { kernels: vec![digest(5)], outer_digest: recorded.outer_digest.into() };
    let plan = Plan { program: Some(program), ..Plan::standard(vec![SIGNER.address()]) };
    deploy(&wallet(&l1), &plan, &registry, digest(0), None, &|_| {}).expect("it verifies the hop's proofs");

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
            signer: &SIGNER,
            prover: &Replay(&recorded),
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
    assert!(SuperblockVerifierErrors::SELECTORS.contains(&reason.0[..4].try_into().unwrap()));
}

/// Creates the committed verifier, built for this key instead of the hop's.
fn verifier_of(key: &OuterKey) -> Vec<u8> {
    let mut code = SuperblockVerifier::BYTECODE.to_vec();
    replace_key(&mut code, keccak_common(), &hop().key, key).expect("it is the hop's");
    code
}

/// Contracts with these verifiers.
fn deployed(
    l1: &Embedded,
    verifiers: Vec<Vec<u8>>,
    program: Option<ProgramKeys>,
) -> Result<Deployed, DeployError> {
    let standard = Plan::standard(vec![SIGNER.address()]);
    let plan = Plan { verifiers: verifiers.into_iter().map(Bytes::from).collect(), program, ..standard };
    let registry = registry(deployment_id(CHAIN_ID, SIGNER.address().create(0)));
    deploy(&wallet(l1), &plan, &registry, digest(0), None, &|_| {})
}

/// What the router says of a proof under the name of a circuit: nothing, or the verifier's error.
fn verdict(
    l1: &Embedded,
    router: Address,
    outer_digest: [u8; 32],
    proof: &Recorded,
) -> Option<SuperblockVerifierErrors> {
    let Recorded { proof, public_inputs, .. } = proof.clone();
    let call =
        verifyCall { outerDigest: outer_digest.into(), proof: proof.into(), publicInputs: public_inputs };
    let call =
        Call { from: SIGNER.address(), to: Some(router), value: U256::ZERO, input: call.abi_encode().into() };
    match l1.call(&call, At::Latest) {
        Ok(_) => None,
        Err(L1Error::Reverted(reason)) => {
            Some(SuperblockVerifierErrors::abi_decode(&reason.0).expect("the verifier's"))
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_router_refuses_the_hops_proof_under_the_name_of_another_circuit() {
    let (hop, other, l1) = (hop(), other_circuit(), network());
    let verifiers = vec![SuperblockVerifier::BYTECODE.to_vec(), verifier_of(&other.key)];
    let Deployed { router, .. } = deployed(&l1, verifiers, None).expect("two circuits");
    for (own, stranger) in [(&hop, &other), (&other, &hop)] {
        assert_eq!(verdict(&l1, router, own.outer_digest, own), None);
        let refused = verdict(&l1, router, own.outer_digest, stranger).expect("it is of another circuit");
        assert!(matches!(refused, SuperblockVerifierErrors::TooLittleWork(_)), "{refused:?}");
    }
}

/// The contract says itself for which circuit it is: one that was built with another key and this circuit's name is listed, and harms
/// nothing but the settlements of those who rely on it.
#[test]
fn a_verifier_of_another_key_under_the_name_of_the_hop_refuses_its_proof() {
    let (hop, other, l1) = (hop(), other_circuit(), network());
    let mut code = verifier_of(&other.key);
    replace_literal(&mut code, &other.outer_digest, &hop.outer_digest).expect("it has this name");
    let Deployed { router, .. } = deployed(&l1, vec![code], None).expect("the name is the hop's");
    let refused = verdict(&l1, router, hop.outer_digest, &hop).expect("the key is another");
    assert!(matches!(refused, SuperblockVerifierErrors::TooLittleWork(_)), "{refused:?}");
}

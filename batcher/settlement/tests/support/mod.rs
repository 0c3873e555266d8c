//! Verifiers that only tests deploy: they look at one byte of a proof, because these tests are not about proofs.

use std::error::Error;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::SolError as _;
use batcher_settlement::{
    abi::{RegistryTree, SuperblockVerifier::WrongProofLength},
    deploy::Plan,
    job::{L1Proof, Prove},
    superblock::Superblock,
};
use bridge_core::lists::indices_digest;
use circuits_core::{Digest, F, hash::chain};
use circuits_protocol::{
    l1::{L1Outcome, PayoutRange, QueuePosition},
    registry::{EnvironmentId, Registry},
    statement::{BODY_CHAIN, L1Body, SuperblockStatement, empty_list},
};
use environments_l1::registry_entry;
use plonky2::field::types::Field as _;

/// The verifiers' names.
pub(crate) const DIGESTS: [u8; 2] = [42, 43];
/// The first byte of the proofs that they accept.
const GOOD: u8 = 7;

/// Creates a verifier with this name that accepts the proofs that begin with [`GOOD`], and refuses others for their length.
fn verifier(name: u8) -> Bytes {
    let code = [
        &hex!(
            "602b806009" "5f395ff3" // creates what follows
            "366004146022" "57" // calls without arguments ask for the name
            "6064355f1a" "600714" "602057" "63" // the first byte of the proof
        )[..],
        &WrongProofLength::SELECTOR,
        &hex!("60e01b5f52" "60445ffd" "5b00"),
        &[0x5b, 0x60, name],
        &hex!("5f52" "60205ff3"),
    ];
    code.concat().into()
}

/// Creates a contract that hands its calls to this one, and answers whether it took them.
pub(crate) fn forwarder_to(contract: Address) -> Bytes {
    let (before, after) = (hex!("6026806009" "5f395ff3" "365f5f375f5f365f5f73"), hex!("5af15f5260205ff3"));
    [&before[..], contract.as_slice(), &after[..]].concat().into()
}

/// A prover for the verifier with this name, whose proofs begin with this byte.
pub(crate) struct AnyProof {
    pub(crate) verifier: u8,
    pub(crate) first: u8,
}

/// Its proofs are accepted.
pub(crate) const GOOD_PROOF: AnyProof = AnyProof { verifier: DIGESTS[0], first: GOOD };

impl Prove for AnyProof {
    fn outer_digest(&self) -> B256 {
        U256::from(self.verifier).into()
    }

    fn prove(&self, _: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
        Ok(L1Proof { outer_digest: self.outer_digest(), proof: vec![self.first; 500].into() })
    }
}

pub(crate) fn digest(value: u64) -> Digest {
    Digest([1, 2, 3, value].map(F::from_canonical_u64))
}

/// The registry of a deployment: environment 0 with one kernel.
pub(crate) fn registry(deployment: u64) -> Registry {
    let mut registry = Registry::default();
    let entry = registry_entry(deployment, &[digest(5)]).expect("62 bits");
    registry.insert(EnvironmentId::L1, entry).expect("the first one");
    registry
}

/// A deployment with these verifiers.
pub(crate) fn plan(batchers: &[Address]) -> Plan {
    Plan::new(RegistryTree::BYTECODE.clone(), DIGESTS.map(verifier).to_vec(), batchers.to_vec())
}

/// The statement of a superblock that has one block, which is of environment 0, and that block's element. It takes no deposits,
/// pays nothing and consumes these messages.
pub(crate) fn l1_statement(
    statement: SuperblockStatement,
    queue: QueuePosition,
    first_payout: u32,
    consumed: &[u32],
) -> (SuperblockStatement, Digest) {
    let element = digest(600);
    let chained = chain(BODY_CHAIN, empty_list(), element);
    let payouts = PayoutRange { first: first_payout, ..PayoutRange::default() };
    let statement = SuperblockStatement {
        body_chain: chain(BODY_CHAIN, chained, indices_digest(consumed)),
        has_l1_block: F::ONE,
        l1_body: L1Body::from(&L1Outcome { queue, payouts }),
        ..statement
    };
    (statement, element)
}

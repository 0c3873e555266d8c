//! Contracts that only tests deploy: a verifier that accepts everything, because these tests are not about proofs.

use std::error::Error;

use alloy_primitives::{Address, Bytes, U256, hex};
use batcher_settlement::{
    deploy::Plan,
    job::{L1Proof, Prove},
    superblock::{Superblock, of_digest},
};
use circuits_core::{Digest, F};
use circuits_protocol::registry::{EnvironmentId, Registry};
use environments_l1::registry_entry;
use plonky2::field::types::Field as _;

/// Creates a verifier that names itself 42 and accepts every proof.
const ANY_VERIFIER: [u8; 26] = hex!("6011806009" "5f395ff3" "36600414600857005b602a5f5260205ff3");
/// The verifier's name.
const ANY_DIGEST: u64 = 42;
/// Creates a contract that answers everything with the 32 bytes that follow, and the end of its code.
const CONSTANT: ([u8; 10], [u8; 6]) = (hex!("6027806009" "5f395ff3" "7f"), hex!("5f5260205ff3"));

/// A prover whose proofs only this verifier accepts.
pub(crate) struct AnyProof;

impl Prove for AnyProof {
    fn prove(&self, _: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
        let outer_digest = U256::from(ANY_DIGEST).into();
        Ok(L1Proof { outer_digest, proof: Bytes::from_static(&[7; 500]) })
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

/// A deployment with that verifier, and with a registry tree that knows this registry only.
pub(crate) fn plan(registry: &Registry, batchers: &[Address]) -> Plan {
    let root = of_digest(registry.root());
    let tree = [&CONSTANT.0[..], root.as_slice(), &CONSTANT.1[..]].concat();
    Plan::new(tree.into(), vec![ANY_VERIFIER.to_vec().into()], batchers.to_vec())
}

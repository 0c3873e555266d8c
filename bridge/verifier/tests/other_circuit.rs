//! A proof that is valid for another circuit of the same form is refused: the contract is built for one key.

use alloy_sol_types::{SolError, sol};
use batcher_hop::{calldata, circuits::keccak_common};
use bridge_verifier::evm::{CallError, Contract};
use circuits_prover::{
    F,
    keccak::TreeDigest,
    outer::{self, OuterKey},
};
use plonky2::{field::types::Field as _, hash::merkle_tree::MerkleCap};
use revm::primitives::{U256, hex};

sol! {
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view;

    error TooLittleWork(uint256 response, uint256 limit);
}

/// A Keccak hop over another Poseidon hop, as a test of `batcher/hop` records it.
struct Recorded {
    key: OuterKey,
    public_inputs: Vec<F>,
    proof: Vec<u8>,
}

fn recorded() -> Recorded {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("other_circuit.json")).unwrap();
    let bytes = |text: &serde_json::Value| hex::decode(text.as_str().unwrap()).unwrap();
    let list = |name: &str| fixture[name].as_array().unwrap().clone();
    let digest = |text: &serde_json::Value| TreeDigest(bytes(text).try_into().unwrap());
    Recorded {
        key: OuterKey {
            constants_sigmas_cap: MerkleCap(list("constants_sigmas_cap").iter().map(digest).collect()),
            circuit_digest: digest(&fixture["circuit_digest"]),
        },
        public_inputs: list("public_inputs")
            .iter()
            .map(|text| F::from_canonical_u64(text.as_str().unwrap().parse().unwrap()))
            .collect(),
        proof: bytes(&fixture["proof"]),
    }
}

fn words(elements: &[F]) -> Vec<U256> {
    elements.iter().map(|x| U256::from(x.0)).collect()
}

#[test]
fn a_proof_of_another_circuit_is_refused() {
    let Recorded { key, public_inputs, proof } = recorded();
    let decoded = calldata::decode(&proof, &public_inputs, keccak_common()).unwrap();
    outer::verify(&decoded, &key, keccak_common()).expect("it is valid for its own key");
    let artifact = include_str!("../../contracts/artifacts/SuperblockVerifier.json");
    let verifier = Contract::from_artifact(artifact).unwrap();
    let call = verifyCall { proof: proof.into(), publicInputs: words(&public_inputs) };
    let Err(CallError::Reverted(data)) = verifier.call(&call) else { panic!("it was not refused") };
    TooLittleWork::abi_decode(&data).expect("the key is under the challenges");
}

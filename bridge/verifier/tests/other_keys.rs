//! The contract is built for one key: what is valid for another one is refused, and another one's contract refuses this proof.

use std::sync::LazyLock;

use alloy_sol_types::{SolError, sol};
use batcher_hop::{calldata, circuits::keccak_common};
use bridge_verifier::{
    evm::{CallError, Contract},
    literal::replace_key,
    recorded::Recorded,
};
use circuits_prover::{
    F,
    outer::{self, OuterKey},
};
use plonky2::field::types::Field as _;
use revm::primitives::{Bytes, U256, hex};

sol! {
    function outerDigest() external view returns (bytes32);
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view;

    error WrongLeaf(uint256 query, uint256 tree, bytes32 root, bytes32 expected);
    error TooLittleWork(uint256 response, uint256 limit);
}

/// The proof that contracts are tested against.
static HOP: LazyLock<Recorded> = LazyLock::new(|| {
    Recorded::from_json(include_str!("../../../batcher/hop/tests/hop/fixture.json")).unwrap()
});

/// A Keccak hop over another Poseidon hop, as a test of `batcher/hop` records it.
static OTHER: LazyLock<Recorded> =
    LazyLock::new(|| Recorded::from_json(include_str!("other_circuit.json")).unwrap());

/// The contract as it is deployed.
static VERIFIER: LazyLock<Contract> = LazyLock::new(|| {
    Contract::from_artifact(include_str!("../../contracts/artifacts/SuperblockVerifier.json")).unwrap()
});

/// The contract for this key.
fn verifier_of(key: &OuterKey) -> Contract {
    let mut code = VERIFIER.code().to_vec();
    replace_key(&mut code, keccak_common(), &HOP.key, key).unwrap();
    Contract::new(code)
}

fn verify(verifier: &Contract, recorded: &Recorded) -> Result<(), Bytes> {
    let Recorded { public_inputs, proof, .. } = recorded.clone();
    match verifier.call(&verifyCall { proof: proof.into(), publicInputs: public_inputs }) {
        Ok(_) => Ok(()),
        Err(CallError::Reverted(data)) => Err(data),
        Err(error) => panic!("{error}"),
    }
}

/// Asserts that the contract refuses a proof with an error, and returns the error.
fn refused<E: SolError>(verifier: &Contract, recorded: &Recorded) -> E {
    let data = verify(verifier, recorded).expect_err("it was accepted");
    E::abi_decode(&data).unwrap_or_else(|_| panic!("expected {}, got 0x{}", E::SIGNATURE, hex::encode(data)))
}

#[test]
fn a_proof_of_another_circuit_is_refused() {
    let inputs: Vec<_> = OTHER.public_inputs.iter().map(|x| F::from_canonical_u64(x.to())).collect();
    let decoded = calldata::decode(&OTHER.proof, &inputs, keccak_common()).unwrap();
    outer::verify(&decoded, &OTHER.key, keccak_common()).expect("it is valid for its own key");
    refused::<TooLittleWork>(&VERIFIER, &OTHER);
}

#[test]
fn a_contract_for_another_key_takes_its_proofs_and_refuses_this_one() {
    assert_eq!(verify(&VERIFIER, &HOP), Ok(()));
    let other = verifier_of(&OTHER.key);
    assert_eq!(other.call(&outerDigestCall {}).unwrap().result, OTHER.outer_digest);
    assert_eq!(verify(&other, &OTHER), Ok(()));
    refused::<TooLittleWork>(&other, &HOP);
}

/// plonky2 links a key's cap and its circuit digest nowhere, so each has to be the contract's own.
#[test]
fn a_contract_with_half_of_another_key_refuses_both_proofs() {
    let other_cap = OuterKey { circuit_digest: HOP.key.circuit_digest, ..OTHER.key.clone() };
    let error: WrongLeaf = refused(&verifier_of(&other_cap), &HOP);
    assert_eq!((error.query, error.tree), (U256::ZERO, U256::ZERO));
    refused::<TooLittleWork>(&verifier_of(&other_cap), &OTHER);

    let other_digest = OuterKey { circuit_digest: OTHER.key.circuit_digest, ..HOP.key.clone() };
    refused::<TooLittleWork>(&verifier_of(&other_digest), &HOP);
    let error: WrongLeaf = refused(&verifier_of(&other_digest), &OTHER);
    assert_eq!((error.query, error.tree), (U256::ZERO, U256::ZERO));
}

#[test]
fn each_digest_of_the_keys_cap_is_compared_where_a_query_reaches_it() {
    let common = keccak_common();
    let fri = &common.config.fri_config;
    let levels = common.degree_bits() + fri.rate_bits - fri.cap_height;
    let mut reached = 0;
    for place in 0..HOP.key.constants_sigmas_cap.len() {
        let mut key = HOP.key.clone();
        key.constants_sigmas_cap.0[place].0[0] ^= 1;
        let query = HOP.query_indices.iter().position(|index| index >> levels == place as u64);
        match query {
            Some(query) => {
                let error: WrongLeaf = refused(&verifier_of(&key), &HOP);
                assert_eq!((error.query, error.tree), (U256::from(query), U256::ZERO));
                reached += 1;
            }
            None => assert_eq!(verify(&verifier_of(&key), &HOP), Ok(())),
        }
    }
    assert!(reached > 0, "no query reaches the cap");
}

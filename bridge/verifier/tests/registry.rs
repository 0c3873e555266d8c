//! What the contract recomputes in Poseidon is what Rust computes: the registry's tree of environments, and the body chain.

use std::sync::LazyLock;

use alloy_sol_types::{SolError, sol};
use bridge_core::lists::indices_digest;
use bridge_verifier::evm::{CallError, Contract};
use circuits_core::{
    Digest, F,
    hash::chain,
    trees::{IndexTree, Path},
};
use circuits_protocol::statement::{BODY_CHAIN, empty_list};
use plonky2::field::types::{Field as _, Field64, PrimeField64};
use proptest::prelude::*;
use revm::primitives::B256;

/// Levels of the tree of environments.
const DEPTH: usize = 16;

sol! {
    function rootOf(bytes32 entry, bytes32[16] path) external view returns (bytes32 root);
    function bodyChainOf(bytes32 blockDigest, uint32[] indices) external view returns (bytes32 bodyChain);
    error NoFieldElement(uint64 word);
}

/// The artefact, or another one that the environment names: a build from which a check was removed, which must not pass.
static TREE: LazyLock<Contract> = LazyLock::new(|| {
    let text = std::env::var("SUPERBLOCK_REGISTRY_TREE_ARTIFACT").map_or_else(
        |_| include_str!("../../contracts/artifacts/RegistryTree.json").to_owned(),
        |path| std::fs::read_to_string(path).unwrap(),
    );
    Contract::from_artifact(&text).unwrap()
});

fn word(digest: Digest) -> B256 {
    let mut bytes = [0; 32];
    for (chunk, element) in bytes.chunks_exact_mut(8).zip(digest.0) {
        chunk.copy_from_slice(&element.to_canonical_u64().to_be_bytes());
    }
    B256::new(bytes)
}

fn call(entry: Digest, path: &Path) -> rootOfCall {
    let siblings: Vec<_> = path.siblings.iter().copied().map(word).collect();
    rootOfCall { entry: word(entry), path: siblings.try_into().unwrap() }
}

fn digest() -> impl Strategy<Value = Digest> {
    prop::array::uniform4((0..F::ORDER).prop_map(F::from_canonical_u64)).prop_map(Digest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_root_over_entry_0_is_the_same(leaves in prop::collection::btree_map(0u64..1 << DEPTH, digest(), 0..20), entry in digest()) {
        let mut tree = IndexTree::new(DEPTH);
        for (index, leaf) in leaves {
            tree.set(index, leaf).unwrap();
        }
        tree.set(0, entry).unwrap();
        let outcome = TREE.call(&call(entry, &tree.path(0))).unwrap();
        prop_assert_eq!(outcome.result, word(tree.root()));
    }

    #[test]
    fn the_body_chain_of_one_block_is_the_same(block in digest(), indices in prop::collection::vec(any::<u32>(), 0..20)) {
        let blocks = chain(BODY_CHAIN, empty_list(), block);
        let expected = chain(BODY_CHAIN, blocks, indices_digest(&indices));
        let outcome = TREE.call(&bodyChainOfCall { blockDigest: word(block), indices }).unwrap();
        prop_assert_eq!(outcome.result, word(expected));
    }
}

#[test]
fn a_word_at_or_above_the_fields_order_is_refused() {
    let honest = call(Digest::ZERO, &IndexTree::new(DEPTH).path(0));
    for place in 0..4 {
        for value in [F::ORDER, u64::MAX] {
            let mut bytes = [0; 32];
            bytes[8 * place..][..8].copy_from_slice(&value.to_be_bytes());
            let expected = NoFieldElement { word: value }.abi_encode();
            let entry = rootOfCall { entry: bytes.into(), ..honest.clone() };
            let mut sibling = honest.clone();
            sibling.path[7] = bytes.into();
            for call in [entry, sibling] {
                match TREE.call(&call) {
                    Err(CallError::Reverted(reason)) => assert_eq!(reason, expected),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn both_fit_into_a_transaction() {
    let path = TREE.call(&call(Digest::ZERO, &IndexTree::new(DEPTH).path(0))).unwrap().gas;
    assert!(path < 1_500_000, "a path takes {path} gas");
    // As many messages as a block of environment 0 consumes. A transaction has 16,777,216 gas, and a proof takes its part.
    let indices = vec![u32::MAX; 96];
    let call = bodyChainOfCall { blockDigest: word(Digest::ZERO), indices };
    let body_chain = TREE.call(&call).unwrap().gas;
    assert!(body_chain < 8_000_000, "a body chain takes {body_chain} gas");
}

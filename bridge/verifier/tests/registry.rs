//! The contract's tree of environments is the registry's.

use std::sync::LazyLock;

use alloy_sol_types::{SolError, sol};
use bridge_verifier::evm::{CallError, Contract};
use circuits_core::{
    Digest, F,
    trees::{IndexTree, Path},
};
use plonky2::field::types::{Field64, PrimeField64};
use proptest::prelude::*;
use revm::primitives::B256;

/// Levels of the tree of environments.
const DEPTH: usize = 16;

sol! {
    function rootOf(bytes32 entry, bytes32[16] path) external view returns (bytes32 root);
    error NoFieldElement(uint64 word);
}

static TREE: LazyLock<Contract> = LazyLock::new(|| {
    Contract::from_artifact(include_str!("../../contracts/artifacts/RegistryTree.json")).unwrap()
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
    prop::array::uniform4((0..F::ORDER).prop_map(plonky2::field::types::Field::from_canonical_u64))
        .prop_map(Digest)
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
fn scheduling_a_root_costs_little() {
    let outcome = TREE.call(&call(Digest::ZERO, &IndexTree::new(DEPTH).path(0))).unwrap();
    println!("gas of a path: {}", outcome.gas);
    assert!(outcome.gas < 2_000_000, "{}", outcome.gas);
}

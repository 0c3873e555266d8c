use circuits_core::trees::{IndexTree, NODE, Path, empty_root};
use proptest::prelude::*;

use super::*;

/// A tree with leaves at 3, 4 and 15.
fn tree() -> IndexTree {
    let mut tree = IndexTree::new(DEPTH);
    for index in [3, 4, 15] {
        tree.set(index, leaf(index)).unwrap();
    }
    tree
}

type Membership = Bench<gadgets::IndexMembership, 9>;

fn check_membership(
    bench: &Membership,
    root: Digest,
    index: u64,
    leaf: Digest,
    path: Path,
) -> Result<(), TreeError> {
    let native = path.verify(root, index, leaf);
    let given = [&root.0[..], &[element(index)], &leaf.0].concat();
    bench.agree(&given, path, &native.clone().map(|()| vec![]));
    native
}

#[test]
fn a_leaf_is_a_member_at_its_index_only() {
    let (bench, tree) = (Membership::new(), tree());
    let path = tree.path(4);
    assert_eq!(check_membership(&bench, tree.root(), 4, leaf(4), path.clone()), Ok(()));
    for (root, index, member, path) in [
        (tree.root(), 5, leaf(4), path.clone()),
        (tree.root(), 4, leaf(3), path.clone()),
        (empty_root(DEPTH), 4, leaf(4), path.clone()),
        (tree.root(), 4, leaf(4), tree.path(3)),
        (tree.root(), 4, leaf(4), Path { siblings: path.siblings[..3].to_vec() }),
    ] {
        assert!(matches!(
            check_membership(&bench, root, index, member, path),
            Err(TreeError::Root { .. } | TreeError::Index { .. })
        ));
    }
}

/// Case 31.
#[test]
fn an_empty_leaf_is_not_a_member() {
    let (bench, tree) = (Membership::new(), tree());
    let result = check_membership(&bench, tree.root(), 7, Digest::ZERO, tree.path(7));
    assert_eq!(result, Err(TreeError::EmptyLeaf { index: 7 }));
    let result = check_membership(&bench, empty_root(DEPTH), 7, Digest::ZERO, IndexTree::new(DEPTH).path(7));
    assert_eq!(result, Err(TreeError::EmptyLeaf { index: 7 }));
}

/// Case 23: 4 and 4 + 2^depth turn the same way at every level.
#[test]
fn an_index_beyond_its_bits_is_rejected() {
    let (bench, tree) = (Membership::new(), tree());
    for index in [4 + (1 << DEPTH), 4 + (1 << 32), 4 + (1 << 62)] {
        let result = check_membership(&bench, tree.root(), index, leaf(4), tree.path(4));
        assert_eq!(result, Err(TreeError::Index { index, depth: DEPTH }));
    }
}

/// Case 7: the depth is fixed, so that an inner node is nobody's leaf.
#[test]
fn an_inner_node_is_not_a_member() {
    let (bench, tree) = (Membership::new(), tree());
    let path = tree.path(4);
    let node = hash_pair(leaf(4), path.siblings[0]);
    let above = Path { siblings: path.siblings[1..].to_vec() };
    assert_eq!(above.root(2, node), tree.root());
    assert_eq!(above.expect_length(DEPTH), Err(TreeError::PathLength { expected: DEPTH, found: DEPTH - 1 }));
    let given = [&tree.root().0[..], &[element(2)], &node.0].concat();
    assert!(bench.compiled.prove(&GadgetInput { given, witness: above }).is_err());
}

fn hash_pair(left: Digest, right: Digest) -> Digest {
    circuits_core::hash::hash_pair(NODE, left, right)
}

#[test]
fn a_taken_slot_is_not_vacant() {
    let bench = Bench::<gadgets::IndexVacancy, 5>::new();
    let tree = tree();
    for (index, path_of) in [(5, 5), (4, 4), (5, 4), (5 + (1 << DEPTH), 5)] {
        let path = tree.path(path_of);
        let native = path.verify_vacancy(tree.root(), index);
        assert_eq!(native.is_ok(), (index, path_of) == (5, 5));
        bench.agree(&[&tree.root().0[..], &[element(index)]].concat(), path, &native.map(|()| vec![]));
    }
}

#[test]
fn replacing_a_leaf_changes_nothing_else() {
    let bench = Bench::<gadgets::IndexReplace, 17>::new();
    let before = tree();
    // Set, change, clear, and three lies: about the old leaf, the index and the path.
    for (index, path_of, old, new, ok) in [
        (5, 5, Digest::ZERO, leaf(5), true),
        (4, 4, leaf(4), leaf(5), true),
        (4, 4, leaf(4), Digest::ZERO, true),
        (4, 4, Digest::ZERO, leaf(5), false),
        (5, 4, leaf(4), leaf(5), false),
        (4, 5, leaf(4), leaf(5), false),
    ] {
        let path = before.path(path_of);
        let native = path.replace(before.root(), index, old, new);
        assert_eq!(native.is_ok(), ok);
        if let Ok(root) = native {
            let mut after = before.clone();
            after.set(index, new).unwrap();
            assert_eq!(root, after.root());
        }
        let given = [&before.root().0[..], &[element(index)], &old.0, &new.0].concat();
        bench.agree(&given, path, &native.map(|root| root.0.to_vec()));
    }
}

/// The root of all leaves, hashed level by level.
fn dense_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [root] => *root,
        _ => dense_root(&leaves.chunks(2).map(|pair| hash_pair(pair[0], pair[1])).collect::<Vec<_>>()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_sparse_tree_equals_the_dense_one(writes in prop::collection::vec((0u64..16, 0u64..4), 0..40)) {
        let mut dense = vec![Digest::ZERO; 16];
        let mut sparse = IndexTree::new(DEPTH);
        for (index, value) in writes {
            let new = if value == 0 { Digest::ZERO } else { leaf(value) };
            prop_assert_eq!(sparse.path(index).replace(sparse.root(), index, sparse.get(index), new), {
                sparse.set(index, new).unwrap();
                Ok(sparse.root())
            });
            dense[index as usize] = new;
            prop_assert_eq!(sparse.root(), dense_root(&dense));
        }
        let stored = serde_json::to_string(&sparse).unwrap();
        prop_assert_eq!(serde_json::from_str::<IndexTree>(&stored).unwrap(), sparse);
    }
}

use circuits_core::trees::{AppendTree, Path, append, append_subtree};
use proptest::prelude::*;

use super::{gadgets::SUBTREE_HEIGHT, *};

type Single = Bench<gadgets::Append, 14>;
type Subtree = Bench<gadgets::AppendSubtree, 26>;

fn tree(count: u64) -> AppendTree {
    let mut tree = AppendTree::new(DEPTH);
    (0..count).for_each(|index| assert_eq!(tree.push(leaf(index)), Ok(index)));
    tree
}

fn outcome(result: &Result<(Digest, u64), TreeError>) -> Result<Vec<F>, TreeError> {
    result.clone().map(|(root, count)| [&root.0[..], &[element(count)]].concat())
}

fn check(
    bench: &Single,
    tree: &AppendTree,
    count: u64,
    leaf: Digest,
    path: Path,
) -> Result<(Digest, u64), TreeError> {
    let native = append(tree.root(), count, leaf, &path);
    let given = [&tree.root().0[..], &[element(count)], &leaf.0].concat();
    bench.agree(&given, path, &outcome(&native));
    native
}

fn check_subtree(
    bench: &Subtree,
    tree: &AppendTree,
    count: u64,
    leaves: &[Digest],
    path: Path,
) -> Result<(Digest, u64), TreeError> {
    let native = append_subtree(DEPTH, tree.root(), count, leaves, &path);
    let given = [&tree.root().0[..], &[element(count)], &elements(leaves)].concat();
    bench.agree(&given, path, &outcome(&native));
    native
}

#[test]
fn a_leaf_goes_to_the_slot_at_count() {
    let bench = Single::new();
    for count in [0, 5, 15] {
        let before = tree(count);
        let after = tree(count + 1);
        let result = check(&bench, &before, count, leaf(count), before.next_path());
        assert_eq!(result, Ok((after.root(), after.count())));
    }
}

#[test]
fn a_full_tree_takes_no_leaf() {
    let (bench, full) = (Single::new(), tree(16));
    let result = check(&bench, &full, 16, leaf(0), full.path(0));
    assert_eq!(result, Err(TreeError::Full { count: 16, added: 1, depth: DEPTH }));
}

/// Case 47: the root does not say where the next leaf goes, the count does.
#[test]
fn a_taken_slot_is_not_overwritten() {
    let (bench, before) = (Single::new(), tree(5));
    for (count, path_of) in [(4, 4), (4, 5), (5, 4)] {
        let result = check(&bench, &before, count, leaf(9), before.path(path_of));
        assert_eq!(result, Err(TreeError::Occupied { index: count, root: before.root() }));
    }
}

#[test]
fn an_empty_leaf_is_not_appended() {
    let (bench, before) = (Single::new(), tree(5));
    let result = check(&bench, &before, 5, Digest::ZERO, before.next_path());
    assert_eq!(result, Err(TreeError::EmptyLeaf { index: 5 }));
}

#[test]
fn a_subtree_goes_to_its_multiple() {
    let bench = Subtree::new();
    let leaves: Vec<_> = (20..24).map(leaf).collect();
    for count in [0, 4, 12] {
        let before = tree(count);
        let mut after = before.clone();
        assert_eq!(after.push_subtree(&leaves), Ok(count));
        let path = before.next_subtree_path(SUBTREE_HEIGHT).unwrap();
        let result = check_subtree(&bench, &before, count, &leaves, path);
        assert_eq!(result, Ok((after.root(), after.count())));
    }
    let before = tree(5);
    let path = tree(4).next_subtree_path(SUBTREE_HEIGHT).unwrap();
    let result = check_subtree(&bench, &before, 5, &leaves, path);
    assert_eq!(result, Err(TreeError::Unaligned { count: 5, size: 4 }));

    // An aligned place that is taken in part.
    let path = Path { siblings: before.path(4).siblings[SUBTREE_HEIGHT..].to_vec() };
    let result = check_subtree(&bench, &before, 4, &leaves, path);
    assert_eq!(result, Err(TreeError::Occupied { index: 4, root: before.root() }));

    // Empty slots at an index that is not a multiple.
    let sparse = tree(4);
    let path = sparse.next_subtree_path(SUBTREE_HEIGHT).unwrap();
    let result = check_subtree(&bench, &sparse, 6, &leaves, path);
    assert_eq!(result, Err(TreeError::Unaligned { count: 6, size: 4 }));
}

#[test]
fn a_full_tree_takes_no_subtree() {
    let (bench, full) = (Subtree::new(), tree(16));
    let path = Path { siblings: full.path(0).siblings[SUBTREE_HEIGHT..].to_vec() };
    let result = check_subtree(&bench, &full, 16, &[leaf(1); 4], path);
    assert_eq!(result, Err(TreeError::Full { count: 16, added: 4, depth: DEPTH }));
}

#[test]
fn empty_leaves_of_a_subtree_take_their_slots() {
    let (bench, before) = (Subtree::new(), tree(4));
    let leaves = [leaf(4), Digest::ZERO, leaf(6), Digest::ZERO];
    let path = before.next_subtree_path(SUBTREE_HEIGHT).unwrap();
    let mut after = before.clone();
    after.push_subtree(&leaves).unwrap();
    assert_eq!(check_subtree(&bench, &before, 4, &leaves, path), Ok((after.root(), 8)));
    assert_eq!(after.push(leaf(8)), Ok(8));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn appending_by_any_steps_gives_one_tree(steps in prop::collection::vec(0usize..3, 0..8)) {
        let mut tree = AppendTree::new(DEPTH);
        let mut leaves = vec![];
        for k in steps {
            let added: Vec<_> = (0..1 << k).map(|i| leaf(100 * leaves.len() as u64 + i)).collect();
            let commitment = (tree.root(), tree.count());
            let predicted = tree
                .next_subtree_path(k)
                .and_then(|path| append_subtree(DEPTH, commitment.0, commitment.1, &added, &path));
            let result = tree.push_subtree(&added);
            prop_assert_eq!(predicted.is_ok(), result.is_ok());
            if result.is_ok() {
                leaves.extend(added);
                prop_assert_eq!(predicted, Ok((tree.root(), tree.count())));
            }
        }
        let mut one_by_one = AppendTree::new(DEPTH);
        leaves.iter().for_each(|&leaf| { one_by_one.push(leaf).unwrap(); });
        prop_assert_eq!(one_by_one, tree);
    }
}

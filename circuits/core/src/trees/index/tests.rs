use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::stored::{Contradiction, Reads};

#[test]
fn clearing_a_leaf_restores_the_empty_tree() {
    let leaf = hash_pair(NODE, Digest::ZERO, Digest::ZERO);
    let mut tree = IndexTree::new(48);
    tree.set((1 << 48) - 1, leaf).unwrap();
    assert_eq!(tree.path((1 << 48) - 1).verify(tree.root(), (1 << 48) - 1, leaf), Ok(()));
    assert_eq!(tree.set(1 << 48, leaf), Err(TreeError::Index { index: 1 << 48, depth: 48 }));
    tree.set((1 << 48) - 1, Digest::ZERO).unwrap();
    assert_eq!(tree, IndexTree::new(48));
    assert_eq!(tree.root(), empty_root(48));
}

#[test]
fn a_tree_is_what_its_leaves_make_it_and_a_copy_keeps_its_own() {
    let (mut tree, mut dense) = (IndexTree::new(4), vec![Digest::ZERO; 16]);
    let mut copies = vec![];
    for step in 0..60 {
        copies.push((tree.clone(), dense.clone()));
        let index = 7 * step % 16;
        let new = if step % 3 == 2 { Digest::ZERO } else { empty_root(1 + step % 40) };
        let place = index as u64;
        let replaced = tree.path(place).replace(tree.root(), place, tree.get(place), new);
        tree.set(place, new).unwrap();
        assert_eq!(replaced, Ok(tree.root()));
        dense[index] = new;
    }
    copies.push((tree, dense));
    for (tree, dense) in copies {
        let mut at_once = IndexTree::new(4);
        at_once.set_range(0, &dense).unwrap();
        assert_eq!(tree, at_once);
        assert!(tree.leaves().eq((0..).zip(dense).filter(|&(_, leaf)| leaf != Digest::ZERO)));
    }
    assert_eq!(at_the_end(16), at_the_end(1 << 40), "what does not exist is empty");
}

#[test]
fn changed_leaves_are_those_that_differ_in_pages_too() {
    let depth = PAGE_LEVEL + 2;
    let leaves: Vec<_> = (0..3 * PAGE_LEAVES).map(|index| empty_root(1 + index % 7)).collect();
    let mut plain = IndexTree::new(depth);
    plain.set_range(0, &leaves).unwrap();
    let roots: Vec<_> = (0..3).filter_map(|page| plain.page_root(page)).collect();
    let paged = IndexTree::from_stored(depth, &stored(&leaves), &roots).unwrap();
    let changes =
        [5, 300, 301, 1000].map(|index| (index, empty_root(9))).into_iter().chain([(302, Digest::ZERO)]);
    let changes: std::collections::BTreeMap<u64, Digest> = changes.collect();
    for before in [&plain, &paged] {
        for after in [&plain, &paged] {
            assert!(before.changed_leaves(after).is_empty());
            let mut after = after.clone();
            changes.iter().for_each(|(&index, &leaf)| after.set(index, leaf).unwrap());
            assert!(before.changed_leaves(&after).into_iter().eq(changes.clone()));
            let back = after.changed_leaves(before);
            assert!(back.into_iter().eq(changes.keys().map(|&index| (index, before.get(index)))));
        }
    }
}

/// The path of an index that does not exist in a tree with a leaf.
fn at_the_end(index: u64) -> Path {
    let mut tree = IndexTree::new(4);
    tree.set(0, empty_root(1)).unwrap();
    assert_eq!(tree.get(index), Digest::ZERO);
    tree.path(index)
}

#[test]
fn a_range_is_set_as_its_leaves_are() {
    let leaves: Vec<_> = (1..6).map(empty_root).collect();
    let (mut one_by_one, mut at_once) = (IndexTree::new(4), IndexTree::new(4));
    for (index, &leaf) in (3..).zip(&leaves) {
        one_by_one.set(index, leaf).unwrap();
    }
    at_once.set_range(3, &leaves).unwrap();
    assert_eq!(one_by_one, at_once);
    assert!(at_once.set_range(12, &leaves).is_err());
    assert_eq!(one_by_one, at_once);
}

/// A tree of this depth with these leaves, hashed as a whole, and the roots of its pages.
fn whole(depth: usize, leaves: &[Digest]) -> (IndexTree, Vec<Digest>) {
    let mut tree = IndexTree::new(depth);
    tree.set_range(0, leaves).unwrap();
    let pages = 0..leaves.len().div_ceil(PAGE_LEAVES) as u64;
    let roots = pages.filter_map(|page| tree.page_root(page)).collect();
    (tree, roots)
}

/// The list that these leaves are stored as.
fn stored(leaves: &[Digest]) -> Arc<StoredList<Digest>> {
    let (len, leaves) = (leaves.len() as u64, leaves.to_vec());
    let read = move |range: Range<u64>| Ok(leaves[range.start as usize..range.end as usize].to_vec());
    Arc::new(StoredList::new(len, Reads::default(), read))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_tree_over_what_is_stored_is_the_tree(
        depth in PAGE_LEVEL..12,
        leaves in prop::collection::vec(prop::option::of(1..40_usize), 0..=2 * PAGE_LEAVES + 3),
        changes in prop::collection::vec((0..4 * PAGE_LEAVES as u64, 0..40_usize), 0..12),
    ) {
        let leaves: Vec<_> = leaves.into_iter().map(|leaf| leaf.map_or(Digest::ZERO, empty_root)).collect();
        prop_assume!(leaves.len() <= 1 << depth);
        let (mut expected, roots) = whole(depth, &leaves);
        let list = stored(&leaves);
        let mut tree = IndexTree::from_stored(depth, &list, &roots).unwrap();
        let unopened = tree.clone();
        prop_assert_eq!(tree.root(), expected.root());
        for (index, leaf) in changes {
            let (index, leaf) = (index % (1 << depth), empty_root(leaf));
            prop_assert_eq!(tree.get(index), expected.get(index));
            prop_assert_eq!(tree.path(index), expected.path(index));
            prop_assert_eq!(tree.path_above(3, index >> 3), expected.path_above(3, index >> 3));
            tree.set(index, leaf).unwrap();
            expected.set(index, leaf).unwrap();
            prop_assert_eq!(tree.root(), expected.root());
            let page = index / PAGE_LEAVES as u64;
            prop_assert_eq!(tree.page_root(page), expected.page_root(page));
        }
        prop_assert!(tree.leaves().eq(expected.leaves()));
        prop_assert_eq!(&tree, &expected);
        // Empty pages can be left out.
        let pages = (0..).zip(roots).filter(|(_, root)| *root != empty_root(PAGE_LEVEL));
        prop_assert_eq!(IndexTree::from_pages(depth, &list, pages), Ok(unopened.clone()));
        // A copy keeps what it had, opened or not.
        let (before, _) = whole(depth, &leaves);
        prop_assert_eq!(&unopened, &before);
        prop_assert!(unopened.leaves().eq(before.leaves()));
        prop_assert_eq!(unopened == tree, before == expected);
        prop_assert_eq!(list.reads().check(), Ok(()));
    }
}

#[test]
fn a_page_is_read_when_it_is_needed_and_refused_under_another_root() {
    let leaves: Vec<_> = (0..PAGE_LEAVES + 1).map(|leaf| empty_root(1 + leaf % 7)).collect();
    let (tree, mut roots) = whole(16, &leaves);
    let list = stored(&leaves);
    let refused = IndexTree::from_stored(16, &list, &roots[1..]);
    let expected = TreeError::Pages { leaves: leaves.len() as u64, expected: 2, found: 1 };
    assert_eq!(refused, Err(expected));
    let small = IndexTree::from_stored(PAGE_LEVEL, &list, &roots);
    assert!(matches!(small, Err(TreeError::Index { .. })));
    let refused = IndexTree::from_stored(MAX_DEPTH + 1, &stored(&[]), &[]);
    assert_eq!(refused, Err(TreeError::Depth { depth: MAX_DEPTH + 1 }));
    let (few, beyond) = (&leaves[..4], IndexTree::from_pages(16, &list, [(1 << 8, roots[0])]));
    assert_eq!(IndexTree::from_stored(2, &stored(few), &[]), Ok(whole(2, few).0), "it is read at once");
    assert_eq!(beyond, Err(TreeError::Index { index: 1 << 16, depth: 16 }));
    assert_eq!(IndexTree::from_stored(8, &stored(&[]), &[]), Ok(IndexTree::new(8)));
    let found = roots[0];
    roots[0] = roots[1];
    let mut other = IndexTree::from_stored(16, &list, &roots).unwrap();
    assert_ne!(other, tree);
    let last = PAGE_LEAVES as u64;
    assert_eq!(other.get(last), leaves[PAGE_LEAVES]);
    assert_eq!(list.reads().check(), Ok(()), "the page under another root was not read");
    assert_eq!(other.get(3), Digest::ZERO);
    assert!(other.path(3).verify(other.root(), 3, leaves[3]).is_err());
    let failure = list.reads().check().unwrap_err();
    let expected = Contradiction::Page { first: 0, expected: roots[0], found };
    assert_eq!(failure.to_string(), expected.to_string());
    other.set(3, leaves[3]).unwrap();
    assert_eq!(list.reads().check(), Err(failure), "the first failure stays");
}

#[test]
fn a_part_of_another_length_is_refused() {
    let list = Arc::new(StoredList::new(2, Reads::default(), |_| Ok(vec![empty_root(1)])));
    let tree = IndexTree::from_stored(8, &list, &[empty_root(3)]).unwrap();
    assert_eq!(tree.get(0), Digest::ZERO);
    let failure = list.reads().check().unwrap_err();
    assert_eq!(failure.to_string(), "the values 0 to 2 are stored as 1 values");
}

#[test]
fn stored_leaves_out_of_order_are_refused() {
    let mut tree = IndexTree::new(3);
    tree.set(2, empty_root(1)).unwrap();
    tree.set(5, empty_root(2)).unwrap();
    let mut stored = IndexTreeData::from(tree.clone());
    assert_eq!(serde_json::from_str::<IndexTree>(&serde_json::to_string(&tree).unwrap()).unwrap(), tree);
    stored.leaves.reverse();
    assert!(matches!(IndexTree::try_from(stored), Err(TreeError::Occupied { index: 2, .. })));
}

//! A tree that only grows: leaves get the indices 0, 1, 2, ... in order.
//!
//! ```text
//! index   0    1    2    3    4    5    6    7
//! leaf    l0   l1   l2   0    0    0    0    0        count = 3: the slot that the next leaf takes
//!                                  └─ a subtree of 2^k leaves goes where count is a multiple of 2^k
//! ```
//! The root alone does not say where the next leaf goes: callers commit to root *and* count.

use std::sync::Arc;

use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};

use super::{
    error::TreeError,
    index::IndexTree,
    node::{MAX_DEPTH, NODE, empty_root, fits},
    page::PAGE_LEAVES,
    path::{Path, PathTarget, enforce_nonzero, index_bits},
};
use crate::{
    Builder, Digest, DigestTarget, F,
    constrain::{Constrain, DigestOps},
    hash::{hash_pair, hash_pair_circuit},
    stored::{Reads, StoredList},
};

/// An append-only tree; see the module's drawing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AppendTreeData", into = "AppendTreeData")]
pub struct AppendTree {
    tree: IndexTree,
    count: u64,
}

impl AppendTree {
    /// Creates an empty tree for `2^depth` leaves.
    ///
    /// # Panics
    /// If `depth` is more than [`MAX_DEPTH`].
    #[must_use]
    pub fn new(depth: usize) -> Self {
        Self { tree: IndexTree::new(depth), count: 0 }
    }

    /// The tree to which the leaves of `list` were appended, from the roots of its pages ([`Self::page_root`]). A page is read when
    /// one of its leaves is needed, and gives a failure of [`list.reads()`](StoredList::reads) if it has another root.
    ///
    /// # Errors
    /// As [`IndexTree::from_stored`].
    pub fn from_stored(
        depth: usize,
        list: &Arc<StoredList<Digest>>,
        roots: &[Digest],
    ) -> Result<Self, TreeError> {
        Ok(Self { tree: IndexTree::from_stored(depth, list, roots)?, count: list.len() })
    }

    /// The tree with `count` slots taken, of which these, ascending by index, have leaves that are not
    /// empty. Nodes are hashed once, unless leaves are far apart.
    ///
    /// # Errors
    /// - [`TreeError::Depth`]
    /// - [`TreeError::Full`] if there are not so many slots
    /// - [`TreeError::Index`] if a leaf is beyond them
    pub fn from_leaves(
        depth: usize,
        count: u64,
        leaves: impl IntoIterator<Item = (u64, Digest)>,
    ) -> Result<Self, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::Depth { depth });
        }
        if count > 1 << depth {
            return Err(TreeError::Full { count, added: 0, depth });
        }
        let mut tree = Self { tree: IndexTree::new(depth), count };
        // Neighbours are set at once; a wide gap is not worth its empty leaves.
        let mut run: (u64, Vec<Digest>) = (0, vec![]);
        for (index, leaf) in leaves {
            if index >= count {
                return Err(TreeError::Index { index, depth });
            }
            let gap = index.checked_sub(run.0 + run.1.len() as u64).filter(|&gap| gap <= PAGE_LEAVES as u64);
            match gap {
                Some(gap) => run.1.extend((0..gap).map(|_| Digest::ZERO).chain([leaf])),
                None => {
                    tree.tree.set_range(run.0, &run.1)?;
                    run = (index, vec![leaf]);
                }
            }
        }
        tree.tree.set_range(run.0, &run.1)?;
        Ok(tree)
    }

    /// The leaves of `after` that are others here, ascending by index. It costs what changed.
    #[must_use]
    pub fn changed_leaves(&self, after: &Self) -> Vec<(u64, Digest)> {
        self.tree.changed_leaves(&after.tree)
    }

    /// The number of levels between leaf and root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.tree.depth()
    }

    /// The root of the page with the [`PAGE_LEAVES`](super::PAGE_LEAVES) leaves from `PAGE_LEAVES * page` on. A tree that is smaller
    /// than a page has none.
    #[must_use]
    pub fn page_root(&self, page: u64) -> Option<Digest> {
        self.tree.page_root(page)
    }

    /// Where failures go, if the tree is read late.
    #[must_use]
    pub const fn reads(&self) -> Option<&Reads> {
        self.tree.reads()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The number of slots taken, including those of empty leaves in subtrees.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The leaf at `index`, which is empty if none was appended there.
    #[must_use]
    pub fn get(&self, index: u64) -> Digest {
        self.tree.get(index)
    }

    /// The path of the leaf at `index`.
    #[must_use]
    pub fn path(&self, index: u64) -> Path {
        self.tree.path(index)
    }

    /// The path of the slot that the next leaf takes.
    #[must_use]
    pub fn next_path(&self) -> Path {
        self.path(self.count)
    }

    /// The siblings above the slots that the next subtree of `2^k` leaves takes.
    ///
    /// # Errors
    /// - [`TreeError::Unaligned`] if the count is not a multiple of `2^k`
    /// - [`TreeError::Full`] if the subtree does not fit
    pub fn next_subtree_path(&self, k: usize) -> Result<Path, TreeError> {
        check_room(self.depth(), self.count, k)?;
        Ok(self.tree.path_above(k, self.count >> k))
    }

    /// Appends a leaf and returns its index.
    ///
    /// # Errors
    /// - [`TreeError::EmptyLeaf`] if the leaf is empty
    /// - [`TreeError::Full`] if all slots are taken
    pub fn push(&mut self, leaf: Digest) -> Result<u64, TreeError> {
        let index = self.count;
        if leaf == Digest::ZERO {
            return Err(TreeError::EmptyLeaf { index });
        }
        check_room(self.depth(), index, 0)?;
        self.tree.set(index, leaf)?;
        self.count += 1;
        Ok(index)
    }

    /// Removes the last leaf and returns it, or `None` if the tree is empty.
    pub fn pop(&mut self) -> Option<Digest> {
        let index = self.count.checked_sub(1)?;
        let leaf = self.get(index);
        self.tree.set(index, Digest::ZERO).ok()?;
        self.count = index;
        Some(leaf)
    }

    /// Appends `2^k` leaves where the count is a multiple of `2^k`, and returns the index of the first one. Empty leaves
    /// take slots, but are never members.
    ///
    /// # Errors
    /// - [`TreeError::Subtree`] if the number of leaves is not a power of two
    /// - [`TreeError::Unaligned`] if the count is not a multiple of it
    /// - [`TreeError::Full`] if they do not fit
    pub fn push_subtree(&mut self, leaves: &[Digest]) -> Result<u64, TreeError> {
        let k = subtree_height(leaves)?;
        check_room(self.depth(), self.count, k)?;
        let first = self.count;
        self.tree.set_range(first, leaves)?;
        self.count += leaves.len() as u64;
        Ok(first)
    }

    /// Replaces the leaf at `index`, which must have been appended. The tree's owner decides which changes are allowed.
    ///
    /// # Errors
    /// - [`TreeError::EmptyLeaf`] if the leaf is empty or nothing was appended at the index
    pub fn replace(&mut self, index: u64, leaf: Digest) -> Result<(), TreeError> {
        if leaf == Digest::ZERO || self.get(index) == Digest::ZERO {
            return Err(TreeError::EmptyLeaf { index });
        }
        self.tree.set(index, leaf)
    }
}

/// The root of a subtree, whose number of leaves is a power of two.
///
/// # Errors
/// [`TreeError::Subtree`] for any other number of leaves.
pub fn subtree_root(leaves: &[Digest]) -> Result<Digest, TreeError> {
    let mut level = leaves.to_vec();
    for _ in 0..subtree_height(leaves)? {
        level = level.chunks_exact(2).map(|pair| hash_pair(NODE, pair[0], pair[1])).collect();
    }
    Ok(level[0])
}

/// The tree's commitment `(root, count)` after `leaf` was appended, from the path of the slot at `count`.
///
/// # Errors
/// - [`TreeError::EmptyLeaf`] if the leaf is empty
/// - [`TreeError::Full`] if `count` is not below `2^depth`, where depth is the path's length
/// - [`TreeError::Occupied`] if the slot at `count` is not empty or the path is not its path
pub fn append(root: Digest, count: u64, leaf: Digest, path: &Path) -> Result<(Digest, u64), TreeError> {
    if leaf == Digest::ZERO {
        return Err(TreeError::EmptyLeaf { index: count });
    }
    append_subtree(path.siblings.len(), root, count, &[leaf], path)
}

/// The tree's commitment `(root, count)` after the `2^k` leaves were appended, from the path above their subtree.
///
/// # Errors
/// - [`TreeError::Subtree`] if the number of leaves is not a power of two
/// - [`TreeError::Unaligned`] if `count` is not a multiple of it
/// - [`TreeError::Full`] if they do not fit
/// - [`TreeError::PathLength`] if the path does not have `depth - k` siblings
/// - [`TreeError::Occupied`] if one of their slots is not empty or the path is not theirs
pub fn append_subtree(
    depth: usize,
    root: Digest,
    count: u64,
    leaves: &[Digest],
    path: &Path,
) -> Result<(Digest, u64), TreeError> {
    let k = subtree_height(leaves)?;
    check_room(depth, count, k)?;
    path.expect_length(depth - k)?;
    let position = count >> k;
    if path.root(position, empty_root(k)) != root {
        return Err(TreeError::Occupied { index: count, root });
    }
    Ok((path.root(position, subtree_root(leaves)?), count + leaves.len() as u64))
}

/// The height of the subtree over `leaves`.
fn subtree_height(leaves: &[Digest]) -> Result<usize, TreeError> {
    if leaves.len().is_power_of_two() {
        Ok(leaves.len().trailing_zeros() as usize)
    } else {
        Err(TreeError::Subtree { found: leaves.len() })
    }
}

/// Checks that a subtree of height `k` fits after `count` leaves.
fn check_room(depth: usize, count: u64, k: usize) -> Result<(), TreeError> {
    if k > depth || depth > MAX_DEPTH || !fits(count, depth) {
        let added = 1u64.checked_shl(k as u32).unwrap_or(u64::MAX);
        return Err(TreeError::Full { count, added, depth });
    }
    let size = 1u64 << k;
    if count.is_multiple_of(size) { Ok(()) } else { Err(TreeError::Unaligned { count, size }) }
}

/// An append tree as it is stored.
#[derive(Serialize, Deserialize)]
struct AppendTreeData {
    count: u64,
    tree: IndexTree,
}

impl From<AppendTree> for AppendTreeData {
    fn from(tree: AppendTree) -> Self {
        Self { count: tree.count, tree: tree.tree }
    }
}

impl TryFrom<AppendTreeData> for AppendTree {
    type Error = TreeError;

    fn try_from(AppendTreeData { count, tree }: AppendTreeData) -> Result<Self, TreeError> {
        let depth = tree.depth();
        if count > 1 << depth {
            return Err(TreeError::Full { count, added: 0, depth });
        }
        if let Some((index, _)) = tree.leaves().last().filter(|&(index, _)| index >= count) {
            return Err(TreeError::Occupied { index, root: tree.root() });
        }
        Ok(Self { tree, count })
    }
}

/// The in-circuit twin of [`append`]: `(root, count)` after `leaf`, which is not empty, was put into the empty slot at
/// `count < 2^depth`. `2 * depth` Poseidon rows and one for the bits of `count`.
///
/// # Panics
/// If the path does not have `depth` siblings.
pub fn append_circuit(
    builder: &mut Builder,
    depth: usize,
    root: DigestTarget,
    count: Target,
    leaf: DigestTarget,
    path: &PathTarget,
) -> (DigestTarget, Target) {
    enforce_nonzero(builder, leaf);
    append_subtree_circuit(builder, depth, 0, root, count, &[leaf], path)
}

/// The in-circuit twin of [`append_subtree`]: `(root, count)` after `2^k` leaves were put into empty slots from
/// `count` on, which is a multiple of `2^k` below `2^depth`. `2 * (depth - k) + 2^k - 1` Poseidon rows and one
/// for the bits of `count`.
///
/// # Panics
/// If there are not `2^k` leaves and `depth - k` siblings.
pub fn append_subtree_circuit(
    builder: &mut Builder,
    depth: usize,
    k: usize,
    root: DigestTarget,
    count: Target,
    leaves: &[DigestTarget],
    path: &PathTarget,
) -> (DigestTarget, Target) {
    assert_eq!(leaves.len(), 1 << k, "a subtree of height {k} has 2^{k} leaves");
    assert_eq!(path.siblings.len() + k, depth, "the path leads from the subtree to the root");
    // The count is below 2^depth, so there is a slot, and a multiple of 2^k, so the slots are one subtree.
    let bits = index_bits(builder, count, depth);
    for bit in &bits[..k] {
        builder.enforce_zero(bit.target);
    }
    let empty = builder.constant_digest(empty_root(k));
    let subtree = subtree_root_circuit(builder, leaves);
    let new_root = path.replace_circuit(builder, root, &bits[k..], empty, subtree);
    let new_count = builder.add_const(count, F::from_canonical_usize(leaves.len()));
    (new_root, new_count)
}

/// The in-circuit twin of [`subtree_root`], for a number of leaves that is a power of two.
fn subtree_root_circuit(builder: &mut Builder, leaves: &[DigestTarget]) -> DigestTarget {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level =
            level.chunks_exact(2).map(|pair| hash_pair_circuit(builder, NODE, pair[0], pair[1])).collect();
    }
    level[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_made_again_from_its_leaves() {
        let leaf = |index: u64| (index, empty_root(1 + index as usize % 5));
        for indices in [vec![], vec![0, 1, 2, 4, 9], vec![3, 700, 701], vec![1023]] {
            let leaves: Vec<_> = indices.into_iter().map(leaf).collect();
            let tree = AppendTree::from_leaves(10, 1024, leaves.clone()).unwrap();
            assert_eq!(tree.count(), 1024);
            assert_eq!(AppendTree::from_leaves(10, 1024, []).unwrap().changed_leaves(&tree), leaves);
        }
        let index = TreeError::Index { index: 8, depth: 10 };
        assert_eq!(AppendTree::from_leaves(10, 8, [leaf(8)]), Err(index));
        assert_eq!(AppendTree::from_leaves(3, 9, []), Err(TreeError::Full { count: 9, added: 0, depth: 3 }));
    }

    #[test]
    fn a_subtree_is_appended_as_its_leaves_are() {
        let leaves: Vec<_> = (1..5).map(empty_root).collect();
        let (mut one_by_one, mut at_once) = (AppendTree::new(3), AppendTree::new(3));
        for &leaf in &leaves {
            let next = append(one_by_one.root(), one_by_one.count(), leaf, &one_by_one.next_path()).unwrap();
            one_by_one.push(leaf).unwrap();
            assert_eq!(next, (one_by_one.root(), one_by_one.count()));
        }
        let path = at_once.next_subtree_path(2).unwrap();
        let next = append_subtree(3, at_once.root(), 0, &leaves, &path).unwrap();
        at_once.push_subtree(&leaves).unwrap();
        assert_eq!(next, (at_once.root(), at_once.count()));
        assert_eq!(one_by_one, at_once);
        assert_eq!(
            serde_json::from_str::<AppendTree>(&serde_json::to_string(&at_once).unwrap()).unwrap(),
            at_once
        );
    }

    #[test]
    fn what_was_appended_last_can_be_taken_back() {
        let mut tree = AppendTree::new(3);
        assert_eq!(tree.pop(), None);
        let mut before = vec![];
        for leaf in (1..6).map(empty_root) {
            before.push((tree.clone(), leaf));
            tree.push(leaf).unwrap();
        }
        for (earlier, leaf) in before.into_iter().rev() {
            assert_eq!(tree.pop(), Some(leaf));
            assert_eq!(tree, earlier);
        }
    }

    #[test]
    fn a_subtree_goes_where_the_count_is_a_multiple_of_its_size() {
        let mut tree = AppendTree::new(2);
        tree.push(empty_root(1)).unwrap();
        assert_eq!(tree.push_subtree(&[empty_root(1); 2]), Err(TreeError::Unaligned { count: 1, size: 2 }));
        assert_eq!(tree.push_subtree(&[empty_root(1); 3]), Err(TreeError::Subtree { found: 3 }));
        assert_eq!(tree.push(Digest::ZERO), Err(TreeError::EmptyLeaf { index: 1 }));
        tree.push(empty_root(1)).unwrap();
        tree.push_subtree(&[empty_root(1); 2]).unwrap();
        assert_eq!(tree.push(empty_root(1)), Err(TreeError::Full { count: 4, added: 1, depth: 2 }));
    }
}

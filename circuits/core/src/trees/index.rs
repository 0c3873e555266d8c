//! A sparse tree of fixed depth, by index.
//!
//! ```text
//! level 2            root = H(NODE, a, b)
//!                  /                     \
//! level 1    a = H(NODE, l0, l1)    b = empty_root(1)      an absent subtree is never stored
//!             /         \
//! level 0    l0          l1 = 0                            0 is the empty leaf
//! ```
//! The i-th bit of an index, least significant first, says on which side of its parent the node at level i is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    error::TreeError,
    node::{MAX_DEPTH, NODE, empty_root, fits},
    path::Path,
};
use crate::{Digest, hash::hash_pair};

/// A sparse tree by index; see the module's drawing.
///
/// Two trees are equal if and only if they have the same depth and leaves, regardless of their history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "IndexTreeData", into = "IndexTreeData")]
pub struct IndexTree {
    depth: usize,
    root: Link,
}

/// A subtree; `None` if it is empty. Copies of a tree share their subtrees until one of them changes.
type Link = Option<Arc<Node>>;

/// The root of a subtree that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    digest: Digest,
    /// None for a leaf.
    children: [Link; 2],
}

impl IndexTree {
    /// Creates an empty tree of `2^depth` slots.
    ///
    /// # Panics
    /// If `depth` is more than [`MAX_DEPTH`].
    #[must_use]
    pub fn new(depth: usize) -> Self {
        assert!(depth <= MAX_DEPTH, "a tree has at most {MAX_DEPTH} levels, not {depth}");
        Self { depth, root: None }
    }

    /// The number of levels between leaf and root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        digest(self.root.as_deref(), self.depth)
    }

    /// The leaf at `index`, which is empty if none was set or the index does not exist.
    #[must_use]
    pub fn get(&self, index: u64) -> Digest {
        if !fits(index, self.depth) {
            return Digest::ZERO;
        }
        let mut node = self.root.as_deref();
        for level in (0..self.depth).rev() {
            node = node.and_then(|node| node.children[side(index, level)].as_deref());
        }
        digest(node, 0)
    }

    /// The leaves that are not empty, ascending by index.
    pub fn leaves(&self) -> impl Iterator<Item = (u64, Digest)> {
        let mut stack: Vec<_> = self.root.as_deref().map(|root| (self.depth, 0, root)).into_iter().collect();
        std::iter::from_fn(move || {
            loop {
                let (level, position, node): (usize, u64, &Node) = stack.pop()?;
                if level == 0 {
                    return Some((position, node.digest));
                }
                let [left, right] = &node.children;
                let children = [(2 * position + 1, right), (2 * position, left)];
                let present =
                    children.into_iter().filter_map(|(position, child)| Some((position, child.as_deref()?)));
                stack.extend(present.map(|(position, child)| (level - 1, position, child)));
            }
        })
    }

    /// Sets the leaf at `index`. The empty leaf clears it.
    ///
    /// # Errors
    /// [`TreeError::Index`] if the tree has no such index.
    pub fn set(&mut self, index: u64, leaf: Digest) -> Result<(), TreeError> {
        self.set_range(index, &[leaf])
    }

    /// Sets neighbouring leaves from `first` on, hashing each inner node once.
    ///
    /// # Errors
    /// [`TreeError::Index`] if one of the indices does not exist; the tree is then unchanged.
    pub fn set_range(&mut self, first: u64, leaves: &[Digest]) -> Result<(), TreeError> {
        let last = first.saturating_add((leaves.len() as u64).saturating_sub(1));
        if !fits(last, self.depth) {
            return Err(TreeError::Index { index: last, depth: self.depth });
        }
        write(&mut self.root, self.depth, first, leaves);
        Ok(())
    }

    /// The path of the leaf at `index`. An index that does not exist gets empty siblings, which verify nothing.
    #[must_use]
    pub fn path(&self, index: u64) -> Path {
        self.path_above(0, index)
    }

    /// The path from the node at `level` and `position` to the root.
    pub(super) fn path_above(&self, level: usize, position: u64) -> Path {
        if !fits(position, self.depth.saturating_sub(level)) {
            return Path { siblings: (level..self.depth).map(empty_root).collect() };
        }
        let mut node = self.root.as_deref();
        let mut siblings = Vec::with_capacity(self.depth.saturating_sub(level));
        for below in (level..self.depth).rev() {
            let side = side(position, below - level);
            let child = |side: usize| node.and_then(|node| node.children[side].as_deref());
            siblings.push(digest(child(1 - side), below));
            node = child(side);
        }
        siblings.reverse();
        Path { siblings }
    }
}

/// The side of its parent on which the node at a level above the leaf or node at `index` is.
fn side(index: u64, level: usize) -> usize {
    usize::from(index >> level & 1 == 1)
}

/// The digest of a subtree at `level`.
fn digest(node: Option<&Node>, level: usize) -> Digest {
    node.map_or_else(|| empty_root(level), |node| node.digest)
}

/// Sets neighbouring leaves of a subtree at `level`, from its leaf `first` on; all of them are its leaves.
fn write(link: &mut Link, level: usize, first: u64, leaves: &[Digest]) {
    let [leaf, ..] = *leaves else { return };
    if level == 0 {
        *link = (leaf != Digest::ZERO).then(|| Arc::new(Node { digest: leaf, children: [None, None] }));
        return;
    }
    let node =
        link.get_or_insert_with(|| Arc::new(Node { digest: empty_root(level), children: [None, None] }));
    let node = Arc::make_mut(node);
    let half = 1 << (level - 1);
    let in_left = usize::try_from(half - first.min(half)).unwrap_or(usize::MAX).min(leaves.len());
    let (to_left, to_right) = leaves.split_at(in_left);
    let [left, right] = &mut node.children;
    write(left, level - 1, first, to_left);
    write(right, level - 1, first.saturating_sub(half), to_right);
    if left.is_none() && right.is_none() {
        *link = None;
    } else {
        node.digest =
            hash_pair(NODE, digest(left.as_deref(), level - 1), digest(right.as_deref(), level - 1));
    }
}

/// A tree as it is stored: the leaves that are not empty, in order, so that a tree has one encoding.
#[derive(Serialize, Deserialize)]
struct IndexTreeData {
    depth: u8,
    leaves: Vec<(u64, Digest)>,
}

impl From<IndexTree> for IndexTreeData {
    fn from(tree: IndexTree) -> Self {
        // A depth is at most `MAX_DEPTH`.
        Self { depth: tree.depth as u8, leaves: tree.leaves().collect() }
    }
}

impl TryFrom<IndexTreeData> for IndexTree {
    type Error = TreeError;

    fn try_from(data: IndexTreeData) -> Result<Self, TreeError> {
        let depth = usize::from(data.depth);
        if depth > MAX_DEPTH {
            return Err(TreeError::Depth { depth });
        }
        let mut tree = Self::new(depth);
        let mut previous = None;
        for (index, leaf) in data.leaves {
            if leaf == Digest::ZERO {
                return Err(TreeError::EmptyLeaf { index });
            }
            if previous.is_some_and(|previous| previous >= index) {
                return Err(TreeError::Occupied { index, root: tree.root() });
            }
            tree.set(index, leaf)?;
            previous = Some(index);
        }
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

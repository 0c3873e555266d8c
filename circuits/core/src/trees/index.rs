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

use std::collections::BTreeMap;

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
    /// Nodes that differ from the empty subtree of their level, by (level, position).
    nodes: BTreeMap<(usize, u64), Digest>,
}

impl IndexTree {
    /// Creates an empty tree of `2^depth` slots.
    ///
    /// # Panics
    /// If `depth` is more than [`MAX_DEPTH`].
    #[must_use]
    pub fn new(depth: usize) -> Self {
        assert!(depth <= MAX_DEPTH, "a tree has at most {MAX_DEPTH} levels, not {depth}");
        Self { depth, nodes: BTreeMap::new() }
    }

    /// The number of levels between leaf and root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.node(self.depth, 0)
    }

    /// The leaf at `index`, which is empty if none was set or the index does not exist.
    #[must_use]
    pub fn get(&self, index: u64) -> Digest {
        self.node(0, index)
    }

    /// The leaves that are not empty, ascending by index.
    pub fn leaves(&self) -> impl Iterator<Item = (u64, Digest)> {
        self.nodes.range(..(1, 0)).map(|(&(_, index), &leaf)| (index, leaf))
    }

    /// Sets the leaf at `index`. The empty leaf clears it.
    ///
    /// # Errors
    /// [`TreeError::Index`] if the tree has no such index.
    pub fn set(&mut self, index: u64, leaf: Digest) -> Result<(), TreeError> {
        if !fits(index, self.depth) {
            return Err(TreeError::Index { index, depth: self.depth });
        }
        self.put(0, index, leaf);
        self.rehash(1, index);
        Ok(())
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
        if leaves.is_empty() {
            return Ok(());
        }
        for (index, &leaf) in (first..).zip(leaves) {
            self.put(0, index, leaf);
        }
        for level in 1..=self.depth {
            for position in first >> level..=last >> level {
                self.rehash_node(level, position);
            }
        }
        Ok(())
    }

    /// The path of the leaf at `index`. An index that does not exist gets empty siblings, which verify nothing.
    #[must_use]
    pub fn path(&self, index: u64) -> Path {
        self.path_above(0, index)
    }

    /// The path from the node at `level` and `position` to the root.
    pub(super) fn path_above(&self, level: usize, position: u64) -> Path {
        let siblings = (level..self.depth).map(|l| self.node(l, position >> (l - level) ^ 1)).collect();
        Path { siblings }
    }

    fn node(&self, level: usize, position: u64) -> Digest {
        self.nodes.get(&(level, position)).copied().unwrap_or_else(|| empty_root(level))
    }

    fn put(&mut self, level: usize, position: u64, node: Digest) {
        if node == empty_root(level) {
            self.nodes.remove(&(level, position));
        } else {
            self.nodes.insert((level, position), node);
        }
    }

    fn rehash_node(&mut self, level: usize, position: u64) {
        let left = self.node(level - 1, 2 * position);
        let right = self.node(level - 1, 2 * position + 1);
        self.put(level, position, hash_pair(NODE, left, right));
    }

    fn rehash(&mut self, from_level: usize, index: u64) {
        for level in from_level..=self.depth {
            self.rehash_node(level, index >> level);
        }
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

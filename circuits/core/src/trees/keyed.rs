//! A map from 256-bit keys to values in which absence can be proved: an indexed Merkle tree.
//!
//! The leaves are a linked list in strictly increasing order of keys. Their indices are the order in which they were
//! inserted.
//!
//! ```text
//! index      0            1            2            3
//! key        0            50           20           0 (empty slot, not a leaf)
//! value      0            v50          v20
//! next key   20           0 = infinity 50           leaf = H(KEYED, key, next key, value)
//!
//! list       0 ──> 20 ──> 50 ──> infinity
//! ```
//! Key `k` is absent exactly if some leaf has `key < k < next key`. The leaf at index 0, the sentinel, starts
//! the list; its key 0 cannot be inserted, opened or updated. Keys are compared as four canonical 64-bit
//! integers, the first one most significant, so the order of keys does not depend on their representation.
//! No value is zero, so that a zero old value always means absence.
//!
//! A leaf costs two permutations: one hashes 8 elements only, and a leaf has 12. Key and next key come first.
//!
//! A tree over what is stored reads an entry when somebody needs it, and checks it by its leaf, which the root covers; that there
//! is none, by the leaf before. So nothing that is altered or missing is taken for the tree's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    error::TreeError,
    index::IndexTree,
    keyed_opening::{InsertWitness, LeafOpening, SetWitness, check_value, leaf_hash},
    node::MAX_DEPTH,
    path::Path,
    short::SetKey,
};
use crate::{
    Digest,
    late::{Entries, LateMap},
    stored::{Contradiction, ReadFailure, Reads, StoredList},
};

/// A map with provable absence; see the module's drawing.
///
/// Trees are equal if and only if they have the same depth, keys and values, in the same order of insertion.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "KeyedTreeData", into = "KeyedTreeData")]
pub struct KeyedTree {
    tree: IndexTree,
    /// Index and value by key, the sentinel included.
    entries: LateMap<Digest, (u64, Digest)>,
}

impl KeyedTree {
    /// Creates a tree of `2^depth` slots that holds only the sentinel.
    ///
    /// # Panics
    /// If `depth` is more than [`MAX_DEPTH`].
    #[must_use]
    pub fn new(depth: usize) -> Self {
        let mut tree = Self { tree: IndexTree::new(depth), entries: LateMap::new() };
        tree.entries.insert(Digest::ZERO, (0, Digest::ZERO));
        tree.put(Digest::ZERO).expect("every tree has index 0");
        tree
    }

    /// The tree of `2^depth` slots that inserting these keys and values in order makes. Each node is hashed once.
    ///
    /// # Errors
    /// - [`TreeError::Depth`]
    /// - As for [`Self::insert`]
    pub fn from_entries(
        depth: usize,
        entries: impl IntoIterator<Item = (Digest, Digest)>,
    ) -> Result<Self, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::Depth { depth });
        }
        // The sentinel comes first.
        let mut sorted = vec![(Digest::ZERO, (0, Digest::ZERO))];
        for (index, (key, value)) in (1_u64..).zip(entries) {
            check_value(key, value)?;
            if index >= 1 << depth {
                return Err(TreeError::Full { count: index, added: 1, depth });
            }
            sorted.push((key, (index, value)));
        }
        sorted.sort_unstable();
        if let Some(twins) = sorted.windows(2).find(|neighbours| neighbours[0].0 == neighbours[1].0) {
            return Err(TreeError::Present { key: twins[0].0 });
        }
        let mut leaves = vec![Digest::ZERO; sorted.len()];
        let next_keys = sorted.iter().map(|(key, _)| *key).skip(1).chain([Digest::ZERO]);
        for (&(key, (index, value)), next_key) in sorted.iter().zip(next_keys) {
            leaves[index as usize] = leaf_hash(key, value, next_key);
        }
        let mut tree = Self { tree: IndexTree::new(depth), entries: sorted.into_iter().collect() };
        tree.tree.set_range(0, &leaves)?;
        Ok(tree)
    }

    /// The tree of which the leaves are in `leaves` and index and value of each key in `entries`, both with the sentinel, from the
    /// roots of its pages ([`Self::page_root`]). What is read late and is not under a root is a failure of
    /// [`leaves.reads()`](StoredList::reads).
    ///
    /// # Errors
    /// As [`IndexTree::from_stored`].
    pub fn from_stored(
        depth: usize,
        leaves: &Arc<StoredList<Digest>>,
        roots: &[Digest],
        entries: impl Entries<Digest, (u64, Digest)> + 'static,
    ) -> Result<Self, TreeError> {
        let tree = IndexTree::from_stored(depth, leaves, roots)?;
        Ok(Self { tree, entries: LateMap::from_stored(leaves.len(), leaves.reads().clone(), entries) })
    }

    /// Where failures go, if the tree is read late.
    #[must_use]
    pub const fn reads(&self) -> Option<&Reads> {
        self.tree.reads()
    }

    /// The root of the page with the [`PAGE_LEAVES`](super::PAGE_LEAVES) leaves from `PAGE_LEAVES * page` on. A tree that is smaller
    /// than a page has none.
    #[must_use]
    pub fn page_root(&self, page: u64) -> Option<Digest> {
        self.tree.page_root(page)
    }

    /// The number of levels between leaf and root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.tree.depth()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The number of leaves, including the sentinel, which is the index of the next leaf. Callers commit to it together
    /// with the root.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.entries.len()
    }

    /// The value of `key`, if it is present.
    #[must_use]
    pub fn get(&self, key: &Digest) -> Option<Digest> {
        self.find(key).map(|(_, value)| value).filter(|_| *key != Digest::ZERO)
    }

    /// Keys and values in increasing order of keys. All that is stored is read.
    pub fn iter(&self) -> impl Iterator<Item = (Digest, Digest)> {
        self.entries.iter().skip(1).map(|(&key, &(_, value))| (key, value))
    }

    /// Whether there are as many entries as leaves, the sentinel's included, and each is that of its leaf. All that is stored is read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let own = self.entries.iter().filter(|(key, _)| self.find(key).is_some()).count() as u64;
        own == self.count() && self.leaves().count() as u64 == own
    }

    /// The keys with another index or value in `after`, with those, or without if they are not there; the sentinel's too. It costs
    /// what changed, if one tree is a copy of the other.
    #[must_use]
    pub fn changed_entries(&self, after: &Self) -> Vec<(Digest, Option<(u64, Digest)>)> {
        self.entries.changed_entries(&after.entries)
    }

    /// The leaves, the sentinel's first, by index.
    pub fn leaves(&self) -> impl Iterator<Item = (u64, Digest)> {
        self.tree.leaves()
    }

    /// The leaves of `after`, a tree of the same depth, that are others here, ascending by index. It costs what changed.
    #[must_use]
    pub fn changed_leaves(&self, after: &Self) -> Vec<(u64, Digest)> {
        self.tree.changed_leaves(&after.tree)
    }

    /// Inserts a key and returns its leaf's index.
    ///
    /// # Errors
    /// - [`TreeError::ZeroKey`], [`TreeError::ZeroValue`]
    /// - [`TreeError::Present`] if the key is in the tree
    /// - [`TreeError::Full`] if all slots are taken
    pub fn insert(&mut self, key: Digest, value: Digest) -> Result<u64, TreeError> {
        check_value(key, value)?;
        let low = self.low_key(&key)?;
        let index = self.check_room()?;
        self.entries.insert(key, (index, value));
        self.put(low)?;
        self.put(key)?;
        Ok(index)
    }

    /// Removes the key that was inserted last and returns its value. The tree is then what it was before the insertion.
    ///
    /// # Errors
    /// - [`TreeError::ZeroKey`]
    /// - [`TreeError::Absent`] if the key is not in the tree
    /// - [`TreeError::NotLast`] if another key was inserted after it
    pub fn take_back(&mut self, key: &Digest) -> Result<Digest, TreeError> {
        if *key == Digest::ZERO {
            return Err(TreeError::ZeroKey);
        }
        let count = self.count();
        let (index, value) = self.find(key).ok_or(TreeError::Absent { key: *key })?;
        if index + 1 != count {
            return Err(TreeError::NotLast { key: *key, index, count });
        }
        let (low, _) = self.entries.below(key).ok_or(TreeError::ZeroKey)?;
        self.find(&low).ok_or(TreeError::Absent { key: low })?;
        self.entries.remove(key);
        self.tree.set(index, Digest::ZERO)?;
        self.put(low)?;
        Ok(value)
    }

    /// Changes the value of a key and returns the old one.
    ///
    /// # Errors
    /// - [`TreeError::ZeroKey`], [`TreeError::ZeroValue`]
    /// - [`TreeError::Absent`] if the key is not in the tree
    pub fn update(&mut self, key: Digest, value: Digest) -> Result<Digest, TreeError> {
        check_value(key, value)?;
        let (index, old) = self.find(&key).ok_or(TreeError::Absent { key })?;
        self.entries.insert(key, (index, value));
        self.put(key)?;
        Ok(old)
    }

    /// Inserts or updates, and returns the old value if there was one.
    ///
    /// # Errors
    /// - [`TreeError::ZeroKey`], [`TreeError::ZeroValue`]
    /// - [`TreeError::Full`] if the key is absent and all slots are taken
    pub fn set(&mut self, key: Digest, value: Digest) -> Result<Option<Digest>, TreeError> {
        if self.find(&key).is_some() {
            self.update(key, value).map(Some)
        } else {
            self.insert(key, value).map(|_| None)
        }
    }

    /// The opening that proves membership of `key`.
    ///
    /// # Errors
    /// [`TreeError::ZeroKey`] or [`TreeError::Absent`].
    pub fn membership(&self, key: &Digest) -> Result<LeafOpening, TreeError> {
        self.opening(key)
    }

    /// The opening that proves that `key` is absent.
    ///
    /// # Errors
    /// [`TreeError::ZeroKey`] or [`TreeError::Present`].
    pub fn non_membership(&self, key: &Digest) -> Result<LeafOpening, TreeError> {
        self.open(self.low_key(key)?)
    }

    /// The witness of the insertion of `key`. Take it before [`Self::insert`].
    ///
    /// # Errors
    /// [`TreeError::ZeroKey`], [`TreeError::Present`] or [`TreeError::Full`].
    pub fn prove_insert(&self, key: &Digest) -> Result<InsertWitness, TreeError> {
        let low = self.non_membership(key)?;
        let index = self.check_room()?;
        let mut slot = self.tree.path(index);
        // Where the two paths meet, the slot's sibling is an ancestor of the low leaf, which has changed by then.
        let mut node = leaf_hash(low.key, low.value, *key);
        for level in 0..self.depth() {
            if low.index >> level ^ 1 == index >> level {
                slot.siblings[level] = node;
                break;
            }
            node = Path { siblings: vec![low.path.siblings[level]] }.root(low.index >> level, node);
        }
        Ok(InsertWitness { low, slot })
    }

    /// The witness of an update of `key`. Take it before [`Self::update`].
    ///
    /// # Errors
    /// [`TreeError::ZeroKey`] or [`TreeError::Absent`].
    pub fn prove_update(&self, key: &Digest) -> Result<LeafOpening, TreeError> {
        self.opening(key)
    }

    /// The witness of setting `key`. Take it before [`Self::set`].
    ///
    /// # Errors
    /// - [`TreeError::ZeroKey`]
    /// - [`TreeError::Full`] if the key is absent and all slots are taken
    /// - [`TreeError::LongLimb`] if a short key is absent and a key next to it is not short
    pub fn prove_set(&self, key: impl Into<SetKey>) -> Result<SetWitness, TreeError> {
        let kind = key.into();
        let key = &kind.digest();
        if self.find(key).is_some() {
            let leaf = self.opening(key)?;
            let slot = leaf.path.clone();
            Ok(SetWitness { insert: false, leaf, slot })
        } else {
            let InsertWitness { low, slot } = self.prove_insert(key)?;
            kind.check_neighbours(&low)?;
            Ok(SetWitness { insert: true, leaf: low, slot })
        }
    }

    /// The largest key below `key`, which must be absent.
    fn low_key(&self, key: &Digest) -> Result<Digest, TreeError> {
        if self.find(key).is_some() && *key != Digest::ZERO {
            return Err(TreeError::Present { key: *key });
        }
        self.entries.below(key).map(|(low, _)| low).ok_or(TreeError::ZeroKey)
    }

    /// Index and value of a key, or the sentinel's. If the tree is read late, the leaf has to agree, or the leaf before an absent key.
    fn find(&self, key: &Digest) -> Option<(u64, Digest)> {
        let found = self.entries.get(key).copied();
        if let Some(reads) = self.entries.reads() {
            let (key, (index, value)) =
                found.map(|entry| (*key, entry)).or_else(|| self.entries.below(key))?;
            let (expected, found) = (self.tree.get(index), leaf_hash(key, value, self.next_key(key)));
            if found != expected {
                reads.fail(ReadFailure::new(Contradiction::Leaf { index, expected, found }));
                return None;
            }
        }
        found
    }

    fn next_key(&self, key: Digest) -> Digest {
        self.entries.above(&key).map_or(Digest::ZERO, |(next, _)| next)
    }

    fn opening(&self, key: &Digest) -> Result<LeafOpening, TreeError> {
        if *key == Digest::ZERO {
            return Err(TreeError::ZeroKey);
        }
        self.open(*key)
    }

    /// Opens the leaf of a key, or the sentinel.
    fn open(&self, key: Digest) -> Result<LeafOpening, TreeError> {
        let (index, value) = self.find(&key).ok_or(TreeError::Absent { key })?;
        Ok(LeafOpening { index, key, value, next_key: self.next_key(key), path: self.tree.path(index) })
    }

    /// Writes the leaf of a key, or the sentinel, which the caller has found.
    fn put(&mut self, key: Digest) -> Result<(), TreeError> {
        let &(index, value) = self.entries.get(&key).ok_or(TreeError::Absent { key })?;
        self.tree.set(index, leaf_hash(key, value, self.next_key(key)))
    }

    /// The next free index.
    fn check_room(&self) -> Result<u64, TreeError> {
        let (count, depth) = (self.count(), self.depth());
        if count < 1 << depth { Ok(count) } else { Err(TreeError::Full { count, added: 1, depth }) }
    }
}

/// The leaves say what the entries are.
impl PartialEq for KeyedTree {
    fn eq(&self, other: &Self) -> bool {
        self.count() == other.count() && self.tree == other.tree
    }
}

impl Eq for KeyedTree {}

/// A keyed tree as it is written as a whole: keys and values by index, without the sentinel.
#[derive(Serialize, Deserialize)]
struct KeyedTreeData {
    depth: u8,
    entries: Vec<(Digest, Digest)>,
}

impl From<KeyedTree> for KeyedTreeData {
    fn from(tree: KeyedTree) -> Self {
        let mut entries: Vec<_> = tree.entries.iter().skip(1).collect();
        entries.sort_unstable_by_key(|(_, (index, _))| *index);
        // A depth is at most `MAX_DEPTH`.
        let depth = tree.tree.depth() as u8;
        Self { depth, entries: entries.into_iter().map(|(&key, &(_, value))| (key, value)).collect() }
    }
}

impl TryFrom<KeyedTreeData> for KeyedTree {
    type Error = TreeError;

    fn try_from(data: KeyedTreeData) -> Result<Self, TreeError> {
        Self::from_entries(data.depth.into(), data.entries)
    }
}

#[cfg(test)]
mod tests;

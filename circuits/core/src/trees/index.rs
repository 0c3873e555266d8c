//! A sparse tree of fixed depth, by index.
//!
//! ```text
//! level 2            root = H(NODE, a, b)
//!                  /                     \
//! level 1    a = H(NODE, l0, l1)    b = empty_root(1)      an absent subtree is never stored
//!             /         \
//! level 0    l0          l1 = 0                            0 is the empty leaf
//! ```
//! A tree over what is stored has *pages*: subtrees of 2^8 leaves with their roots, which are read and hashed when somebody asks
//! for a path through them or changes a leaf, and not before.
//!
//! The i-th bit of an index, least significant first, says on which side of its parent the node at level i is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    error::TreeError,
    node::{MAX_DEPTH, NODE, empty_root, fits},
    page::{PAGE_LEAVES, PAGE_LEVEL, Page},
    path::Path,
};
use crate::{
    Digest,
    hash::hash_pair,
    stored::{Reads, StoredList},
};

/// A sparse tree by index; see the module's drawing.
///
/// Two trees are equal if and only if they have the same depth and leaves, regardless of their history.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "IndexTreeData", into = "IndexTreeData")]
pub struct IndexTree {
    depth: usize,
    root: Link,
    /// Where failures go, if pages are read late.
    reads: Option<Reads>,
}

/// A subtree; `None` if it is empty. Copies of a tree share their subtrees until one of them changes.
type Link = Option<Arc<Node>>;

/// The root of a subtree that is not empty.
#[derive(Clone, Debug)]
struct Node {
    digest: Digest,
    below: Below,
}

/// What is below the root of a subtree.
#[derive(Clone, Debug)]
enum Below {
    /// Its children; none of a leaf.
    Children([Link; 2]),
    /// Leaves that are read when one of them is needed. The root is at [`PAGE_LEVEL`].
    Page(Arc<Page>),
}

impl Node {
    /// What every subtree begins as: the leaf or inner node without children.
    const fn alone(digest: Digest) -> Self {
        Self { digest, below: Below::Children([None, None]) }
    }
}

impl IndexTree {
    /// Creates an empty tree of `2^depth` slots.
    ///
    /// # Panics
    /// If `depth` is more than [`MAX_DEPTH`].
    #[must_use]
    pub fn new(depth: usize) -> Self {
        assert!(depth <= MAX_DEPTH, "a tree has at most {MAX_DEPTH} levels, not {depth}");
        Self { depth, root: None, reads: None }
    }

    /// The tree with the leaves of `list` from index 0 on, whose pages have these roots. Only nodes above pages are hashed. A page is
    /// read when it is needed, and gives a failure of [`list.reads()`](StoredList::reads) if it has another root. A tree that is
    /// smaller than a page is read at once.
    ///
    /// # Errors
    /// - [`TreeError::Depth`] for a tree that is too deep
    /// - [`TreeError::Index`] if the leaves do not fit
    /// - [`TreeError::Pages`] if there is not one root for each page
    pub fn from_stored(
        depth: usize,
        list: &Arc<StoredList<Digest>>,
        roots: &[Digest],
    ) -> Result<Self, TreeError> {
        let leaves = list.len();
        let expected = if depth < PAGE_LEVEL { 0 } else { leaves.div_ceil(PAGE_LEAVES as u64) };
        if roots.len() as u64 != expected {
            return Err(TreeError::Pages { leaves, expected, found: roots.len() });
        }
        Self::from_pages(depth, list, (0..).zip(roots.iter().copied()))
    }

    /// As [`Self::from_stored`], from the pages that are not empty, by ascending number.
    ///
    /// # Errors
    /// - [`TreeError::Depth`] for a tree that is too deep
    /// - [`TreeError::Index`] if the leaves do not fit
    pub fn from_pages(
        depth: usize,
        list: &Arc<StoredList<Digest>>,
        roots: impl IntoIterator<Item = (u64, Digest)>,
    ) -> Result<Self, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::Depth { depth });
        }
        let last = list.len().saturating_sub(1);
        if !fits(last, depth) {
            return Err(TreeError::Index { index: last, depth });
        }
        let mut tree = Self { depth, root: None, reads: Some(list.reads().clone()) };
        if depth < PAGE_LEVEL {
            tree.set_range(0, &list.read(0..list.len()))?;
            return Ok(tree);
        }
        let size = PAGE_LEAVES as u64;
        let mut level: Vec<(u64, Link)> = vec![];
        for (page, digest) in roots {
            if !fits(page, depth - PAGE_LEVEL) {
                return Err(TreeError::Index { index: page.saturating_mul(size), depth });
            }
            let below = || Below::Page(Arc::new(Page::new(list.clone(), size * page, digest)));
            let node = (digest != empty_root(PAGE_LEVEL)).then(|| Arc::new(Node { digest, below: below() }));
            level.push((page, node));
        }
        for height in PAGE_LEVEL..depth {
            let mut nodes = level.into_iter().peekable();
            level = vec![];
            while let Some((position, node)) = nodes.next() {
                let children = if side(position, 0) == 0 {
                    let right = nodes.next_if(|(next, _)| *next == position + 1);
                    [node, right.and_then(|(_, right)| right)]
                } else {
                    [None, node]
                };
                level.push((position / 2, parent(children, height)));
            }
        }
        tree.root = level.pop().and_then(|(_, root)| root);
        Ok(tree)
    }

    /// Where failures go, if the tree is read late.
    #[must_use]
    pub const fn reads(&self) -> Option<&Reads> {
        self.reads.as_ref()
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
        if fits(index, self.depth) { self.node(0, index) } else { Digest::ZERO }
    }

    /// The root of a page: of the [`PAGE_LEAVES`] leaves from `PAGE_LEAVES * page` on. A tree that is smaller has none.
    #[must_use]
    pub fn page_root(&self, page: u64) -> Option<Digest> {
        let above = self.depth.checked_sub(PAGE_LEVEL)?;
        fits(page, above).then(|| self.node(PAGE_LEVEL, page))
    }

    /// The digest of the node at `level` and `position`, which exists.
    fn node(&self, level: usize, position: u64) -> Digest {
        let mut node = self.root.as_deref();
        for below in (level..self.depth).rev() {
            match node.map(|node| &node.below) {
                None => break,
                Some(Below::Children(children)) => {
                    node = children[side(position, below - level)].as_deref();
                }
                Some(Below::Page(page)) => return page.node(level, position),
            }
        }
        digest(node, level)
    }

    /// The leaves that are not empty, ascending by index.
    pub fn leaves(&self) -> impl Iterator<Item = (u64, Digest)> {
        let mut stack: Vec<_> = self.root.as_deref().map(|root| (self.depth, 0, root)).into_iter().collect();
        let mut page: (u64, &[Digest]) = (0, &[]);
        std::iter::from_fn(move || {
            loop {
                if let [leaf, rest @ ..] = page.1 {
                    let index = page.0;
                    page = (index + 1, rest);
                    if *leaf != Digest::ZERO {
                        return Some((index, *leaf));
                    }
                    continue;
                }
                let (level, position, node): (usize, u64, &Node) = stack.pop()?;
                match &node.below {
                    Below::Page(below) => page = (position << level, below.leaves()),
                    Below::Children(_) if level == 0 => return Some((position, node.digest)),
                    Below::Children([left, right]) => {
                        let children = [(2 * position + 1, right), (2 * position, left)];
                        let present = children
                            .into_iter()
                            .filter_map(|(position, child)| Some((position, child.as_deref()?)));
                        stack.extend(present.map(|(position, child)| (level - 1, position, child)));
                    }
                }
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

    /// The leaves of `after`, a tree of the same depth, that are others here, ascending by index. It costs what changed.
    #[must_use]
    pub fn changed_leaves(&self, after: &Self) -> Vec<(u64, Digest)> {
        let mut changed = vec![];
        compare(&self.root, &after.root, self.depth, 0, &mut changed);
        changed
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
            match node.map(|node| &node.below) {
                None => siblings.push(empty_root(below)),
                Some(Below::Children(children)) => {
                    siblings.push(digest(children[1 - side].as_deref(), below));
                    node = children[side].as_deref();
                }
                // It has everything that is below it.
                Some(Below::Page(page)) => {
                    siblings.push(page.node(below, position >> (below - level) ^ 1));
                }
            }
        }
        siblings.reverse();
        Path { siblings }
    }
}

/// Trees of the same depth with the same root have the same leaves, as a page whose leaves are others cannot be read.
impl PartialEq for IndexTree {
    fn eq(&self, other: &Self) -> bool {
        self.depth == other.depth && self.root() == other.root()
    }
}

impl Eq for IndexTree {}

/// Adds to `changed` the leaves of the subtree `after` at `level` and `position` that are others in `before`.
fn compare(before: &Link, after: &Link, level: usize, position: u64, changed: &mut Vec<(u64, Digest)>) {
    if digest(before.as_deref(), level) == digest(after.as_deref(), level) {
        return;
    }
    if level == 0 {
        changed.push((position, digest(after.as_deref(), level)));
        return;
    }
    let children = |link: &Link| match link.as_ref().map(|node| &node.below) {
        None => Some([None, None]),
        Some(Below::Children(children)) => Some(children.clone()),
        Some(Below::Page(_)) => None,
    };
    if let (Some(before), Some(after)) = (children(before), children(after)) {
        for (side, (before, after)) in (0..).zip(before.iter().zip(&after)) {
            compare(before, after, level - 1, 2 * position + side, changed);
        }
        return;
    }
    let [before, after] =
        [before, after].map(|link| IndexTree { depth: level, root: link.clone(), reads: None });
    let leaves = (0..1 << level).map(|index| (index, before.get(index), after.get(index)));
    let others = leaves.filter(|(_, before, after)| before != after);
    changed.extend(others.map(|(index, _, after)| ((position << level) + index, after)));
}

/// The side of its parent on which the node at a level above the leaf or node at `index` is.
fn side(index: u64, level: usize) -> usize {
    usize::from(index >> level & 1 == 1)
}

/// The digest of a subtree at `level`.
fn digest(node: Option<&Node>, level: usize) -> Digest {
    node.map_or_else(|| empty_root(level), |node| node.digest)
}

/// The subtree over two subtrees at `level`.
fn parent(children: [Link; 2], level: usize) -> Link {
    let [left, right] = children.each_ref().map(Option::as_deref);
    if left.is_none() && right.is_none() {
        return None;
    }
    let digest = hash_pair(NODE, digest(left, level), digest(right, level));
    Some(Arc::new(Node { digest, below: Below::Children(children) }))
}

/// The subtree at `level` and `position` of a page, whose nodes become nodes of the tree.
fn opened(page: &Page, level: usize, position: u64) -> Link {
    let digest = page.node(level, position);
    if digest == empty_root(level) {
        return None;
    }
    let child = |side| level.checked_sub(1).and_then(|below| opened(page, below, 2 * position + side));
    Some(Arc::new(Node { digest, below: Below::Children([child(0), child(1)]) }))
}

/// Sets neighbouring leaves of a subtree at `level`, from its leaf `first` on; all of them are its leaves.
fn write(link: &mut Link, level: usize, first: u64, leaves: &[Digest]) {
    let [leaf, ..] = *leaves else { return };
    if level == 0 {
        *link = (leaf != Digest::ZERO).then(|| Arc::new(Node::alone(leaf)));
        return;
    }
    let node = link.get_or_insert_with(|| Arc::new(Node::alone(empty_root(level))));
    let node = Arc::make_mut(node);
    if let Below::Page(page) = &node.below {
        node.below = Below::Children([0, 1].map(|side| opened(page, level - 1, side)));
    }
    let Below::Children([left, right]) = &mut node.below else { return };
    let half = 1 << (level - 1);
    let in_left = usize::try_from(half - first.min(half)).unwrap_or(usize::MAX).min(leaves.len());
    let (to_left, to_right) = leaves.split_at(in_left);
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
}

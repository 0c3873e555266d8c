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
mod tests;

//! A subtree that is read and hashed when it is needed.

use std::sync::{Arc, OnceLock};

use super::node::{NODE, empty_root};
use crate::{
    Digest,
    hash::hash_pair,
    stored::{Contradiction, ReadFailure, StoredList},
};

/// Levels of a page below its root. One page is opened in 255 hashes; a tree of pages has one root to store for 256 leaves.
pub(super) const PAGE_LEVEL: usize = 8;
/// Leaves of a page.
pub const PAGE_LEAVES: usize = 1 << PAGE_LEVEL;

/// The leaves of a subtree of [`PAGE_LEVEL`] levels, and the nodes between them and its root, once somebody needs one.
#[derive(Debug)]
pub(super) struct Page {
    list: Arc<StoredList<Digest>>,
    /// Index of its first leaf in the list.
    first: u64,
    root: Digest,
    read: OnceLock<Opened>,
}

/// What a page has below its root.
#[derive(Debug, Default)]
struct Opened {
    /// Those at the end can be left out if they are empty.
    leaves: Box<[Digest]>,
    /// Levels 1 to `PAGE_LEVEL - 1`, one after the other.
    inner: Box<[Digest]>,
}

impl Page {
    /// The page of the [`PAGE_LEAVES`] leaves of `list` from `first` on, under this root.
    pub(super) fn new(list: Arc<StoredList<Digest>>, first: u64, root: Digest) -> Self {
        Self { list, first, root, read: OnceLock::new() }
    }

    /// The first leaves; the others are empty. There is none if they cannot be read or are not those under the root.
    pub(super) fn leaves(&self) -> &[Digest] {
        &self.opened().leaves
    }

    /// The digest of the node at `level`, which is below the page's root, and `position`, of which the lowest bits count. It is
    /// zero if the leaves cannot be read or are not those under the root.
    pub(super) fn node(&self, level: usize, position: u64) -> Digest {
        let position = position as usize & ((PAGE_LEAVES >> level) - 1);
        let Opened { leaves, inner } = self.opened();
        let found = match level {
            0 => leaves.get(position),
            _ => inner.get(first_of_level(level) + position),
        };
        found.copied().unwrap_or(Digest::ZERO)
    }

    fn opened(&self) -> &Opened {
        self.read.get_or_init(|| {
            let leaves = self.list.read(self.first..self.first + PAGE_LEAVES as u64);
            if leaves.is_empty() {
                return Opened::default();
            }
            let opened = Opened::new(leaves.into());
            let found = opened.root();
            if found == self.root {
                return opened;
            }
            let contradiction = Contradiction::Page { first: self.first, expected: self.root, found };
            self.list.reads().fail(ReadFailure::new(contradiction));
            Opened::default()
        })
    }
}

impl Opened {
    fn new(leaves: Box<[Digest]>) -> Self {
        let mut opened = Self { leaves, inner: Box::default() };
        opened.inner = opened.hashed();
        opened
    }

    fn root(&self) -> Digest {
        let last = first_of_level(PAGE_LEVEL - 1);
        parent(PAGE_LEVEL - 1, self.inner[last], self.inner[last + 1])
    }

    fn leaf(&self, position: usize) -> Digest {
        self.leaves.get(position).copied().unwrap_or(Digest::ZERO)
    }

    fn hashed(&self) -> Box<[Digest]> {
        let mut inner: Vec<Digest> = Vec::with_capacity(first_of_level(PAGE_LEVEL));
        for level in 1..PAGE_LEVEL {
            for position in 0..PAGE_LEAVES >> level {
                let child = |side| match level {
                    1 => self.leaf(2 * position + side),
                    _ => inner[first_of_level(level - 1) + 2 * position + side],
                };
                inner.push(parent(level - 1, child(0), child(1)));
            }
        }
        inner.into()
    }
}

/// The digest of the node over two at `level`.
fn parent(level: usize, left: Digest, right: Digest) -> Digest {
    let empty = empty_root(level);
    if left == empty && right == empty { empty_root(level + 1) } else { hash_pair(NODE, left, right) }
}

/// Where a level's nodes begin among all inner ones.
const fn first_of_level(level: usize) -> usize {
    PAGE_LEAVES - ((2 * PAGE_LEAVES) >> level)
}

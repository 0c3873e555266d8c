//! A subtree whose inner nodes are hashed when they are needed.

use std::sync::OnceLock;

use super::node::{NODE, empty_root};
use crate::{Digest, hash::hash_pair};

/// Levels of a page below its root. One page is opened in 255 hashes; a tree of pages has one root to store for 256 leaves.
pub(super) const PAGE_LEVEL: usize = 8;
/// Leaves of a page.
pub const PAGE_LEAVES: usize = 1 << PAGE_LEVEL;

/// The leaves of a subtree of [`PAGE_LEVEL`] levels, and the nodes between them and its root once somebody needs one.
#[derive(Debug)]
pub(super) struct Page {
    /// Those at the end can be left out if they are empty.
    leaves: Box<[Digest]>,
    /// Levels 1 to `PAGE_LEVEL - 1`, one after the other.
    inner: OnceLock<Box<[Digest]>>,
}

impl Page {
    /// The page of at most [`PAGE_LEAVES`] leaves.
    pub(super) fn new(leaves: &[Digest]) -> Self {
        Self { leaves: leaves.into(), inner: OnceLock::new() }
    }

    /// The first leaves; the others are empty.
    pub(super) fn leaves(&self) -> &[Digest] {
        &self.leaves
    }

    /// The digest of the node at `level`, which is below the page's root, and `position`, of which the lowest bits count.
    pub(super) fn node(&self, level: usize, position: u64) -> Digest {
        let position = position as usize & ((PAGE_LEAVES >> level) - 1);
        if level == 0 {
            return self.leaf(position);
        }
        self.inner.get_or_init(|| self.hashed())[first_of_level(level) + position]
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
                let (left, right, empty) = (child(0), child(1), empty_root(level - 1));
                let is_empty = left == empty && right == empty;
                inner.push(if is_empty { empty_root(level) } else { hash_pair(NODE, left, right) });
            }
        }
        inner.into()
    }
}

/// Where a level's nodes begin among all inner ones.
const fn first_of_level(level: usize) -> usize {
    PAGE_LEAVES - ((2 * PAGE_LEAVES) >> level)
}

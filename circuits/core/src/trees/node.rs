//! What all trees have in common: how nodes are hashed, and how deep a tree can be.

use std::sync::LazyLock;

use crate::{
    Digest,
    hash::{Domain, hash_pair},
};

/// The domain of the inner nodes of every tree.
pub const NODE: Domain = Domain::new("node");
/// The depth of the deepest tree: the range check of an index takes one row.
pub const MAX_DEPTH: usize = 48;

/// The root of an empty tree of `depth` levels.
///
/// # Panics
/// If `depth` is more than [`MAX_DEPTH`].
#[must_use]
pub fn empty_root(depth: usize) -> Digest {
    static ROOTS: LazyLock<Vec<Digest>> = LazyLock::new(|| {
        std::iter::successors(Some(Digest::ZERO), |&child| Some(hash_pair(NODE, child, child)))
            .take(MAX_DEPTH + 1)
            .collect()
    });
    ROOTS[depth]
}

/// Whether `index` has at most `depth` bits.
pub(super) fn fits(index: u64, depth: usize) -> bool {
    index.checked_shr(u32::try_from(depth).unwrap_or(u32::MAX)).is_none_or(|above| above == 0)
}

//! Why a tree operation is refused.

use thiserror::Error;

use super::{node::MAX_DEPTH, order::SHORT_LIMB_BITS};
use crate::Digest;

/// Why a tree operation or an opening is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// The depth is not supported.
    #[error("a tree of depth {depth} was requested, at most {MAX_DEPTH} is supported")]
    Depth { depth: usize },
    /// The index needs more bits than the tree has levels.
    #[error("index {index} does not exist in a tree of depth {depth}")]
    Index { index: u64, depth: usize },
    /// The tree has no empty slot left for this many leaves.
    #[error("{added} leaves do not fit after the first {count} of a tree of depth {depth}")]
    Full { count: u64, added: u64, depth: usize },
    /// A tree of stored pages has one root for each.
    #[error("a tree of {leaves} leaves has {expected} pages, and there are {found} roots of pages")]
    Pages { leaves: u64, expected: u64, found: usize },
    /// A subtree has a number of leaves that is not a power of two.
    #[error("a subtree has a power of two of leaves, found {found}")]
    Subtree { found: usize },
    /// The count is not a multiple of the subtree's size.
    #[error(
        "a subtree of {size} leaves cannot be appended after {count} leaves, which is not a multiple of it"
    )]
    Unaligned { count: u64, size: u64 },
    /// An empty leaf was offered as a member.
    #[error("the empty leaf at index {index} is not a member")]
    EmptyLeaf { index: u64 },
    /// The slot is not empty, or the path is not its path.
    #[error("the slot at index {index} is not empty under root {root}")]
    Occupied { index: u64, root: Digest },
    /// The path has another length than the tree's depth.
    #[error("a path of {expected} siblings was expected, found {found}")]
    PathLength { expected: usize, found: usize },
    /// The opening leads to another root.
    #[error("the opening at index {index} leads to root {found}, expected {expected}")]
    Root { index: u64, expected: Digest, found: Digest },
    /// Key 0 is reserved for the sentinel.
    #[error("key 0 marks the start of a keyed tree and cannot be used")]
    ZeroKey,
    /// The empty value would look like an absent key.
    #[error("the value of key {key} is zero, which would look like an absent key")]
    ZeroValue { key: Digest },
    /// The key is not in the tree.
    #[error("key {key} is not in the tree")]
    Absent { key: Digest },
    /// The key is already in the tree.
    #[error("key {key} is already in the tree")]
    Present { key: Digest },
    /// A key is to be taken back after which another one was inserted.
    #[error("key {key} cannot be taken back: it has index {index}, and {count} leaves were inserted")]
    NotLast { key: Digest, index: u64, count: u64 },
    /// The opened leaf belongs to another key.
    #[error("the opened leaf has key {found}, expected {expected}")]
    Key { expected: Digest, found: Digest },
    /// The opened leaf has another value.
    #[error("key {key} has value {found}, expected {expected}")]
    Value { key: Digest, expected: Digest, found: Digest },
    /// A key of a tree of short keys has a limb that is not short.
    #[error("limb {limb} of key {key} has more than the {SHORT_LIMB_BITS} bits of a short one")]
    LongLimb {
        key: Digest,
        /// From 0, the most significant one.
        limb: usize,
    },
    /// The key does not lie between the opened leaf's key and its successor.
    #[error("key {key} does not lie between {low} and {next}")]
    Order {
        key: Digest,
        /// The opened leaf's key.
        low: Digest,
        /// The opened leaf's next key; 0 stands for infinity.
        next: Digest,
    },
}

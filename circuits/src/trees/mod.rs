//! Merkle trees, native and in-circuit side by side.
//!
//! | tree | leaf is found by | what the caller commits to | used for |
//! |---|---|---|---|
//! | [`IndexTree`] | its index | root | registry, environments, vaults |
//! | [`AppendTree`] | its index, given in order | root and count | notes, messages, history |
//! | [`KeyedTree`] | its 256-bit key | root and count | nullifiers, accounts, balances |
//!
//! All have a fixed depth, nodes `H(NODE, left, right)` and [`Digest::ZERO`] as the empty leaf. Depth and kind of a tree
//! are part of the circuit that opens it, so that a node is never read as a leaf.

mod append;
mod error;
mod index;
mod keyed;

pub use append::{AppendTree, append, append_subtree, subtree_root};
pub use error::TreeError;
pub use index::{IndexTree, MAX_DEPTH, NODE, Path, empty_root};
pub use keyed::{InsertWitness, KEYED, KeyedTree, LeafOpening, PRESENT, SetOutcome, SetWitness};

#[cfg(doc)]
use crate::Digest;

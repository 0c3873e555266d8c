//! Merkle trees, native and in-circuit side by side.
//!
//! | tree | a leaf is found by | what the caller commits to | used for |
//! |---|---|---|---|
//! | [`IndexTree`] | its index | root | registry, environments, vaults |
//! | [`AppendTree`] | its index, given in order | root and count | notes, messages, history |
//! | [`KeyedTree`] | its 256-bit key | root and count | nullifiers, accounts, balances |
//!
//! A copy of a tree shares all nodes with it that neither changes, so that it costs no more for a large tree.
//!
//! All trees have a fixed depth, nodes `H(NODE, left, right)`, and [`Digest::ZERO`] as the empty leaf. Depth and kind of a
//! tree are part of the circuit that opens it, so that a node is never taken for a leaf.

mod append;
mod error;
mod hint;
mod index;
mod keyed;
mod keyed_circuit;
mod keyed_opening;
mod node;
mod order;
mod page;
mod path;
mod short;

pub use append::{AppendTree, append, append_circuit, append_subtree, append_subtree_circuit, subtree_root};
pub use error::TreeError;
pub(crate) use hint::{FIRST_QUESTIONS, Question, hint, hint_readers};
pub use index::IndexTree;
pub use keyed::KeyedTree;
pub use keyed_circuit::{
    InsertTarget, LeafOpeningTarget, SetOutcomeTarget, SetTarget, insert_circuit, membership_circuit,
    non_membership_circuit, set_circuit, update_circuit, update_if_circuit,
};
pub use keyed_opening::{InsertWitness, KEYED, LeafOpening, PRESENT, SetOutcome, SetWitness, leaf_hash};
pub use node::{MAX_DEPTH, NODE, empty_root};
pub use order::{
    CanonicalSplit, SHORT_LIMB_BITS, canonical_bits, canonical_split, enforce_less_if, enforce_short_less_if,
};
pub use page::PAGE_LEAVES;
pub use path::{Path, PathTarget, enforce_nonzero, index_bits};
pub use short::{SetKey, SetKeyTarget, ShortKey, ShortKeyTarget, ShortLimb};

#[cfg(doc)]
use crate::Digest;

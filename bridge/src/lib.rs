#![doc = include_str!("../README.md")]

use circuits::{Digest, F, statement::SuperblockRoots, trees::empty_root};
use plonky2::field::types::Field;

/// Depth of the tree of messages: one leaf for every message ever emitted.
pub const MESSAGES_DEPTH: usize = 32;
/// Depth of the tree of balances, by (environment, asset).
pub const BALANCES_DEPTH: usize = 32;

/// The roots of a superblock in which no message was ever emitted.
#[must_use]
pub fn genesis_roots(environments_root: Digest) -> SuperblockRoots {
    SuperblockRoots {
        environments_root,
        messages_root: empty_root(MESSAGES_DEPTH),
        message_count: F::ZERO,
        balances_root: empty_root(BALANCES_DEPTH),
    }
}

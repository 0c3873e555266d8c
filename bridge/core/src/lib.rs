#![doc = include_str!("../README.md")]

pub mod asset;
pub mod balance;
pub mod block;
pub mod check;
pub mod circuit;
#[cfg(feature = "testing")]
mod dishonest;
pub mod error;
pub mod lists;
pub mod message;
pub mod state;
pub mod step;

#[cfg(test)]
mod tests;

use circuits_core::{
    Digest,
    hash::{Domain, hash},
};

pub use asset::{AssetError, AssetId};
pub use balance::BalanceKey;
pub use block::{BlockMessages, MAX_BLOCK_STEPS};
pub use check::InvalidBridge;
pub use circuit::{Capacity, CrossingTarget};
pub use error::BridgeError;
pub use lists::BridgeLists;
pub use message::{Consumption, Message};
pub use state::{BridgeState, Record};
pub use step::{Chunk, Crossing};

/// Depth of the tree of messages: one leaf for every message ever emitted.
pub const MESSAGES_DEPTH: usize = 32;
/// Depth of the tree of balances, by (environment, asset).
pub const BALANCES_DEPTH: usize = 32;
/// Domain of the leaf of a consumed message.
const TOMBSTONE: Domain = Domain::new("tombst");

/// The leaf that a consumed message leaves: not empty, and no message's hash.
#[must_use]
pub fn tombstone() -> Digest {
    hash(TOMBSTONE, &[])
}

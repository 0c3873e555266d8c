#![doc = include_str!("../README.md")]

pub mod asset;
pub mod balance;
pub mod block;
pub mod check;
pub mod circuit;
#[cfg(feature = "testing")]
mod dishonest;
pub mod error;
pub mod ledger;
pub mod lists;
pub mod message;
pub mod rules;
mod shared_list;
pub mod state;
pub mod step;
pub mod stored;

#[cfg(test)]
mod tests;

pub use asset::{AssetError, AssetId};
pub use balance::{BALANCES_DEPTH, BalanceKey};
pub use block::{BlockMessages, MAX_BLOCK_STEPS, MAX_L1_BLOCK_STEPS, OtherMessages, max_block_steps};
pub use check::InvalidBridge;
pub use circuit::{Capacity, CrossingTarget};
pub use error::BridgeError;
pub use ledger::Ledger;
pub use lists::BridgeLists;
pub use message::{Consumption, MESSAGES_DEPTH, Message};
pub use rules::Action;
pub use state::{BridgeState, Record};
pub use step::{Chunk, Crossing};
pub use stored::{MessageIndex, StoredMessages};

#![doc = include_str!("../README.md")]

pub mod asset;
pub mod block;
pub mod body;
pub mod bytes32;
pub mod deposit;
pub mod error;
pub mod merkle;
pub mod payout;
pub mod queue;
pub mod state;

pub use block::{L1Block, L1Witness, PRODUCER_SECRET, registry_entry};
pub use body::{Body, Outcome};
pub use bytes32::Bytes32;
pub use deposit::{Broken, Deposit};
pub use error::L1Error;
pub use merkle::PayoutTree;
pub use payout::{Payout, PayoutKind};
pub use queue::Queue;
pub use state::L1State;

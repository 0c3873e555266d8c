#![doc = include_str!("../README.md")]

pub mod asset;
pub mod block;
pub mod body;
pub mod bytes32;
pub mod circuit;
pub mod circuits;
pub mod deposit;
pub mod error;
pub mod kernel;
pub mod merkle;
pub mod payout;
pub mod provables;
pub mod prove;
pub mod queue;
pub mod state;
pub mod words;

#[cfg(test)]
mod tests;

pub use block::{L1Block, L1Witness, PRODUCER_SECRET, registry_entry};
pub use body::{Body, Outcome};
pub use bytes32::Bytes32;
pub use circuits::{KERNELS, L1Kernels};
pub use deposit::{Broken, Deposit};
pub use error::L1Error;
pub use merkle::PayoutTree;
pub use payout::{Payout, PayoutKind};
pub use prove::prove_block;
pub use state::L1State;

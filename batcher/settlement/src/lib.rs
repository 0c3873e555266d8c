#![doc = include_str!("../README.md")]

pub mod abi;
pub mod anchor;
mod attempt;
pub mod blob_source;
pub mod blobs;
pub mod bodies;
pub mod contract;
pub mod data;
pub mod deploy;
pub mod deployment;
pub mod deposit;
pub mod embedded;
pub mod fees;
pub mod finalized;
pub mod follow;
pub mod generations;
pub mod history;
pub mod hops;
pub mod job;
pub mod journal;
pub mod l1;
pub mod limits;
pub mod local;
pub mod payouts;
pub mod reason;
pub mod roles;
pub mod rpc;
pub mod settled_run;
pub mod signer;
pub mod status;
pub mod superblock;
pub mod wallet;
pub mod watch;
pub mod withdrawals;

/// Ethereum's integers, addresses and hashes.
pub use alloy_primitives::{Address, B256, U256};

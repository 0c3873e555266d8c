#![doc = include_str!("../README.md")]

pub mod abi;
mod attempt;
pub mod contract;
pub mod deploy;
pub mod deployment;
pub mod embedded;
pub mod fees;
pub mod job;
pub mod journal;
pub mod l1;
pub mod limits;
pub mod reason;
pub mod roles;
pub mod rpc;
pub mod signer;
pub mod superblock;
pub mod wallet;

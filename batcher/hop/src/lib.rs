#![doc = include_str!("../README.md")]

pub mod calldata;
pub mod circuits;
pub mod config;
pub mod file;
pub mod fixture;
pub mod graph;
pub mod keys;
pub mod outer_circuit;
pub mod proof;
pub mod provables;
pub mod prove;
pub mod stages;

pub use proof::{HopError, HopProof};
pub use provables::HopCircuits;
pub use prove::{HopProveError, HopProver};

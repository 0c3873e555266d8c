#![doc = include_str!("../README.md")]

pub mod accounts;
mod baseline;
pub mod ecdsa;
mod error;
mod figures;
pub mod messages;
pub mod starts;
mod stopwatch;
pub mod superblocks;
pub mod wrap;

pub use baseline::Baseline;
pub use error::BenchError;
pub use figures::{median, peak_memory};

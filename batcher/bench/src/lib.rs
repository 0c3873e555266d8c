#![doc = include_str!("../README.md")]

pub mod accounts;
mod baseline;
mod batch;
mod counters;
pub mod ecdsa;
mod error;
mod figures;
pub mod keccak;
pub mod messages;
pub mod prover;
pub mod starts;
pub mod state;
mod stock;
mod stopwatch;
pub mod superblocks;
pub mod workers;
pub mod wrap;

/// The allocator of the program and of every benchmark, so that what is measured is what runs: proving allocates large
/// vectors on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use baseline::Baseline;
pub use error::BenchError;
pub use figures::{median, peak_memory};

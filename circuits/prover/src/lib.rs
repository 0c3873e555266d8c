#![doc = include_str!("../README.md")]

pub mod basetypes;
pub mod encoding;
pub mod panics;
pub mod proving;

pub use basetypes::{Builder, C, Circuit, CommonData, D, F, Proof, VerifierKey, Witness};

#![doc = include_str!("../README.md")]

pub mod basetypes;
pub mod challenger;
pub mod commitment;
pub mod encoding;
pub mod hasher;
mod merkle;
pub mod opening;
pub mod panics;
pub mod proving;
mod transform;

pub use basetypes::{Builder, C, Circuit, CommonData, D, F, Proof, VerifierKey, Witness};

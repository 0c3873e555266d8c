#![doc = include_str!("../README.md")]

pub mod basetypes;
pub mod challenger;
pub mod commitment;
mod coset;
pub mod encoding;
pub mod gates;
pub mod generate;
pub mod hasher;
pub mod keccak;
mod merkle;
pub mod opening;
pub mod outer;
pub mod panics;
mod permutation;
pub mod plonk;
mod poseidon;
pub mod proving;
mod quotient;
pub mod selectors;
mod sponge;
pub mod stark;
pub mod stock;
mod transform;
pub mod witness;

pub use basetypes::{Builder, C, Circuit, CommonData, D, F, Proof, VerifierKey, Witness};

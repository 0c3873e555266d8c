#![doc = include_str!("../README.md")]

pub mod circuit;
pub mod evm;
pub mod poseidon;

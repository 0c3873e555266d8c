#![doc = include_str!("../README.md")]

pub mod circuit;
pub mod evm;
pub mod literal;
pub mod poseidon;
pub mod recorded;

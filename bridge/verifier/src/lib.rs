//! The Solidity verifier of superblocks, seen from Rust: the constants that it is compiled with, and a machine that runs it.
//!
//! The contract is in `bridge/contracts/src/verifier`. What it must do is what plonky2's verifier does, and the tests of this
//! crate compare the two, part by part.

pub mod circuit;
pub mod evm;
pub mod poseidon;

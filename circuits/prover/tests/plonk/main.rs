//! Our prover of plonky2's proofs beside plonky2's own.

mod configuration;
mod equality;
mod gates;
mod generation;
mod refusals;
mod witness;

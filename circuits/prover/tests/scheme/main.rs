//! The commitment scheme beside plonky2's: equal commitments, challenges and proofs.

mod challengers;
mod commitments;
mod fixtures;
mod hashers;
mod keccak;
mod openings;

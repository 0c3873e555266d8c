//! Keccak-256: natively, as traces that are honest, forged and mutated, and as proofs.

mod alone;
mod batch;
mod claim;
mod constraints;
mod fixtures;
mod forged;
mod lists;
mod mutations;
mod tiny;
mod trace;
mod vectors;

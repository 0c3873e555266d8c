//! Keccak-256: natively, as traces that are honest, forged and mutated, and as proofs.

mod claim;
mod fixtures;

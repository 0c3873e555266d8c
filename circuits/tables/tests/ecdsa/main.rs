//! Signatures: natively, as traces that are honest, forged and mutated, and as proofs.

mod alone;
mod batch;
mod fixtures;
mod forged;
mod identities;
mod mutations;
mod native;
mod security;
mod starky;
mod trace;
mod vectors;

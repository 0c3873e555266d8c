//! The STARK prover beside starky's.

mod equality;
mod refusals;
mod stock;
mod toy;

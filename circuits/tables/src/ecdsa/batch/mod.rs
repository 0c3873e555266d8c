//! Proofs of batches of signatures: the STARK's prover, its native verifier, and the circuit that verifies it.

mod circuit;
mod error;
mod prove;
mod security;
mod size;
mod stock;
mod transcript;
mod verify;

pub use circuit::{SignatureCircuit, SignatureInput, SignatureTargets, signature_shape};
pub use error::BatchError;
pub use prove::{prove, prove_trace, prove_with_nonce};
pub use size::BatchSize;
pub use stock::prove_trace_with_starky;
pub use verify::verify_batch;

use circuits_prover::basetypes::{C, D, F};
use starky::proof::StarkProof;

/// A STARK proof of a batch. It carries no claims: the verifier has them.
pub type BatchProof = StarkProof<F, C, D>;

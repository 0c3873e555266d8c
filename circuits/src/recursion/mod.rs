//! Verifying proofs inside circuits: shapes, verifier-key digests, the wrap and the generic fold.

mod shape;
mod verify;

pub use shape::{Shape, ShapeError};
pub use verify::{
    ChildTarget, KEY, key_digest, key_digest_circuit, verify_with_constant_key, verify_with_witness_key,
};

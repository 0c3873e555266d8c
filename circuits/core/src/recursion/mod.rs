//! Verifying proofs inside circuits: shapes, and the digests that bind verifier keys.
//!
//! There are two levels of trust. The registry, governed on L1, lists the keys of wrapped kernels. A key set,
//! pinned as a constant where a recursion ends, lists the keys of our own circuits. No circuit verifies its own
//! key, and no slot is ever filled with a dummy.

mod shape;
mod verify;

pub use shape::{Shape, ShapeError};
pub use verify::{
    ChildTarget, KEY, key_digest, key_digest_circuit, verify_with_constant_key, verify_with_witness_key,
};

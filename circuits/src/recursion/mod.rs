//! Verifying proofs inside circuits: shapes, verifier-key digests, key sets, the wrap and the generic fold.
//!
//! There are two levels of trust. The registry, governed on L1, lists the keys of wrapped kernels. A key set,
//! pinned as a constant where a recursion ends, lists the keys of our own circuits. No circuit verifies its own
//! key, and no slot is ever filled with a dummy.

mod fold;
mod key_set;
mod shape;
mod verify;
mod wrap;

pub use fold::{Chain, ChainError, FoldChild, FoldDefinition, ListedChildTarget};
pub use key_set::{KEY_SET_DEPTH, KeyMembership, KeyMembershipTarget, KeySet};
pub use shape::{Shape, ShapeError};
pub use verify::{
    ChildTarget, KEY, key_digest, key_digest_circuit, verify_with_constant_key, verify_with_witness_key,
};
pub use wrap::{Rewrap, STAGES, Wrapper, block_shape, wrap};

//! The state's commitment, and what a block's transactions move forward.

use circuits::{
    Builder, Digest, DigestTarget,
    hash::{Domain, hash, hash_circuit},
    layout,
    layout::Layout,
};
use plonky2::iop::target::Target;

use crate::accounts::address::LIMBS;

/// Domain of state commitments.
pub const STATE: Domain = Domain::new("a-state");
/// Domain of bodies.
pub const BODY: Domain = Domain::new("a-body");
/// Levels of the tree of accounts and pools.
pub const TREE_DEPTH: usize = 32;

layout! {
    /// What a state commitment covers.
    pub struct StateFields<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment.
        pub environment: T,
        /// Height of the last block.
        pub height: T,
        /// Root of the tree of accounts and pools.
        pub root: Digest<T>,
        /// Leaves of that tree.
        pub count: T,
        /// Pools made so far.
        pub pool_count: T,
        /// The packed asset that fees are paid in.
        pub fee_asset: T,
        /// Limbs of the address that gets the fees.
        pub fee_account: [T; LIMBS],
        /// What a transfer that creates its receiver gives at least, in the fee asset.
        pub minimum_deposit: T,
    }
}

layout! {
    /// What a block holds every transaction against; the same for all of them.
    pub struct BlockContext<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment.
        pub environment: T,
        /// Height of the block.
        pub height: T,
        /// The packed asset that fees are paid in.
        pub fee_asset: T,
        /// What a transfer that creates its receiver gives at least.
        pub minimum_deposit: T,
    }
}

layout! {
    /// What a block's transactions move forward.
    pub struct Running<T> {
        /// Root of the tree of accounts and pools.
        pub root: Digest<T>,
        /// Leaves of that tree.
        pub count: T,
        /// Pools made so far.
        pub pool_count: T,
        /// Fees so far.
        pub fees: T,
        /// The list of signature claims so far, see [`circuits::ecdsa`].
        pub claims: Digest<T>,
        /// Transactions so far.
        pub transactions: T,
    }
}

/// The commitment to a state.
#[must_use]
pub fn state_commitment(fields: &StateFields) -> Digest {
    hash(STATE, &fields.encode())
}

/// In-circuit twin of [`state_commitment`].
pub fn state_commitment_circuit(builder: &mut Builder, fields: &StateFields<Target>) -> DigestTarget {
    hash_circuit(builder, STATE, &fields.encode())
}

/// The digest in the block statement. The list of claims binds every transaction and its key, in order.
#[must_use]
pub fn body_digest(claims: Digest) -> Digest {
    hash(BODY, &claims.0)
}

/// In-circuit twin of [`body_digest`].
pub fn body_digest_circuit(builder: &mut Builder, claims: DigestTarget) -> DigestTarget {
    hash_circuit(builder, BODY, &claims.0)
}

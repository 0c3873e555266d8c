//! The claims of a batch, and the digest of their list.
//!
//! ```text
//! empty      = H(CLAIMS)
//! key        = H(KEY, key_x, key_y)
//! append     = H(CLAIMS, list, key, hash)
//! ```

use circuits_core::{
    digest::{Digest, DigestTarget},
    hash::{Domain, hash, hash_circuit},
};
use circuits_prover::basetypes::{Builder, F};
use plonky2::iop::target::Target;

use super::words::Words;

/// The domain of the list of claims.
const CLAIMS: Domain = Domain::new("claims");
/// The domain of a public key's commitment.
const KEY: Domain = Domain::new("ecdsaky");

circuits_core::layout! {
    /// "The holder of this secp256k1 key signed this hash", with all numbers in [`Words`].
    pub struct Claim<T> {
        /// First coordinate of the key.
        pub key_x: [T; 7],
        /// Second coordinate of the key.
        pub key_y: [T; 7],
        /// The 32 bytes signed, as a big-endian integer.
        pub hash: [T; 7],
    }
}

circuits_core::layout! {
    /// What a batch proof states: every claim of a list holds.
    pub struct SignatureStatement<T> {
        /// Digest of the list, in order.
        pub claims: Digest<T>,
        /// Claims in the list.
        pub count: T,
    }
}

/// The digest of the empty list.
#[must_use]
pub fn empty_claims() -> Digest {
    hash(CLAIMS, &[])
}

/// The commitment to a public key.
#[must_use]
pub fn key_commitment(x: &Words, y: &Words) -> Digest {
    hash(KEY, &[*x, *y].concat())
}

/// The in-circuit twin of [`key_commitment`].
pub fn key_commitment_circuit(builder: &mut Builder, x: &Words<Target>, y: &Words<Target>) -> DigestTarget {
    hash_circuit(builder, KEY, &[*x, *y].concat())
}

/// The digest of `list` with one more claim.
#[must_use]
pub fn append(list: Digest, claim: &Claim) -> Digest {
    append_committed(list, key_commitment(&claim.key_x, &claim.key_y), &claim.hash)
}

/// Does the same as [`append`] for a claim whose key is known by its commitment.
#[must_use]
pub fn append_committed(list: Digest, key: Digest, hash: &Words) -> Digest {
    circuits_core::hash::hash(CLAIMS, &[&list.0[..], &key.0, hash].concat())
}

/// The in-circuit twin of [`append`].
pub fn append_circuit(builder: &mut Builder, list: DigestTarget, claim: &Claim<Target>) -> DigestTarget {
    let key = key_commitment_circuit(builder, &claim.key_x, &claim.key_y);
    append_committed_circuit(builder, list, key, &claim.hash)
}

/// The in-circuit twin of [`append_committed`].
pub fn append_committed_circuit(
    builder: &mut Builder,
    list: DigestTarget,
    key: DigestTarget,
    hash: &Words<Target>,
) -> DigestTarget {
    hash_circuit(builder, CLAIMS, &[&list.0[..], &key.0, hash].concat())
}

/// The digest of a list of claims.
#[must_use]
pub fn claims_digest<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> Digest {
    claims.into_iter().fold(empty_claims(), append)
}

impl SignatureStatement<F> {
    /// The statement about `claims`.
    #[must_use]
    pub fn new(claims: &[Claim]) -> Self {
        use plonky2::field::types::Field;
        Self { claims: claims_digest(claims), count: F::from_canonical_usize(claims.len()) }
    }
}

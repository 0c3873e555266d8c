//! The leaves of the registry's two levels of trees, natively and in-circuit.

use circuits_core::{
    digest::{Digest, DigestTarget},
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
};
use circuits_prover::basetypes::{Builder, F};
use plonky2::iop::target::Target;

use super::id::EnvironmentId;

/// Bits of an environment's id, and the depth of every tree of environments.
pub const ENVIRONMENT_BITS: usize = 16;
/// The depth of the tree of one environment's kernels.
pub const KERNELS_DEPTH: usize = 5;
/// The depth of the tree of one environment's producers.
pub const PRODUCERS_DEPTH: usize = 3;
/// The domain of an environment's leaf.
const ENTRY: Domain = Domain::new("regentr");
/// The domain of a kernel's leaf.
const KERNEL: Domain = Domain::new("kernel");
/// The domain of a producer's leaf.
const PRODUCER: Domain = Domain::new("regprod");
/// The domain of the list of what was removed from an entry.
pub(super) const REMOVED: Domain = Domain::new("regpast");

/// The leaf of a kernel: `H(KERNEL, key, window)`. A window is the first and the last superblock number.
#[must_use]
pub fn kernel_leaf(key: Digest, window: [F; 2]) -> Digest {
    hash(KERNEL, &[key.0.as_slice(), &window].concat())
}

/// The in-circuit twin of [`kernel_leaf`].
pub(super) fn kernel_leaf_circuit(
    builder: &mut Builder,
    key: DigestTarget,
    window: [Target; 2],
) -> DigestTarget {
    hash_circuit(builder, KERNEL, &[key.0.as_slice(), &window].concat())
}

/// The leaf of a producer: `H(PRODUCER, commitment to the secret, commitment to the signing key, window)`.
#[must_use]
pub fn producer_leaf(commitment: Digest, signing_key: Digest, window: [F; 2]) -> Digest {
    hash(PRODUCER, &[commitment.0.as_slice(), &signing_key.0, &window].concat())
}

/// The in-circuit twin of [`producer_leaf`].
pub(super) fn producer_leaf_circuit(
    builder: &mut Builder,
    commitment: DigestTarget,
    signing_key: DigestTarget,
    window: [Target; 2],
) -> DigestTarget {
    hash_circuit(builder, PRODUCER, &[commitment.0.as_slice(), &signing_key.0, &window].concat())
}

circuits_core::layout! {
    /// What the leaf of an environment commits to, besides its id.
    pub struct EntryDigests<T> {
        /// The state commitment before block 1.
        pub genesis_state: Digest<T>,
        /// Root of the tree of producers.
        pub producers_root: Digest<T>,
        /// Root of the tree of kernels.
        pub kernels_root: Digest<T>,
        /// Digest of the producers and kernels that were removed.
        pub removed: Digest<T>,
    }
}

/// The leaf of an environment: `H(ENTRY, id, digests)`.
#[must_use]
pub fn entry_leaf(id: EnvironmentId, digests: &EntryDigests) -> Digest {
    let mut input = vec![id.to_field()];
    digests.encode_into(&mut input);
    hash(ENTRY, &input)
}

/// The in-circuit twin of [`entry_leaf`].
pub(super) fn entry_leaf_circuit(
    builder: &mut Builder,
    id: Target,
    digests: &EntryDigests<Target>,
) -> DigestTarget {
    let mut input = vec![id];
    digests.encode_into(&mut input);
    hash_circuit(builder, ENTRY, &input)
}

//! The leaves of the registry's two levels of trees.

use circuits_core::{
    digest::Digest,
    hash::{Domain, hash},
    layout::Layout,
};
use circuits_prover::basetypes::F;

use super::id::EnvironmentId;

/// Bits of an environment's id, and the depth of every tree of environments.
pub const ENVIRONMENT_BITS: usize = 16;
/// The depth of the tree of one environment's kernels.
pub const KERNELS_DEPTH: usize = 5;
/// The domain of an environment's leaf.
pub(super) const ENTRY: Domain = Domain::new("regentr");
/// The domain of a kernel's leaf.
pub(super) const KERNEL: Domain = Domain::new("kernel");

/// The leaf of a kernel: `H(KERNEL, key, window)`. The window is the first and the last superblock number.
#[must_use]
pub fn kernel_leaf(key: Digest, window: [F; 2]) -> Digest {
    hash(KERNEL, &[key.0.as_slice(), &window].concat())
}

/// The leaf of an environment, from the digests of its genesis state, its producer and the root of its kernels.
#[must_use]
pub fn entry_leaf(id: EnvironmentId, digests: [Digest; 3]) -> Digest {
    let mut input = vec![id.to_field()];
    digests.encode_into(&mut input);
    hash(ENTRY, &input)
}

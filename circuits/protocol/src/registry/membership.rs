//! The evidence that a kernel may prove, and a producer may make, an environment's blocks, natively and in-circuit.

use circuits_core::{
    constrain::{Constrain, within_gadget},
    digest::{Digest, DigestTarget},
    integer::{HEIGHT_BITS, enforce_less_or_equal},
    layout::{WitnessError, new_virtual, set, set_target},
    trees::{Path, PathTarget, index_bits},
};
use circuits_prover::basetypes::{Builder, F, Witness};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};
use serde::{Deserialize, Serialize};

use super::leaves::{
    ENVIRONMENT_BITS, EntryDigests, KERNELS_DEPTH, PRODUCERS_DEPTH, entry_leaf_circuit, kernel_leaf_circuit,
    producer_leaf_circuit,
};

/// Where one of an environment's lists has a leaf, and the window that the leaf commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The position in the list.
    pub index: u64,
    /// The first and the last superblock number.
    #[serde(with = "circuits_core::layout::as_bytes")]
    pub window: [F; 2],
    /// The path of the leaf.
    pub path: Path,
}

/// The evidence that a registry allows a kernel and a producer in a superblock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryMembership {
    /// What the environment's entry commits to.
    #[serde(with = "circuits_core::layout::as_bytes")]
    pub digests: EntryDigests,
    /// The path of the environment's entry.
    pub entry_path: Path,
    /// Where the kernel is listed.
    pub kernel: Listed,
    /// Where the producer is listed.
    pub producer: Listed,
    /// The commitment to the producer's signing key.
    pub signing_key: Digest,
}

/// The in-circuit twin of [`Listed`].
#[derive(Clone, Debug)]
struct ListedTarget {
    index: Target,
    window: [Target; 2],
    path: PathTarget,
}

impl ListedTarget {
    fn new_virtual(builder: &mut Builder, depth: usize) -> Self {
        Self {
            index: builder.add_virtual_target(),
            window: builder.add_virtual_target_arr(),
            path: PathTarget::new_virtual(builder, depth),
        }
    }

    /// Enforces that `leaf`, which commits to the window, is in the list with `root`, and that superblock `number` is in
    /// the window. `number` is then below `2^32`.
    fn verify(&self, builder: &mut Builder, root: DigestTarget, leaf: DigestTarget, number: Target) {
        let bits = index_bits(builder, self.index, self.path.siblings.len());
        let found = self.path.root_circuit(builder, &bits, leaf);
        builder.enforce_digest_equal(found, root);

        // valid_from <= number <= valid_until.
        let [valid_from, valid_until] = self.window;
        builder.enforce_range(valid_from, HEIGHT_BITS);
        builder.enforce_range(valid_until, HEIGHT_BITS);
        enforce_less_or_equal(builder, valid_from, number, HEIGHT_BITS);
        enforce_less_or_equal(builder, number, valid_until, HEIGHT_BITS);
    }

    #[track_caller]
    fn set_targets(&self, witness: &mut Witness, value: &Listed) -> Result<(), WitnessError> {
        within_gadget(|| {
            set_target(witness, self.index, F::from_canonical_u64(value.index))?;
            set(witness, &self.window, &value.window)?;
            self.path.set_targets(witness, &value.path)
        })
    }
}

/// The in-circuit twin of [`RegistryMembership`].
#[derive(Clone, Debug)]
pub struct RegistryMembershipTarget {
    digests: EntryDigests<Target>,
    entry_path: PathTarget,
    kernel: ListedTarget,
    producer: ListedTarget,
    signing_key: DigestTarget,
}

impl RegistryMembershipTarget {
    /// Allocates targets that [`Self::set_targets`] assigns.
    pub fn new_virtual(builder: &mut Builder) -> Self {
        Self {
            digests: new_virtual(builder),
            entry_path: PathTarget::new_virtual(builder, ENVIRONMENT_BITS),
            kernel: ListedTarget::new_virtual(builder, KERNELS_DEPTH),
            producer: ListedTarget::new_virtual(builder, PRODUCERS_DEPTH),
            signing_key: new_virtual(builder),
        }
    }

    /// The environment's genesis state, bound by [`Self::verify`].
    #[must_use]
    pub const fn genesis_state(&self) -> DigestTarget {
        self.digests.genesis_state
    }

    /// Enforces that the registry with `root` allows the kernel `key` and the `producer` for `environment`, whose bits are
    /// `environment_bits`, in superblock `number`. The windows also enforce that `number` is below `2^32`.
    #[expect(
        clippy::too_many_arguments,
        reason = "the same parts as the native twin, the root and the environment's bits"
    )]
    pub fn verify(
        &self,
        builder: &mut Builder,
        root: DigestTarget,
        environment: Target,
        environment_bits: &[BoolTarget],
        key: DigestTarget,
        producer: DigestTarget,
        number: Target,
    ) {
        // The environment lists the kernel for this superblock.
        let leaf = kernel_leaf_circuit(builder, key, self.kernel.window);
        self.kernel.verify(builder, self.digests.kernels_root, leaf, number);

        // The environment lists the producer for this superblock.
        let leaf = producer_leaf_circuit(builder, producer, self.signing_key, self.producer.window);
        self.producer.verify(builder, self.digests.producers_root, leaf, number);

        // The environment's entry, at the environment's own index, is in the registry.
        let leaf = entry_leaf_circuit(builder, environment, &self.digests);
        let found = self.entry_path.root_circuit(builder, environment_bits, leaf);
        builder.enforce_digest_equal(found, root);
    }

    /// Assigns the membership.
    ///
    /// # Errors
    /// [`WitnessError`] if a target already has another value.
    #[track_caller]
    pub fn set_targets(&self, witness: &mut Witness, value: &RegistryMembership) -> Result<(), WitnessError> {
        within_gadget(|| {
            set(witness, &self.digests, &value.digests)?;
            self.entry_path.set_targets(witness, &value.entry_path)?;
            self.kernel.set_targets(witness, &value.kernel)?;
            self.producer.set_targets(witness, &value.producer)?;
            set(witness, &self.signing_key, &value.signing_key)
        })
    }
}

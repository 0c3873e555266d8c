//! The evidence that a kernel may prove an environment's blocks, natively and in-circuit.

use circuits_core::{
    constrain::Constrain,
    digest::{Digest, DigestTarget},
    hash::hash_circuit,
    integer::{HEIGHT_BITS, enforce_less_or_equal},
    layout::{WitnessError, new_virtual, set, set_target},
    trees::{Path, PathTarget, index_bits},
};
use circuits_prover::basetypes::{Builder, F, Witness};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use super::leaves::{ENTRY, ENVIRONMENT_BITS, KERNEL, KERNELS_DEPTH};

/// The evidence that a registry allows a kernel in a superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryMembership {
    pub genesis_state: Digest,
    /// The environment's commitment to its producer.
    pub producer: Digest,
    /// The root of the environment's kernels.
    pub kernels_root: Digest,
    /// The path of the environment's entry.
    pub entry_path: Path,
    /// The kernel's position in the environment's list.
    pub kernel_index: u64,
    /// The first and the last superblock number of the kernel's window.
    pub window: [F; 2],
    /// The path of the kernel's leaf.
    pub kernel_path: Path,
}

/// The in-circuit twin of [`RegistryMembership`].
#[derive(Clone, Debug)]
pub struct RegistryMembershipTarget {
    /// The environment's genesis state, bound by [`Self::verify`].
    pub genesis_state: DigestTarget,
    /// The environment's commitment to its producer, bound by [`Self::verify`].
    pub producer: DigestTarget,
    kernels_root: DigestTarget,
    entry_path: PathTarget,
    kernel_index: Target,
    window: [Target; 2],
    kernel_path: PathTarget,
}

impl RegistryMembershipTarget {
    /// Allocates targets that [`Self::set_targets`] assigns.
    pub fn new_virtual(builder: &mut Builder) -> Self {
        Self {
            genesis_state: new_virtual(builder),
            producer: new_virtual(builder),
            kernels_root: new_virtual(builder),
            entry_path: PathTarget::new_virtual(builder, ENVIRONMENT_BITS),
            kernel_index: builder.add_virtual_target(),
            window: builder.add_virtual_target_arr(),
            kernel_path: PathTarget::new_virtual(builder, KERNELS_DEPTH),
        }
    }

    /// Enforces that the registry with `root` allows `key` for `environment`, whose bits are `environment_bits`, in superblock
    /// `number`. The window also enforces that `number` is below `2^32`.
    pub fn verify(
        &self,
        builder: &mut Builder,
        root: DigestTarget,
        environment: Target,
        environment_bits: &[BoolTarget],
        number: Target,
        key: DigestTarget,
    ) {
        // The kernel is listed under the environment's kernels root.
        let mut input = key.0.to_vec();
        input.extend(self.window);
        let kernel_leaf = hash_circuit(builder, KERNEL, &input);
        let kernel_bits = index_bits(builder, self.kernel_index, KERNELS_DEPTH);
        let kernels_root = self.kernel_path.root_circuit(builder, &kernel_bits, kernel_leaf);
        builder.enforce_digest_equal(kernels_root, self.kernels_root);

        // The environment's entry, at the environment's own index, is in the registry.
        let mut input = vec![environment];
        for digest in [self.genesis_state, self.producer, self.kernels_root] {
            input.extend(digest.0);
        }
        let entry_leaf = hash_circuit(builder, ENTRY, &input);
        let found = self.entry_path.root_circuit(builder, environment_bits, entry_leaf);
        builder.enforce_digest_equal(found, root);

        // valid_from <= number <= valid_until.
        let [valid_from, valid_until] = self.window;
        builder.enforce_range(valid_from, HEIGHT_BITS);
        builder.enforce_range(valid_until, HEIGHT_BITS);
        enforce_less_or_equal(builder, valid_from, number, HEIGHT_BITS);
        enforce_less_or_equal(builder, number, valid_until, HEIGHT_BITS);
    }

    /// Assigns the membership.
    ///
    /// # Errors
    /// [`WitnessError`] if a target already has another value.
    pub fn set_targets(&self, witness: &mut Witness, value: &RegistryMembership) -> Result<(), WitnessError> {
        set(witness, &self.genesis_state, &value.genesis_state)?;
        set(witness, &self.producer, &value.producer)?;
        set(witness, &self.kernels_root, &value.kernels_root)?;
        self.entry_path.set_targets(witness, &value.entry_path)?;
        set_target(witness, self.kernel_index, F::from_canonical_u64(value.kernel_index))?;
        set(witness, &self.window, &value.window)?;
        self.kernel_path.set_targets(witness, &value.kernel_path)
    }
}

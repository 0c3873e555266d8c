//! The registry: which environments exist, where they start, who produces their blocks, and which kernels may
//! prove them.
//!
//! Governed on L1, which fixes the root that holds for a superblock number well ahead of it. Windows are in
//! superblock numbers: in block heights a producer that stalls could keep a revoked kernel alive.
//!
//! ```text
//! root (depth 16, by environment id)
//!  └─ H(ENTRY, id, genesis state, producer, kernels root)
//!                                            └─ (depth 5) H(KERNEL, wrap key digest, valid_from, valid_until)
//! ```

use std::{collections::BTreeMap, fmt, str::FromStr};

use circuits_core::{
    constrain::Constrain,
    digest::{Digest, DigestTarget},
    hash::{Domain, hash, hash_circuit},
    integer::{HEIGHT_BITS, enforce_less_or_equal},
    layout::{Layout, WitnessError, new_virtual, set, set_target},
    trees::{IndexTree, Path, PathTarget, index_bits},
};
use circuits_prover::basetypes::{Builder, F, Witness};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bits of an environment's id; depth of every tree by environment.
pub const ENVIRONMENT_BITS: usize = 16;
/// Depth of the tree of one environment's kernels.
pub const KERNELS_DEPTH: usize = 5;
/// Domain of registry entries.
const ENTRY: Domain = Domain::new("regentr");
/// Domain of an entry's kernels.
const KERNEL: Domain = Domain::new("kernel");

/// An environment's id. 0 is L1, which has no kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentId(pub u16);

/// Why a number or a text does not name an environment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvironmentIdError {
    /// 0 is L1.
    #[error("environment id 0 is L1, which no environment can have")]
    L1,
    /// Not an integer of 16 bits.
    #[error("an environment id is an integer from 1 to 65535, found {0:?}")]
    NotANumber(String),
}

impl EnvironmentId {
    /// L1.
    pub const L1: Self = Self(0);

    /// The id of an environment, which is not L1.
    ///
    /// # Errors
    /// [`EnvironmentIdError::L1`] for 0.
    pub const fn new(id: u16) -> Result<Self, EnvironmentIdError> {
        if id == Self::L1.0 { Err(EnvironmentIdError::L1) } else { Ok(Self(id)) }
    }

    /// The integer.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The field element.
    #[must_use]
    pub fn to_field(self) -> F {
        F::from_canonical_u16(self.0)
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of an environment, which is not L1.
impl FromStr for EnvironmentId {
    type Err = EnvironmentIdError;

    fn from_str(text: &str) -> Result<Self, EnvironmentIdError> {
        let id = text.parse().map_err(|_| EnvironmentIdError::NotANumber(text.chars().take(20).collect()))?;
        Self::new(id)
    }
}

/// A kernel that may prove blocks of one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelEntry {
    /// Digest of the wrap's verifier key.
    pub key: Digest,
    /// First superblock number in which it may be used.
    pub valid_from: u32,
    /// Last superblock number in which it may be used.
    pub valid_until: u32,
}

impl KernelEntry {
    fn leaf(&self) -> Digest {
        kernel_leaf(self.key, [self.valid_from, self.valid_until].map(F::from_canonical_u32))
    }
}

/// One environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryEntry {
    /// State commitment before block 1.
    pub genesis_state: Digest,
    /// Commitment of the one who may produce blocks.
    pub producer: Digest,
    /// Allowed kernels; an index in this list never changes its meaning, revoked kernels get a `valid_until`.
    pub kernels: Vec<KernelEntry>,
}

impl RegistryEntry {
    fn kernels_tree(&self) -> IndexTree {
        let mut tree = IndexTree::new(KERNELS_DEPTH);
        for (index, kernel) in (0..).zip(&self.kernels) {
            tree.set(index, kernel.leaf()).expect("the number of kernels is checked on entry");
        }
        tree
    }

    fn leaf(&self, id: EnvironmentId) -> Digest {
        entry_leaf(id, [self.genesis_state, self.producer, self.kernels_tree().root()])
    }
}

/// `H(KERNEL, key, window)`: the leaf of a kernel's key and its window, two superblock numbers.
#[must_use]
pub fn kernel_leaf(key: Digest, window: [F; 2]) -> Digest {
    hash(KERNEL, &[key.0.as_slice(), &window].concat())
}

/// The leaf of an environment, of the digests of its genesis state, its producer and its kernels' root.
#[must_use]
pub fn entry_leaf(id: EnvironmentId, digests: [Digest; 3]) -> Digest {
    let mut input = vec![id.to_field()];
    digests.encode_into(&mut input);
    hash(ENTRY, &input)
}

/// All environments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Registry {
    entries: BTreeMap<EnvironmentId, RegistryEntry>,
}

/// Serde goes through [`Registry::insert`], so that no file makes a registry that the code would refuse.
impl<'de> Deserialize<'de> for Registry {
    fn deserialize<De: serde::Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            entries: BTreeMap<EnvironmentId, RegistryEntry>,
        }
        let mut registry = Self::default();
        for (id, entry) in Wire::deserialize(deserializer)?.entries {
            registry.insert(id, entry).map_err(serde::de::Error::custom)?;
        }
        Ok(registry)
    }
}

/// Why a registry is not changed, or a kernel not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// Environment 0 is L1.
    #[error("environment 0 is L1 and has no entry in the registry")]
    L1,
    /// The id is taken.
    #[error("environment {0} is already in the registry")]
    Exists(EnvironmentId),
    /// The id is not there.
    #[error("environment {0} is not in the registry")]
    UnknownEnvironment(EnvironmentId),
    /// Too many kernels.
    #[error("environment {environment} has {found} kernels, at most {} are possible", 1 << KERNELS_DEPTH)]
    TooManyKernels {
        /// The environment.
        environment: EnvironmentId,
        /// Kernels given.
        found: usize,
    },
    /// A window that ends before it begins.
    #[error("environment {environment}: a kernel valid from superblock {from} until {until} is never valid")]
    EmptyWindow {
        /// The environment.
        environment: EnvironmentId,
        /// First number.
        from: u32,
        /// Last number.
        until: u32,
    },
    /// No kernel could prove blocks for some numbers, so the environment would stand still.
    #[error(
        "environment {environment} would have no kernel for superblock {number}; force the gap if it is meant"
    )]
    Gap {
        /// The environment.
        environment: EnvironmentId,
        /// First number without a kernel.
        number: u32,
    },
    /// The environment does not list the key.
    #[error("environment {environment} does not list the kernel {key}")]
    UnknownKernel {
        /// The environment.
        environment: EnvironmentId,
        /// The kernel's key digest.
        key: Digest,
    },
    /// The environment lists the key for other superblocks.
    #[error("environment {environment} does not allow the kernel {key} in superblock {number}")]
    OutsideWindow {
        /// The environment.
        environment: EnvironmentId,
        /// The kernel's key digest.
        key: Digest,
        /// The superblock.
        number: u32,
    },
}

impl Registry {
    /// Adds an environment.
    ///
    /// # Errors
    /// [`RegistryError::L1`], [`RegistryError::Exists`], [`RegistryError::TooManyKernels`] or
    /// [`RegistryError::EmptyWindow`].
    pub fn insert(&mut self, id: EnvironmentId, entry: RegistryEntry) -> Result<(), RegistryError> {
        if id == EnvironmentId::L1 {
            return Err(RegistryError::L1);
        }
        if self.entries.contains_key(&id) {
            return Err(RegistryError::Exists(id));
        }
        Self::check_kernels(id, &entry.kernels)?;
        self.entries.insert(id, entry);
        Ok(())
    }

    /// Adds an environment without any check, as a dishonest L1 could.
    #[cfg(feature = "testing")]
    pub fn insert_unchecked(&mut self, id: EnvironmentId, entry: RegistryEntry) {
        self.entries.insert(id, entry);
    }

    /// Replaces an environment's list of kernels. Without `force`, every number that had a kernel must keep one.
    ///
    /// # Errors
    /// [`RegistryError::UnknownEnvironment`], [`RegistryError::TooManyKernels`], [`RegistryError::EmptyWindow`] or
    /// [`RegistryError::Gap`].
    pub fn set_kernels(
        &mut self,
        id: EnvironmentId,
        kernels: Vec<KernelEntry>,
        force: bool,
    ) -> Result<(), RegistryError> {
        let entry = self.entries.get_mut(&id).ok_or(RegistryError::UnknownEnvironment(id))?;
        Self::check_kernels(id, &kernels)?;
        if !force && let Some(number) = first_gap(&entry.kernels, &kernels) {
            return Err(RegistryError::Gap { environment: id, number });
        }
        entry.kernels = kernels;
        Ok(())
    }

    fn check_kernels(environment: EnvironmentId, kernels: &[KernelEntry]) -> Result<(), RegistryError> {
        if kernels.len() > 1 << KERNELS_DEPTH {
            return Err(RegistryError::TooManyKernels { environment, found: kernels.len() });
        }
        match kernels.iter().find(|kernel| kernel.valid_from > kernel.valid_until) {
            Some(kernel) => Err(RegistryError::EmptyWindow {
                environment,
                from: kernel.valid_from,
                until: kernel.valid_until,
            }),
            None => Ok(()),
        }
    }

    /// All entries, by id.
    pub fn entries(&self) -> impl Iterator<Item = (EnvironmentId, &RegistryEntry)> {
        self.entries.iter().map(|(&id, entry)| (id, entry))
    }

    /// One entry.
    ///
    /// # Errors
    /// [`RegistryError::UnknownEnvironment`].
    pub fn entry(&self, id: EnvironmentId) -> Result<&RegistryEntry, RegistryError> {
        self.entries.get(&id).ok_or(RegistryError::UnknownEnvironment(id))
    }

    fn tree(&self) -> IndexTree {
        let mut tree = IndexTree::new(ENVIRONMENT_BITS);
        for (id, entry) in &self.entries {
            tree.set(u64::from(id.0), entry.leaf(*id)).expect("ids have 16 bits");
        }
        tree
    }

    /// The root, public in every superblock.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree().root()
    }

    /// That `key` may prove blocks of `id` in superblock `number`.
    ///
    /// # Errors
    /// [`RegistryError::UnknownEnvironment`], [`RegistryError::UnknownKernel`] or [`RegistryError::OutsideWindow`].
    pub fn membership(
        &self,
        id: EnvironmentId,
        key: Digest,
        number: u32,
    ) -> Result<RegistryMembership, RegistryError> {
        let entry = self.entry(id)?;
        let mut listed = (0..).zip(&entry.kernels).filter(|(_, kernel)| kernel.key == key).peekable();
        if listed.peek().is_none() {
            return Err(RegistryError::UnknownKernel { environment: id, key });
        }
        let (index, kernel) = listed
            .find(|(_, kernel)| (kernel.valid_from..=kernel.valid_until).contains(&number))
            .ok_or(RegistryError::OutsideWindow { environment: id, key, number })?;
        let kernels = entry.kernels_tree();
        Ok(RegistryMembership {
            genesis_state: entry.genesis_state,
            producer: entry.producer,
            kernels_root: kernels.root(),
            entry_path: self.tree().path(u64::from(id.0)),
            kernel_index: index,
            window: [kernel.valid_from, kernel.valid_until].map(F::from_canonical_u32),
            kernel_path: kernels.path(index),
        })
    }
}

/// The first number that `old` covers and `new` does not.
fn first_gap(old: &[KernelEntry], new: &[KernelEntry]) -> Option<u32> {
    let covered = |kernels: &[KernelEntry], number: u32| {
        kernels.iter().any(|kernel| (kernel.valid_from..=kernel.valid_until).contains(&number))
    };
    // Coverage changes only where a window starts or just after it ends.
    let mut edges: Vec<u32> = old.iter().map(|kernel| kernel.valid_from).collect();
    edges.extend(new.iter().filter_map(|kernel| kernel.valid_until.checked_add(1)));
    edges.sort_unstable();
    edges.into_iter().find(|&number| covered(old, number) && !covered(new, number))
}

/// Witness that a kernel is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryMembership {
    /// The environment's genesis state.
    pub genesis_state: Digest,
    /// The environment's producer commitment.
    pub producer: Digest,
    /// Root of the environment's kernels.
    pub kernels_root: Digest,
    /// Path of the environment's entry.
    pub entry_path: Path,
    /// Position of the kernel.
    pub kernel_index: u64,
    /// First and last superblock number of the kernel's window.
    pub window: [F; 2],
    /// Path of the kernel.
    pub kernel_path: Path,
}

/// In-circuit twin of [`RegistryMembership`].
#[derive(Clone, Debug)]
pub struct RegistryMembershipTarget {
    /// The environment's genesis state, bound by [`Self::verify`].
    pub genesis_state: DigestTarget,
    /// The environment's producer commitment, bound by [`Self::verify`].
    pub producer: DigestTarget,
    kernels_root: DigestTarget,
    entry_path: PathTarget,
    kernel_index: Target,
    window: [Target; 2],
    kernel_path: PathTarget,
}

impl RegistryMembershipTarget {
    /// Fresh targets.
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

    /// Enforces that the registry with `root` allows `key` for `environment` (with its bits) in superblock
    /// `number`. The window bounds `number` below `2^32`.
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

    /// Assigns a membership.
    ///
    /// # Errors
    /// If a target already has another value.
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

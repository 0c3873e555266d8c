//! The registry: which environments exist, where they start, who produces their blocks, and which kernels may
//! prove them.
//!
//! It is governed on L1, which fixes the root for a superblock number well ahead of that superblock. Windows are in
//! superblock numbers: if they were in block heights, a producer that stalls could keep a revoked kernel alive.
//!
//! ```text
//! root (depth 16, by environment id)
//!  └─ H(ENTRY, id, genesis state, producer, kernels root)
//!                                            └─ (depth 5) H(KERNEL, wrap key digest, valid_from, valid_until)
//! ```

mod id;
mod leaves;
mod membership;

use std::collections::BTreeMap;

use circuits_core::{digest::Digest, trees::IndexTree};
use circuits_prover::basetypes::F;
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::{
    id::{EnvironmentId, EnvironmentIdError},
    leaves::{ENVIRONMENT_BITS, KERNELS_DEPTH, entry_leaf, kernel_leaf},
    membership::{RegistryMembership, RegistryMembershipTarget},
};

/// A kernel that may prove blocks of one environment, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelEntry {
    /// The digest of the wrap's verifier key.
    pub key: Digest,
    /// The first superblock number in which the kernel may be used.
    pub valid_from: u32,
    /// The last superblock number in which the kernel may be used.
    pub valid_until: u32,
}

impl KernelEntry {
    fn leaf(&self) -> Digest {
        kernel_leaf(self.key, [self.valid_from, self.valid_until].map(F::from_canonical_u32))
    }
}

/// What the registry says of one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryEntry {
    /// The state commitment before block 1.
    pub genesis_state: Digest,
    /// The commitment to the secret of the producer, who alone may make blocks.
    pub producer: Digest,
    /// The allowed kernels. An index in this list never changes its meaning; a revoked kernel gets a `valid_until`.
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

/// All environments, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Registry {
    entries: BTreeMap<EnvironmentId, RegistryEntry>,
}

/// Decodes through [`Registry::insert`], so that no file makes a registry that the code would refuse.
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

/// Why a change of the registry is refused, or a kernel is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// Environment 0 is L1.
    #[error("environment 0 is L1 and has no entry in the registry")]
    L1,
    /// The id is taken.
    #[error("environment {0} is already in the registry")]
    Exists(EnvironmentId),
    /// The registry does not have the id.
    #[error("environment {0} is not in the registry")]
    UnknownEnvironment(EnvironmentId),
    /// The environment has too many kernels.
    #[error("environment {environment} has {found} kernels, at most {} are possible", 1 << KERNELS_DEPTH)]
    TooManyKernels { environment: EnvironmentId, found: usize },
    /// A window ends before it begins.
    #[error("environment {environment}: a kernel valid from superblock {from} until {until} is never valid")]
    EmptyWindow { environment: EnvironmentId, from: u32, until: u32 },
    /// No kernel could prove blocks for some superblocks, so the environment would halt.
    #[error(
        "environment {environment} would have no kernel for superblock {number}; force the gap if it is meant"
    )]
    Gap {
        environment: EnvironmentId,
        /// The first superblock without a kernel.
        number: u32,
    },
    /// The environment does not list the key.
    #[error("environment {environment} does not list the kernel {key}")]
    UnknownKernel { environment: EnvironmentId, key: Digest },
    /// The environment lists the key for other superblocks.
    #[error("environment {environment} does not allow the kernel {key} in superblock {number}")]
    OutsideWindow { environment: EnvironmentId, key: Digest, number: u32 },
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

    /// Adds an environment without checks, as a dishonest L1 could.
    #[cfg(feature = "testing")]
    pub fn insert_unchecked(&mut self, id: EnvironmentId, entry: RegistryEntry) {
        self.entries.insert(id, entry);
    }

    /// Replaces an environment's list of kernels. Unless `force` is set, every superblock that had a kernel must keep one.
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

    /// All entries, ascending by id.
    pub fn entries(&self) -> impl Iterator<Item = (EnvironmentId, &RegistryEntry)> {
        self.entries.iter().map(|(&id, entry)| (id, entry))
    }

    /// The entry of one environment.
    ///
    /// # Errors
    /// [`RegistryError::UnknownEnvironment`] if the registry does not have the id.
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

    /// The root, which is public in every superblock.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree().root()
    }

    /// The evidence that `key` may prove blocks of `id` in superblock `number`.
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

/// The first superblock number that `old` covers and `new` does not.
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

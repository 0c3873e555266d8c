//! The registry: which environments exist, where they start, who produces their blocks, and which kernels may
//! prove them.
//!
//! It is governed on L1, which fixes the root for a superblock number well ahead of that superblock. Windows are in
//! superblock numbers: if they were in block heights, a producer that stalls could keep itself and a revoked kernel alive.
//!
//! ```text
//! root (depth 16, by environment id)
//!  └─ H(ENTRY, id, genesis state, producers root, kernels root, removed)
//!                                  │               │              └─ H(REMOVED, leaves of what was listed before)
//!                                  │               └─ (depth 5) H(KERNEL, wrap key digest, valid_from, valid_until)
//!                                  └─ (depth 3) H(PRODUCER, commitment, signing key, valid_from, valid_until)
//! ```

mod change;
mod entry;
mod error;
mod id;
mod leaves;
mod membership;

use std::collections::BTreeMap;

use circuits_core::{digest::Digest, trees::IndexTree};
use serde::{Deserialize, Serialize};

use self::entry::Windowed as _;
pub use self::{
    change::KernelChange,
    entry::{KernelEntry, Producer, ProducerEntry, RegistryEntry, Removed},
    error::RegistryError,
    id::{EnvironmentId, EnvironmentIdError},
    leaves::{
        ENVIRONMENT_BITS, EntryDigests, KERNELS_DEPTH, PRODUCERS_DEPTH, entry_leaf, kernel_leaf,
        producer_leaf,
    },
    membership::{Listed, RegistryMembership, RegistryMembershipTarget},
};

/// All environments, by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Registry {
    entries: BTreeMap<EnvironmentId, RegistryEntry>,
    /// The leaves of all entries.
    #[serde(skip)]
    tree: IndexTree,
}

impl Default for Registry {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), tree: IndexTree::new(ENVIRONMENT_BITS) }
    }
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

impl Registry {
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

    /// Adds an entry, or replaces the one that is there.
    fn set(&mut self, id: EnvironmentId, entry: RegistryEntry) {
        self.tree.set(u64::from(id.0), entry.leaf(id)).expect("ids have 16 bits");
        self.entries.insert(id, entry);
    }

    /// The root, which is public in every superblock.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The evidence that the kernel `key` may prove, and the producer with the commitment `producer` may make, blocks of
    /// `id` in superblock `number`.
    ///
    /// # Errors
    /// [`RegistryError::UnknownEnvironment`]; of the kernel [`RegistryError::UnknownKernel`],
    /// [`RegistryError::RemovedKernel`] or [`RegistryError::OutsideWindow`]; of the producer
    /// [`RegistryError::OtherProducer`] or [`RegistryError::NoProducer`].
    pub fn membership(
        &self,
        id: EnvironmentId,
        key: Digest,
        producer: Digest,
        number: u32,
    ) -> Result<RegistryMembership, RegistryError> {
        let entry = self.entry(id)?;
        let (kernel_index, kernel) = entry.kernel(id, key, number)?;
        let (producer_index, producer) = entry.producer(id, producer, number)?;
        let (producers, kernels) = entry.trees();
        Ok(RegistryMembership {
            digests: entry.digests(&producers, &kernels),
            entry_path: self.tree.path(u64::from(id.0)),
            kernel: Listed {
                index: kernel_index,
                window: kernel.elements(),
                path: kernels.path(kernel_index),
            },
            producer: Listed {
                index: producer_index,
                window: producer.elements(),
                path: producers.path(producer_index),
            },
            signing_key: producer.signing_key_commitment(),
        })
    }
}

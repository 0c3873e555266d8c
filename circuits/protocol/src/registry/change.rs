//! How the registry changes: environments come, kernels come and end, producers follow on each other, and what has expired
//! makes room.
//!
//! A change makes a registry with another root, which L1 fixes for the superblocks from some number on. Superblocks before
//! state the root of their time, so no change touches how they are judged. What leaves a list is kept on record, and comes
//! back only if the change says so.

use super::{
    Registry,
    entry::{KernelEntry, Producer, RegistryEntry, Windowed},
    error::RegistryError,
    id::EnvironmentId,
};

/// A change of the kernels of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelChange {
    /// The superblock with which the kernels end that are listed already, unless they end before. Those that would begin
    /// later are removed.
    pub end_earlier: Option<u32>,
    /// The kernels that come.
    pub add: Vec<KernelEntry>,
    /// Whether superblocks that had a kernel may have none.
    pub allow_gap: bool,
    /// Whether kernels may come that the environment has or had already.
    pub readmit: bool,
}

impl Registry {
    /// Adds an environment.
    ///
    /// # Errors
    /// [`RegistryError::Exists`], [`RegistryError::TooManyKernels`], [`RegistryError::TooManyProducers`],
    /// [`RegistryError::EmptyWindow`] or [`RegistryError::TwoProducers`].
    pub fn insert(&mut self, id: EnvironmentId, entry: RegistryEntry) -> Result<(), RegistryError> {
        if self.entries.contains_key(&id) {
            return Err(RegistryError::Exists(id));
        }
        entry.check(id)?;
        self.set(id, entry);
        Ok(())
    }

    /// Adds an environment without checks, as a dishonest L1 could.
    #[cfg(feature = "testing")]
    pub fn insert_unchecked(&mut self, id: EnvironmentId, entry: RegistryEntry) {
        self.set(id, entry);
    }

    /// Changes the kernels of an environment. An error changes nothing.
    ///
    /// # Errors
    /// [`RegistryError::UnknownEnvironment`], [`RegistryError::KernelReturns`], [`RegistryError::TooManyKernels`],
    /// [`RegistryError::EmptyWindow`] or [`RegistryError::Gap`].
    pub fn change_kernels(&mut self, id: EnvironmentId, change: &KernelChange) -> Result<(), RegistryError> {
        self.change(id, |entry| {
            let KernelChange { end_earlier, add, allow_gap, readmit } = change;
            let is_added = |known: &&KernelEntry| add.iter().any(|kernel| kernel.key == known.key);
            let mut known = entry.kernels.iter().chain(entry.removed.kernels.iter().rev());
            if let Some(&KernelEntry { key, valid_from: from, valid_until: until }) = known.find(is_added)
                && !readmit
            {
                return Err(RegistryError::KernelReturns { environment: id, key, from, until });
            }
            let before = entry.kernels.clone();
            if let Some(last) = *end_earlier {
                end(&mut entry.kernels, last, &mut entry.removed.kernels);
            }
            entry.kernels.extend(add);
            entry.check(id)?;
            match first_gap(&before, &entry.kernels) {
                Some(number) if !allow_gap => Err(RegistryError::Gap { environment: id, number }),
                _ => Ok(()),
            }
        })
    }

    /// Makes `producer` the environment's from superblock `from` on. The producer before ends with the superblock before,
    /// and one that would follow later is removed, so every superblock from `from` on has one producer. An error changes
    /// nothing.
    ///
    /// # Errors
    /// [`RegistryError::UnknownEnvironment`], [`RegistryError::TooManyProducers`], or
    /// [`RegistryError::ProducerReturns`] if the environment has or had a producer with the same secret or signing key,
    /// unless `readmit` is set.
    pub fn rotate_producer(
        &mut self,
        id: EnvironmentId,
        producer: Producer,
        from: u32,
        readmit: bool,
    ) -> Result<(), RegistryError> {
        let next = producer.valid_from(from);
        self.change(id, |entry| {
            let mut known = entry.producers.iter().chain(entry.removed.producers.iter().rev());
            if let Some(known) = known.find(|known| known.is_related_to(&next))
                && !readmit
            {
                return Err(RegistryError::ProducerReturns {
                    environment: id,
                    commitment: known.commitment,
                    from: known.valid_from,
                    until: known.valid_until,
                });
            }
            match from.checked_sub(1) {
                Some(last) => end(&mut entry.producers, last, &mut entry.removed.producers),
                None => entry.removed.producers.append(&mut entry.producers),
            }
            entry.producers.push(next);
            entry.check(id)
        })
    }

    /// Removes the producers and kernels whose windows end before superblock `number`, and keeps them on record. The
    /// registry that results says of the superblocks from `number` on what it said before; it is not for earlier ones.
    /// Returns how many were removed.
    pub fn remove_expired(&mut self, number: u32) -> usize {
        let mut count = 0;
        for (id, mut entry) in self.entries.clone() {
            let RegistryEntry { producers, kernels, removed, .. } = &mut entry;
            let expired = take_expired(producers, number, &mut removed.producers)
                + take_expired(kernels, number, &mut removed.kernels);
            if expired > 0 {
                self.set(id, entry);
                count += expired;
            }
        }
        count
    }

    /// Changes an entry, unless `change` fails.
    fn change(
        &mut self,
        id: EnvironmentId,
        change: impl FnOnce(&mut RegistryEntry) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let mut entry = self.entry(id)?.clone();
        change(&mut entry)?;
        self.set(id, entry);
        Ok(())
    }
}

/// Makes superblock `last` the last one of everything in `list`. What would begin later moves to `removed` as it is.
fn end<T: Windowed>(list: &mut Vec<T>, last: u32, removed: &mut Vec<T>) {
    removed.extend(list.extract_if(.., |one| *one.window().start() > last));
    list.iter_mut().for_each(|one| one.end(last));
}

/// Moves what ends before superblock `number` to `removed`, and returns how much that is.
fn take_expired<T: Windowed>(list: &mut Vec<T>, number: u32, removed: &mut Vec<T>) -> usize {
    let before = removed.len();
    removed.extend(list.extract_if(.., |one| *one.window().end() < number));
    removed.len() - before
}

/// The first superblock number that `old` covers and `new` does not.
fn first_gap(old: &[KernelEntry], new: &[KernelEntry]) -> Option<u32> {
    let covered =
        |kernels: &[KernelEntry], number: u32| kernels.iter().any(|kernel| kernel.window().contains(&number));
    // Coverage changes only where a window starts or just after it ends.
    let mut edges: Vec<u32> = old.iter().map(|kernel| kernel.valid_from).collect();
    edges.extend(new.iter().filter_map(|kernel| kernel.valid_until.checked_add(1)));
    edges.sort_unstable();
    edges.into_iter().find(|&number| covered(old, number) && !covered(new, number))
}

//! Key files in the caller's memory.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    format::{KeyFileError, read_header},
    header::Header,
    name::KeyName,
    store::{KeyStore, StoreError, too_large},
};

/// A collection of key files in memory. A [`CircuitCache`](crate::CircuitCache) fills it, and [`Self::take`] empties it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// A key file in a [`MemoryStore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFile {
    pub name: String,
    /// The header, or why it cannot be read.
    pub header: Result<Header, KeyFileError>,
    /// The size of the whole file.
    pub bytes: u64,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key files, ascending by name.
    #[must_use]
    pub fn files(&self) -> Vec<MemoryFile> {
        let files = self.lock();
        let keys = files.iter().filter(|(name, _)| name.parse::<KeyName>().is_ok());
        keys.map(|(name, bytes)| MemoryFile {
            name: name.clone(),
            header: read_header(name, bytes).map(|(header, _)| header),
            bytes: bytes.len() as u64,
        })
        .collect()
    }

    /// The bytes of all files, including those that were set aside.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().values().map(|bytes| bytes.len() as u64).sum()
    }

    /// Removes and returns a file: a key file, or one that was set aside.
    pub fn take(&self, name: &str) -> Option<Vec<u8>> {
        self.lock().remove(name)
    }
}

impl KeyStore for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.lock().keys().filter(|name| name.parse::<KeyName>().is_ok()).cloned().collect())
    }

    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        KeyName::check(name, &self.location(), "read it")?;
        Ok(self.lock().get(name).map(|bytes| bytes[..bytes.len().min(limit)].to_vec()))
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        KeyName::check(name, &self.location(), "read it")?;
        match self.lock().get(name) {
            Some(bytes) if bytes.len() as u64 > limit => Err(StoreError {
                location: format!("{}/{name}", self.location()),
                action: "read it",
                source: too_large(bytes.len() as u64, limit),
            }),
            bytes => Ok(bytes.cloned()),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        KeyName::check(name, &self.location(), "write it")?;
        self.lock().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    /// A later refused file of the same name replaces the earlier one, so that memory stays bounded.
    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StoreError> {
        KeyName::check(name, &self.location(), "set it aside")?;
        let mut files = self.lock();
        let bytes = files.remove(name).ok_or_else(|| StoreError {
            location: format!("{}/{name}", self.location()),
            action: "set it aside",
            source: io::ErrorKind::NotFound.into(),
        })?;
        files.insert(format!("{name}.refused"), bytes);
        files.insert(format!("{name}.refused.txt"), format!("{reason}\n").into_bytes());
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        KeyName::check(name, &self.location(), "remove it")?;
        self.lock().remove(name);
        Ok(())
    }
}

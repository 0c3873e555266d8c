//! Where key files are kept.

use std::{fs::File, io};

use thiserror::Error;

/// A place for key files. Names are those of [`super::Header::file_name`].
pub trait KeyStore: Send + Sync {
    /// What the store is, for messages: a path or an address.
    fn location(&self) -> String;

    /// Names of the key files, ascending, and of nothing else that lies there.
    ///
    /// # Errors
    /// If the store cannot be read. A store that does not exist yet is empty.
    fn list(&self) -> Result<Vec<String>, StoreError>;

    /// At most `limit` bytes from the start of a file; `None` if there is none of this name.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError>;

    /// A whole file of at most `limit` bytes; `None` if there is none of this name.
    ///
    /// # Errors
    /// If it cannot be read; [`io::ErrorKind::FileTooLarge`] if it is larger, and then nothing was read.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a file so that readers see all of it or nothing.
    ///
    /// # Errors
    /// If it cannot be written; what was there before is then still there.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Gives a file that was refused the name `NAME.refused`, and writes why to `NAME.refused.txt`.
    ///
    /// # Errors
    /// If it cannot be renamed.
    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StoreError>;

    /// Removes a file.
    ///
    /// # Errors
    /// If it cannot be removed.
    fn remove(&self, name: &str) -> Result<(), StoreError>;

    /// Waits until nobody else makes this key, and tells `waiting` if it has to. A store that cannot lock lets everybody
    /// go on: then a key may be made twice, and both are the same.
    ///
    /// # Errors
    /// If the lock cannot be had.
    fn lock(&self, name: &str, waiting: &dyn Fn()) -> Result<StoreLock, StoreError> {
        let _ = (name, waiting);
        Ok(StoreLock::new(None))
    }
}

/// The right to make a key; released when dropped, or when the process ends.
#[derive(Debug)]
#[must_use]
pub struct StoreLock {
    _file: Option<File>,
}

impl StoreLock {
    /// A lock that ends with `file`, which is locked; without one, a lock that excludes nobody.
    pub const fn new(file: Option<File>) -> Self {
        Self { _file: file }
    }
}

/// A store did not do what it was asked for.
#[derive(Debug, Error)]
#[error("{location}: cannot {action}: {source}")]
pub struct StoreError {
    /// The file or the store.
    pub location: String,
    /// What was tried.
    pub action: &'static str,
    /// Why it failed.
    pub source: io::Error,
}

/// The error of a store whose file has `found` bytes where at most `limit` are allowed.
pub(crate) fn too_large(found: u64, limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {found} bytes, at most {limit} are allowed"))
}

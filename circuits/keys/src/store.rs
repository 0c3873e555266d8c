//! Where key files are kept.

use std::{fs::File, io};

use thiserror::Error;

/// A store of key files. Names are those of [`Header::file_name`](crate::Header::file_name).
pub trait KeyStore: Send + Sync {
    /// The path or address of the store, for messages.
    fn location(&self) -> String;

    /// The names of the key files, ascending. Other files are not listed.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read. A store that does not exist yet is empty.
    fn list(&self) -> Result<Vec<String>, StoreError>;

    /// Reads at most `limit` bytes from the start of a file. Returns `None` if no file has this name.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError>;

    /// Reads a whole file of at most `limit` bytes. Returns `None` if no file has this name.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read. The source is [`io::ErrorKind::FileTooLarge`] if it is larger than
    /// `limit`; such a file is not read.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a file so that readers see all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be written. An earlier file of this name is then unchanged.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Renames a refused file to `NAME.refused`, and writes the reason to `NAME.refused.txt`.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be renamed.
    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StoreError>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be removed.
    fn remove(&self, name: &str) -> Result<(), StoreError>;

    /// Acquires the right to make this key. Calls `waiting` before it waits for another holder. A store that cannot lock
    /// grants the right to everybody: a key may then be made twice, with the same result.
    ///
    /// # Errors
    /// [`StoreError`] if the lock cannot be acquired.
    fn lock(&self, name: &str, waiting: &dyn Fn()) -> Result<StoreLock, StoreError> {
        let _ = (name, waiting);
        Ok(StoreLock::new(None))
    }
}

/// The right to make a key. It is released when it is dropped, or when the process ends.
#[derive(Debug)]
#[must_use]
pub struct StoreLock {
    _file: Option<File>,
}

impl StoreLock {
    /// Wraps a locked file, which is unlocked when the lock is dropped. Without a file, the lock excludes nobody.
    pub const fn new(file: Option<File>) -> Self {
        Self { _file: file }
    }
}

/// An operation of a store failed.
#[derive(Debug, Error)]
#[error("{location}: cannot {action}: {source}")]
pub struct StoreError {
    /// The path or address of the file, or of the store.
    pub location: String,
    /// What was tried, as it follows "cannot".
    pub action: &'static str,
    pub source: io::Error,
}

/// The error of a store whose file has `found` bytes where at most `limit` are allowed.
pub(crate) fn too_large(found: u64, limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {found} bytes, at most {limit} are allowed"))
}

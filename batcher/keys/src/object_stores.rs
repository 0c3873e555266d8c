//! Key files in object stores: a folder, a bucket, or any other store that crate `object_store` supports.

use std::{collections::BTreeMap, io, sync::Arc};

use circuits_keys::{KeyName, KeyStore, StoreError};
use circuits_objects::{AddressError, Backend, Folder, FolderPath};

/// How many refused files of one name are kept.
const REFUSED_LIMIT: u32 = 9;

/// A folder of an object store.
///
/// It takes no locks: processes that need a key at the same time each make it, and write the same file.
#[derive(Debug)]
pub struct ObjectStore {
    folder: Folder,
}

impl ObjectStore {
    /// Opens the store at an address, with options as crate `object_store` names them.
    ///
    /// # Errors
    /// [`AddressError`]. Whether the store can be reached shows only when it is used.
    pub fn open(address: &str, options: &BTreeMap<String, String>) -> Result<Self, AddressError> {
        Ok(Self { folder: Folder::open(address, options)? })
    }

    /// Makes a store of a folder in a backend that the caller has made. Messages call it `location`.
    ///
    /// # Errors
    /// [`AddressError::Runtime`]
    pub fn with_backend(
        location: impl Into<String>,
        backend: Arc<dyn Backend>,
        folder: FolderPath,
    ) -> Result<Self, AddressError> {
        Ok(Self { folder: Folder::with_backend(location, backend, folder)? })
    }

    fn check(&self, name: &str, action: &'static str) -> Result<(), StoreError> {
        KeyName::check(name, self.folder.location(), action)?;
        Ok(())
    }

    fn error(&self, name: &str, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        let location = self.folder.location_of(name);
        move |source| StoreError { location, action, source }
    }

    fn set_aside_by_number(&self, name: &str, reason: &str) -> io::Result<()> {
        for number in 1..=REFUSED_LIMIT {
            let number = if number == 1 { String::new() } else { format!(".{number}") };
            let refused = format!("{name}.refused{number}");
            let why = format!("{name}.refused{number}.txt");
            if self.folder.exists(&refused)? {
                continue;
            }
            // Creating the text claims the number: only one of two processes succeeds.
            if !self.folder.create(&why, format!("{reason}\n").as_bytes())? {
                continue;
            }
            let moved = self.folder.rename(name, &refused);
            if moved.is_err() {
                // A text without a file does no harm, so an error is ignored.
                let _ = self.folder.remove(&why);
            }
            // A missing object is no error: another process has set it aside.
            return moved;
        }
        Err(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("there are already {REFUSED_LIMIT} refused files of this name"),
        ))
    }
}

impl KeyStore for ObjectStore {
    fn location(&self) -> String {
        self.folder.location().to_owned()
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut names = self.folder.list(None).map_err(|source| StoreError {
            location: self.location(),
            action: "list it",
            source,
        })?;
        names.retain(|name| name.parse::<KeyName>().is_ok());
        Ok(names)
    }

    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.check(name, "read it")?;
        self.folder.read_start(name, limit as u64).map_err(self.error(name, "read it"))
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.check(name, "read it")?;
        self.folder.read(name, limit).map_err(self.error(name, "read it"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.check(name, "write it")?;
        self.folder.write(name, bytes).map_err(self.error(name, "write it"))
    }

    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StoreError> {
        self.check(name, "set it aside")?;
        self.set_aside_by_number(name, reason).map_err(self.error(name, "set it aside"))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.check(name, "remove it")?;
        self.folder.remove(name).map_err(self.error(name, "remove it"))
    }
}

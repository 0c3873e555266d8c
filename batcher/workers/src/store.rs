//! The store of tasks in a folder of an object store.

use std::{collections::BTreeMap, io, sync::Arc};

use circuits_objects::{AddressError, Backend, Folder, FolderPath};
use circuits_tasks::store::{Object, Store, StoreError, check_size};

/// Graphs, tasks, inputs and proofs as objects of a folder on a disk, in memory or in a bucket.
#[derive(Debug)]
pub struct ObjectStore {
    folder: Folder,
}

impl ObjectStore {
    /// Opens the folder at an address such as `file:///srv/proofs`, with options as crate `object_store` names them.
    ///
    /// # Errors
    /// [`AddressError`]. Whether the store can be reached shows only when it is used.
    pub fn open(address: &str, options: &BTreeMap<String, String>) -> Result<Self, AddressError> {
        Ok(Self { folder: Folder::open(address, options)? })
    }

    /// The folder `path` of a store that the caller has made. Messages call it `location`.
    ///
    /// # Errors
    /// [`AddressError::Runtime`]
    pub fn with_backend(
        location: impl Into<String>,
        backend: Arc<dyn Backend>,
        path: FolderPath,
    ) -> Result<Self, AddressError> {
        Ok(Self { folder: Folder::with_backend(location, backend, path)? })
    }
}

fn name(object: &Object) -> String {
    let (folder, name) = object.path();
    format!("{folder}/{name}")
}

fn store_error(object: &Object) -> impl FnOnce(io::Error) -> StoreError {
    let object = object.clone();
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::FileTooLarge => {
            StoreError::Refused { object, source: Box::new(source) }
        }
        // A full disk, a mount that is away, a server that answers with an error: all of them may pass.
        _ => StoreError::Away { object, source: Box::new(source) },
    }
}

impl Store for ObjectStore {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        self.folder.read(&name(object), object.limit()).map_err(store_error(object))
    }

    fn has(&self, object: &Object) -> Result<bool, StoreError> {
        self.folder.exists(&name(object)).map_err(store_error(object))
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        check_size(object, bytes.len())?;
        self.folder.create(&name(object), bytes).map_err(store_error(object))
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        check_size(object, bytes.len())?;
        self.folder.write(&name(object), bytes).map_err(store_error(object))
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        self.folder.remove(&name(object)).map_err(store_error(object))
    }
}

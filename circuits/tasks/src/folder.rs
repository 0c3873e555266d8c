//! A store in a folder of a file system.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use circuits_files::file::{self, FileError, FileKind};

use crate::store::{Object, Store, StoreError, check_size};

/// A store in a folder, which several processes of one machine may share. Files appear whole, and are their owner's only.
#[derive(Clone, Debug)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// The store in the folder `root`. Folders are made when something is kept in them.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The file that has the object, once it is kept.
    #[must_use]
    pub fn path(&self, object: &Object) -> PathBuf {
        let (folder, name) = object.path();
        self.root.join(folder).join(name)
    }

    /// The path for an object that is about to be kept.
    fn new_path(&self, object: &Object, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        check_size(object, bytes.len())?;
        let path = self.path(object);
        if let Some(folder) = path.parent() {
            let failed = |source| FileError::Io { path: folder.to_owned(), action: "create it", source };
            fs::create_dir_all(folder).map_err(failed)?;
        }
        Ok(path)
    }
}

impl Store for FolderStore {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        match file::read_bytes(kind(object), &self.path(object), object.limit()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn has(&self, object: &Object) -> Result<bool, StoreError> {
        let path = self.path(object);
        let found = path.try_exists();
        Ok(found.map_err(|source| FileError::Io { path, action: "look for it", source })?)
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        match file::write_new(&self.new_path(object, bytes)?, bytes) {
            Ok(()) => Ok(true),
            Err(FileError::Exists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        Ok(file::write_atomic(&self.new_path(object, bytes)?, bytes)?)
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        let path = self.path(object);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => Ok(removed.map_err(|source| FileError::Io { path, action: "remove it", source })?),
        }
    }
}

/// What files of an object hold.
const fn kind(object: &Object) -> FileKind {
    match object {
        Object::Graph(_) => FileKind::TaskGraph,
        Object::Task(_) => FileKind::Task,
        Object::Input(_) => FileKind::TaskInput,
        Object::Proof(_) => FileKind::TaskProof,
    }
}

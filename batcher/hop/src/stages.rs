//! Where the finished stages of a hop lie until it is written, so that one that was interrupted goes on.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use circuits_tasks::{
    folder::FolderStore,
    store::{MemoryStore, Store},
};

/// The extension of the folder beside a hop.
const EXTENSION: &str = "stages";

/// Finished stages of the hop in one file.
pub struct Stages<'a>(Place<'a>);

enum Place<'a> {
    /// A folder of this hop alone, locked if the file system has locks.
    Folder {
        path: PathBuf,
        store: FolderStore,
        _lock: Option<File>,
    },
    Memory(MemoryStore),
    Shared(&'a dyn Store),
}

impl<'a> Stages<'a> {
    /// Those in the folder that has the name of the hop's file and an extension; `None` while another process is at it. If the folder
    /// cannot be made, they are kept in memory: that a hop would not go on is no reason to do without it.
    #[must_use]
    pub fn beside(hop: &Path) -> Option<Self> {
        let path = folder_beside(hop);
        if fs::create_dir_all(&path).is_err() {
            return Some(Self(Place::Memory(MemoryStore::default())));
        }
        let lock = File::open(&path).ok();
        if let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            return None;
        }
        let store = FolderStore::new(&path);
        Some(Self(Place::Folder { path, store, _lock: lock }))
    }

    /// Those in a store that has other tasks too, and keeps them: others may make the same hop.
    #[must_use]
    pub const fn among(store: &'a dyn Store) -> Self {
        Self(Place::Shared(store))
    }

    /// The store that has them.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        match &self.0 {
            Place::Folder { store, .. } => store,
            Place::Memory(store) => store,
            Place::Shared(store) => *store,
        }
    }

    /// Removes what is this hop's alone, once it is kept. What cannot be removed takes space and does no harm.
    pub fn clear(self) {
        if let Place::Folder { path, .. } = self.0 {
            drop(fs::remove_dir_all(path));
        }
    }
}

/// The folder of the stages of the hop in a file.
fn folder_beside(hop: &Path) -> PathBuf {
    let mut name = hop.as_os_str().to_owned();
    name.push(".");
    name.push(EXTENSION);
    name.into()
}

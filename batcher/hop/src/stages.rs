//! Where the finished stages of a hop lie until it is written, so that one that was interrupted goes on.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use circuits_tasks::{
    folder::FolderStore,
    store::{MemoryStore, Store},
};

/// The extension of the folder beside a hop.
const EXTENSION: &str = "stages";

/// The file in that folder that a process locks while it makes the hop.
const LOCK: &str = "lock";

/// Its permissions.
const OWNER_ONLY: u32 = 0o600;

/// Finished stages of the hop in one file.
pub struct Stages<'a>(Place<'a>);

enum Place<'a> {
    /// A folder of this hop alone, locked if the file system has locks.
    Folder {
        path: PathBuf,
        store: FolderStore,
        _lock: File,
    },
    Memory(MemoryStore),
    Shared(&'a dyn Store),
}

impl<'a> Stages<'a> {
    /// Those in the folder that has the name of the hop's file and an extension; `None` while another process is at it. If the folder
    /// cannot be made or is another user's, they are kept in memory: that a hop would not go on is no reason to do without it.
    #[must_use]
    pub fn beside(hop: &Path) -> Option<Self> {
        let path = folder_beside(hop);
        let lock = fs::create_dir_all(&path).and_then(|()| open_lock(&path.join(LOCK)));
        let Ok(lock) = lock else { return Some(Self::in_memory()) };
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return None;
        }
        let store = FolderStore::new(&path);
        Some(Self(Place::Folder { path, store, _lock: lock }))
    }

    /// None yet, and none is left when this ends.
    #[must_use]
    pub fn in_memory() -> Self {
        Self(Place::Memory(MemoryStore::default()))
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

/// Opens the file that is locked, and makes it if it is missing, so that no other user can open it, and lock it for ever.
fn open_lock(path: &Path) -> io::Result<File> {
    // Opening a pipe would wait.
    if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it is not a regular file"));
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)
}

/// The folder of the stages of the hop in a file.
fn folder_beside(hop: &Path) -> PathBuf {
    let mut name = hop.as_os_str().to_owned();
    name.push(".");
    name.push(EXTENSION);
    name.into()
}

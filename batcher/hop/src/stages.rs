//! Where the finished stages of a hop lie until it is made, so that one that was interrupted goes on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use circuits_tasks::{
    folder::FolderStore,
    store::{MemoryStore, Store},
};

/// The extension of the folder beside a hop.
const EXTENSION: &str = "stages";

/// Finished stages of the hop in one file.
pub struct Stages {
    /// The folder, unless they are in memory.
    folder: Option<PathBuf>,
    store: Box<dyn Store>,
}

impl Stages {
    /// Those in the folder that has the name of the hop's file and an extension. If it cannot be made, they are kept in memory:
    /// that a hop would not go on is no reason to do without it.
    #[must_use]
    pub fn beside(hop: &Path) -> Self {
        let mut name = hop.as_os_str().to_owned();
        name.push(".");
        name.push(EXTENSION);
        let folder = PathBuf::from(name);
        match fs::create_dir_all(&folder) {
            Ok(()) => Self { store: Box::new(FolderStore::new(&folder)), folder: Some(folder) },
            Err(_) => Self { folder: None, store: Box::new(MemoryStore::default()) },
        }
    }

    /// The store that has them.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Removes them and their folder, once the hop is kept. What cannot be removed takes space and does no harm.
    pub fn clear(self) {
        if let Some(folder) = self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

//! Where the finished stages of a hop lie until it is written, so that one that was interrupted goes on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use circuits_tasks::{
    folder::FolderStore,
    graph::Graph,
    store::{MemoryStore, Object, Store},
};

/// The extension of the folder beside a hop.
const EXTENSION: &str = "stages";

/// Finished stages of the hop in one file.
pub struct Stages<'a>(Place<'a>);

enum Place<'a> {
    /// A folder of this hop alone.
    Folder(PathBuf, FolderStore),
    Memory(MemoryStore),
    /// Among other tasks, and which of them were finished.
    Shared(&'a dyn Store, Vec<Object>),
}

impl<'a> Stages<'a> {
    /// Those in the folder that has the name of the hop's file and an extension. If it cannot be made, they are kept in memory:
    /// that a hop would not go on is no reason to do without it.
    #[must_use]
    pub fn beside(hop: &Path) -> Self {
        let mut name = hop.as_os_str().to_owned();
        name.push(".");
        name.push(EXTENSION);
        let folder = PathBuf::from(name);
        match fs::create_dir_all(&folder) {
            Ok(()) => {
                let store = FolderStore::new(&folder);
                Self(Place::Folder(folder, store))
            }
            Err(_) => Self(Place::Memory(MemoryStore::default())),
        }
    }

    /// Those in a store that has other tasks too.
    #[must_use]
    pub fn among(store: &'a dyn Store) -> Self {
        Self(Place::Shared(store, vec![]))
    }

    /// The store that has them.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        match &self.0 {
            Place::Folder(_, store) => store,
            Place::Memory(store) => store,
            Place::Shared(store, _) => *store,
        }
    }

    /// Notes that the proofs of this graph are there.
    pub(crate) fn finished(&mut self, graph: &Graph) {
        if let Place::Shared(_, finished) = &mut self.0 {
            finished.extend(graph.tasks().map(|(id, _)| Object::Proof(id)));
        }
    }

    /// Removes what is finished, once the hop is kept. What cannot be removed takes space and does no harm.
    pub fn clear(self) {
        match self.0 {
            Place::Folder(folder, _) => drop(fs::remove_dir_all(folder)),
            Place::Memory(_) => {}
            Place::Shared(store, finished) => finished.iter().for_each(|proof| drop(store.remove(proof))),
        }
    }
}

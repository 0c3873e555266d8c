//! Where graphs, tasks, inputs and proofs lie, for everybody who works on them.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use circuits_files::file::{BUNDLE_LIMIT, FileError, HEADER_BYTES, SMALL_LIMIT};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    graph::{MAX_GRAPH_BYTES, MAX_NAME_BYTES, MAX_TASK_BYTES},
    id::TaskId,
};

/// The name of a graph: what it proves and which attempt it is, such as `superblock-17-0`. Lower-case letters, digits and
/// dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GraphName(String);

/// The text is not the name of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a graph's name has 1 to {MAX_NAME_BYTES} lower-case letters, digits and dashes, found {found:?}")]
pub struct GraphNameError {
    pub found: String,
}

impl GraphName {
    /// Names a graph.
    ///
    /// # Errors
    /// [`GraphNameError`]
    pub fn new(name: impl Into<String>) -> Result<Self, GraphNameError> {
        let name = name.into();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain) {
            return Ok(Self(name));
        }
        Err(GraphNameError { found: name.chars().take(MAX_NAME_BYTES).collect() })
    }
}

impl fmt::Display for GraphName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a store keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A graph, written once.
    Graph(GraphName),
    /// What a task has to prove.
    Task(TaskId),
    /// The input of a task, until its proof is stored.
    Input(TaskId),
    /// The proof of a task.
    Proof(TaskId),
}

impl Object {
    /// The most bytes of an object of this sort. A store returns no more, and refuses to keep more.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        let payload = match self {
            Self::Graph(_) => MAX_GRAPH_BYTES,
            Self::Task(_) => MAX_TASK_BYTES,
            Self::Input(_) => BUNDLE_LIMIT,
            Self::Proof(_) => SMALL_LIMIT,
        };
        payload + HEADER_BYTES as u64
    }

    /// The folder of this sort of object, and the object's name in it.
    #[must_use]
    pub fn path(&self) -> (&'static str, String) {
        match self {
            Self::Graph(name) => ("graphs", format!("{name}.graph")),
            Self::Task(id) => ("tasks", format!("{id}.task")),
            Self::Input(id) => ("inputs", format!("{id}.input")),
            Self::Proof(id) => ("proofs", format!("{id}.proof")),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, name) = self.path();
        write!(f, "{folder}/{name}")
    }
}

/// Why a store did not do what it was asked for.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store is away for a while: the same call may succeed later.
    #[error("{object}: the store cannot be reached: {source}")]
    Away { object: Object, source: Box<dyn Error + Send + Sync> },
    /// The store refuses, and will again.
    #[error("{object}: {source}")]
    Refused { object: Object, source: Box<dyn Error + Send + Sync> },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The object is too large.
    #[error("{object}: at most {limit} bytes, found {found}")]
    TooLarge { object: Object, limit: u64, found: u64 },
}

impl StoreError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

/// Keeps objects as bytes. Objects appear whole or not at all, and survive the process that wrote them, as far as anything
/// written survives.
///
/// Nothing in a store is trusted. Whoever reads an object checks it against the id by which it was asked for: the id of a
/// task follows from the task, and a proof is verified.
pub trait Store: Send + Sync {
    /// The object, or `None` if it is not there. An object beyond [`Object::limit`] is not read.
    ///
    /// # Errors
    /// [`StoreError`]
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether the object is there.
    ///
    /// # Errors
    /// [`StoreError`]
    fn has(&self, object: &Object) -> Result<bool, StoreError> {
        Ok(self.get(object)?.is_some())
    }

    /// Keeps the object if there is none, and says whether it did. Of several that do so at once with different bytes, only
    /// one does.
    ///
    /// # Errors
    /// [`StoreError`]
    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError>;

    /// Keeps the object in place of the one that is there, which was found damaged. Of several that do so at once, one
    /// prevails.
    ///
    /// # Errors
    /// [`StoreError`]
    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError>;

    /// Removes the object. One that is not there is removed already.
    ///
    /// # Errors
    /// [`StoreError`]
    fn remove(&self, object: &Object) -> Result<(), StoreError>;
}

/// Checks that an object of `found` bytes may be kept.
///
/// # Errors
/// [`StoreError::TooLarge`]
pub fn check_size(object: &Object, found: usize) -> Result<(), StoreError> {
    let (limit, found) = (object.limit(), found as u64);
    if found > limit { Err(StoreError::TooLarge { object: object.clone(), limit, found }) } else { Ok(()) }
}

/// A store that ends with its process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<Object, Vec<u8>>>,
}

impl MemoryStore {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<Object, Vec<u8>>> {
        // Every change is one operation on the map, so a panic elsewhere leaves no half of one.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every object that is there, with its bytes.
    #[must_use]
    pub fn everything(&self) -> Vec<(Object, Vec<u8>)> {
        self.objects().iter().map(|(object, bytes)| (object.clone(), bytes.clone())).collect()
    }
}

impl Store for MemoryStore {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.objects().get(object).cloned())
    }

    fn has(&self, object: &Object) -> Result<bool, StoreError> {
        Ok(self.objects().contains_key(object))
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        check_size(object, bytes.len())?;
        let mut objects = self.objects();
        let is_new = !objects.contains_key(object);
        if is_new {
            objects.insert(object.clone(), bytes.to_vec());
        }
        Ok(is_new)
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        check_size(object, bytes.len())?;
        self.objects().insert(object.clone(), bytes.to_vec());
        Ok(())
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        self.objects().remove(object);
        Ok(())
    }
}

//! The handler that every queue runs: from a task's id to a stored proof.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use circuits_files::file::{self, FormatError};
use thiserror::Error;

use crate::{
    graph::{GraphError, Place, Task},
    id::{KeyBytes, TaskId},
    proof::StoredProof,
    provable::{Catalogue, Child, Provable, ProvableError, Request},
    queue::{Handled, Handler},
    store::{Object, Store, StoreError},
};

/// The most proofs that a worker knows to be valid: several superblocks' worth, in 2 MiB. After that it verifies some again.
const MAX_VERIFIED: usize = 1 << 16;

/// Why a task is not done.
#[derive(Debug, Error)]
pub enum TaskError {
    /// The store did not do what it was asked for.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store has is not the task of this id.
    #[error("task {id}: {source}")]
    Malformed { id: TaskId, source: GraphError },
    /// The store has another task under this id.
    #[error("task {id}: the store has task {found} in its place")]
    OtherTask { id: TaskId, found: TaskId },
    /// This program does not know the circuit. Another worker may.
    #[error("task {label}: this program has no {provable}")]
    UnknownProvable { label: String, provable: String },
    /// The task has no proof, or a proof that was made is not accepted.
    #[error("task {label}: {source}")]
    Provable { label: String, source: ProvableError },
    /// A proof is too large to be kept.
    #[error("task {label}: {source}")]
    Format { label: String, source: FormatError },
    /// Whoever did it went silent, or returned no valid proof.
    #[error("{message}")]
    Vanished { message: String },
    /// Another process failed.
    #[error("{message}")]
    Elsewhere { message: String },
}

/// Whether a task that failed is worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After a while: the store was away. It says nothing of the task.
    Later,
    /// By another worker, which may have another version of this program.
    Elsewhere,
    /// No: it would fail again.
    Never,
}

impl TaskError {
    /// Whether another attempt is worth it.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Store(error) if error.is_passing() => Retry::Later,
            Self::UnknownProvable { .. }
            | Self::Vanished { .. }
            | Self::Provable {
                source: ProvableError::OtherKey { .. } | ProvableError::NoSecret { .. },
                ..
            } => Retry::Elsewhere,
            Self::Store(_)
            | Self::Malformed { .. }
            | Self::OtherTask { .. }
            | Self::Provable { .. }
            | Self::Format { .. }
            | Self::Elsewhere { .. } => Retry::Never,
        }
    }
}

/// Why what a store has is not the proof of a task.
#[derive(Debug, Error)]
pub enum Damage {
    /// The bytes are not those of a stored proof.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is the proof of something else.
    #[error("the stored proof is of another task")]
    OtherTask,
    /// It does not verify.
    #[error(transparent)]
    Proof(#[from] ProvableError),
}

/// Receives what a worker does.
pub trait Observer: Sync {
    /// The proof of a task is needed now, and is not stored.
    fn started(&self, _id: TaskId, _task: &Task) {}
    /// The proof of a task is stored.
    fn stored(&self, _id: TaskId, _task: &Task) {}
    /// A proof in the store is not valid, and is made again.
    fn refused(&self, _id: TaskId, _task: &Task, _reason: &Damage) {}
}

/// Observes nothing.
impl Observer for () {}

/// Does tasks whose parts lie in a store.
pub struct Worker<'a> {
    catalogue: &'a Catalogue<'a>,
    store: &'a dyn Store,
    observer: &'a dyn Observer,
    /// Hashes of tasks with proofs that this worker has verified, so that it verifies none twice.
    verified: Mutex<BTreeSet<[u8; 32]>>,
}

/// Whether a task's proof is stored.
enum Stored {
    Valid(Vec<u8>),
    Missing,
    /// There are bytes that are not a proof of the task.
    Damaged(Damage),
}

impl<'a> Worker<'a> {
    /// A worker that proves and verifies what is in `catalogue`.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue<'a>, store: &'a dyn Store, observer: &'a dyn Observer) -> Self {
        Self { catalogue, store, observer, verified: Mutex::default() }
    }

    /// As [`task_in`] its store.
    ///
    /// # Errors
    /// As [`task_in`].
    pub fn task(&self, id: TaskId) -> Result<Option<Task>, TaskError> {
        task_in(self.store, id)
    }

    /// The proof of `task`, verified; `None` if the store has none that is valid.
    ///
    /// # Errors
    /// [`TaskError::Store`] or [`TaskError::UnknownProvable`].
    pub fn proof(&self, id: TaskId, task: &Task) -> Result<Option<Vec<u8>>, TaskError> {
        match self.stored(id, task)? {
            Stored::Valid(proof) => Ok(Some(proof)),
            Stored::Missing | Stored::Damaged(_) => Ok(None),
        }
    }

    /// Verifies `proof` and stores it, as whoever has a [given](Place::Given) proof does, and whoever gets one from a
    /// stranger. A valid proof that is there stays. Removes the task's input.
    ///
    /// # Errors
    /// [`TaskError::Provable`] if it is not valid; nothing is stored then.
    pub fn accept(&self, id: TaskId, task: &Task, proof: &[u8]) -> Result<(), TaskError> {
        let bytes = self.checked(id, task, proof)?;
        if !self.store.create(&Object::Proof(id), &bytes)?
            && let Stored::Damaged(_) | Stored::Missing = self.stored(id, task)?
        {
            self.store.replace(&Object::Proof(id), &bytes)?;
        }
        self.store.remove(&Object::Input(id))?;
        self.observer.stored(id, task);
        Ok(())
    }

    /// Verifies `proof`, and returns the bytes that a store keeps of it.
    ///
    /// # Errors
    /// [`TaskError::Provable`] if it is not valid, and [`TaskError::Format`] if it is too large.
    pub(crate) fn checked(&self, id: TaskId, task: &Task, proof: &[u8]) -> Result<Vec<u8>, TaskError> {
        self.verify(self.provable(task)?, id, task, proof).map_err(|source| failed(task, source))?;
        let bytes = StoredProof::new(task, proof.to_vec()).encode();
        bytes.map_err(|source| TaskError::Format { label: task.label.clone(), source })
    }

    /// Verifies a proof, unless this worker has verified the same bytes.
    fn verify(
        &self,
        provable: &dyn Provable<Secret = ()>,
        id: TaskId,
        task: &Task,
        proof: &[u8],
    ) -> Result<(), ProvableError> {
        let hash = file::sha3(&[&id.to_bytes(), proof].concat());
        let verified = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !verified().contains(&hash) {
            provable.verify(task, proof)?;
            let mut verified = verified();
            if verified.len() == MAX_VERIFIED {
                verified.clear();
            }
            verified.insert(hash);
        }
        Ok(())
    }

    fn provable(&self, task: &Task) -> Result<&'a (dyn Provable<Secret = ()> + 'a), TaskError> {
        self.catalogue.find(&task.provable).ok_or_else(|| TaskError::UnknownProvable {
            label: task.label.clone(),
            provable: task.provable.clone(),
        })
    }

    fn stored(&self, id: TaskId, task: &Task) -> Result<Stored, TaskError> {
        let provable = self.provable(task)?;
        let Some(bytes) = self.store.get(&Object::Proof(id))? else { return Ok(Stored::Missing) };
        let checked = || {
            let stored = StoredProof::decode(&bytes)?;
            if !stored.is_of(task) {
                return Err(Damage::OtherTask);
            }
            self.verify(provable, id, task, &stored.proof)?;
            Ok(stored.proof)
        };
        Ok(checked().map_or_else(Stored::Damaged, Stored::Valid))
    }

    /// Makes the proof of `task` from `input` and the proofs of its children.
    fn prove(&self, task: &Task, input: &[u8], children: &[(Task, Vec<u8>)]) -> Result<Vec<u8>, TaskError> {
        let provable = self.provable(task)?;
        let failed = |source| failed(task, source);
        let key = provable.key().map_err(failed)?;
        if key != task.key {
            let spelled = |key: &KeyBytes| hex::encode(key);
            return Err(failed(ProvableError::OtherKey {
                name: task.provable.clone(),
                expected: spelled(&task.key),
                found: spelled(&key),
            }));
        }
        let children: Vec<_> = children.iter().map(|(task, proof)| Child { task, proof }).collect();
        provable.prove(&Request { task, input, children: &children }, &()).map_err(failed)
    }
}

/// The task called `id` in `store`; `None` if it is not there.
///
/// # Errors
/// [`TaskError::Malformed`], [`TaskError::OtherTask`] or [`TaskError::Store`].
pub fn task_in(store: &dyn Store, id: TaskId) -> Result<Option<Task>, TaskError> {
    let Some(bytes) = store.get(&Object::Task(id))? else { return Ok(None) };
    let task = Task::decode(&bytes).map_err(|source| TaskError::Malformed { id, source })?;
    match task.id() {
        found if found == id => Ok(Some(task)),
        found => Err(TaskError::OtherTask { id, found }),
    }
}

fn failed(task: &Task, source: ProvableError) -> TaskError {
    TaskError::Provable { label: task.label.clone(), source }
}

impl Handler for Worker<'_> {
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
        let Some(task) = self.task(id)? else { return Ok(Handled::Unwanted) };
        match self.stored(id, &task)? {
            Stored::Valid(_) => {
                self.store.remove(&Object::Input(id))?;
                return Ok(Handled::Stored);
            }
            Stored::Missing => {}
            Stored::Damaged(reason) => self.observer.refused(id, &task, &reason),
        }
        if task.place == Place::Given {
            return Ok(Handled::Unwanted);
        }
        // The input is removed when nobody wants the proof any more.
        let Some(input) = self.store.get(&Object::Input(id))? else { return Ok(Handled::Unwanted) };
        let mut children = Vec::with_capacity(task.children.len());
        for &child in &task.children {
            let Some(below) = self.task(child)? else { return Ok(Handled::Early) };
            match self.stored(child, &below)? {
                Stored::Valid(proof) => children.push((below, proof)),
                Stored::Missing => return Ok(Handled::Early),
                Stored::Damaged(damage) => {
                    // A coordinator that believes it to be there finds that it is not.
                    self.observer.refused(child, &below, &damage);
                    self.store.remove(&Object::Proof(child))?;
                    return Ok(Handled::Early);
                }
            }
        }
        self.observer.started(id, &task);
        let proof = self.prove(&task, &input, &children)?;
        self.accept(id, &task, &proof)?;
        Ok(Handled::Stored)
    }
}

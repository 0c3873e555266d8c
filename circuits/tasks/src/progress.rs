//! What people see of a graph that is being proved.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    graph::{Place, Task},
    id::TaskId,
    worker::{Damage, Observer},
};

/// Receives what happens while a graph is proved.
pub trait Progress: Sync {
    /// Work starts on `tasks` proofs.
    fn begin(&self, tasks: usize);
    /// The proof of `task` is needed now.
    fn start(&self, task: &str);
    /// The proof of `task` is there: `resumed` if an earlier run had made it.
    fn done(&self, task: &str, resumed: bool);
    /// Something happened that deserves a line and does not stop the work.
    fn note(&self, message: &str);
}

/// Ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: usize) {}
    fn start(&self, _: &str) {}
    fn done(&self, _: &str, _: bool) {}
    fn note(&self, _: &str) {}
}

/// Reports as progress what the worker of this process does, and what its coordinator finds done.
pub(crate) struct Reported<'a> {
    progress: &'a dyn Progress,
    done: Mutex<BTreeSet<TaskId>>,
}

impl<'a> Reported<'a> {
    pub(crate) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, done: Mutex::default() }
    }

    /// Reports a proof that is there, once: the coordinator may see it before the worker that stored it says so.
    pub(crate) fn done(&self, id: TaskId, task: &Task) {
        if self.done_ids().insert(id) {
            self.progress.done(&task.label, false);
        }
    }

    fn done_ids(&self) -> MutexGuard<'_, BTreeSet<TaskId>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Reported<'_> {
    fn started(&self, id: TaskId, task: &Task) {
        // Its proof was lost if it was done before.
        self.done_ids().remove(&id);
        self.progress.start(&task.label);
    }

    fn stored(&self, id: TaskId, task: &Task) {
        // Nobody works on a given proof.
        if task.place != Place::Given {
            self.done(id, task);
        }
    }

    fn refused(&self, id: TaskId, task: &Task, damage: &Damage) {
        self.progress.note(&format!(
            "task {}: the proof that is stored as {id}: {damage}; it is made again",
            task.label
        ));
    }
}

//! What people see of a graph that is being proved.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
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

/// Reports what the worker of this process does as progress.
pub(crate) struct Reported<'a> {
    progress: &'a dyn Progress,
    stored: Mutex<BTreeSet<TaskId>>,
}

impl<'a> Reported<'a> {
    pub(crate) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, stored: Mutex::default() }
    }

    /// Whether the worker of this process has stored the proof of the task called `id`, and reported that.
    pub(crate) fn has(&self, id: TaskId) -> bool {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

impl Observer for Reported<'_> {
    fn started(&self, _: TaskId, task: &Task) {
        self.progress.start(&task.label);
    }

    fn stored(&self, id: TaskId, task: &Task) {
        // Nobody works on a given proof.
        if task.place != Place::Given {
            self.stored.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            self.progress.done(&task.label, false);
        }
    }

    fn refused(&self, id: TaskId, task: &Task, damage: &Damage) {
        self.progress.note(&format!(
            "task {}: the proof that is stored as {id}: {damage}; it is made again",
            task.label
        ));
    }
}

//! What people see of a graph that is being proved.

use crate::{
    graph::Task,
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

/// Reports what the workers of this process do as progress. That a proof is there is for the coordinator to report, whoever
/// made it.
#[derive(Clone, Copy)]
pub struct Reported<'a>(pub &'a dyn Progress);

impl Observer for Reported<'_> {
    fn started(&self, _: TaskId, task: &Task) {
        self.0.start(&task.label);
    }

    fn refused(&self, id: TaskId, task: &Task, damage: &Damage) {
        self.0.note(&format!("task {}: the proof stored as {id}: {damage}; it is made again", task.label));
    }
}

//! The time that the proofs of a superblock take, by kind.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use circuits_tasks::progress::Progress;

/// Adds up the seconds of proofs by the first word of their tasks' names.
#[derive(Default)]
pub(crate) struct Stopwatch {
    running: Mutex<BTreeMap<String, Instant>>,
    seconds: Mutex<BTreeMap<String, f64>>,
}

impl Stopwatch {
    /// The seconds of all tasks whose name begins with this word.
    pub(crate) fn seconds(&self, kind: &str) -> f64 {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).get(kind).copied().unwrap_or(0.0)
    }

    /// The seconds of all tasks.
    pub(crate) fn total(&self) -> f64 {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Progress for Stopwatch {
    fn begin(&self, _: usize) {}

    fn start(&self, task: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(task.to_owned(), Instant::now());
    }

    fn done(&self, task: &str, _: bool) {
        let started = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
        let kind = task.split(' ').next().unwrap_or(task).to_owned();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        *seconds.entry(kind).or_default() += started.map_or(0.0, |started| started.elapsed().as_secs_f64());
    }

    fn note(&self, _: &str) {}
}

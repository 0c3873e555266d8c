//! The queue of one process: nothing to install, and no more tasks at a time than fit into memory.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    id::TaskId,
    queue::{GivenUp, Handled, Handler, Offer, Queue, QueueError},
    worker::{Retry, TaskError},
};

/// How often a queue that has nothing to do looks whether it should stop.
const STOP_INTERVAL: Duration = Duration::from_millis(100);
/// After how long a task is tried again whose store was away.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A queue within a process.
pub struct InProcess {
    /// The most tasks at a time, at least 1.
    jobs: usize,
    /// Bytes that tasks may need together. One that needs more is done alone.
    memory: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// The attempts of tasks that are being done, and the bytes of memory that they need.
    running: BTreeMap<TaskId, (u32, u64)>,
    given_up: BTreeMap<TaskId, GivenUp>,
    /// How many tasks were offered.
    offered: u64,
    /// How many tasks ended, and how many of these somebody has waited for.
    ended: u64,
    awaited: u64,
    panic: Option<Box<dyn Any + Send>>,
}

/// A task that nobody does yet.
struct Waiting {
    offer: Offer,
    /// Of tasks of equal priority, the lowest comes first.
    place: u64,
    attempts: u32,
    not_before: Option<Instant>,
}

impl State {
    fn memory(&self) -> u64 {
        self.running.values().map(|(_, memory)| memory).sum()
    }

    fn has(&self, id: TaskId) -> bool {
        self.running.contains_key(&id) || self.waiting.iter().any(|waiting| waiting.offer.id == id)
    }

    /// Takes the task whose turn it is, if there is room for it. None overtakes it, or a large one would never get room.
    fn next(&mut self, jobs: usize, memory: u64) -> Option<Waiting> {
        let now = Instant::now();
        let due = |waiting: &&Waiting| waiting.not_before.is_none_or(|time| time <= now);
        let first = self.waiting.iter().filter(due).min_by_key(|one| (one.offer.priority, one.place))?;
        let needed = first.offer.memory;
        let fits = self.running.is_empty()
            || (self.running.len() < jobs && self.memory().saturating_add(needed) <= memory);
        let (place, fits) = (first.place, fits);
        let position = self.waiting.iter().position(|waiting| fits && waiting.place == place)?;
        Some(self.waiting.swap_remove(position))
    }
}

impl InProcess {
    /// A queue that does at most `jobs` tasks at a time, and no more than need `memory` bytes together.
    #[must_use]
    pub fn new(jobs: usize, memory: u64) -> Self {
        Self { jobs: jobs.max(1), memory, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Has those who run the queue look whether they should stop.
    pub(crate) fn wake(&self) {
        // Whoever is about to wait has the lock until then.
        drop(self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic happens while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_change<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        match self.changed.wait_timeout(state, at_most) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    /// Does one task and notes how it ended.
    fn work(&self, handler: &dyn Handler, taken: &Waiting) {
        let id = taken.offer.id;
        let result = catch_unwind(AssertUnwindSafe(|| handler.handle(id)));
        let mut state = self.state();
        let attempts = state.running.remove(&id).map_or(1, |(attempts, _)| attempts);
        match result {
            Ok(Ok(Handled::Stored | Handled::Unwanted | Handled::Early)) => state.ended += 1,
            Ok(Err(error)) => self.failed(&mut state, taken, attempts, error),
            Err(panic) => state.panic = Some(panic),
        }
        self.changed.notify_all();
    }

    fn failed(&self, state: &mut State, taken: &Waiting, attempts: u32, error: TaskError) {
        let (offer, place) = (taken.offer, taken.place);
        match error.retry() {
            Retry::Later => {
                let not_before = Some(Instant::now() + RETRY_INTERVAL);
                state.waiting.push(Waiting { offer, place, attempts, not_before });
            }
            // There is no other worker.
            Retry::Elsewhere | Retry::Never => {
                state.given_up.insert(offer.id, GivenUp { id: offer.id, attempts, error: Arc::new(error) });
                state.ended += 1;
            }
        }
    }
}

impl Queue for InProcess {
    fn offer(&self, offers: &[Offer]) -> Result<(), QueueError> {
        let mut state = self.state();
        for &offer in offers {
            if !state.has(offer.id) {
                state.given_up.remove(&offer.id);
                let place = state.offered;
                state.offered += 1;
                state.waiting.push(Waiting { offer, place, attempts: 0, not_before: None });
            }
        }
        self.changed.notify_all();
        Ok(())
    }

    /// A panic of `handler` goes on in the caller, once all tasks that were being done have ended.
    fn run(&self, handler: &dyn Handler, stop: &AtomicBool) -> Result<(), QueueError> {
        let panic = thread::scope(|scope| {
            let mut state = self.state();
            while !stop.load(Ordering::Relaxed) && state.panic.is_none() {
                let Some(taken) = state.next(self.jobs, self.memory) else {
                    state = self.wait_for_change(state, STOP_INTERVAL);
                    continue;
                };
                state.running.insert(taken.offer.id, (taken.attempts + 1, taken.offer.memory));
                // Outside of the prover's pool: a worker of it that waits for a circuit being built could be given another
                // task that waits for it.
                scope.spawn(move || self.work(handler, &taken));
            }
            while !state.running.is_empty() {
                state = self.wait_for_change(state, STOP_INTERVAL);
            }
            state.panic.take()
        });
        panic.map_or(Ok(()), |panic| resume_unwind(panic))
    }

    fn wait(&self, at_most: Duration) -> Result<(), QueueError> {
        let mut state = self.state();
        if state.awaited == state.ended {
            state = self.wait_for_change(state, at_most);
        }
        state.awaited = state.ended;
        Ok(())
    }

    fn given_up(&self, ids: &[TaskId]) -> Result<Vec<GivenUp>, QueueError> {
        let state = self.state();
        Ok(ids.iter().filter_map(|id| state.given_up.get(id).cloned()).collect())
    }
}

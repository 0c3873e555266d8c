//! Queues: who does which task, and when.
//!
//! A queue is disposable. It holds ids and nothing else; what has to be proved, and what is proved, lies in the store. A
//! queue that loses everything costs time and no proof, because coordinators offer again what has no proof yet.

use std::{
    error::Error,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use thiserror::Error;

use crate::{id::TaskId, worker::TaskError};

/// A task that can start: all its children have proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub id: TaskId,
    /// Bytes of memory that it needs.
    pub memory: u64,
    /// The lowest comes first; of equal ones, the one that was offered first.
    pub priority: i16,
}

/// What a handler did with a task that it did not fail to do. Each of them ends the task for the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Its proof is stored, now or since earlier.
    Stored,
    /// Nobody waits for it any more.
    Unwanted,
    /// A child has no valid proof. A coordinator offers the task again once it has.
    Early,
}

/// Does tasks.
pub trait Handler: Sync {
    /// Does the task, on a thread of its own outside of any asynchronous runtime and of the prover's pool. Two calls for one
    /// task, one after the other or at the same time, do no harm.
    ///
    /// # Errors
    /// [`TaskError`]. [`TaskError::retry`] says whether the queue has the task tried again.
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError>;
}

/// A task that the queue does not try again unless it is offered anew.
#[derive(Clone, Debug)]
pub struct GivenUp {
    pub id: TaskId,
    /// How often it was started, including the times when the process that did it ended.
    pub attempts: u32,
    /// Why it failed the last time.
    pub error: Arc<TaskError>,
}

/// Why a queue did not do what it was asked for.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The queue is away for a while: the same call may succeed later.
    #[error("the queue cannot be reached: {source}")]
    Away { source: Box<dyn Error + Send + Sync> },
    /// The queue refuses, and will again.
    #[error("the queue cannot be used: {source}")]
    Refused { source: Box<dyn Error + Send + Sync> },
}

impl QueueError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

/// Hands tasks to handlers. All methods may be called by several processes at once.
pub trait Queue: Send + Sync {
    /// Adds tasks. One that waits or is being done stays as it is, and one that was [given up](Self::given_up) is tried anew,
    /// its attempts counted from 0.
    ///
    /// # Errors
    /// [`QueueError`]; some of the tasks may have been added.
    fn offer(&self, offers: &[Offer]) -> Result<(), QueueError>;

    /// Takes tasks and hands each to `handler`, several at a time as far as memory goes, until `stop` is set; those that are
    /// being done then are done to their end.
    ///
    /// # Errors
    /// [`QueueError`] if it cannot start or go on. A task that fails is not an error.
    fn run(&self, handler: &dyn Handler, stop: &AtomicBool) -> Result<(), QueueError>;

    /// Waits until a task of the queue was done or given up since the last call, or for `at_most`, whichever comes first. It
    /// may return early.
    ///
    /// # Errors
    /// [`QueueError`]
    fn wait(&self, at_most: Duration) -> Result<(), QueueError>;

    /// Those of `ids` that were given up.
    ///
    /// # Errors
    /// [`QueueError`]
    fn given_up(&self, ids: &[TaskId]) -> Result<Vec<GivenUp>, QueueError>;
}

//! The flags that say through which queue and which store several machines share their tasks.

use std::{
    collections::BTreeMap,
    env,
    sync::atomic::{AtomicBool, Ordering},
    thread::sleep,
    time::Duration,
};

use batcher_job::graph::TASK_BYTES;
use batcher_workers::{
    AddressError, Connection, ConnectionError, ObjectStore, PostgresQueue, QueueOptions, memory_of_system,
};
use circuits_tasks::queue::QueueError;
use thiserror::Error;

use crate::{
    exit::{ExitCode, HasExitCode},
    progress,
};

/// The environment variable that has the connection string, for those with a password.
pub(crate) const QUEUE_VARIABLE: &str = "SUPERBLOCK_QUEUE";

/// How long to wait before the database is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Memory for tasks, if the operating system does not say how much there is.
const MEMORY: u64 = 6 << 30;

/// Where tasks are shared.
#[derive(clap::Args, Clone)]
pub(crate) struct SharedArguments {
    /// Share tasks through the queue in this PostgreSQL database.
    ///
    /// Such as postgres://USER@HOST/DATABASE?sslmode=require, as PostgreSQL's own programs take it. Put a connection string with a
    /// password into the environment variable SUPERBLOCK_QUEUE instead: arguments are visible to others.
    #[arg(long, value_name = "CONNECTION")]
    queue: Option<String>,
    /// Keep shared tasks and their proofs in this object store.
    ///
    /// Such as file:///srv/tasks, or s3://BUCKET/FOLDER in a build with S3, whose credentials come from the usual variables. The queue
    /// remembers it, so only the first command that uses a queue needs it.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// Why tasks cannot be shared.
#[derive(Debug, Error)]
pub(crate) enum SharedError {
    #[error("there is no queue: expected --queue CONNECTION or the environment variable {QUEUE_VARIABLE}")]
    NoQueue,
    #[error("--queue has a password, which arguments show to others: use the environment variable {QUEUE_VARIABLE}")]
    Password,
    #[error("the environment variable {QUEUE_VARIABLE} is not UTF-8")]
    NotText,
    #[error("the queue has no store yet: expected --store URL")]
    NoStore,
    #[error("--store: {0}")]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("stopped before the database answered")]
    Stopped,
}

impl HasExitCode for SharedError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoQueue | Self::Password | Self::NotText | Self::NoStore => ExitCode::Usage,
            Self::Address(_) => ExitCode::Rejected,
            Self::Connection(error) => match error {
                ConnectionError::Malformed | ConnectionError::Unencrypted { .. } => ExitCode::Rejected,
                ConnectionError::Pool(_) | ConnectionError::Runtime(_) => ExitCode::Unavailable,
            },
            Self::Queue(_) | Self::Stopped => ExitCode::Unavailable,
        }
    }
}

/// A queue with its store.
pub(crate) struct Shared {
    pub(crate) queue: PostgresQueue,
    pub(crate) store: ObjectStore,
}

impl Shared {
    /// What the batch job needs of it.
    pub(crate) fn for_job(&self) -> batcher_job::prove::Shared<'_> {
        batcher_job::prove::Shared { queue: &self.queue, store: &self.store }
    }
}

impl SharedArguments {
    /// Opens queue and store if a queue is asked for, for a process that also coordinates.
    pub(crate) fn open_if_asked(&self, jobs: usize, stop: &AtomicBool) -> Result<Option<Shared>, SharedError> {
        let is_asked_for = self.queue.is_some() || self.store.is_some() || env::var_os(QUEUE_VARIABLE).is_some();
        is_asked_for.then(|| self.open(jobs, jobs as u64 * TASK_BYTES, false, stop)).transpose()
    }

    /// Opens queue and store, for `jobs` tasks at a time within `memory` bytes. Waits until the database answers, and, if
    /// `waits`, until somebody has named a store.
    pub(crate) fn open(
        &self,
        jobs: usize,
        memory: u64,
        waits: bool,
        stop: &AtomicBool,
    ) -> Result<Shared, SharedError> {
        let connection = self.connection()?;
        let queue = PostgresQueue::new(&connection, QueueOptions::new(jobs, memory))?;
        // A store that cannot be opened is not named to others.
        if let Some(address) = &self.store {
            drop(ObjectStore::open(address, &BTreeMap::new())?);
        }
        let address = loop {
            match queue.migrate().and_then(|()| queue.store_address(self.store.as_deref())) {
                Ok(Some(address)) => break address,
                Ok(None) if !waits => return Err(SharedError::NoStore),
                Ok(None) => {}
                Err(error) if !error.is_passing() => return Err(error.into()),
                Err(_) => {}
            }
            if stop.load(Ordering::Relaxed) {
                return Err(SharedError::Stopped);
            }
            sleep(PAUSE);
        };
        Ok(Shared { queue, store: ObjectStore::open(&address, &BTreeMap::new())? })
    }

    fn connection(&self) -> Result<Connection, SharedError> {
        if let Some(text) = &self.queue {
            let connection = Connection::new(text)?;
            return if connection.has_password() { Err(SharedError::Password) } else { Ok(connection) };
        }
        let text = env::var_os(QUEUE_VARIABLE).ok_or(SharedError::NoQueue)?;
        Ok(Connection::new(&text.into_string().map_err(|_| SharedError::NotText)?)?)
    }
}

/// How much a process does at a time.
#[derive(clap::Args, Clone)]
pub(crate) struct CapacityArguments {
    /// Do this many tasks at a time.
    ///
    /// Without this flag, as many as memory and cores allow; one task keeps about four cores busy.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Use at most this much memory for tasks.
    ///
    /// Tasks that need more are left to others. Without this flag, what the operating system gives, control groups included.
    #[arg(long, value_name = "BYTES")]
    memory: Option<u64>,
}

impl CapacityArguments {
    /// Tasks at a time, and bytes of memory.
    pub(crate) fn amount(&self) -> (usize, u64) {
        let memory = self.memory.or_else(memory_of_system).unwrap_or(MEMORY);
        (progress::jobs_within(self.jobs, memory), memory)
    }
}

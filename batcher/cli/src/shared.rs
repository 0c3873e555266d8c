//! Through which queue and which store several machines share their tasks, and how much of them a process does.

use std::{
    collections::BTreeMap,
    env,
    sync::atomic::Ordering,
    thread::sleep,
    time::{Duration, Instant},
};

use batcher_circuits::engine::Engine;
use batcher_hop::HopCircuits;
use batcher_workers::{
    AddressError, Connection, ConnectionError, ObjectStore, PostgresQueue, QueueOptions, memory_of_system,
};
use circuits_tasks::{
    queue::{Handler, QueueError},
    shared,
    worker::Worker,
};
use thiserror::Error;

use crate::{
    answer::Failure,
    catalogue::everything,
    exit::{ExitCode, HasExitCode},
    options::Options,
    progress::{self, STOP},
};

/// The environment variable that has the connection string, for those with a password.
pub(crate) const QUEUE_VARIABLE: &str = "SUPERBLOCK_QUEUE";

/// How long to wait before the database is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Memory for tasks, if the operating system does not say how much there is.
const MEMORY: u64 = 6 << 30;

/// How often a worker says that it is alive before it would count as dead.
const HEARTBEATS: u32 = 6;

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
    /// Give the tasks of a worker that is silent for so many seconds to others.
    ///
    /// A worker says six times in this time that it is alive. All that share a queue should have the same number.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(3..=86_400))]
    dead_after: u64,
}

/// Where tasks are shared, for a command that has superblocks made.
#[derive(clap::Args, Clone)]
pub(crate) struct CoordinatorArguments {
    #[command(flatten)]
    pub(crate) shared: SharedArguments,
    /// Plan superblocks anew for which the store has a plan.
    ///
    /// Without this flag, everybody who shares a store makes the superblock that was planned first. Use it if that plan cannot be
    /// carried out, and nobody else is at it.
    #[arg(long)]
    pub(crate) replan: bool,
}

/// Why tasks cannot be shared.
#[derive(Debug, Error)]
pub(crate) enum SharedError {
    #[error("there is no queue: expected --queue CONNECTION or the environment variable {QUEUE_VARIABLE}")]
    NoQueue,
    #[error(
        "--queue has a password, which arguments show to others: use the environment variable {QUEUE_VARIABLE}"
    )]
    Password,
    #[error("the environment variable {QUEUE_VARIABLE} is not UTF-8")]
    NotText,
    #[error("the queue has no store yet: expected --store URL")]
    NoStore,
    #[error(
        "--jobs 0 leaves every proof to workers, and there is no queue that has some: expected --queue CONNECTION"
    )]
    NoWorkers,
    #[error("--store: {0}")]
    Address(#[source] AddressError),
    #[error("the queue's store: {0}")]
    StoredAddress(#[source] AddressError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("there was no queue for {} seconds: {reason}", .patience.as_secs())]
    Patience { patience: Duration, reason: String },
    #[error("stopped before the queue had a store")]
    Stopped,
}

impl HasExitCode for SharedError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoQueue | Self::Password | Self::NotText | Self::NoStore | Self::NoWorkers => {
                ExitCode::Usage
            }
            Self::Address(error) | Self::StoredAddress(error) => error.exit_code(),
            Self::Connection(error) => match error {
                ConnectionError::Malformed | ConnectionError::Unencrypted { .. } => ExitCode::Rejected,
                ConnectionError::Pool(_) | ConnectionError::Runtime(_) => ExitCode::Unavailable,
            },
            Self::Queue(error) => error.exit_code(),
            Self::Patience { .. } | Self::Stopped => ExitCode::Unavailable,
        }
    }
}

/// A queue with its store.
pub(crate) struct Shared {
    pub(crate) queue: PostgresQueue,
    pub(crate) store: ObjectStore,
}

/// Whether a process waits until somebody has named the queue's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Awaited,
    Needed,
}

impl SharedArguments {
    fn is_given(&self) -> bool {
        self.queue.is_some() || self.store.is_some() || env::var_os(QUEUE_VARIABLE).is_some()
    }

    /// Opens queue and store, for `jobs` tasks at a time within `memory` bytes. Waits until the database answers, but no longer than
    /// for `patience`.
    pub(crate) fn open(
        &self,
        (jobs, memory): (usize, u64),
        store: Store,
        patience: Option<Duration>,
        options: Options,
    ) -> Result<Shared, SharedError> {
        let connection = self.connection()?;
        let dead_after = Duration::from_secs(self.dead_after);
        let times = QueueOptions {
            dead_after,
            heartbeat: dead_after / HEARTBEATS,
            ..QueueOptions::new(jobs, memory)
        };
        let queue = PostgresQueue::new(&connection, times)?;
        // A store that cannot be opened is not named to others.
        if let Some(address) = &self.store {
            drop(ObjectStore::open(address, &BTreeMap::new()).map_err(SharedError::Address)?);
        }
        let (begun, mut waits_for) = (Instant::now(), None);
        let address = loop {
            let reason = match queue.migrate().and_then(|()| queue.store_address(self.store.as_deref())) {
                Ok(Some(address)) => break address,
                Ok(None) if store == Store::Needed => return Err(SharedError::NoStore),
                Ok(None) => "nobody has named the queue's store yet".to_owned(),
                Err(error) if error.is_passing() => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            if STOP.load(Ordering::Relaxed) {
                return Err(SharedError::Stopped);
            }
            if let Some(patience) = patience.filter(|patience| begun.elapsed() >= *patience) {
                return Err(SharedError::Patience { patience, reason });
            }
            if !options.quiet && waits_for.as_ref() != Some(&reason) {
                progress::note(&format!("{reason}; waiting"));
                waits_for = Some(reason);
            }
            sleep(PAUSE);
        };
        let store = ObjectStore::open(&address, &BTreeMap::new()).map_err(SharedError::StoredAddress)?;
        Ok(Shared { queue, store })
    }

    fn connection(&self) -> Result<Connection, SharedError> {
        if let Some(text) = &self.queue {
            let connection = Connection::new(text)?;
            return if connection.has_password() { Err(SharedError::Password) } else { Ok(connection) };
        }
        let text = env::var_os(QUEUE_VARIABLE).ok_or(SharedError::NoQueue)?;
        Ok(Connection::new(&text.into_string().map_err(|_| SharedError::NotText)?)?)
    }

    /// Calls `work` with the number of proofs that this process makes at a time, of which the user `asked` for so many, and with queue
    /// and store, if tasks are to be shared.
    pub(crate) fn with_shared<T>(
        &self,
        asked: Option<usize>,
        engine: &Engine,
        options: Options,
        work: impl FnOnce(usize, Option<shared::Shared<'_>>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (jobs, works) = (progress::jobs(asked), asked != Some(0));
        if !self.is_given() {
            return if works { work(jobs, None) } else { Err(SharedError::NoWorkers.into()) };
        }
        // Where nobody else takes a task, however large it is, this process has to; how many it does at a time, `jobs` says.
        let shared = self.open((jobs, memory_for_tasks()), Store::Needed, None, options)?;
        let hops = HopCircuits::new(engine.pinned(), engine.cache());
        let catalogue = everything(engine, &hops)?;
        let worker = Worker::new(&catalogue, &shared.store, &());
        let shared = shared::Shared {
            queue: &shared.queue,
            store: &shared.store,
            worker: works.then_some(&worker as &dyn Handler),
        };
        work(jobs, Some(shared))
    }

    /// Calls `work` with queue and store, if tasks are to be left to workers. They have to be there within `patience`.
    pub(crate) fn left_to_workers<T>(
        &self,
        patience: Option<Duration>,
        options: Options,
        work: impl FnOnce(Option<shared::Shared<'_>>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if !self.is_given() {
            return work(None);
        }
        let Shared { queue, store } = self.open((1, 0), Store::Needed, patience, options)?;
        work(Some(shared::Shared { queue: &queue, store: &store, worker: None }))
    }
}

/// Bytes of memory for tasks, unless the user says otherwise.
fn memory_for_tasks() -> u64 {
    memory_of_system().unwrap_or(MEMORY)
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
        let memory = self.memory.unwrap_or_else(memory_for_tasks);
        (progress::jobs_within(self.jobs, memory), memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_away_is_waited_for_as_long_as_patience_lasts() {
        let directory = tempfile::tempdir().expect("a directory");
        let away = format!("host={} user=superblock dbname=postgres", directory.path().display());
        let arguments = SharedArguments { queue: Some(away), store: None, dead_after: 60 };
        let (options, patience) =
            (Options { json: true, quiet: true, strict: false }, Duration::from_millis(1));
        let error = arguments.open((1, 0), Store::Needed, Some(patience), options).err().expect("it is away");
        assert!(matches!(error, SharedError::Patience { .. }), "{error}");
    }
}

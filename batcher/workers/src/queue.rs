//! The queue in PostgreSQL.

use std::{
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use circuits_objects::Blocking;
use circuits_tasks::{
    id::TaskId,
    queue::{GivenUp, Handler, Offer, Queue, QueueError},
    worker::TaskError,
};
use futures_util::StreamExt as _;
use graphile_worker::{Database, Schema, WorkerUtils, tokio_postgres::TokioPostgresDatabase};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_postgres::types::ToSql;

use crate::{
    connection::{Connection, ConnectionError, queue_error},
    memory,
};

/// What the queue's jobs are called in the database.
pub(crate) const JOB: &str = "prove";

/// What the database says of a job whose worker ended as often as the job may be begun.
pub(crate) const CRASHED: &str = "WorkerCrashed";

/// Connections beside one for each job: for heartbeats, the sweep, and coordinators.
const SPARE_CONNECTIONS: usize = 4;

/// How long to wait before trying again to listen for ends of jobs.
const LISTEN_INTERVAL: Duration = Duration::from_secs(1);

/// The number of the lock of whoever makes the table of the store: the bytes of "sb-store".
const MAKES_STORE: i64 = i64::from_be_bytes(*b"sb-store");

/// The longest time for an answer of the database: one that takes connections and does not answer is away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What the database answers, if it does.
async fn answered<T>(answer: impl Future<Output = Result<T, QueueError>>) -> Result<T, QueueError> {
    let late = || format!("no answer for {} seconds", ANSWER_TIMEOUT.as_secs());
    timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_else(|_| Err(QueueError::Away { source: late().into() }))
}

/// How a queue treats its jobs. All of its workers should have the same times.
#[derive(Clone, Debug)]
pub struct QueueOptions {
    /// The schema of the queue's tables, which are made if they are missing.
    pub schema: String,
    /// The most tasks that this process does at a time. At least 1.
    pub jobs: usize,
    /// Bytes of memory for the tasks of this process.
    pub memory: u64,
    /// How often a task is begun before it is given up, crashes of its worker included. At least 1.
    pub attempts: u16,
    /// How often a worker says that it is alive.
    pub heartbeat: Duration,
    /// How long a worker may be silent before its tasks go to others. Several times the heartbeat.
    pub dead_after: Duration,
}

impl QueueOptions {
    /// The usual options for a process that does `jobs` tasks at a time within `memory` bytes.
    #[must_use]
    pub fn new(jobs: usize, memory: u64) -> Self {
        Self {
            schema: "superblock".to_owned(),
            jobs: jobs.max(1),
            memory,
            // A worker that the operating system kills has often had a greedy neighbour. Five times are no coincidence.
            attempts: 5,
            heartbeat: Duration::from_secs(10),
            dead_after: Duration::from_secs(60),
        }
    }
}

/// Tasks that wait, are being done, or were given up, in tables of crate `graphile_worker`.
///
/// A job is the id of a task and the memory that it needs, and each task has one job at most. Losing it does no harm: whoever
/// coordinates offers again what has no proof.
pub struct PostgresQueue {
    pub(crate) options: QueueOptions,
    pub(crate) schema: Schema,
    pub(crate) database: Database,
    pub(crate) blocking: Blocking,
    /// Told when a job ended, on any machine.
    ended: Arc<Notify>,
    listening: OnceLock<()>,
}

impl fmt::Debug for PostgresQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueue").field("options", &self.options).finish_non_exhaustive()
    }
}

impl PostgresQueue {
    /// A queue whose database need not answer yet.
    ///
    /// # Errors
    /// [`ConnectionError::Pool`] or [`ConnectionError::Runtime`].
    pub fn new(connection: &Connection, options: QueueOptions) -> Result<Self, ConnectionError> {
        let (blocking, database) = connection.prepare(options.jobs + SPARE_CONNECTIONS)?;
        Ok(Self {
            schema: Schema::new(&options.schema),
            database: database.into(),
            options,
            blocking,
            ended: Arc::new(Notify::new()),
            listening: OnceLock::new(),
        })
    }

    /// Makes the tables that are missing. Every queue does so before it is used for the first time.
    ///
    /// # Errors
    /// [`QueueError`]
    pub fn migrate(&self) -> Result<(), QueueError> {
        self.blocking.wait(self.migrate_now())
    }

    /// The address of the store that belongs to this queue, so that a worker needs to know the database only. The first
    /// caller that has one `asked` for sets it.
    ///
    /// # Errors
    /// [`QueueError::Refused`] if another one is set than the one that is asked for, or what the database reports.
    pub fn store_address(&self, asked: Option<&str>) -> Result<Option<String>, QueueError> {
        let table = self.schema.identifier("store");
        // One row at most. Of several that make a table that is missing at the same time, all but one would fail.
        let make = format!(
            "do $$ begin perform pg_advisory_xact_lock({MAKES_STORE}); create table if not exists {table} \
             (is_one bool primary key default true check (is_one), address text not null); end $$"
        );
        self.query(&make, &[])?;
        if let Some(asked) = asked {
            let set = format!("insert into {table} (address) values ($1) on conflict do nothing");
            self.query(&set, &[&asked])?;
        }
        let rows = self.query(&format!("select address from {table}"), &[])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let set: String = row.try_get(0).map_err(queue_error)?;
        match asked {
            Some(asked) if asked != set => Err(QueueError::Refused {
                source: format!("the store of this queue is {set}, and {asked} is asked for").into(),
            }),
            _ => Ok(Some(set)),
        }
    }

    /// Removes the tasks that wait or were given up, as whoever coordinates does when it needs them no more. Those that are
    /// being done are done to the end.
    ///
    /// # Errors
    /// [`QueueError`]
    pub fn withdraw(&self, ids: &[TaskId]) -> Result<(), QueueError> {
        let sql = format!(
            "delete from {} where key = any($1) and locked_at is null",
            self.schema.private_table("jobs")
        );
        self.query(&sql, &[&texts(ids)]).map(drop)
    }

    pub(crate) async fn migrate_now(&self) -> Result<(), QueueError> {
        let pool = self.pool()?.pool();
        answered(async {
            // A connection of its own first: its error says whether the server is away or refuses.
            drop(pool.get().await.map_err(queue_error)?);
            let utils = WorkerUtils::new(self.database.clone(), self.schema.clone());
            utils.migrate().await.map_err(queue_error)
        })
        .await
    }

    /// The channel on which the end of a job is told.
    pub(crate) fn channel(&self) -> String {
        format!("{}:ended", self.options.schema)
    }

    fn pool(&self) -> Result<&TokioPostgresDatabase, QueueError> {
        let other = || QueueError::Refused { source: "the database has another driver".into() };
        self.database.downcast_ref().ok_or_else(other)
    }

    fn query(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, QueueError> {
        let pool = self.pool()?.pool();
        self.blocking.wait(answered(async {
            let client = pool.get().await.map_err(queue_error)?;
            client.query(sql, values).await.map_err(queue_error)
        }))
    }

    /// Starts to listen for ends of jobs, once.
    fn listen(&self) {
        self.listening.get_or_init(|| {
            let (database, channel, ended) =
                (self.database.clone(), self.channel(), Arc::downgrade(&self.ended));
            self.blocking.spawn(async move {
                while ended.strong_count() > 0 {
                    let Ok(Some(mut notifications)) = database.listen(&channel).await else {
                        sleep(LISTEN_INTERVAL).await;
                        continue;
                    };
                    // The stream connects again by itself after the database was away.
                    while notifications.next().await.is_some() {
                        let Some(ended) = ended.upgrade() else { return };
                        ended.notify_one();
                    }
                }
            });
        });
    }
}

impl Queue for PostgresQueue {
    fn offer(&self, offers: &[Offer]) -> Result<(), QueueError> {
        let mut offers = offers.to_vec();
        // Two coordinators that lock the same rows in different orders would wait for each other.
        offers.sort_by_key(|offer| offer.id);
        offers.dedup_by_key(|offer| offer.id);
        let ids: Vec<_> = offers.iter().map(|offer| offer.id.to_string()).collect();
        let priorities: Vec<_> = offers.iter().map(|offer| i32::from(offer.priority)).collect();
        let memory: Vec<_> =
            offers.iter().map(|offer| i64::try_from(offer.memory).unwrap_or(i64::MAX)).collect();
        // An array of arrays would need rows of one length.
        let flags: Vec<_> =
            offers.iter().map(|offer| memory::flags(offer.memory).collect::<Vec<_>>().join(",")).collect();
        let forget = format!(
            "delete from {} where key = any($1) and locked_at is null and attempts >= max_attempts",
            self.schema.private_table("jobs"),
        );
        self.query(&forget, &[&ids])?;
        // In this mode a job that is there stays as it is, also while it is being done.
        let add = format!(
            "select {}('{JOB}', json_build_object('task', task, 'memory', memory), job_key => task, priority => priority, \
             flags => string_to_array(flags, ','), max_attempts => $5, job_key_mode => 'unsafe_dedupe') \
             from unnest($1::text[], $2::int[], $3::bigint[], $4::text[]) as offers(task, priority, memory, flags)",
            self.schema.function("add_job"),
        );
        let attempts = i32::from(self.options.attempts.max(1));
        self.query(&add, &[&ids, &priorities, &memory, &flags, &attempts]).map(drop)
    }

    fn run(&self, handler: &dyn Handler, stop: &AtomicBool) -> Result<(), QueueError> {
        crate::serve::run(self, handler, stop)
    }

    fn wait(&self, at_most: Duration) -> Result<(), QueueError> {
        self.listen();
        // An end that nobody told, because its worker ended first, is noticed after `at_most`.
        self.blocking.wait(async { timeout(at_most, self.ended.notified()).await.ok() });
        Ok(())
    }

    fn given_up(&self, ids: &[TaskId]) -> Result<Vec<GivenUp>, QueueError> {
        let sql = format!(
            "select key, attempts::int, last_error from {} \
             where key = any($1) and attempts >= max_attempts and locked_at is null order by id",
            self.schema.private_table("jobs"),
        );
        let mut given_up = vec![];
        for row in self.query(&sql, &[&texts(ids)])? {
            let key: String = row.try_get(0).map_err(queue_error)?;
            let attempts: i32 = row.try_get(1).map_err(queue_error)?;
            let reason: Option<String> = row.try_get(2).map_err(queue_error)?;
            let attempts = attempts.unsigned_abs();
            let message = match reason.as_deref() {
                Some(CRASHED) => format!("the process that did it ended {attempts} times before it was done"),
                Some(reason) => readable(reason),
                None => "nobody said why".to_owned(),
            };
            let id = key.parse().map_err(|source| QueueError::Refused { source: Box::new(source) })?;
            given_up.push(GivenUp { id, attempts, error: Arc::new(TaskError::Elsewhere { message }) });
        }
        Ok(given_up)
    }
}

/// The message in what `graphile_worker` writes of a task's error, `TaskError("message")`.
fn readable(reason: &str) -> String {
    let message = reason.strip_prefix("TaskError(\"").and_then(|rest| rest.strip_suffix("\")"));
    message.map_or_else(|| reason.to_owned(), |message| message.replace("\\\"", "\"").replace("\\\\", "\\"))
}

fn texts(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(TaskId::to_string).collect()
}

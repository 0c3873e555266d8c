//! The loop of a worker: takes jobs from PostgreSQL, has them done on threads of their own, and goes on after the database
//! was away.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use circuits_tasks::{
    id::TaskId,
    queue::{Handled, Handler, QueueError},
    worker::{Retry, TaskError},
};
use graphile_worker::{
    Database, DbExecutor as _, DbValue, FailureReason, IntoTaskHandlerResult, JobComplete,
    JobPermanentlyFail, JobRecovery, JobRecoveryResult, TaskHandler, Worker, WorkerContext, WorkerOptions,
    WorkerRecoveryConfig,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    connection::queue_error,
    memory::{Memory, forbidden_flag},
    queue::{JOB, PostgresQueue},
};

/// The first pause before the database is asked again after it was away, which doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often a worker looks whether it should stop.
const STOP_INTERVAL: Duration = Duration::from_millis(20);

/// How often a worker asks for jobs, although the database tells it when there are some.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long a task may take that was begun before the worker was stopped, or lost the database. Proofs cannot be
/// interrupted, and what is made is worth keeping; the longest one takes minutes.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes back that an attempt was counted, since it was not the task's fault that it failed.
const NOT_COUNTED: &str = "attempts = greatest(attempts - 1, 0)";

/// A job's payload.
#[derive(Serialize, Deserialize)]
struct Prove {
    /// A [`TaskId`].
    task: String,
    /// Bytes.
    memory: u64,
}

/// A job on its way to a thread that does it.
struct Request {
    task: TaskId,
    memory: u64,
    /// `None` if it was not begun, because the worker ends.
    reply: oneshot::Sender<Option<Result<Handled, TaskError>>>,
}

/// Where jobs go.
#[derive(Clone, Debug)]
struct Dispatch(mpsc::Sender<Request>);

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("task", &self.task).finish_non_exhaustive()
    }
}

/// An error's message, which the database keeps. `graphile_worker` prints it with `Debug`.
struct Message(String);

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TaskHandler for Prove {
    const IDENTIFIER: &'static str = JOB;

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let task: TaskId = match self.task.parse() {
            Ok(task) => task,
            Err(error) => return give_up(&context, format!("{error}")).await,
        };
        let Some(Dispatch(threads)) = context.get_ext() else {
            return Err(Message("the worker has no threads".to_owned()));
        };
        let (reply, answer) = oneshot::channel();
        let away = || Message("the worker ends".to_owned());
        threads.send(Request { task, memory: self.memory, reply }).map_err(|_| away())?;
        match answer.await.map_err(|_| away())? {
            None => {
                count(&context, NOT_COUNTED).await?;
                Err(away())
            }
            Some(result) => release(&context, result).await,
        }
    }
}

/// Ends the job, or leaves it to another attempt.
async fn release(context: &WorkerContext, result: Result<Handled, TaskError>) -> Result<(), Message> {
    match result {
        Ok(Handled::Stored | Handled::Unwanted | Handled::Early) => keep_if_lost(context).await,
        Err(error) => match error.retry() {
            Retry::Later => {
                count(context, NOT_COUNTED).await?;
                Err(Message(error.to_string()))
            }
            // It may have been the task's fault, so it counts as a crash does.
            Retry::Elsewhere => Err(Message(error.to_string())),
            Retry::Never => give_up(context, error.to_string()).await,
        },
    }
}

/// Ends the job as one that is not tried again.
async fn give_up(context: &WorkerContext, message: String) -> Result<(), Message> {
    count(context, "max_attempts = attempts").await?;
    Err(Message(message))
}

/// Changes how the job's attempts count, if it is still this worker's.
async fn count(context: &WorkerContext, change: &str) -> Result<(), Message> {
    let jobs = context.schema().private_table("jobs");
    let sql = format!("update {jobs} set {change} where id = $1::bigint and locked_by = $2::text");
    let changed = context.database().execute(&sql, of_job(context).into()).await;
    changed.map(drop).map_err(|error| Message(error.to_string()))
}

/// Fails if the job is not this worker's any more. `graphile_worker` deletes a completed job whoever has it, and marks one as
/// failed only if it is the worker's own.
async fn keep_if_lost(context: &WorkerContext) -> Result<(), Message> {
    let jobs = context.schema().private_table("jobs");
    let sql = format!("select id from {jobs} where id = $1::bigint and locked_by = $2::text");
    match context.database().fetch_optional(&sql, of_job(context).into()).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Message("another worker has the job by now".to_owned())),
        Err(error) => Err(Message(error.to_string())),
    }
}

fn of_job(context: &WorkerContext) -> Vec<DbValue> {
    vec![DbValue::I64(*context.job().id()), DbValue::Text(context.worker_id().to_owned())]
}

/// Takes jobs until `stop` is set.
pub(crate) fn run(queue: &PostgresQueue, handler: &dyn Handler, stop: &AtomicBool) -> Result<(), QueueError> {
    let memory = Memory::new(queue.options.memory);
    let (sender, receiver) = mpsc::channel();
    let receiver = Mutex::new(receiver);
    thread::scope(|scope| {
        for _ in 0..queue.options.jobs {
            scope.spawn(|| do_requests(&receiver, &memory, handler, stop));
        }
        // The threads end when nobody has the sender any more.
        queue.blocking.wait(serve(queue, sender, stop))
    })
}

/// Does what is asked for on this thread, until nobody can ask any more.
fn do_requests(
    requests: &Mutex<mpsc::Receiver<Request>>,
    memory: &Memory,
    handler: &dyn Handler,
    stop: &AtomicBool,
) {
    loop {
        let request = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Request { task, memory: bytes, reply }) = request else { return };
        let panicked = |_| Err(TaskError::Elsewhere { message: format!("task {task}: the prover panicked") });
        let result = memory.with(bytes, || {
            let is_begun = !stop.load(Ordering::Relaxed);
            is_begun.then(|| catch_unwind(AssertUnwindSafe(|| handler.handle(task))).unwrap_or_else(panicked))
        });
        // Nobody waits for the answer if the worker was dropped: the proof is stored all the same.
        let _ = reply.send(result);
    }
}

/// Runs one worker after another, each until it is stopped or loses the database.
async fn serve(
    queue: &PostgresQueue,
    sender: mpsc::Sender<Request>,
    stop: &AtomicBool,
) -> Result<(), QueueError> {
    let mut pause = FIRST_PAUSE;
    // The name of the worker before, which may have lost the database while it had jobs.
    let mut before: Option<String> = None;
    while !stop.load(Ordering::Relaxed) {
        match serve_once(queue, &sender, stop, &mut before).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(QueueError::Away { .. }) => {
                let until = tokio::time::Instant::now() + pause;
                while tokio::time::Instant::now() < until && !stop.load(Ordering::Relaxed) {
                    sleep(STOP_INTERVAL).await;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Runs a worker until it is stopped or loses the database. `before` is replaced once its jobs are free again.
async fn serve_once(
    queue: &PostgresQueue,
    sender: &mpsc::Sender<Request>,
    stop: &AtomicBool,
    before: &mut Option<String>,
) -> Result<(), QueueError> {
    queue.migrate_now().await?;
    let worker = options(queue, sender).init().await.map_err(queue_error)?;
    if let Some(ended) = before.as_deref() {
        // It does nothing any more, so nobody needs to wait until it counts as dead.
        worker.create_utils().force_unlock_workers(&[ended]).await.map_err(queue_error)?;
    }
    *before = Some(worker.worker_id().clone());
    let result = until_stopped(&worker, stop).await;
    if result.is_ok() {
        *before = None;
    }
    result
}

async fn until_stopped(worker: &Worker, stop: &AtomicBool) -> Result<(), QueueError> {
    let mut run = pin!(worker.run());
    loop {
        tokio::select! {
            result = &mut run => return result.map_err(queue_error),
            () = sleep(STOP_INTERVAL) => {
                if stop.load(Ordering::Relaxed) {
                    worker.request_shutdown();
                }
            }
        }
    }
}

fn options(queue: &PostgresQueue, sender: &mpsc::Sender<Request>) -> WorkerOptions {
    let options = &queue.options;
    let recovery = WorkerRecoveryConfig::default()
        .heartbeat_interval(options.heartbeat)
        .sweep_interval(options.dead_after / 2)
        .sweep_threshold(options.dead_after)
        .recovery_delay(Duration::ZERO);
    let (ended, given_up) = (tell(queue), tell(queue));
    WorkerOptions::default()
        .database(queue.database.clone())
        .schema(queue.schema.clone())
        .concurrency(options.jobs)
        .poll_interval(POLL_INTERVAL)
        .listen_os_shutdown_signals(false)
        .shutdown_grace_period(GRACE)
        .worker_recovery(recovery)
        .add_forbidden_flag(&forbidden_flag(options.memory))
        .add_extension(Dispatch(sender.clone()))
        .define_job::<Prove>()
        // Without this hook a job gets its attempt back when its worker dies, so that one which needs more memory than there is
        // would kill workers for ever.
        .on(JobRecovery, |recovery| async move {
            match recovery.reason {
                FailureReason::WorkerCrashed => JobRecoveryResult::FailWithBackoff,
                _ => JobRecoveryResult::Default,
            }
        })
        .on(JobComplete, move |_| ended())
        .on(JobPermanentlyFail, move |_| given_up())
}

/// Tells those who wait that a job has ended.
fn tell(
    queue: &PostgresQueue,
) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Clone + Send + Sync + 'static {
    let (database, channel): (Database, String) = (queue.database.clone(), queue.channel());
    move || {
        let (database, channel) = (database.clone(), channel.clone());
        Box::pin(async move {
            // Whoever waits looks by itself after a while, so an error is ignored.
            let _ = database.execute("select pg_notify($1, '')", vec![DbValue::Text(channel)].into()).await;
        })
    }
}

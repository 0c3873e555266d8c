//! What the queue in PostgreSQL costs, with tasks that take no time.

use std::{
    fmt,
    panic::resume_unwind,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use circuits_tasks::{
    graph::{Graph, MAX_CHILDREN, Place, Task},
    id::{KeyBytes, TaskId},
    in_process::InProcess,
    provable::{Catalogue, Provable, ProvableError, Request},
    queue::{Handled, Handler, Offer, Queue as _},
    worker::{TaskError, Worker},
};
use serde::Serialize;

use super::{
    coordinate,
    processes::{open_store, queue},
    simulation::Pace,
};
use crate::error::BenchError;

/// Tasks that are offered at once, to be withdrawn.
const OFFERS: u32 = 2_000;
/// Tasks that are done, each offered when another one has ended.
const TASKS: u32 = 1_000;
/// Connections that take and offer tasks, as of so many processes, and how many tasks each does at a time.
const TAKERS: u32 = 2;
const JOBS: u32 = 8;
/// How long to wait for a task that was offered.
const PATIENCE: Duration = Duration::from_secs(60);
/// Tasks of the chain, each of which waits for the one before.
const CHAIN: u32 = 32;
/// Leaves of the wide graph.
const LEAVES: usize = 8 * MAX_CHILDREN;

/// What the queue in PostgreSQL carries.
#[derive(Clone, Debug, Serialize)]
pub struct Rates {
    /// Tasks that one coordinator offers in a second, in one statement.
    pub offered_per_second: f64,
    /// Tasks that are offered one by one, taken, done and ended in a second. It takes an offer for a worker to look: of many tasks
    /// that were offered at once, each of its slots takes one in a second.
    pub done_per_second: f64,
    /// Tasks of a wide graph that are done in a second, with a coordinator and a store in a folder.
    pub coordinated_per_second: f64,
    /// Milliseconds from the end of a task to the end of the one that waits for it, if that one takes no time.
    pub step_milliseconds: f64,
}

impl Rates {
    /// The pace of a simulation with this queue.
    pub(super) fn pace(&self) -> Pace {
        let [latency, interval] =
            [self.step_milliseconds / 1000.0, 1.0 / self.coordinated_per_second].map(Duration::from_secs_f64);
        Pace { latency, interval }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL: {:.0} tasks offered per second, {:.0} done, {:.0} done with coordinator and store; \
             {:.0} ms from one task to the next",
            self.offered_per_second,
            self.done_per_second,
            self.coordinated_per_second,
            self.step_milliseconds
        )
    }
}

/// Measures the queue at `connection`; `store` is the address of an empty store.
pub(super) fn measure(connection: &str, store: &str) -> Result<Rates, BenchError> {
    let (offering, doing) = (offering(connection)?, flow(connection)?);
    let chain_seconds = graph(&chain()?, connection, store, 1)?;
    let wide = wide()?;
    let wide_seconds = graph(&wide, connection, store, JOBS)?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred tasks")]
    let coordinated_per_second = wide.len() as f64 / wide_seconds;
    Ok(Rates {
        offered_per_second: f64::from(OFFERS) / offering,
        done_per_second: f64::from(TASKS) / doing,
        coordinated_per_second,
        step_milliseconds: 1000.0 * chain_seconds / f64::from(CHAIN),
    })
}

/// Tasks that each wait for the one before.
fn chain() -> Result<Graph, BenchError> {
    let mut tasks: Vec<Task> = vec![];
    for number in 0..CHAIN {
        let below = tasks.last().map(Task::id).into_iter().collect();
        tasks.push(Nothing::task("step", &number.to_le_bytes(), below));
    }
    Graph::new(tasks).map_err(BenchError::workers)
}

/// A root over tasks over [`LEAVES`] leaves, as wide as graphs are.
fn wide() -> Result<Graph, BenchError> {
    let mut tasks: Vec<_> =
        (0..LEAVES).map(|leaf| Nothing::task("leaf", &leaf.to_le_bytes(), vec![])).collect();
    let leaves: Vec<_> = tasks.iter().map(Task::id).collect();
    let middle: Vec<_> =
        leaves.chunks(MAX_CHILDREN).map(|below| Nothing::task("middle", b"middle", below.to_vec())).collect();
    let below = middle.iter().map(Task::id).collect();
    tasks.extend(middle);
    tasks.push(Nothing::task("root", b"root", below));
    Graph::new(tasks).map_err(BenchError::workers)
}

/// A provable without proofs: its tasks take no time.
struct Nothing;

impl Nothing {
    const NAME: &'static str = "nothing";
    const KEY: KeyBytes = [0; 32];

    fn task(label: &str, statement: &[u8], children: Vec<TaskId>) -> Task {
        Task {
            label: label.to_owned(),
            provable: Self::NAME.to_owned(),
            key: Self::KEY,
            statement: statement.to_vec(),
            children,
            memory: 0,
            place: Place::Anywhere,
        }
    }
}

impl Provable for Nothing {
    type Secret = ();

    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(Self::KEY)
    }

    fn verify(&self, _: &Task, _: &[u8]) -> Result<(), ProvableError> {
        Ok(())
    }

    fn prove(&self, _: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        Ok(vec![])
    }
}

fn task(number: u32) -> Offer {
    Offer { id: TaskId::new(&[0; 32], &number.to_le_bytes(), &[]), memory: 0, priority: 0 }
}

/// Tells that a task was done.
struct Teller(mpsc::Sender<()>);

impl Handler for Teller {
    fn handle(&self, _: TaskId) -> Result<Handled, TaskError> {
        // Nobody listens once enough were done.
        let _ = self.0.send(());
        Ok(Handled::Stored)
    }
}

/// Seconds to offer [`OFFERS`] tasks at once.
fn offering(connection: &str) -> Result<f64, BenchError> {
    let queue = queue(connection, JOBS)?;
    let offers: Vec<_> = (0..OFFERS).map(task).collect();
    let started = Instant::now();
    queue.offer(&offers).map_err(BenchError::workers)?;
    let seconds = started.elapsed().as_secs_f64();
    let ids: Vec<_> = offers.iter().map(|offer| offer.id).collect();
    queue.withdraw(&ids).map_err(BenchError::workers)?;
    Ok(seconds)
}

/// Seconds to do [`TASKS`] tasks: as many wait or are being done at any time as can be done, and one more is offered whenever
/// one was done.
fn flow(connection: &str) -> Result<f64, BenchError> {
    let queues: Vec<_> = (0..TAKERS).map(|_| queue(connection, JOBS)).collect::<Result<_, _>>()?;
    let (stop, (done, ends)) = (AtomicBool::new(false), mpsc::channel());
    let teller = Teller(done);
    thread::scope(|scope| {
        let takers: Vec<_> = queues.iter().map(|queue| scope.spawn(|| queue.run(&teller, &stop))).collect();
        let started = Instant::now();
        let mut offered = 0;
        let mut offer = |count: u32| {
            let offers: Vec<_> = (offered..TASKS.min(offered + count)).map(task).collect();
            offered += count;
            if offers.is_empty() { Ok(()) } else { queues[0].offer(&offers).map_err(BenchError::workers) }
        };
        let all = TAKERS * JOBS;
        let fed = offer(all).and_then(|()| {
            (0..TASKS).try_for_each(|_| {
                ends.recv_timeout(PATIENCE).map_err(BenchError::workers)?;
                offer(1)
            })
        });
        let seconds = started.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        for taker in takers {
            match taker.join() {
                Ok(ended) => ended.map_err(BenchError::workers)?,
                Err(panic) => resume_unwind(panic),
            }
        }
        fed.map(|()| seconds)
    })
}

/// Seconds that a worker beside a coordinator takes for a graph of toys.
fn graph(graph: &Graph, connection: &str, store: &str, jobs: u32) -> Result<f64, BenchError> {
    let (coordinator_queue, worker_queue) = (queue(connection, jobs)?, queue(connection, jobs)?);
    let (coordinator_store, worker_store) = (open_store(store)?, open_store(store)?);
    let catalogue = Catalogue::default().with(Nothing);
    let worker = Worker::new(&catalogue, &worker_store, &());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let working = scope.spawn(|| worker_queue.run(&worker, &stop));
        let here = InProcess::new(1, 0);
        let seconds =
            coordinate(&catalogue, &coordinator_store, &here, Some(&coordinator_queue), graph, &|_| {
                Ok(vec![])
            });
        stop.store(true, Ordering::Relaxed);
        match working.join() {
            Ok(ended) => ended.map_err(BenchError::workers).and(seconds),
            Err(panic) => resume_unwind(panic),
        }
    })
}

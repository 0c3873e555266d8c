//! What the queue in PostgreSQL costs, with tasks that take no time.

use std::{
    collections::BTreeSet,
    fmt,
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use circuits_tasks::{
    graph::{Graph, MAX_CHILDREN, Task},
    id::TaskId,
    in_process::InProcess,
    provable::Catalogue,
    queue::{Handled, Handler, Offer, Queue as _},
    testing::Toy,
    worker::{TaskError, Worker},
};
use serde::Serialize;

use super::{
    coordinate,
    processes::{open_store, queue},
    simulation::Pace,
};
use crate::error::BenchError;

/// Tasks that are offered at once.
const OFFERS: u32 = 2_000;
/// Connections that take them, as of so many worker processes, and how many tasks each does at a time.
const TAKERS: usize = 2;
const JOBS: usize = 8;
/// Tasks of the chain, each of which waits for the one before.
const CHAIN: u32 = 32;
/// Leaves of the wide graph.
const LEAVES: usize = 8 * MAX_CHILDREN;

/// What the queue in PostgreSQL carries.
#[derive(Clone, Debug, Serialize)]
pub struct Rates {
    /// Tasks that one coordinator offers in a second, in one statement.
    pub offered_per_second: f64,
    /// Tasks that are taken, done and ended in a second, when many wait.
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
    let (offering, doing) = offers(connection)?;
    let chain_seconds = graph(&chain()?, connection, store, 1)?;
    let wide = wide()?;
    let wide_seconds = graph(&wide, connection, store, JOBS)?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred tasks")]
    let coordinated_per_second = wide.len() as f64 / wide_seconds;
    Ok(Rates {
        offered_per_second: f64::from(OFFERS) / offering,
        done_per_second: f64::from(OFFERS) / doing,
        coordinated_per_second,
        step_milliseconds: 1000.0 * chain_seconds / f64::from(CHAIN),
    })
}

/// Tasks that each wait for the one before.
fn chain() -> Result<Graph, BenchError> {
    let mut tasks: Vec<Task> = vec![];
    for number in 0..CHAIN {
        let below = tasks.last().map(Task::id).into_iter().collect();
        tasks.push(Toy::task("step", &number.to_le_bytes(), below));
    }
    Graph::new(tasks).map_err(BenchError::workers)
}

/// A root over tasks over [`LEAVES`] leaves, as wide as graphs are.
fn wide() -> Result<Graph, BenchError> {
    let mut tasks: Vec<_> = (0..LEAVES).map(|leaf| Toy::task("leaf", &leaf.to_le_bytes(), vec![])).collect();
    let leaves: Vec<_> = tasks.iter().map(Task::id).collect();
    let middle: Vec<_> =
        leaves.chunks(MAX_CHILDREN).map(|below| Toy::task("middle", b"middle", below.to_vec())).collect();
    let below = middle.iter().map(Task::id).collect();
    tasks.extend(middle);
    tasks.push(Toy::task("root", b"root", below));
    Graph::new(tasks).map_err(BenchError::workers)
}

/// Notes which tasks were done.
#[derive(Default)]
struct Counter {
    done: Mutex<BTreeSet<TaskId>>,
    stop: AtomicBool,
}

impl Handler for Counter {
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.insert(id);
        if done.len() == OFFERS as usize {
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(Handled::Stored)
    }
}

/// Seconds to offer [`OFFERS`] tasks, and to do them.
fn offers(connection: &str) -> Result<(f64, f64), BenchError> {
    let queues: Vec<_> = (0..TAKERS).map(|_| queue(connection, JOBS)).collect::<Result<_, _>>()?;
    let offers: Vec<_> = (0..OFFERS)
        .map(|number| Offer { id: TaskId::new(&[0; 32], &number.to_le_bytes(), &[]), memory: 0, priority: 0 })
        .collect();
    let started = Instant::now();
    queues[0].offer(&offers).map_err(BenchError::workers)?;
    let offering = started.elapsed().as_secs_f64();
    let counter = Counter::default();
    let started = Instant::now();
    thread::scope(|scope| {
        let takers: Vec<_> =
            queues.iter().map(|queue| scope.spawn(|| queue.run(&counter, &counter.stop))).collect();
        takers.into_iter().try_for_each(|taker| match taker.join() {
            Ok(ended) => ended.map_err(BenchError::workers),
            Err(panic) => resume_unwind(panic),
        })
    })?;
    Ok((offering, started.elapsed().as_secs_f64()))
}

/// Seconds that a worker beside a coordinator takes for a graph of toys.
fn graph(graph: &Graph, connection: &str, store: &str, jobs: usize) -> Result<f64, BenchError> {
    let (coordinator_queue, worker_queue) = (queue(connection, jobs)?, queue(connection, jobs)?);
    let (coordinator_store, worker_store) = (open_store(store)?, open_store(store)?);
    let catalogue = Catalogue::default().with(Toy);
    let inputs: Vec<_> = graph.tasks().map(|(_, task)| Toy::input(task)).collect();
    let worker = Worker::new(&catalogue, &worker_store, &());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let working = scope.spawn(|| worker_queue.run(&worker, &stop));
        let here = InProcess::new(1, 0);
        let seconds =
            coordinate(&catalogue, &coordinator_store, &here, Some(&coordinator_queue), graph, &|position| {
                Ok(inputs[position].clone())
            });
        stop.store(true, Ordering::Relaxed);
        match working.join() {
            Ok(ended) => ended.map_err(BenchError::workers).and(seconds),
            Err(panic) => resume_unwind(panic),
        }
    })
}

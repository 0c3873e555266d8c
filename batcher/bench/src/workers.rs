//! What more workers gain: one and two of them, with one thread each, and many of them in a simulation.
//!
//! The superblock has blocks of a counter, whose kernels and wraps are tasks as well. It is proved by workers within this
//! process, by processes that this one hands tasks to, and by processes that take them from PostgreSQL. The times of its tasks
//! are those of one worker in this process; the [simulation] has them, and what the queue takes.

mod processes;
mod rates;
pub mod simulation;
mod superblock;

use std::{
    collections::BTreeMap,
    fmt, fs,
    process::Command,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use batcher_circuits::engine::Engine;
use batcher_job::{planner::MAX_BLOCKS, proof_tree::Work};
use circuits_tasks::{
    coordinator::{Coordinator, Inputs},
    graph::{Graph, Task},
    id::KeyBytes,
    in_process::InProcess,
    progress::Progress,
    provable::{Catalogue, Provable, ProvableError, Request},
    queue::Queue,
    store::{MemoryStore, Store},
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;
use tempfile::TempDir;

use self::{
    processes::{Process, open_store, queue},
    simulation::{Outcome, TimedTask, makespan, simulate},
    superblock::{House, WholeGraph, tree},
};
pub use self::{
    processes::{Source, Worked, work},
    rates::Rates,
};
use crate::{error::BenchError, figures::median};

/// The fewest blocks: fewer are verified by the superblock itself, which says nothing of larger ones.
pub const MIN_BLOCKS: usize = 7;
/// Superblocks of a chain whose tasks wait together: none needs another one's proof.
const TOGETHER: usize = 4;
/// Simulated workers.
const SIMULATED: [usize; 4] = [1, 2, 64, 1_000];
/// More memory than any task needs: what is measured is time.
const AMPLE_MEMORY: u64 = 1 << 40;

/// Starts this program as a worker.
pub type Start<'a> = &'a (dyn Fn(&Source) -> Result<Command, BenchError> + Sync);

/// One and two workers of a kind.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Where the workers are.
    pub workers: &'static str,
    /// What one takes for the superblock.
    pub one_seconds: f64,
    /// What two take.
    pub two_seconds: f64,
    /// The first over twice the second.
    pub efficiency: f64,
}

/// What more workers gain.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub blocks: usize,
    pub tasks: usize,
    /// Processes that wanted a core in the minute before, as the system says, those of the benchmark included.
    pub load: Option<f64>,
    /// Seconds of a counter's kernel and wrap on one thread: the median.
    pub block_seconds: f64,
    /// Seconds of a leaf on one thread: the median.
    pub leaf_seconds: f64,
    /// Seconds of the superblock's own circuit on one thread.
    pub superblock_seconds: f64,
    pub rows: Vec<Row>,
    /// The efficiency of two workers that lose no time, with these seconds: the superblock's own proof is one task.
    pub best_efficiency: f64,
    /// The same for four superblocks, of which the later ones' blocks and leaves are proved beside the earlier ones'
    /// own proofs.
    pub best_efficiency_together: f64,
    /// `None` if no queue was measured: the simulated one takes no time then.
    pub queue: Option<Rates>,
    pub simulated_blocks: usize,
    pub simulated_tasks: usize,
    pub simulations: Vec<Outcome>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, tasks, block_seconds, leaf_seconds, superblock_seconds, .. } = self;
        let load = self.load.map_or_else(String::new, |load| format!(", load {load:.1} before"));
        writeln!(f, "{blocks} blocks, {tasks} tasks, one thread for each worker{load}")?;
        writeln!(
            f,
            "block {block_seconds:.2} s, leaf {leaf_seconds:.2} s, superblock {superblock_seconds:.2} s\n"
        )?;
        writeln!(f, "workers                  1: s     2: s   efficiency")?;
        for Row { workers, one_seconds, two_seconds, efficiency } in &self.rows {
            writeln!(f, "{workers:<20}  {one_seconds:>7.1}  {two_seconds:>7.1}  {efficiency:>11.3}")?;
        }
        writeln!(f, "without losses                           {:>10.3}", self.best_efficiency)?;
        writeln!(
            f,
            "{TOGETHER} such superblocks at once                  {:>10.3}",
            self.best_efficiency_together
        )?;
        if let Some(queue) = &self.queue {
            writeln!(f, "\n{queue}")?;
        }
        writeln!(f, "\nsimulated: {} blocks, {} tasks", self.simulated_blocks, self.simulated_tasks)?;
        write!(f, "workers   makespan s    bound s    ratio")?;
        for Outcome { workers, makespan_seconds, bound_seconds, ratio } in &self.simulations {
            write!(f, "\n{workers:>7}  {makespan_seconds:>11.1}  {bound_seconds:>9.1}  {ratio:>7.3}")?;
        }
        Ok(())
    }
}

/// Things that tasks take turns in, as many as there are tasks at a time.
struct Seats<T>(Mutex<Vec<T>>);

impl<T> Seats<T> {
    fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R, ProvableError>) -> Result<R, ProvableError> {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = free().pop();
        let mut seat =
            taken.ok_or_else(|| ProvableError::Other("there are more tasks than workers".into()))?;
        let result = work(&mut seat);
        free().push(seat);
        result
    }
}

/// How a task gets its proof.
type Prove<'a> =
    &'a (dyn Fn(&dyn Provable<Secret = ()>, &Request<'_>) -> Result<Vec<u8>, ProvableError> + Sync);

/// A provable that has its proofs made in another place.
struct Routed<'a> {
    provable: &'a dyn Provable<Secret = ()>,
    prove: Prove<'a>,
}

impl Provable for Routed<'_> {
    type Secret = ();

    fn name(&self) -> String {
        self.provable.name()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        self.provable.key()
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        self.provable.verify(task, proof)
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        (self.prove)(self.provable, request)
    }
}

/// Seconds to prove `graph`.
fn coordinate(
    catalogue: &Catalogue<'_>,
    store: &dyn Store,
    here: &InProcess,
    queue: Option<&dyn Queue>,
    graph: &Graph,
    inputs: Inputs<'_>,
) -> Result<f64, BenchError> {
    let coordinator = Coordinator { queue, ..Coordinator::new(catalogue, store, here) };
    let started = Instant::now();
    coordinator.run(graph, inputs).map_err(BenchError::workers)?;
    Ok(started.elapsed().as_secs_f64())
}

/// The superblock, and the workers for it.
struct Bench<'a> {
    catalogue: Catalogue<'a>,
    whole: WholeGraph<'a>,
    start: Start<'a>,
}

impl Bench<'_> {
    /// Seconds of `workers` workers whose tasks get their proofs through `prove`.
    fn here(&self, workers: usize, prove: Prove<'_>) -> Result<f64, BenchError> {
        let graph = &self.whole.graph;
        let names = graph.tasks().filter_map(|(_, task)| self.catalogue.find(&task.provable));
        let routed =
            names.fold(Catalogue::default(), |routed, provable| routed.with(Routed { provable, prove }));
        let (store, here) = (MemoryStore::default(), InProcess::new(workers, AMPLE_MEMORY));
        coordinate(&routed, &store, &here, None, graph, &|position| self.whole.input(position))
    }

    /// Seconds of workers within this process, and those of each task.
    fn in_this_process(&self, workers: usize) -> Result<(f64, BTreeMap<String, f64>), BenchError> {
        let pools = (0..workers).map(|_| ThreadPoolBuilder::new().num_threads(1).build());
        let pools =
            Seats(Mutex::new(pools.collect::<Result<Vec<ThreadPool>, _>>().map_err(BenchError::workers)?));
        let times = Mutex::new(BTreeMap::new());
        let seconds = self.here(workers, &|provable, request| {
            pools.with(|pool| {
                let started = Instant::now();
                let proof = pool.install(|| provable.prove(request, &()))?;
                let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                times.insert(request.task.label.clone(), started.elapsed().as_secs_f64());
                Ok(proof)
            })
        })?;
        Ok((seconds, times.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Starts workers, and waits until all have their circuits.
    fn start(&self, workers: usize, source: &Source) -> Result<Vec<Process>, BenchError> {
        let processes = (0..workers).map(|_| Process::start((self.start)(source)?));
        let mut processes = processes.collect::<Result<Vec<_>, _>>()?;
        processes.iter_mut().try_for_each(Process::wait_until_ready)?;
        Ok(processes)
    }

    /// Seconds of processes that this one hands tasks to.
    fn in_processes(&self, workers: usize) -> Result<f64, BenchError> {
        let processes = Seats(Mutex::new(self.start(workers, &Source::Pipe)?));
        self.here(workers, &|_, request| processes.with(|process| process.prove(request)))
    }

    /// Seconds of processes that take tasks from PostgreSQL.
    fn through_postgres(&self, workers: usize, connection: &str, store: &str) -> Result<f64, BenchError> {
        let source = Source::Queue { connection: connection.to_owned(), store: store.to_owned() };
        let processes = self.start(workers, &source)?;
        let (queue, store) = (queue(connection, 1)?, open_store(store)?);
        let here = InProcess::new(1, 0);
        let inputs: Inputs<'_> = &|position| self.whole.input(position);
        let seconds = coordinate(&self.catalogue, &store, &here, Some(&queue), &self.whole.graph, inputs);
        drop(processes);
        seconds
    }
}

/// One and two workers of a kind, one after the other, so that the machine is as fast for both as it gets.
fn row(
    workers: &'static str,
    progress: &dyn Progress,
    mut seconds: impl FnMut(usize) -> Result<f64, BenchError>,
) -> Result<Row, BenchError> {
    let mut measured = |count: usize| {
        let name = format!("{count} {workers}");
        progress.start(&name);
        let seconds = seconds(count)?;
        progress.done(&name, false);
        Ok::<_, BenchError>(seconds)
    };
    let (one_seconds, two_seconds) = (measured(1)?, measured(2)?);
    Ok(Row { workers, one_seconds, two_seconds, efficiency: one_seconds / (2.0 * two_seconds) })
}

/// The mean number of processes that wanted a core in the last minute.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Measures workers on a superblock of `blocks` blocks, at least [`MIN_BLOCKS`] and at most [`MAX_BLOCKS`]; through
/// PostgreSQL if `queue` is the connection string of a database, in which nobody else uses the benchmark's schema.
///
/// # Errors
/// [`BenchError`]: the database cannot be used, a process cannot be started, or something cannot be proved.
pub fn measure(
    engine: &Engine,
    blocks: usize,
    queue: Option<&str>,
    start: Start<'_>,
    progress: &dyn Progress,
) -> Result<Figures, BenchError> {
    let directory = TempDir::with_prefix("superblock-bench-").map_err(BenchError::workers)?;
    let store = |name: &str| {
        let path = directory.path().join(name);
        fs::create_dir(&path).map_err(BenchError::workers)?;
        Ok::<_, BenchError>(format!("file://{}", path.display()))
    };
    let rates = match queue {
        Some(connection) => Some(rates::measure(connection, &store("rates")?)?),
        None => None,
    };

    let house = House::new(engine, blocks)?;
    progress.note("loading the circuits and proving the blocks once");
    house.load_circuits()?;
    let proven = house.prove_blocks()?;
    let plan = house.plan(&proven)?;
    let whole = WholeGraph::new(engine, &plan, &proven)?;
    let bench = Bench { catalogue: house.catalogue(), whole, start };

    let load = load();
    let mut times = BTreeMap::new();
    let mut rows = vec![
        row("in this process", progress, |workers| {
            let (seconds, of_tasks) = bench.in_this_process(workers)?;
            if workers == 1 {
                times = of_tasks;
            }
            Ok(seconds)
        })?,
        row("in processes", progress, |workers| bench.in_processes(workers))?,
    ];
    if let Some(connection) = queue {
        rows.push(row("through PostgreSQL", progress, |workers| {
            bench.through_postgres(workers, connection, &store(&format!("proofs-{workers}"))?)
        })?);
    }

    let of_kind = |kind: &str| {
        let times = times.iter().filter(|(label, _)| label.split(' ').next() == Some(kind));
        median(&times.map(|(_, seconds)| *seconds).collect::<Vec<_>>())
    };
    let seconds =
        Seconds { block: of_kind("block"), leaf: of_kind("leaf"), superblock: of_kind("superblock") };
    let (measured, simulated) = (seconds.tasks(blocks), seconds.tasks(MAX_BLOCKS));
    let pace = rates.as_ref().map_or_else(simulation::Pace::default, Rates::pace);
    Ok(Figures {
        blocks,
        tasks: bench.whole.graph.len(),
        load,
        block_seconds: seconds.block,
        leaf_seconds: seconds.leaf,
        superblock_seconds: seconds.superblock,
        rows,
        best_efficiency: efficiency_of_two(&measured),
        best_efficiency_together: efficiency_of_two(&one_after_another(&measured, TOGETHER)),
        simulated_blocks: MAX_BLOCKS,
        simulated_tasks: simulated.len(),
        simulations: SIMULATED.map(|workers| simulate(&simulated, workers, pace)).into(),
        queue: rates,
    })
}

/// The efficiency of two workers that lose no time.
fn efficiency_of_two(tasks: &[TimedTask]) -> f64 {
    let best = makespan(tasks, 2, simulation::Pace::default());
    simulation::work(tasks).as_secs_f64() / (2.0 * best.as_secs_f64())
}

/// The tasks of several superblocks.
fn one_after_another(tasks: &[TimedTask], superblocks: usize) -> Vec<TimedTask> {
    let shifted = |TimedTask { time, children }: &TimedTask, by: usize| TimedTask {
        time: *time,
        children: children.iter().map(|child| by + child).collect(),
    };
    let starts = (0..superblocks).map(|superblock| superblock * tasks.len());
    starts.flat_map(|by| tasks.iter().map(move |task| shifted(task, by))).collect()
}

/// What tasks of each kind take. A fold has the rows of a leaf, and takes as long.
struct Seconds {
    block: f64,
    leaf: f64,
    superblock: f64,
}

impl Seconds {
    /// The tasks of a superblock of `blocks` blocks without messages.
    fn tasks(&self, blocks: usize) -> Vec<TimedTask> {
        let timed = |seconds, children| TimedTask { time: Duration::from_secs_f64(seconds), children };
        let nodes = tree(blocks).nodes.into_iter().map(|node| match node.work {
            Work::Leaf => timed(self.leaf, node.span.collect()),
            Work::Messages => timed(self.leaf, vec![]),
            Work::Fold(below) => timed(self.leaf, below.into_iter().map(|child| blocks + child).collect()),
            Work::Direct => timed(self.superblock, node.span.collect()),
            Work::Top(below) => {
                timed(self.superblock, below.into_iter().map(|child| blocks + child).collect())
            }
        });
        (0..blocks).map(|_| timed(self.block, vec![])).chain(nodes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_blocks_take_what_their_six_leaves_and_the_superblock_allow() {
        let seconds = Seconds { block: 1.0, leaf: 2.0, superblock: 4.0 };
        let tasks = seconds.tasks(16);
        assert_eq!(tasks.len(), 16 + 6 + 1);
        assert_eq!(simulation::work(&tasks), Duration::from_secs(16 + 12 + 4));
        assert_eq!(simulation::critical_path(&tasks), Duration::from_secs(1 + 2 + 4));
        assert_eq!(makespan(&tasks, 2, simulation::Pace::default()), Duration::from_secs(8 + 6 + 4));
        assert_eq!(makespan(&tasks, 16, simulation::Pace::default()), Duration::from_secs(7));
    }
}

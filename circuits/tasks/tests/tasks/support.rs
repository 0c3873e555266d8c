//! Toy graphs, stores with faults, and handlers that count.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use circuits_tasks::{
    coordinator::{Coordinator, GraphRunError, Pace},
    graph::{Graph, Place, Task},
    id::TaskId,
    in_process::InProcess,
    progress::Progress,
    provable::{Catalogue, Provable, ProvableError, Request},
    queue::Queue,
    store::{MemoryStore, Object, Store, StoreError},
    testing::Toy,
};

/// A sequence of numbers that a seed determines (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

/// A graph of `count` tasks, each but the root with one to three parents.
pub(crate) fn graph(random: &mut Random, count: usize) -> Graph {
    let mut children: Vec<Vec<usize>> = vec![vec![]; count];
    for index in 0..count - 1 {
        for _ in 0..=random.below(3) {
            let parent = index + 1 + random.below((count - index - 1).min(5));
            if !children[parent].contains(&index) {
                children[parent].push(index);
            }
        }
    }
    let mut tasks: Vec<Task> = vec![];
    for (index, children) in children.into_iter().enumerate() {
        let below = children.into_iter().map(|child| tasks[child].id()).collect();
        tasks.push(Toy::task(&format!("toy {index}"), &index.to_le_bytes(), below));
    }
    Graph::new(tasks).expect("children before parents")
}

/// A chain of two given tasks, one above them, and the root.
pub(crate) fn small_graph() -> Graph {
    let given = |name: &str| Task { place: Place::Given, ..Toy::task(name, name.as_bytes(), vec![]) };
    let (left, right) = (given("left"), given("right"));
    let middle = Toy::task("middle", b"middle", vec![left.id(), right.id()]);
    let root = Toy::task("root", b"root", vec![middle.id()]);
    Graph::new(vec![left, right, middle, root]).expect("a graph")
}

/// Toys take no time.
pub(crate) const PACE: Pace =
    Pace { look: Duration::from_millis(1), survey: Duration::from_millis(50), stall: Duration::from_secs(1) };

/// Counts what a graph's tasks report.
#[derive(Default)]
pub(crate) struct Log {
    lines: Mutex<Vec<String>>,
}

impl Log {
    fn add(&self, line: String) {
        self.lines.lock().expect("no panic").push(line);
    }

    pub(crate) fn lines(&self, beginning: &str) -> Vec<String> {
        let lines = self.lines.lock().expect("no panic");
        lines.iter().filter(|line| line.starts_with(beginning)).cloned().collect()
    }
}

impl Progress for Log {
    fn begin(&self, tasks: usize) {
        self.add(format!("begin {tasks}"));
    }

    fn start(&self, task: &str) {
        self.add(format!("start {task}"));
    }

    fn done(&self, task: &str, resumed: bool) {
        self.add(format!("{} {task}", if resumed { "resumed" } else { "done" }));
    }

    fn note(&self, message: &str) {
        self.add(format!("note {message}"));
    }
}

/// Runs a graph of toys in this process, or through `queue`.
pub(crate) fn run(
    graph: &Graph,
    store: &dyn Store,
    queue: Option<&dyn Queue>,
    catalogue: &Catalogue<'_>,
    log: &Log,
) -> Result<Vec<u8>, GraphRunError> {
    let (here, stop) = (InProcess::new(3, 3), AtomicBool::new(false));
    let coordinator = Coordinator { queue, pace: PACE, ..coordinator(catalogue, store, &here, log, &stop) };
    coordinator.run(graph, &|position| input(graph, position))
}

/// A coordinator without a queue.
pub(crate) fn coordinator<'a>(
    catalogue: &'a Catalogue<'a>,
    store: &'a dyn Store,
    here: &'a InProcess,
    progress: &'a Log,
    stop: &'a AtomicBool,
) -> Coordinator<'a> {
    Coordinator { progress, stop, ..Coordinator::new(catalogue, store, here) }
}

/// What the maker of a graph of toys knows.
pub(crate) fn input(graph: &Graph, position: usize) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let (_, task) = graph.tasks().nth(position).expect("a task");
    Ok(if task.place == Place::Given { Toy::proof(task) } else { Toy::input(task) })
}

pub(crate) fn toys<'a>() -> Catalogue<'a> {
    Catalogue::default().with(Toy)
}

/// A toy that counts how often each task was proved.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) proved: Mutex<BTreeMap<TaskId, u32>>,
}

impl Counted {
    pub(crate) fn counts(&self) -> Vec<u32> {
        self.proved.lock().expect("no panic").values().copied().collect()
    }
}

impl Provable for &Counted {
    type Secret = ();

    fn name(&self) -> String {
        Toy.name()
    }

    fn key(&self) -> Result<circuits_tasks::id::KeyBytes, ProvableError> {
        Toy.key()
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        Toy.verify(task, proof)
    }

    fn prove(&self, request: &Request<'_>, secret: &()) -> Result<Vec<u8>, ProvableError> {
        *self.proved.lock().expect("no panic").entry(request.task.id()).or_default() += 1;
        Toy.prove(request, secret)
    }
}

/// A store that is away for every `period`-th call, and does then nothing.
pub(crate) struct Moody {
    pub(crate) inner: MemoryStore,
    pub(crate) calls: AtomicU32,
    pub(crate) period: u32,
}

impl Moody {
    fn call(&self, object: &Object) -> Result<(), StoreError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % self.period == self.period - 1 {
            return Err(StoreError::Away { object: object.clone(), source: "it is away".into() });
        }
        Ok(())
    }
}

impl Store for Moody {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        self.call(object)?;
        self.inner.get(object)
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        self.call(object)?;
        self.inner.create(object, bytes)
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        self.call(object)?;
        self.inner.replace(object, bytes)
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        self.call(object)?;
        self.inner.remove(object)
    }
}

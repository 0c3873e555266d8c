//! Carries out a graph: looks which proofs are stored, offers what can start, and does so again until the root has its proof.
//!
//! # The problem
//!
//! A graph's tasks need the proofs below them. Each takes seconds and gigabytes; processes stop at any time, queues forget,
//! stores are away, workers vanish with what they took. No proof should be made twice, and none should be missing.
//!
//! # The approach
//!
//! Only the store counts. A coordinator keeps no record of its own: it asks the store for the proof of the root, and where there
//! is none, for those of its children, and so on down. What has no proof although all its children have one can start: it is
//! offered to a queue, with its input in the store. Whenever the queue says that something has ended, or after a while
//! anyway, the coordinator looks again. So it does not matter how often it is started, nor how many of them run.
//!
//! # Example
//!
//! Four leaves, a fold of the first three, and a superblock over the fold and the fourth, in a queue that does three at a time:
//!
//! ```text
//! offered              stored
//! leaf 0, 1, 2, 3      leaf 0, 1, 2
//! fold 0..3            leaf 3, fold 0..3
//! superblock           superblock
//! ```
//!
//! # Cost
//!
//! One look at the store for each task that has no proof yet, whenever something ends, and one verification for each proof.

use std::{
    collections::BTreeSet,
    error::Error,
    mem,
    panic::resume_unwind,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::{
    graph::{Graph, GraphError, Place, Task},
    id::TaskId,
    in_process::InProcess,
    private::Private,
    progress::{Progress, Quiet, Reported},
    provable::Catalogue,
    queue::{GivenUp, Handled, Handler, Offer, Queue, QueueError},
    store::{Object, Store, StoreError},
    worker::{TaskError, Worker, task_in},
};

/// The longest time between two looks while tasks of this process run beside a queue for others.
const SHORT_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How often a coordinator looks when nobody tells it that something has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The longest time between two looks at what is being done, and before a store or queue that was away is tried again.
    pub look: Duration,
    /// After how long everything is looked at and offered again, since queues forget, and stores too.
    pub survey: Duration,
    /// After how long without a proof people are told which task workers leave undone.
    pub stall: Duration,
}

/// Looks are short, and a stall is long, beside the seconds that a proof takes.
impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            survey: Duration::from_secs(30),
            stall: Duration::from_secs(120),
        }
    }
}

/// Why a graph is not proved.
#[derive(Debug, Error)]
pub enum GraphRunError {
    /// A task was given up.
    #[error("task {label} was given up after {} attempts: {}", .given_up.attempts, .given_up.error)]
    GivenUp { label: String, given_up: GivenUp },
    /// A task is not what the store or this program says.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The input of a task, or a given proof, is not known.
    #[error("task {label}: {source}")]
    Input { label: String, source: Box<dyn Error + Send + Sync> },
    /// A task cannot be encoded.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Workers have proved nothing for too long.
    #[error(
        "nothing was proved for {} seconds: task {label} is left to workers, one of which needs {} MiB of memory{}",
        .patience.as_secs(), .memory >> 20, because(.reason.as_deref())
    )]
    Patience {
        label: String,
        /// Bytes that the task needs.
        memory: u64,
        patience: Duration,
        /// Why queue or store cannot be used, if they cannot.
        reason: Option<String>,
    },
    /// The caller asked to stop.
    #[error("stopped; finished proofs are kept and the same command goes on from them")]
    Stopped,
}

/// A reason at the end of a message.
fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!("; {reason}"))
}

impl GraphRunError {
    /// Whether the store or the queue was away, so that the same may succeed later.
    const fn is_passing(&self) -> bool {
        match self {
            Self::Store(error) | Self::Task(TaskError::Store(error)) => error.is_passing(),
            Self::Queue(error) => error.is_passing(),
            Self::GivenUp { .. }
            | Self::Task(_)
            | Self::Input { .. }
            | Self::Graph(_)
            | Self::Patience { .. }
            | Self::Stopped => false,
        }
    }
}

/// What the maker of a graph knows beside it, by the position of a task in the graph: the input of a task, or the proof of one
/// that is [given](Place::Given). It is asked only for what has no proof, and may be asked again.
pub type Inputs<'a> = &'a (dyn Fn(usize) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> + Sync);

/// Carries out graphs.
#[derive(Clone, Copy)]
pub struct Coordinator<'a> {
    /// What this process can prove and verify, with the secrets that it has.
    pub catalogue: &'a Catalogue<'a>,
    /// Where proofs are, and where workers find inputs.
    pub store: &'a dyn Store,
    /// Does the tasks that must not leave this process, and all others without [`Self::queue`]. It is this coordinator's alone:
    /// nobody else finds what stays in this process.
    pub here: &'a InProcess,
    /// Has the tasks done that any worker may do.
    pub queue: Option<&'a dyn Queue>,
    /// Does tasks of the queue while the coordinator runs, whoever offered them. Without it all of them are left to others.
    pub worker: Option<&'a dyn Handler>,
    /// The longest time without a proof that was not there before. Without it, others may take as long as they like.
    pub patience: Option<Duration>,
    /// The priority of the graph's tasks; the lowest comes first.
    pub priority: i16,
    /// How often it looks.
    pub pace: Pace,
    /// Receives progress events.
    pub progress: &'a dyn Progress,
    /// Set by the caller to stop before the next proof.
    pub stop: &'a AtomicBool,
}

/// Of coordinators that nobody asks to stop.
static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> Coordinator<'a> {
    /// A coordinator that proves everything in this process, shows nothing, and goes on to the end.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue<'a>, store: &'a dyn Store, here: &'a InProcess) -> Self {
        Self {
            catalogue,
            store,
            here,
            queue: None,
            worker: None,
            patience: None,
            priority: 0,
            pace: Pace::default(),
            progress: &Quiet,
            stop: &NEVER,
        }
    }

    /// Proves every task of `graph` that has no proof in the store, and returns the root's. Tasks that were begun when the caller asks
    /// to stop are done to their end; if the root is one of them, the run is complete.
    ///
    /// # Errors
    /// [`GraphRunError`]; what was proved stays in the store.
    pub fn run(&self, graph: &Graph, inputs: Inputs<'_>) -> Result<Vec<u8>, GraphRunError> {
        let private = Private::new(self.store);
        let observer = Reported::new(self.progress);
        let worker = Worker::new(self.catalogue, &private, &observer);
        let mut run = Run {
            coordinator: self,
            graph,
            inputs,
            worker: &worker,
            reported: &observer,
            store: &private,
            done: BTreeSet::new(),
            pending: BTreeSet::new(),
            offered: BTreeSet::new(),
            last_survey: None,
            last_proof: Instant::now(),
            is_stall_told: false,
            is_last_look: false,
        };
        let end = AtomicBool::new(false);
        let ended = &end;
        thread::scope(|scope| {
            let set = SetOnDrop(&end);
            let handler = UntilStopped { worker: &worker, stop: self.stop };
            let here = scope.spawn(move || self.here.run(&handler, ended));
            let shared = self.queue.zip(self.worker);
            let shared = shared.map(|(queue, worker)| scope.spawn(move || queue.run(worker, ended)));
            let workers: Vec<_> = [Some(here), shared].into_iter().flatten().collect();
            let result = run.finish(&|| workers.iter().any(ScopedJoinHandle::is_finished));
            drop(set);
            self.here.wake();
            let joined =
                workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
            let joined: Vec<_> = joined.collect();
            if !matches!(result, Err(GraphRunError::Stopped)) {
                return result;
            }
            // The proof that was being made when the caller asked to stop may have been the last one. A worker that could not go on
            // is why the run has stopped.
            match run.root() {
                Ok(Some(proof)) => Ok(proof),
                root => {
                    joined.into_iter().collect::<Result<(), _>>()?;
                    root?;
                    Err(GraphRunError::Stopped)
                }
            }
        })
    }
}

/// Sets a flag when it is dropped, so that no thread goes on after a panic.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A worker that starts nothing more once the caller has asked to stop.
struct UntilStopped<'a> {
    worker: &'a Worker<'a>,
    stop: &'a AtomicBool,
}

impl Handler for UntilStopped<'_> {
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
        if self.stop.load(Ordering::Relaxed) { Ok(Handled::Early) } else { self.worker.handle(id) }
    }
}

/// A graph on its way.
struct Run<'a> {
    coordinator: &'a Coordinator<'a>,
    graph: &'a Graph,
    inputs: Inputs<'a>,
    worker: &'a Worker<'a>,
    /// What was reported of the graph's tasks.
    reported: &'a Reported<'a>,
    /// The store, and beside it what stays in this process.
    store: &'a Private<'a>,
    /// The tasks whose proofs were in the store and valid when this was last looked at.
    done: BTreeSet<TaskId>,
    /// The tasks that have to be done.
    pending: BTreeSet<TaskId>,
    /// Those of them that were offered since the last survey.
    offered: BTreeSet<TaskId>,
    /// When everything was last looked at.
    last_survey: Option<Instant>,
    /// When the last proof came, or when this began.
    last_proof: Instant,
    /// Whether people know that none has come since.
    is_stall_told: bool,
    /// Whether patience is over, and everything is looked at once more: the process may have slept meanwhile.
    is_last_look: bool,
}

impl<'a> Run<'a> {
    /// Looks, offers and waits until the root is proved, and returns its proof.
    fn finish(&mut self, has_ended: &dyn Fn() -> bool) -> Result<Vec<u8>, GraphRunError> {
        // Why queue or store cannot be used now.
        let mut away: Option<String> = None;
        loop {
            if self.coordinator.stop.load(Ordering::Relaxed) || has_ended() {
                return Err(GraphRunError::Stopped);
            }
            match self.step() {
                Ok(Some(proof)) => return Ok(proof),
                Ok(None) => away = None,
                Err(error) if error.is_passing() => {
                    let reason = error.to_string();
                    if away.is_none() {
                        self.coordinator.progress.note(&format!("{reason}; trying again"));
                    }
                    away = Some(reason);
                    thread::sleep(self.coordinator.pace.look);
                }
                Err(error) => return Err(error),
            }
            self.check_patience(away.as_deref())?;
        }
    }

    /// Tells what is left to workers if nothing was proved for a while, and ends the run if that was for too long.
    fn check_patience(&mut self, away: Option<&str>) -> Result<(), GraphRunError> {
        let Coordinator { patience, pace: Pace { stall, .. }, progress, .. } = *self.coordinator;
        let elapsed = self.last_proof.elapsed();
        let is_over = patience.is_some_and(|patience| elapsed >= patience);
        if !is_over && (self.is_stall_told || elapsed < stall) {
            return Ok(());
        }
        // What this process does takes as long as it takes, and the wait for others begins when it is done.
        if away.is_none() && self.has_own() {
            (self.last_proof, self.is_last_look) = (Instant::now(), false);
            return Ok(());
        }
        let left = self.graph.tasks().filter(|(id, task)| !self.done.contains(id) && self.queue(task).1);
        // Of what can start, the largest is the hardest to place.
        let hardest = left.max_by_key(|(id, task)| (self.offered.contains(id), task.memory));
        let Some((_, task)) = hardest else { return Ok(()) };
        if let Some(patience) = patience.filter(|_| is_over) {
            if !mem::replace(&mut self.is_last_look, true) {
                return Ok(());
            }
            let (label, memory) = (task.label.clone(), task.memory);
            return Err(GraphRunError::Patience { label, memory, patience, reason: away.map(str::to_owned) });
        }
        self.is_stall_told = true;
        let (seconds, mebibytes) = (stall.as_secs(), task.memory >> 20);
        progress.note(&format!(
            "nothing was proved for {seconds} seconds: waiting for a worker that has {mebibytes} MiB for task {}",
            task.label
        ));
        Ok(())
    }

    /// Whether this process does tasks that it leaves to nobody else.
    fn has_own(&self) -> bool {
        let is_here = |id: &TaskId| !self.queue(self.task(*id)).1;
        self.offered.intersection(&self.pending).any(is_here)
    }

    /// Looks once, offers what can start, and waits until something has ended. Returns the proof of the root once it is there.
    fn step(&mut self) -> Result<Option<Vec<u8>>, GraphRunError> {
        self.check_given_up()?;
        if self.last_survey.is_none_or(|last| last.elapsed() >= self.coordinator.pace.survey) {
            self.survey()?;
        }
        self.collect()?;
        let root = self.graph.root();
        if self.done.contains(&root) {
            let proof = self.root()?;
            if proof.is_none() {
                // It was lost since it was found.
                self.last_survey = None;
            }
            return Ok(proof);
        }
        self.offer()?;
        self.wait()?;
        Ok(None)
    }

    /// The proof of the root, if it is there.
    fn root(&self) -> Result<Option<Vec<u8>>, GraphRunError> {
        let root = self.graph.root();
        Ok(self.worker.proof(root, self.task(root))?)
    }

    /// A task of the graph.
    fn task(&self, id: TaskId) -> &'a Task {
        self.graph.task(id).expect("ids come from the graph, which has the children of its tasks")
    }

    /// What the maker of the graph knows of a task.
    fn input(&self, id: TaskId) -> Result<Vec<u8>, GraphRunError> {
        let position = self.graph.position(id).expect("ids come from the graph");
        let label = || self.task(id).label.clone();
        (self.inputs)(position).map_err(|source| GraphRunError::Input { label: label(), source })
    }

    /// Finds out, from the root down, which proofs have to be made, and lets everything be offered again. What was done is
    /// not done any more if the store has lost its proof, or a worker has found it damaged.
    fn survey(&mut self) -> Result<(), GraphRunError> {
        let (mut visited, mut stack) = (BTreeSet::new(), vec![self.graph.root()]);
        let mut resumed = vec![];
        while let Some(id) = stack.pop() {
            let task = self.task(id);
            if !visited.insert(id) || (self.done.contains(&id) && self.store.has(&Object::Proof(id))?) {
                continue;
            }
            self.done.remove(&id);
            if self.pending.contains(&id) {
                stack.extend(&task.children);
            } else if self.worker.proof(id, task)?.is_some() {
                // A coordinator that ended may have offered it.
                self.store.remove(&Object::Input(id))?;
                self.done.insert(id);
                if task.place != Place::Given {
                    resumed.push(&task.label);
                }
            } else if task.place == Place::Given {
                self.give(id, task)?;
                self.done.insert(id);
            } else {
                self.pending.insert(id);
                stack.extend(&task.children);
            }
        }
        if self.last_survey.is_none() {
            let progress = self.coordinator.progress;
            progress.begin(self.pending.len() + resumed.len());
            resumed.iter().rev().for_each(|label| progress.done(label, true));
        }
        self.offered.clear();
        self.last_survey = Some(Instant::now());
        Ok(())
    }

    /// Puts a given proof to where workers find it.
    fn give(&self, id: TaskId, task: &Task) -> Result<(), GraphRunError> {
        let proof = self.input(id)?;
        if self.coordinator.queue.is_some() {
            return Ok(self.worker.accept(id, task, &proof)?);
        }
        // Its giver keeps it anyway.
        Ok(self.store.keep(&Object::Proof(id), &self.worker.checked(id, task, &proof)?)?)
    }

    /// The tasks that have no proof yet although all their children have one, children before parents.
    fn ready(&self) -> impl Iterator<Item = (TaskId, &'a Task)> {
        let is_ready = |(id, task): &(TaskId, &Task)| {
            self.pending.contains(id) && task.children.iter().all(|child| self.done.contains(child))
        };
        self.graph.tasks().filter(is_ready)
    }

    /// Notes what is proved by now.
    fn collect(&mut self) -> Result<(), GraphRunError> {
        // A proof may make its parent ready, and that may have been proved for somebody else.
        for (id, task) in self.graph.tasks() {
            let is_ready = |child| self.done.contains(child);
            if !self.pending.contains(&id) || !task.children.iter().all(is_ready) {
                continue;
            }
            if self.worker.proof(id, task)?.is_some() {
                // It may have been put there again after a worker was done with it.
                self.store.remove(&Object::Input(id))?;
                self.pending.remove(&id);
                self.done.insert(id);
                self.reported.done(id, task);
                (self.last_proof, self.is_stall_told, self.is_last_look) = (Instant::now(), false, false);
            }
        }
        Ok(())
    }

    /// Ends the run if a task was given up.
    fn check_given_up(&self) -> Result<(), GraphRunError> {
        let ids: Vec<_> = self.offered.intersection(&self.pending).copied().collect();
        let queues = [Some(self.coordinator.here as &dyn Queue), self.coordinator.queue];
        for queue in queues.into_iter().flatten() {
            if let Some(given_up) = queue.given_up(&ids)?.into_iter().next() {
                let label = self.task(given_up.id).label.clone();
                return Err(GraphRunError::GivenUp { label, given_up });
            }
        }
        Ok(())
    }

    /// The queue for a task, and whether its parts go to the store that others see.
    fn queue(&self, task: &Task) -> (&'a dyn Queue, bool) {
        match self.coordinator.queue {
            Some(queue) if task.place == Place::Anywhere => (queue, true),
            _ => (self.coordinator.here, false),
        }
    }

    /// Offers what can start and was not offered since the last survey.
    fn offer(&mut self) -> Result<(), GraphRunError> {
        let ready: Vec<_> = self.ready().filter(|(id, _)| !self.offered.contains(id)).collect();
        for (id, task) in ready {
            let (queue, is_shared) = self.queue(task);
            for (id, task) in task.children.iter().map(|&child| (child, self.task(child))).chain([(id, task)])
            {
                self.publish_task(id, task, is_shared)?;
            }
            let input = self.input(id)?;
            if is_shared {
                // One that is there may be damaged.
                self.store.replace(&Object::Input(id), &input)?;
            } else {
                self.store.keep(&Object::Input(id), &input)?;
            }
            queue.offer(&[Offer { id, memory: task.memory, priority: self.coordinator.priority }])?;
            self.offered.insert(id);
        }
        Ok(())
    }

    /// Puts a task to where its worker finds it.
    fn publish_task(&self, id: TaskId, task: &Task, is_shared: bool) -> Result<(), GraphRunError> {
        let (object, shared) = (Object::Task(id), self.coordinator.store);
        if !is_shared {
            return Ok(self.store.keep(&object, &task.encode()?)?);
        }
        match task_in(shared, id) {
            Ok(Some(_)) => {}
            Ok(None) => drop(shared.create(&object, &task.encode()?)?),
            Err(TaskError::Malformed { .. } | TaskError::OtherTask { .. }) => {
                shared.replace(&object, &task.encode()?)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Waits until something has ended, or may have.
    fn wait(&self) -> Result<(), GraphRunError> {
        let Coordinator { here, queue, pace: Pace { look, .. }, .. } = *self.coordinator;
        let Some(queue) = queue else { return Ok(here.wait(look)?) };
        if self.has_own() {
            return Ok(here.wait(look.min(SHORT_LOOK_INTERVAL))?);
        }
        Ok(queue.wait(look)?)
    }
}

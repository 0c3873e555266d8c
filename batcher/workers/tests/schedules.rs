//! Graphs of tasks whose workers lie, stall, repeat and vanish, whose coordinators come in pairs, and whose database and store are
//! away now and then. Whatever happens, each task ends with its one valid proof.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use batcher_workers::{Connection, ObjectStore, PostgresQueue, QueueOptions, testing::Postgres};
use circuits_files::file::sha3;
use circuits_tasks::{
    coordinator::{Coordinator, GraphRunError, Pace},
    graph::Graph,
    id::TaskId,
    in_process::InProcess,
    proof::StoredProof,
    provable::Catalogue,
    queue::{Handled, Handler, Queue as _},
    store::{Object, Store, StoreError},
    testing::Toy,
    worker::{TaskError, Worker},
};
use object_store::memory::InMemory;

/// How many seeded schedules there are, and how many of them are under way at a time.
const SCHEDULES: u64 = 520;
const AT_A_TIME: usize = 40;

/// How often the workers may misbehave with one task before they do it.
const MISDEEDS: u64 = 3;

/// How long everything may take, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(300);

/// Bytes of memory of every process.
const MEMORY: u64 = 1 << 30;

/// The connection string and the folder of a child process.
const CHILD_CONNECTION: &str = "SUPERBLOCK_TEST_CONNECTION";
const CHILD_FOLDER: &str = "SUPERBLOCK_TEST_FOLDER";

/// Looks often, since much goes wrong.
const PACE: Pace =
    Pace { look: Duration::from_millis(300), survey: Duration::from_millis(600), stall: PATIENCE };

/// Every hour is an hour ahead for a program that loads this.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (clock == CLOCK_REALTIME) time->tv_sec += 3600;
    return result;
}
"#;

/// While nobody says that it is over: takes waiting jobs for workers that do not exist, which have claimed them long ago, and ends
/// pauses after failures.
const MISCHIEF: &str = "do $$ begin loop
    exit when exists (select from over);
    update superblock._private_jobs set locked_by = 'ghost', locked_at = now() - interval '1 hour', attempts = attempts + 1
        where id in (select id from superblock._private_jobs where is_available order by random() limit 1 for update skip locked)
        and random() < 0.5;
    update superblock._private_jobs set run_at = now() where run_at > now();
    commit;
    perform pg_sleep(0.1);
end loop; end $$";

/// Ends pauses after failures.
const HURRY: &str = "update superblock._private_jobs set run_at = now() where run_at > now()";

fn server() -> Postgres {
    Postgres::start().unwrap_or_else(|error| panic!("{error}"))
}

fn queue(connection: &str) -> PostgresQueue {
    let (heartbeat, dead_after) = (Duration::from_millis(100), Duration::from_secs(1));
    let options = QueueOptions { heartbeat, dead_after, ..QueueOptions::new(2, MEMORY) };
    let connection = Connection::new(connection).expect("a connection string");
    PostgresQueue::new(&connection, options).expect("a runtime")
}

/// A number that follows from a seed and a text.
fn draw(seed: u64, text: &[u8]) -> u64 {
    let hash = sha3(&[&seed.to_le_bytes(), text].concat());
    u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

/// A graph of 3 to 9 tasks: leaves, folds of two or three of what is below, and a root over what is left.
fn graph(seed: u64) -> Graph {
    let mut tasks = vec![];
    let mut add = |name: String, children| {
        let task = Toy::task(&name, format!("schedule {seed}, {name}").as_bytes(), children);
        let id = task.id();
        tasks.push(task);
        id
    };
    let leaves = 2 + draw(seed, b"leaves") % 4;
    let mut level: Vec<TaskId> = (0..leaves).map(|leaf| add(format!("leaf {leaf}"), vec![])).collect();
    if leaves > 2 {
        let width = 2 + usize::try_from(draw(seed, b"width") % 2).expect("a small number");
        let folds = level.chunks(width).enumerate();
        level = folds.map(|(fold, children)| add(format!("fold {fold}"), children.to_vec())).collect();
    }
    add("root".to_owned(), level);
    Graph::new(tasks).expect("a graph")
}

/// Proves a graph, however often it has to be tried.
fn prove(graph: &Graph, store: &dyn Store, queue: &PostgresQueue) -> Vec<u8> {
    let (catalogue, here) = (Catalogue::default().with(Toy), InProcess::new(1, MEMORY));
    let coordinator = Coordinator::new(&catalogue, store, &here);
    let coordinator = Coordinator { queue: Some(queue), pace: PACE, ..coordinator };
    let tasks: Vec<_> = graph.tasks().map(|(_, task)| task.clone()).collect();
    let start = Instant::now();
    loop {
        match coordinator.run(graph, &|position| Ok(Toy::input(&tasks[position]))) {
            Ok(proof) => return proof,
            // A task that its workers have spoiled too often is begun anew by whoever insists.
            Err(GraphRunError::GivenUp { .. }) if start.elapsed() < PATIENCE => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A store that is away now and then.
struct Unsteady {
    store: ObjectStore,
    is_away: AtomicBool,
    refused: AtomicUsize,
}

impl Unsteady {
    fn reach(&self, object: &Object) -> Result<&ObjectStore, StoreError> {
        if self.is_away.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Away { object: object.clone(), source: "it is away".into() });
        }
        Ok(&self.store)
    }
}

impl Store for Unsteady {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        self.reach(object)?.get(object)
    }

    fn has(&self, object: &Object) -> Result<bool, StoreError> {
        self.reach(object)?.has(object)
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        self.reach(object)?.create(object, bytes)
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        self.reach(object)?.replace(object, bytes)
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        self.reach(object)?.remove(object)
    }
}

/// A worker that misbehaves, as a task's id and the number of its attempt say.
struct Unreliable<'a> {
    worker: Worker<'a>,
    store: &'a Unsteady,
    attempts: &'a Mutex<BTreeMap<TaskId, u64>>,
    misdeeds: &'a Mutex<BTreeMap<&'static str, usize>>,
    /// The tasks whose proofs it has written over, perhaps after they had served their purpose.
    lies: &'a Mutex<BTreeSet<TaskId>>,
}

impl Unreliable<'_> {
    /// Stores a proof that proves something else, or nothing.
    fn lie(&self, id: TaskId, attempt: u64) -> Result<(), TaskError> {
        let other = Toy::task("another task", b"another statement", vec![]);
        let lie = match draw(attempt, &id.to_bytes()) % 3 {
            0 => b"no proof".to_vec(),
            1 => StoredProof::new(&other, Toy::proof(&other)).encode().expect("a small proof"),
            _ => match self.worker.task(id)? {
                Some(task) => StoredProof::new(&task, b"no proof".to_vec()).encode().expect("a small proof"),
                None => vec![],
            },
        };
        self.lies.lock().expect("no panic").insert(id);
        Ok(self.store.replace(&Object::Proof(id), &lie)?)
    }
}

impl Handler for Unreliable<'_> {
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
        let attempt = {
            let mut attempts = self.attempts.lock().expect("no panic");
            let attempt = attempts.entry(id).or_default();
            *attempt += 1;
            *attempt
        };
        let note = |misdeed| *self.misdeeds.lock().expect("no panic").entry(misdeed).or_default() += 1;
        if attempt > MISDEEDS {
            return self.worker.handle(id);
        }
        match draw(attempt, &id.to_bytes()) % 20 {
            0 | 1 => {
                note("stores a lie");
                self.lie(id, attempt)?;
                Ok(Handled::Stored)
            }
            2 => {
                note("says that it is done");
                Ok(Handled::Stored)
            }
            3 => {
                note("says that nobody wants it");
                Ok(Handled::Unwanted)
            }
            4 => {
                note("says that a child is missing");
                Ok(Handled::Early)
            }
            5 | 6 => {
                note("is slow");
                sleep(Duration::from_millis(200));
                self.worker.handle(id)
            }
            7 => {
                note("does it twice at once");
                scope(|scope| {
                    let twice = [(); 2].map(|()| scope.spawn(|| self.worker.handle(id)));
                    let [first, second] = twice.map(|thread| thread.join().expect("no panic"));
                    first.and(second)
                })
            }
            8 => {
                note("does it twice");
                self.worker.handle(id)?;
                self.worker.handle(id)
            }
            9 => {
                note("fails");
                Err(TaskError::Elsewhere { message: "no proof".to_owned() })
            }
            10 => {
                note("loses it");
                Err(TaskError::Vanished { message: "no answer".to_owned() })
            }
            _ => self.worker.handle(id),
        }
    }
}

/// Waits until `done`.
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        sleep(Duration::from_millis(50));
    }
}

/// Checks that every task of a graph has its proof, that nothing else is left of it, and that the queue is empty.
fn assert_finished(server: &Postgres, store: &dyn Store, graphs: &[Graph], lies: &BTreeSet<TaskId>) {
    let catalogue = Catalogue::default().with(Toy);
    let worker = Worker::new(&catalogue, store, &());
    for (id, task) in graphs.iter().flat_map(Graph::tasks) {
        if !lies.contains(&id) {
            assert_eq!(worker.proof(id, task).expect("a store"), Some(Toy::proof(task)), "task {id}");
        }
        assert!(!store.has(&Object::Input(id)).expect("a store"), "an input is left of task {id}");
    }
    // A job that was given up stays until somebody offers its task again, and nobody needs to.
    let unfinished = "select count(*) from superblock._private_jobs where attempts < max_attempts or locked_at is not null";
    wait_for("the end of all jobs", || {
        server.sql(HURRY).expect("an update");
        server.sql(unfinished).expect("a count") == "0"
    });
}

#[test]
fn whatever_workers_and_coordinators_do_each_task_ends_with_its_proof() {
    let server = server();
    let store = ObjectStore::with_backend("memory", Arc::new(InMemory::new()), "tasks".into());
    let store = Unsteady {
        store: store.expect("a runtime"),
        is_away: AtomicBool::new(false),
        refused: AtomicUsize::new(0),
    };
    let graphs: Vec<_> = (0..SCHEDULES).map(graph).collect();
    let (attempts, misdeeds, lies) = (Mutex::default(), Mutex::default(), Mutex::default());
    let (next, done, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let catalogue = Catalogue::default().with(Toy);
    let coordinating = queue(&server.connection());
    coordinating.migrate().expect("tables");
    server.sql("create table over (is_over bool)").expect("a table");
    scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let unreliable = Unreliable {
                    worker: Worker::new(&catalogue, &store, &()),
                    store: &store,
                    attempts: &attempts,
                    misdeeds: &misdeeds,
                    lies: &lies,
                };
                queue(&server.connection()).run(&unreliable, &stop).expect("the worker ends well");
            });
        }
        scope.spawn(|| {
            // It ends with the database now and then.
            while !stop.load(Ordering::Relaxed) {
                let _ = server.sql(MISCHIEF);
            }
        });
        scope.spawn(|| {
            for part in 1..=3 {
                let is_due = || done.load(Ordering::Relaxed) >= graphs.len() * part / 4;
                wait_for("progress", || is_due() || stop.load(Ordering::Relaxed));
                server.crash().expect("a crash");
                sleep(Duration::from_millis(500));
                server.resume().expect("a server");
                store.is_away.store(true, Ordering::Relaxed);
                sleep(Duration::from_millis(500));
                store.is_away.store(false, Ordering::Relaxed);
            }
        });
        let coordinators: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(graph) = graphs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let expected = Toy::proof(graph.task(graph.root()).expect("a root"));
                        std::thread::scope(|scope| {
                            // Some graphs have two coordinators, which know nothing of each other.
                            let pair = 1 + usize::from(graph.root().to_bytes()[0].is_multiple_of(4));
                            for _ in 0..pair {
                                scope.spawn(|| assert_eq!(prove(graph, &store, &coordinating), expected));
                            }
                        });
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = coordinators.into_iter().map(|coordinator| coordinator.join()).collect();
        let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            assert!(ended.iter().all(Result::is_ok), "a coordinator has failed");
            wait_for("an end of mischief", || server.sql("insert into over values (true)").is_ok());
            assert_finished(&server, &store, &graphs, &lies.lock().expect("no panic"));
        }));
        stop.store(true, Ordering::Relaxed);
        finished.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let misdeeds = misdeeds.into_inner().expect("no panic");
    println!("{} graphs, {misdeeds:?}, store away {} times", graphs.len(), store.refused.into_inner());
    assert_eq!(misdeeds.len(), 9, "some misdeed was never done");
}

/// A worker that takes some time for each task.
#[test]
#[ignore = "the process that another test kills"]
fn child() {
    let (Ok(connection), Ok(folder)) = (env::var(CHILD_CONNECTION), env::var(CHILD_FOLDER)) else { return };
    let store = ObjectStore::open(&folder, &BTreeMap::new()).expect("a folder");
    let catalogue = Catalogue::default().with(Toy);
    /// Does a task slowly.
    struct Slow<'a>(Worker<'a>);
    impl Handler for Slow<'_> {
        fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
            sleep(Duration::from_millis(20));
            let handled = self.0.handle(id);
            sleep(Duration::from_millis(20));
            handled
        }
    }
    let slow = Slow(Worker::new(&catalogue, &store, &()));
    queue(&connection).run(&slow, &AtomicBool::new(false)).expect("the worker ends well");
}

/// A library with which a program's clock is an hour ahead.
fn clock(directory: &Path) -> PathBuf {
    let (source, library) = (directory.join("clock.c"), directory.join("clock.so"));
    std::fs::write(&source, CLOCK).expect("a file");
    let mut compiler = Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    assert!(compiled.expect("a C compiler").success());
    library
}

#[test]
fn workers_that_are_killed_at_any_moment_and_have_other_clocks_lose_nothing() {
    let server = server();
    let directory = tempfile::tempdir().expect("a directory");
    let folder = format!("file://{}/tasks", directory.path().display());
    std::fs::create_dir(directory.path().join("tasks")).expect("a directory");
    let store = ObjectStore::open(&folder, &BTreeMap::new()).expect("a folder");
    let clock = clock(directory.path());
    let graphs: Vec<_> = (0..24).map(|seed| graph(SCHEDULES + seed)).collect();
    let (stop, draws, kills) = (AtomicBool::new(false), AtomicU64::new(0), AtomicUsize::new(0));
    let coordinating = queue(&server.connection());
    coordinating.migrate().expect("tables");
    let start = |is_ahead: bool| -> Child {
        let mut command = Command::new(env::current_exe().expect("a path"));
        command
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(CHILD_CONNECTION, server.connection())
            .env(CHILD_FOLDER, &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if is_ahead {
            command.env("LD_PRELOAD", &clock);
        }
        command.spawn().expect("a process")
    };
    scope(|scope| {
        for number in 0..3 {
            let (start, stop, draws, kills) = (&start, &stop, &draws, &kills);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut child = start(number == 0);
                    // It is killed while it starts, while it works, or while it waits.
                    let moment = draw(draws.fetch_add(1, Ordering::Relaxed), b"moment") % 700;
                    sleep(Duration::from_millis(100 + moment));
                    child.kill().expect("killed");
                    child.wait().expect("ended");
                    kills.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                server.sql(HURRY).expect("an update");
                sleep(Duration::from_millis(200));
            }
        });
        let coordinators: Vec<_> =
            graphs.iter().map(|graph| scope.spawn(|| prove(graph, &store, &coordinating))).collect();
        let proofs: Vec<_> = coordinators.into_iter().map(|coordinator| coordinator.join()).collect();
        let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for (graph, proof) in graphs.iter().zip(proofs) {
                let expected = Toy::proof(graph.task(graph.root()).expect("a root"));
                assert_eq!(proof.expect("the coordinator ends well"), expected);
            }
            assert_finished(&server, &store, &graphs, &BTreeSet::new());
        }));
        stop.store(true, Ordering::Relaxed);
        finished.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    println!("{} graphs, {} workers killed", graphs.len(), kills.into_inner());
}

//! The queue on a PostgreSQL of its own: every promise of `Queue`, and what happens to it when workers die, lose their jobs, or
//! lose the database.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use batcher_workers::{Connection, PostgresQueue, QueueOptions, testing::Postgres};
use circuits_tasks::{
    id::TaskId,
    queue::{Handled, Handler, Offer, Queue as _},
    store::{Object, StoreError},
    worker::TaskError,
};

/// How long a test waits for what must happen, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connection string of the server that a child process works for.
const CHILD_CONNECTION: &str = "SUPERBLOCK_TEST_CONNECTION";

/// A gibibyte, more than any test's task needs.
const MEMORY: u64 = 1 << 30;

/// What a handler does with a task.
type Act<'a> = dyn Fn(TaskId) -> Result<Handled, TaskError> + Sync + 'a;

/// Does what a function does.
struct Acts<'a>(&'a Act<'a>);

impl Handler for Acts<'_> {
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
        (self.0)(id)
    }
}

fn server() -> Postgres {
    Postgres::start().unwrap_or_else(|error| panic!("{error}"))
}

fn options(jobs: usize) -> QueueOptions {
    let (heartbeat, dead_after) = (Duration::from_millis(100), Duration::from_secs(1));
    QueueOptions { heartbeat, dead_after, attempts: 3, ..QueueOptions::new(jobs, MEMORY) }
}

fn queue(server: &Postgres, options: QueueOptions) -> PostgresQueue {
    let connection = Connection::new(&server.connection()).expect("a connection string");
    let queue = PostgresQueue::new(&connection, options).expect("a runtime");
    queue.migrate().expect("tables");
    queue
}

fn id(number: usize) -> TaskId {
    TaskId::new(&[0; 32], &number.to_le_bytes(), &[])
}

fn offer(number: usize) -> Offer {
    Offer { id: id(number), memory: 1, priority: 0 }
}

fn failed(message: &str) -> TaskError {
    TaskError::Elsewhere { message: message.to_owned() }
}

fn store_away(id: TaskId) -> TaskError {
    TaskError::Store(StoreError::Away { object: Object::Proof(id), source: "it is away".into() })
}

fn jobs(server: &Postgres) -> String {
    server.sql("select count(*) from superblock._private_jobs").expect("a count")
}

/// Makes jobs that wait until a moment start now, so that tests need not wait for the pauses after failures.
fn hurry(server: &Postgres) {
    let sql = "update superblock._private_jobs set run_at = now() where run_at > now()";
    server.sql(sql).expect("an update");
}

/// Waits until `done`.
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        sleep(Duration::from_millis(20));
    }
}

/// Runs a worker beside `work`.
fn with_worker(queue: &PostgresQueue, act: &Act<'_>, work: impl FnOnce()) {
    /// Stops the worker also if an assertion fails.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    scope(|scope| {
        let worker = scope.spawn(|| queue.run(&Acts(act), &stop));
        {
            let _stop = Stop(&stop);
            work();
        }
        worker.join().expect("no panic").expect("the worker ends well");
    });
}

#[test]
fn a_task_is_done_once_however_often_it_is_offered() {
    let server = server();
    let queue = queue(&server, options(2));
    let done = Mutex::new(vec![]);
    let offers: Vec<_> = (0..10).map(offer).collect();
    queue.offer(&offers).expect("offered");
    queue.offer(&[&offers[5..], &offers[..7], &offers[6..]].concat()).expect("offered again");
    assert_eq!(jobs(&server), "10");
    let act = |id| {
        done.lock().unwrap().push(id);
        // While it is done, it is offered again.
        queue.offer(&[Offer { id, memory: 1, priority: 0 }]).expect("offered");
        Ok(Handled::Stored)
    };
    with_worker(&queue, &act, || wait_for("the end of all jobs", || jobs(&server) == "0"));
    let mut done = done.into_inner().unwrap();
    done.sort();
    let mut expected: Vec<_> = offers.iter().map(|offer| offer.id).collect();
    expected.sort();
    assert_eq!(done, expected);
}

#[test]
fn the_lowest_priority_comes_first_and_then_the_earliest_offer() {
    let server = server();
    let queue = queue(&server, options(1));
    for (number, priority) in [(0, 5), (1, -3), (2, 5), (3, 0)] {
        queue.offer(&[Offer { priority, ..offer(number) }]).expect("offered");
    }
    let done = Mutex::new(vec![]);
    let act = |id| {
        done.lock().unwrap().push(id);
        Ok(Handled::Stored)
    };
    with_worker(&queue, &act, || wait_for("the end of all jobs", || jobs(&server) == "0"));
    assert_eq!(*done.lock().unwrap(), [1, 3, 0, 2].map(id));
}

#[test]
fn a_task_that_is_too_large_for_a_worker_is_left_to_another() {
    let server = server();
    let small = queue(&server, QueueOptions { memory: 512 << 20, ..options(2) });
    let large = queue(&server, QueueOptions { memory: 4 << 30, ..options(2) });
    let offers = [Offer { memory: 2 << 30, ..offer(0) }, Offer { memory: 256 << 20, ..offer(1) }];
    small.offer(&offers).expect("offered");
    let refused = AtomicBool::new(false);
    let small_act = |task| {
        refused.fetch_or(task == id(0), Ordering::Relaxed);
        Ok(Handled::Stored)
    };
    with_worker(&small, &small_act, || wait_for("the end of the small task", || jobs(&server) == "1"));
    with_worker(&large, &|_| Ok(Handled::Stored), || {
        wait_for("the end of the large task", || jobs(&server) == "0");
    });
    assert!(!refused.into_inner(), "a worker has taken a task that it has no memory for");
}

#[test]
fn a_task_that_fails_is_given_up_at_once_and_tried_anew_when_it_is_offered_again() {
    let server = server();
    let queue = queue(&server, options(1));
    let may_succeed = AtomicBool::new(false);
    let calls = AtomicUsize::new(0);
    let act = |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        if may_succeed.load(Ordering::Relaxed) { Ok(Handled::Stored) } else { Err(failed("no \"proof\"")) }
    };
    queue.offer(&[offer(0), offer(1)]).expect("offered");
    with_worker(&queue, &act, || {
        let given_up = || queue.given_up(&[id(0), id(1), id(2)]).expect("an answer");
        wait_for("giving up", || given_up().len() == 2);
        assert_eq!(calls.load(Ordering::Relaxed), 2, "a failure that will happen again is not tried again");
        for given_up in given_up() {
            assert_eq!((given_up.attempts, &given_up.error.to_string()[..]), (1, "no \"proof\""));
        }
        may_succeed.store(true, Ordering::Relaxed);
        queue.offer(&[offer(0)]).expect("offered anew");
        wait_for("success", || calls.load(Ordering::Relaxed) == 3 && jobs(&server) == "1");
        assert_eq!(given_up().iter().map(|given_up| given_up.id).collect::<Vec<_>>(), [id(1)]);
        queue.withdraw(&[id(1)]).expect("withdrawn");
        assert_eq!(given_up().len(), 0);
    });
}

#[test]
fn a_panic_of_a_prover_gives_its_task_up_and_leaves_the_worker_alive() {
    let server = server();
    let queue = queue(&server, options(1));
    queue.offer(&[offer(0)]).expect("offered");
    let act = |task| if task == id(0) { panic!("a prover's panic") } else { Ok(Handled::Stored) };
    with_worker(&queue, &act, || {
        wait_for("giving up", || queue.given_up(&[id(0)]).expect("an answer").len() == 1);
        queue.offer(&[offer(1)]).expect("offered");
        wait_for("the next task", || jobs(&server) == "1");
    });
}

#[test]
fn a_store_that_is_away_costs_a_task_no_attempt() {
    let server = server();
    let queue = queue(&server, options(1));
    let calls = AtomicUsize::new(0);
    let act = |id| match calls.fetch_add(1, Ordering::Relaxed) {
        0..7 => Err(store_away(id)),
        _ => Ok(Handled::Stored),
    };
    queue.offer(&[offer(0)]).expect("offered");
    with_worker(&queue, &act, || {
        wait_for("success", || {
            hurry(&server);
            jobs(&server) == "0"
        });
    });
    assert_eq!(calls.into_inner(), 8, "more attempts than a task has");
}

#[test]
fn whoever_waits_is_told_when_a_task_ends() {
    let server = server();
    let (queue, other) = (queue(&server, options(1)), queue(&server, options(1)));
    with_worker(&queue, &|_| Ok(Handled::Stored), || {
        // The first call starts to listen, and returns when its time is over.
        other.wait(Duration::from_millis(500)).expect("an answer");
        queue.offer(&[offer(0)]).expect("offered");
        let start = Instant::now();
        while jobs(&server) != "0" {
            other.wait(PATIENCE).expect("an answer");
        }
        assert!(start.elapsed() < PATIENCE, "nobody was told");
    });
}

#[test]
fn a_worker_that_has_lost_its_job_completes_nothing_of_the_one_that_has_it() {
    let server = server();
    let (first, second) = (queue(&server, options(1)), queue(&server, options(1)));
    let (begun, may_end) = (AtomicUsize::new(0), [AtomicBool::new(false), AtomicBool::new(false)]);
    let act = |which: usize| {
        let (begun, may_end) = (&begun, &may_end);
        move |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            wait_for("permission", || may_end[which].load(Ordering::Relaxed));
            // The second would have to do the task again, if it failed.
            if which == 0 { Ok(Handled::Early) } else { Err(failed("the second one's reason")) }
        }
    };
    let (first_act, second_act) = (act(0), act(1));
    first.offer(&[offer(0)]).expect("offered");
    with_worker(&first, &first_act, || {
        wait_for("the first claim", || begun.load(Ordering::Relaxed) == 1);
        server
            .sql("update superblock._private_jobs set locked_by = null, locked_at = null")
            .expect("an update");
        with_worker(&second, &second_act, || {
            wait_for("the second claim", || begun.load(Ordering::Relaxed) == 2);
            may_end[0].store(true, Ordering::Relaxed);
            // The first one's next task shows that it is done with the one before.
            first.offer(&[offer(1)]).expect("offered");
            wait_for("the first one's next claim", || begun.load(Ordering::Relaxed) == 3);
            assert_eq!(jobs(&server), "1", "the job of the second worker is still there");
            may_end[1].store(true, Ordering::Relaxed);
            wait_for("the end", || first.given_up(&[id(0)]).expect("an answer").len() == 1);
        });
    });
}

#[test]
fn a_worker_goes_on_after_the_database_was_away() {
    let server = server();
    let queue = queue(&server, options(2));
    let (begun, may_end, done) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(vec![]));
    let act = |id| {
        begun.fetch_add(1, Ordering::Relaxed);
        wait_for("permission", || may_end.load(Ordering::Relaxed));
        done.lock().unwrap().push(id);
        Ok(Handled::Stored)
    };
    queue.offer(&[offer(0), offer(1), offer(2)]).expect("offered");
    with_worker(&queue, &act, || {
        wait_for("two claims", || begun.load(Ordering::Relaxed) == 2);
        server.crash().expect("a crash");
        assert!(queue.offer(&[offer(3)]).expect_err("no database").is_passing());
        assert!(queue.given_up(&[id(0)]).expect_err("no database").is_passing());
        // They end while the database is away, and nobody can note it.
        may_end.store(true, Ordering::Relaxed);
        wait_for("the end of two tasks", || done.lock().unwrap().len() == 2);
        server.resume().expect("a server");
        wait_for("an offer", || queue.offer(&[offer(3)]).is_ok());
        wait_for("the end of all jobs", || {
            hurry(&server);
            jobs(&server) == "0"
        });
    });
    let mut done = done.into_inner().unwrap();
    done.sort();
    done.dedup();
    assert_eq!(done.len(), 4);
}

#[test]
fn the_first_who_names_a_store_sets_it_for_everybody() {
    let server = server();
    let queue = queue(&server, options(1));
    assert_eq!(queue.store_address(None).expect("an answer"), None);
    let address = Some("file:///srv/tasks".to_owned());
    assert_eq!(queue.store_address(address.as_deref()).expect("an answer"), address);
    assert_eq!(queue.store_address(None).expect("an answer"), address);
    assert_eq!(queue.store_address(address.as_deref()).expect("an answer"), address);
    let error = queue.store_address(Some("file:///other")).expect_err("another one");
    assert!(!error.is_passing() && error.to_string().contains("file:///srv/tasks"), "{error}");
}

#[test]
fn processes_that_begin_at_the_same_time_prepare_a_database_together() {
    let server = server();
    for round in 0..10 {
        let options = QueueOptions { schema: format!("round_{round}"), ..options(1) };
        scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let queue = queue(&server, options.clone());
                    assert_eq!(queue.store_address(None).expect("an answer"), None);
                });
            }
        });
    }
}

#[test]
fn a_connection_string_is_refused_without_repeating_it() {
    for text in [
        "postgres://name:hunter2@",
        "host=a hunter2",
        "postgres://name:hunter2@db.example/x",
        "hunter2",
        "hostaddr=192.0.2.1 password=hunter2",
    ] {
        let error = Connection::new(text).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    for text in [
        "postgres://name:hunter2@db.example/x?sslmode=require",
        "postgres://name@localhost/x",
        "postgres://name@127.0.0.1/x",
        "host=/run/postgresql user=name",
    ] {
        let connection = Connection::new(text).expect("a connection string");
        assert_eq!(connection.has_password(), text.contains("hunter2"));
        assert!(!format!("{connection:?}").contains("hunter2"));
    }
}

#[test]
fn a_database_that_refuses_ends_the_worker() {
    let server = server();
    let connection = server.connection().replace("dbname=postgres", "dbname=absent");
    let connection = Connection::new(&connection).expect("a connection string");
    let queue = PostgresQueue::new(&connection, options(1)).expect("a runtime");
    let error = queue.run(&Acts(&|_| Ok(Handled::Stored)), &AtomicBool::new(false)).expect_err("no database");
    assert!(!error.is_passing(), "{error}");
}

/// A process that takes the next task and never ends it.
#[test]
#[ignore = "the process that other tests kill"]
fn child() {
    let Ok(text) = env::var(CHILD_CONNECTION) else { return };
    let queue = PostgresQueue::new(&Connection::new(&text).expect("a connection string"), options(1));
    let act = |_| {
        println!("claimed");
        loop {
            sleep(PATIENCE);
        }
    };
    queue.expect("a runtime").run(&Acts(&act), &AtomicBool::new(false)).expect("the worker ends well");
}

/// Starts [`child`], and waits until it has a task.
fn start_child(server: &Postgres) -> Child {
    let mut child = Command::new(env::current_exe().expect("a path"))
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(CHILD_CONNECTION, server.connection())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    assert!(
        output.lines().map_while(Result::ok).any(|line| line.contains("claimed")),
        "the child has no task"
    );
    child
}

#[test]
fn a_task_whose_workers_are_killed_goes_to_others_and_is_given_up_in_the_end() {
    let server = server();
    // Somebody who is alive, has too little memory for the task, and finds out that its worker is dead.
    let sweeper = queue(&server, QueueOptions { memory: 0, ..options(1) });
    sweeper.offer(&[Offer { memory: MEMORY / 2, ..offer(0) }]).expect("offered");
    let count = |condition: &str| {
        server
            .sql(&format!("select count(*) from superblock._private_jobs where {condition}"))
            .expect("a count")
    };
    with_worker(&sweeper, &|_| Err(failed("it has no memory for this")), || {
        for attempt in 1..=3 {
            let mut child = start_child(&server);
            child.kill().expect("killed");
            child.wait().expect("ended");
            // A crash counts as an attempt.
            let is_free = format!("locked_by is null and attempts = {attempt}");
            wait_for("recovery", || count(&is_free) == "1");
            hurry(&server);
        }
    });
    let given_up = sweeper.given_up(&[id(0)]).expect("an answer");
    assert_eq!((given_up.len(), given_up[0].attempts), (1, 3));
    assert_eq!(given_up[0].error.to_string(), "the process that did it ended 3 times before it was done");
}

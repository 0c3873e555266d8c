//! What a coordinator does when workers do nothing.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use circuits_tasks::{
    coordinator::{Coordinator, GraphRunError, Pace},
    graph::{Graph, Place, Task},
    id::TaskId,
    in_process::InProcess,
    queue::{GivenUp, Handled, Handler, Offer, Queue, QueueError},
    store::{MemoryStore, Store},
    testing::Toy,
    worker::{TaskError, Worker},
};

use crate::support::{Log, Moody, PACE, input, small_graph, toys};

const PATIENCE: Duration = Duration::from_millis(40);

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// Whose workers do nothing, and which this process cannot work for.
struct Idle;

impl Queue for Idle {
    fn offer(&self, _: &[Offer]) -> Result<(), QueueError> {
        Ok(())
    }

    fn run(&self, _: &dyn Handler, _: &AtomicBool) -> Result<(), QueueError> {
        Err(QueueError::Refused { source: "no workers are wanted".into() })
    }

    fn wait(&self, at_most: Duration) -> Result<(), QueueError> {
        thread::sleep(at_most);
        Ok(())
    }

    fn given_up(&self, _: &[TaskId]) -> Result<Vec<GivenUp>, QueueError> {
        Ok(vec![])
    }
}

#[test]
fn workers_that_do_nothing_end_a_run_that_is_not_patient() {
    let (graph, catalogue, here) = (small_graph(), toys(), InProcess::new(1, 1));
    let away = Moody { inner: MemoryStore::default(), calls: AtomicU32::new(0), period: 1 };
    for (store, reason) in [(&MemoryStore::default() as &dyn Store, None), (&away, Some("it is away"))] {
        let coordinator = Coordinator {
            queue: Some(&Idle),
            patience: Some(PATIENCE),
            pace: PACE,
            ..Coordinator::new(&catalogue, store, &here)
        };
        let error = coordinator.run(&graph, &|position| input(&graph, position)).expect_err("nobody works");
        let GraphRunError::Patience { label, reason: found, .. } = &error else { panic!("{error}") };
        // The first that can start, or the last of those of which nothing is known.
        assert_eq!(label, if reason.is_none() { "middle" } else { "root" });
        assert_eq!(found.is_some(), reason.is_some());
        assert!(error.to_string().contains(reason.unwrap_or("workers")), "{error}");
    }
}

/// Takes its time.
struct Slow<'a>(Worker<'a>);

impl Handler for Slow<'_> {
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
        thread::sleep(PATIENCE);
        self.0.handle(id)
    }
}

#[test]
fn every_proof_begins_the_wait_anew() {
    // More tasks than the patience has room for.
    let tasks = (0..60).fold(vec![], |mut tasks: Vec<Task>, index| {
        let below = tasks.last().map(Task::id).into_iter().collect();
        tasks.push(Toy::task(&format!("toy {index}"), &[index], below));
        tasks
    });
    let graph = Graph::new(tasks).expect("a chain");
    let (catalogue, here, queue) = (toys(), InProcess::new(1, 1), InProcess::new(1, 1));
    let store = MemoryStore::default();
    let worker = Slow(Worker::new(&catalogue, &store, &()));
    let coordinator = Coordinator {
        queue: Some(&queue),
        worker: Some(&worker),
        patience: Some(PATIENCE * 50),
        pace: PACE,
        ..Coordinator::new(&catalogue, &store, &here)
    };
    coordinator.run(&graph, &|position| input(&graph, position)).expect("a proof comes every now and then");
}

#[test]
fn what_this_process_does_itself_takes_as_long_as_it_takes() {
    let own = Task { place: Place::Here, ..Toy::task("own", b"own", vec![]) };
    let root = Toy::task("root", b"root", vec![own.id()]);
    let graph = Graph::new(vec![own, root]).expect("a graph");
    let (catalogue, here, store) = (toys(), InProcess::new(1, 1), MemoryStore::default());
    let coordinator = Coordinator {
        queue: Some(&Idle),
        patience: Some(PATIENCE),
        pace: PACE,
        ..Coordinator::new(&catalogue, &store, &here)
    };
    let asked = AtomicUsize::new(0);
    let inputs = |position| -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        if position == 0 && asked.fetch_add(1, Ordering::Relaxed) == 0 {
            thread::sleep(PATIENCE * 3);
        }
        input(&graph, position)
    };
    let error = coordinator.run(&graph, &inputs).expect_err("nobody does the root");
    assert!(matches!(&error, GraphRunError::Patience { label, .. } if label == "root"), "{error}");
}

#[test]
fn people_are_told_once_which_task_workers_leave_undone() {
    let (graph, catalogue, here, log) = (small_graph(), toys(), InProcess::new(1, 1), Log::default());
    let store = MemoryStore::default();
    let coordinator = Coordinator {
        queue: Some(&Idle),
        patience: Some(PATIENCE * 4),
        pace: Pace { stall: PATIENCE, ..PACE },
        progress: &log,
        ..Coordinator::new(&catalogue, &store, &here)
    };
    coordinator.run(&graph, &|position| input(&graph, position)).expect_err("nobody works");
    let notes = log.lines("note");
    assert!(notes.len() == 1 && notes[0].ends_with("for task middle"), "{notes:?}");
}

#[test]
fn a_process_that_cannot_work_for_the_queue_says_so() {
    let (graph, catalogue, here) = (small_graph(), toys(), InProcess::new(1, 1));
    let store = MemoryStore::default();
    let worker = Worker::new(&catalogue, &store, &());
    let coordinator = Coordinator {
        queue: Some(&Idle),
        worker: Some(&worker),
        patience: Some(LONG),
        ..Coordinator::new(&catalogue, &store, &here)
    };
    let error = coordinator.run(&graph, &|position| input(&graph, position)).expect_err("it is refused");
    assert!(matches!(error, GraphRunError::Queue(QueueError::Refused { .. })), "{error}");
}

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use circuits_tasks::{
    id::TaskId,
    in_process::InProcess,
    queue::{Handled, Handler, Offer, Queue as _},
    store::{Object, StoreError},
    worker::TaskError,
};

fn id(number: u8) -> TaskId {
    TaskId::from_bytes([number; 32])
}

fn offer(number: u8, memory: u64, priority: i16) -> Offer {
    Offer { id: id(number), memory, priority }
}

/// Does what `work` says, and stops the queue after `count` calls.
struct Scripted<'a, W> {
    work: W,
    count: usize,
    called: AtomicUsize,
    stop: &'a AtomicBool,
}

impl<W: Fn(TaskId, usize) -> Result<Handled, TaskError> + Sync> Handler for Scripted<'_, W> {
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
        let call = self.called.fetch_add(1, Ordering::SeqCst);
        let result = (self.work)(id, call);
        if call + 1 == self.count {
            self.stop.store(true, Ordering::SeqCst);
        }
        result
    }
}

/// Runs `queue` until `count` tasks were handled.
fn run(queue: &InProcess, count: usize, work: impl Fn(TaskId, usize) -> Result<Handled, TaskError> + Sync) {
    let stop = AtomicBool::new(false);
    let handler = Scripted { work, count, called: AtomicUsize::new(0), stop: &stop };
    queue.run(&handler, &stop).expect("it runs");
    assert_eq!(handler.called.load(Ordering::SeqCst), count);
}

#[test]
fn tasks_come_by_priority_then_in_the_order_of_their_offers_and_once() {
    let queue = InProcess::new(1, 1);
    queue.offer(&[offer(1, 1, 5), offer(2, 1, 5), offer(3, 1, -5), offer(1, 1, 5)]).expect("offered");
    queue.offer(&[offer(2, 1, 0)]).expect("offered");
    let order = Mutex::new(vec![]);
    run(&queue, 3, |id, _| {
        order.lock().expect("no panic").push(id);
        Ok(Handled::Stored)
    });
    assert_eq!(*order.lock().expect("no panic"), [id(3), id(1), id(2)]);
}

#[test]
fn no_more_runs_than_jobs_and_memory_allow_and_a_large_task_runs_alone() {
    let queue = InProcess::new(3, 10);
    let (running, most) = (Mutex::new((0, 0)), AtomicUsize::new(0));
    let sizes = [4, 4, 4, 25, 1, 1, 1, 1, 1];
    for (number, &memory) in (0..).zip(&sizes) {
        queue.offer(&[offer(number, memory, 0)]).expect("offered");
    }
    run(&queue, sizes.len(), |task, _| {
        let memory = sizes[usize::from(task.to_bytes()[0])];
        {
            let mut running = running.lock().expect("no panic");
            running.0 += 1;
            running.1 += memory;
            most.fetch_max(running.0, Ordering::SeqCst);
            assert!(running.0 <= 3 && (running.1 <= 10 || running.0 == 1), "{running:?}");
        }
        thread::sleep(Duration::from_millis(20));
        let mut running = running.lock().expect("no panic");
        running.0 -= 1;
        running.1 -= memory;
        Ok(Handled::Stored)
    });
    assert!(most.load(Ordering::SeqCst) >= 2, "nothing ran side by side");
}

#[test]
fn what_failed_for_a_while_is_tried_again_and_what_failed_for_good_is_given_up() {
    let queue = InProcess::new(1, 1);
    queue.offer(&[offer(1, 1, 0), offer(2, 1, 1)]).expect("offered");
    run(&queue, 3, |task, call| match call {
        0 => Err(TaskError::Store(StoreError::Away { object: Object::Task(task), source: "away".into() })),
        1 => {
            assert_eq!(task, id(2), "the first one waits");
            Err(TaskError::Elsewhere { message: "broken".to_owned() })
        }
        _ => Ok(Handled::Stored),
    });
    let given_up = queue.given_up(&[id(1), id(2), id(3)]).expect("known");
    assert_eq!(given_up.iter().map(|one| (one.id, one.attempts)).collect::<Vec<_>>(), [(id(2), 1)]);
    assert_eq!(given_up[0].error.to_string(), "broken");

    queue.offer(&[offer(2, 1, 0)]).expect("offered anew");
    assert!(queue.given_up(&[id(2)]).expect("known").is_empty());
    run(&queue, 1, |_, _| Ok(Handled::Stored));
}

#[test]
fn whoever_waits_learns_of_the_end_of_a_task() {
    let (queue, stop) = (Arc::new(InProcess::new(1, 1)), AtomicBool::new(false));
    queue.offer(&[offer(1, 1, 0)]).expect("offered");
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Far longer than the test may take.
            queue.wait(Duration::from_secs(600)).expect("known");
            ended.store(true, Ordering::SeqCst);
        });
        let handler =
            Scripted { work: |_, _| Ok(Handled::Early), count: 1, called: AtomicUsize::new(0), stop: &stop };
        queue.run(&handler, &stop).expect("it runs");
    });
    assert!(ended.load(Ordering::SeqCst));
}

#[test]
fn a_panic_of_a_handler_reaches_whoever_runs_the_queue() {
    let queue = InProcess::new(2, 2);
    queue.offer(&[offer(1, 1, 0), offer(2, 1, 0)]).expect("offered");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&queue, 9, |task, _| if task == id(1) { panic!("on purpose") } else { Ok(Handled::Stored) });
    }));
    let panic = result.expect_err("it goes on");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
}

//! Tasks that processes on one machine or on many do for each other.

use std::{
    panic::resume_unwind,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    queue::{Handler, Queue},
    store::Store,
};

/// Where tasks are shared with workers in other processes.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    /// Hands tasks out.
    pub queue: &'a dyn Queue,
    /// Keeps plans, tasks, inputs and proofs.
    pub store: &'a dyn Store,
    /// Does tasks of the queue beside the work of this process, whoever offered them. Without it all of them are left to others.
    pub worker: Option<&'a dyn Handler>,
}

impl Shared<'_> {
    /// Has tasks of the queue done until `work` has ended.
    pub fn beside_worker<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(worker) = self.worker else { return work() };
        let end = AtomicBool::new(false);
        thread::scope(|scope| {
            let working = scope.spawn(|| self.queue.run(worker, &end));
            let result = {
                let _set = SetOnDrop(&end);
                work()
            };
            match working.join() {
                // A queue that this process cannot work for is one that it cannot coordinate with either, which says so.
                Ok(_) => result,
                Err(panic) => resume_unwind(panic),
            }
        })
    }
}

/// Sets a flag when it is dropped, so that nobody waits for ever after a panic.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The priority of the tasks of a superblock: those of an earlier one come first, since later ones build on it. A queue orders by
/// 16 bits, so the order is wrong for a moment whenever 2^16 superblocks are full.
#[must_use]
pub fn priority(superblock: u32) -> i16 {
    let low = i32::try_from(superblock % (1 << 16)).unwrap_or_default();
    i16::try_from(low + i32::from(i16::MIN)).unwrap_or(i16::MAX)
}

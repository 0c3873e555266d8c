//! Memory for tasks that are done at the same time, and classes of tasks by the memory that they need.

use std::{
    fs,
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
};

/// The bytes of memory that the operating system gives this process: those of the machine, or fewer if a control group says so.
/// `None` if it does not tell.
#[must_use]
pub fn memory_of_system() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1 << 10)
    });
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    machine.into_iter().chain(groups.lines().flat_map(limits_of_group)).min()
}

/// The limits of a control group and of those that it is in, from its line of `/proc/self/cgroup`.
fn limits_of_group(line: &str) -> Vec<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { return vec![] };
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return vec![],
    };
    let group = Path::new(root).join(path.trim_start_matches('/'));
    let within = group.ancestors().take_while(|group| group.starts_with(root));
    // A group without a limit says `max`, or has no file, as the root does.
    within.filter_map(|group| fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()).collect()
}

/// The least of the classes: tasks that need no more are for every worker.
const LEAST_CLASS: u64 = 256 << 20;

/// The number of classes, each of twice the memory of the one before; the last one is of 1 TiB.
const CLASSES: u32 = 13;

/// The flags of a task that needs `memory` bytes: one for each class that it exceeds.
pub(crate) fn flags(memory: u64) -> impl Iterator<Item = String> {
    classes().filter(move |&class| memory > class).map(flag)
}

/// The flag of the tasks that are too large for a worker with `memory` bytes: its memory is rounded down to a class.
pub(crate) fn forbidden_flag(memory: u64) -> String {
    flag(classes().take_while(|&class| class <= memory).last().unwrap_or(LEAST_CLASS))
}

fn classes() -> impl Iterator<Item = u64> {
    (0..CLASSES).map(|class| LEAST_CLASS << class)
}

fn flag(class: u64) -> String {
    format!("over-{}-mib", class >> 20)
}

/// Bytes of memory that tasks take turns in.
#[derive(Debug)]
pub(crate) struct Memory {
    total: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

impl Memory {
    pub(crate) const fn new(total: u64) -> Self {
        Self { total, free: Mutex::new(total), freed: Condvar::new() }
    }

    /// Waits until `bytes` are free, and does `work` with them. A task that needs more than there is is done alone.
    pub(crate) fn with<T>(&self, bytes: u64, work: impl FnOnce() -> T) -> T {
        let bytes = bytes.min(self.total);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.freed.wait_while(free, |free| *free < bytes).unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        drop(free);
        let result = work();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        self.freed.notify_all();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_takes_tasks_up_to_its_class_and_none_beyond_its_memory() {
        let takes = |worker: u64, task: u64| !flags(task).any(|flag| flag == forbidden_flag(worker));
        let gib = 1 << 30;
        for (worker, task, expected) in [
            (23 * gib, 16 * gib, true),
            (23 * gib, 16 * gib + 1, false),
            (16 * gib, 16 * gib, true),
            (gib, 2 * gib, false),
            (2 * gib, 3 * gib / 2, true),
            (0, LEAST_CLASS, true),
            (0, LEAST_CLASS + 1, false),
            (u64::MAX, 1 << 40, true),
        ] {
            assert_eq!(takes(worker, task), expected, "worker {worker}, task {task}");
        }
    }
}

//! What many workers would take for a graph, from what its tasks take on one.
//!
//! # The problem
//!
//! Whether a graph keeps a thousand workers busy cannot be measured on two cores. Its tasks' times can.
//!
//! # The approach
//!
//! The simulation does what coordinator and queue do. A task is offered once all its children are proved, [`Pace::latency`]
//! later. Offered tasks wait in the order of their offers, several of the same moment in the order of the graph. A worker that is
//! free takes the first one, and the queue hands out one task in every [`Pace::interval`]. It is list scheduling, for which
//! Graham's bound holds: without latency it takes less than `work / workers + critical path`. Nothing can take less than
//! either of the two alone, so that [`Outcome::ratio`] is at least 1.
//!
//! # Example
//!
//! Four leaves of 2 s below a root of 3 s on two workers, with a latency of 1 s:
//!
//! ```text
//! s         0   1   2   3   4   5   6   7   8   9
//! worker 1      leaf----leaf----    root--------
//! worker 2      leaf----leaf----
//! ```
//!
//! # Cost
//!
//! For `n` tasks `O(n log n)` steps.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use serde::Serialize;

/// A task of a graph, in which children come before parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedTask {
    /// What one worker takes for it.
    pub time: Duration,
    /// Positions in the graph.
    pub children: Vec<usize>,
}

/// What it takes to have tasks done, beside their own time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// From the end of the last of a task's children to its start on a worker that waits for it.
    pub latency: Duration,
    /// The time between two tasks that the queue hands out, however many workers wait.
    pub interval: Duration,
}

/// What a number of workers takes for a graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub workers: usize,
    /// From the start to the end of the last task.
    pub makespan_seconds: f64,
    /// Nobody can take less: the longest chain of tasks, or all tasks' time shared by the workers, whichever is longer.
    pub bound_seconds: f64,
    /// The first over the second.
    pub ratio: f64,
}

/// The time of all tasks.
#[must_use]
pub fn work(tasks: &[TimedTask]) -> Duration {
    tasks.iter().map(|task| task.time).sum()
}

/// The time of the longest chain of tasks.
#[must_use]
pub fn critical_path(tasks: &[TimedTask]) -> Duration {
    let mut ends: Vec<Duration> = Vec::with_capacity(tasks.len());
    for task in tasks {
        let below = task.children.iter().map(|&child| ends[child]).max().unwrap_or_default();
        ends.push(below + task.time);
    }
    ends.into_iter().max().unwrap_or_default()
}

/// What happens at a moment. Ends come before offers, so that a worker that gets free can take what is offered then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ended(usize),
    Offered(usize),
}

/// From the start to the end of the last of `tasks` on `workers`, at least 1.
#[must_use]
pub fn makespan(tasks: &[TimedTask], workers: usize, pace: Pace) -> Duration {
    let mut parents: Vec<Vec<usize>> = vec![vec![]; tasks.len()];
    let mut missing: Vec<usize> = tasks.iter().map(|task| task.children.len()).collect();
    for (parent, task) in tasks.iter().enumerate() {
        task.children.iter().for_each(|&child| parents[child].push(parent));
    }
    let leaves = (0..tasks.len()).filter(|&position| missing[position] == 0);
    let mut events: BinaryHeap<_> =
        leaves.map(|position| Reverse((pace.latency, Event::Offered(position)))).collect();
    let (mut offered, mut free) = (VecDeque::new(), workers.max(1));
    let (mut next_hand_out, mut last_end) = (Duration::ZERO, Duration::ZERO);
    while let Some(Reverse((now, event))) = events.pop() {
        match event {
            Event::Offered(position) => offered.push_back(position),
            Event::Ended(position) => {
                (free, last_end) = (free + 1, now);
                for &parent in &parents[position] {
                    missing[parent] -= 1;
                    if missing[parent] == 0 {
                        events.push(Reverse((now + pace.latency, Event::Offered(parent))));
                    }
                }
            }
        }
        // What else happens at this moment may come first in the graph.
        if events.peek().is_some_and(|Reverse((next, _))| *next == now) {
            continue;
        }
        while free > 0
            && let Some(position) = offered.pop_front()
        {
            let start = now.max(next_hand_out);
            next_hand_out = start + pace.interval;
            free -= 1;
            events.push(Reverse((start + tasks[position].time, Event::Ended(position))));
        }
    }
    last_end
}

/// What `workers`, at least 1, take for `tasks`.
#[must_use]
pub fn simulate(tasks: &[TimedTask], workers: usize, pace: Pace) -> Outcome {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand workers")]
    let share = work(tasks).as_secs_f64() / workers.max(1) as f64;
    let bound_seconds = share.max(critical_path(tasks).as_secs_f64());
    let makespan_seconds = makespan(tasks, workers, pace).as_secs_f64();
    Outcome { workers, makespan_seconds, bound_seconds, ratio: makespan_seconds / bound_seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKERS: [usize; 5] = [1, 2, 3, 64, 1000];

    fn task(seconds: u64, children: &[usize]) -> TimedTask {
        TimedTask { time: Duration::from_secs(seconds), children: children.to_vec() }
    }

    fn pace(latency: u64, interval: u64) -> Pace {
        Pace { latency: Duration::from_secs(latency), interval: Duration::from_secs(interval) }
    }

    fn seconds(tasks: &[TimedTask], workers: usize, pace: Pace) -> u64 {
        makespan(tasks, workers, pace).as_secs()
    }

    /// Steele, Lea and Flood's SplitMix64.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % limit
        }
    }

    fn to_position(number: u64) -> usize {
        usize::try_from(number).expect("fewer than 80")
    }

    #[test]
    fn a_chain_takes_the_time_of_its_tasks_and_a_latency_for_each_whoever_works() {
        let chain = [task(3, &[]), task(1, &[0]), task(4, &[1]), task(1, &[2])];
        assert_eq!((work(&chain), critical_path(&chain)), (Duration::from_secs(9), Duration::from_secs(9)));
        for workers in WORKERS {
            assert_eq!(seconds(&chain, workers, Pace::default()), 9, "{workers} workers");
            assert_eq!(seconds(&chain, workers, pace(2, 0)), 17, "{workers} workers");
            assert_eq!(simulate(&chain, workers, Pace::default()).ratio.to_bits(), 1.0_f64.to_bits());
        }
    }

    #[test]
    fn the_leaves_of_a_star_are_shared_and_its_root_waits_for_all() {
        let leaves: Vec<_> = (0..10).map(|_| task(2, &[])).collect();
        let root = task(5, &(0..10).collect::<Vec<_>>());
        let star = [leaves, vec![root]].concat();
        assert_eq!(critical_path(&star), Duration::from_secs(7));
        for (workers, expected) in [(1, 25), (2, 15), (3, 13), (10, 7), (1000, 7)] {
            assert_eq!(seconds(&star, workers, Pace::default()), expected, "{workers} workers");
        }
        // The tenth leaf is handed out after nine intervals.
        assert_eq!(seconds(&star, 1000, pace(0, 1)), 16);
        // The leaves are offered after one latency, the root after another one.
        assert_eq!(seconds(&star, 10, pace(3, 0)), 13);
    }

    #[test]
    fn tasks_that_wait_are_taken_in_the_order_of_their_offers() {
        // The third leaf was offered before the parent of the first two, so that the grandparent comes last.
        let tasks = [task(1, &[]), task(1, &[]), task(4, &[]), task(2, &[0, 1]), task(1, &[3, 2])];
        assert_eq!(seconds(&tasks, 2, Pace::default()), 6);
        assert_eq!(seconds(&tasks, 3, Pace::default()), 5);
        let order = [task(5, &[]), task(1, &[]), task(1, &[]), task(1, &[1]), task(1, &[0, 2, 3])];
        assert_eq!(seconds(&order, 2, Pace::default()), 6);
    }

    #[test]
    fn nothing_is_faster_than_the_bounds_and_nothing_slower_than_grahams() {
        for seed in 0..200 {
            let mut random = Numbers(seed);
            let count = 1 + random.below(80);
            let tasks: Vec<_> = (0..count)
                .map(|position| {
                    let one_in = 3 + random.below(30);
                    let children: Vec<_> =
                        (0..position).filter(|_| random.below(one_in) == 0).map(to_position).collect();
                    task(random.below(20), &children)
                })
                .collect();
            let (work, path) = (work(&tasks), critical_path(&tasks));
            assert_eq!(makespan(&tasks, 1, Pace::default()), work, "seed {seed}");
            for workers in WORKERS {
                let share = work.div_f64(f64::from(u32::try_from(workers).expect("a thousand")));
                let found = makespan(&tasks, workers, Pace::default());
                assert!(found >= share.max(path), "seed {seed}, {workers} workers");
                assert!(found <= share + path, "seed {seed}, {workers} workers");
                assert!(makespan(&tasks, workers, pace(1, 1)) >= share.max(path), "seed {seed}");
            }
        }
    }

    #[test]
    fn no_task_takes_no_time() {
        assert_eq!((makespan(&[], 2, pace(1, 1)), critical_path(&[])), (Duration::ZERO, Duration::ZERO));
    }
}

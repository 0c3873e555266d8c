//! Progress on standard error, and the request to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use batcher::prove::{Progress, Quiet};
use circuits::keys::{Event, Listener};
use indicatif::{ProgressBar, ProgressStyle};

use super::Options;

/// Set by the first Ctrl-C.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

/// The first Ctrl-C stops before the next proof, the second one at once: every file is whole at any time.
pub(super) fn stop_on_interrupt() {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(super::answer::UNAVAILABLE));
        }
        eprintln!("stopping after the proof that is being made; interrupt again to stop at once");
    };
    // Without a handler an interrupt ends the process, which is as good.
    let _ = ctrlc::set_handler(handler);
}

/// A bar if standard error is a terminal, otherwise a line for each proof.
struct Terminal {
    bar: ProgressBar,
}

impl Progress for Terminal {
    fn begin(&self, tasks: usize) {
        self.bar.reset();
        self.bar.set_length(tasks as u64);
    }

    fn start(&self, task: &str) {
        self.bar.set_message(task.to_owned());
    }

    fn done(&self, task: &str, resumed: bool) {
        self.bar.inc(1);
        if resumed {
            self.note(&format!("{task}: proved earlier"));
        } else if self.bar.is_hidden() {
            eprintln!("{task}: proved");
        }
    }

    fn note(&self, message: &str) {
        if self.bar.is_hidden() {
            eprintln!("{message}");
        } else {
            self.bar.println(message);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What the options ask for.
pub(super) fn progress(options: Options) -> Box<dyn Progress> {
    if options.quiet {
        return Box::new(Quiet);
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    Box::new(Terminal { bar })
}

/// Tells on standard error what becomes of keys.
pub(super) fn key_listener(options: Options) -> Listener {
    let quiet = options.quiet;
    Arc::new(move |event| {
        let line = match event {
            // Loading is what should happen, a made key was said to be in the making, and proofs have their own lines.
            Event::Loaded { .. } | Event::Made { .. } | Event::Proving { .. } => return,
            Event::Making { .. } if quiet => return,
            Event::Making { identifier } => format!("{identifier}: making its keys"),
            Event::Refused { name, location, reason } => {
                format!("warning: {location}: {name} is refused and made again: {reason}")
            }
            Event::Trouble { reason } => format!("warning: {reason}"),
            Event::NotKept { identifier, reason } => {
                format!("warning: the keys of {identifier} are not kept: {reason}")
            }
            Event::NotAsPinned { identifier } => {
                format!("warning: {identifier} is not the circuit that is pinned; run superblock pins check")
            }
        };
        eprintln!("{line}");
    })
}

/// Proofs to make at the same time: as many as 6 GB of memory and the cores are good for.
pub(super) fn jobs(asked: Option<usize>) -> usize {
    const MEMORY: u64 = 6 << 30;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    asked.unwrap_or_else(|| batcher::prove::jobs_for(MEMORY, cores)).max(1)
}

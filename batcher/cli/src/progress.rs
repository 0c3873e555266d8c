//! Progress on standard error, and the request to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use batcher_job::prove::{Progress, Quiet};
use circuits_keys::{Event, Listener};
use indicatif::{ProgressBar, ProgressStyle};

use super::Options;

/// Set by the first Ctrl-C.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

/// The first Ctrl-C stops before the next proof or key, the second one at once: every file is whole at any time.
pub(super) fn stop_on_interrupt() {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(super::answer::UNAVAILABLE));
        }
        eprintln!("stopping after the proof or key that is being made; interrupt again to stop at once");
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
        say(&self.bar, message);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line above the bar.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        eprintln!("{line}");
    } else {
        bar.println(line);
    }
}

fn bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// What the options ask for.
pub(super) fn progress(options: Options) -> Box<dyn Progress> {
    if options.quiet {
        return Box::new(Quiet);
    }
    Box::new(Terminal { bar: bar(0) })
}

/// Progress over keys: a bar if standard error is a terminal, otherwise a line for each that is made.
pub(super) struct KeyProgress {
    bar: ProgressBar,
    quiet: bool,
}

impl KeyProgress {
    /// Progress over so many keys.
    pub(super) fn new(options: Options, keys: usize) -> Self {
        let quiet = options.quiet;
        Self { bar: if quiet { ProgressBar::hidden() } else { bar(keys) }, quiet }
    }

    pub(super) fn start(&self, name: &str) {
        self.bar.set_message(name.to_owned());
    }

    pub(super) fn done(&self) {
        self.bar.inc(1);
    }

    /// Shows what is being made, and tells what is wrong with stores.
    pub(super) fn listener(&self) -> Listener {
        let (bar, quiet) = (self.bar.clone(), self.quiet);
        Arc::new(move |event| match event {
            Event::Making { identifier } => {
                bar.set_message(identifier.clone());
                if bar.is_hidden() && !quiet {
                    let (place, all) = (bar.position() + 1, bar.length().unwrap_or_default());
                    eprintln!("{place}/{all} {identifier}: making its keys");
                }
            }
            Event::Waiting { .. } if quiet => {}
            other => told(other).into_iter().for_each(|line| say(&bar, &line)),
        })
    }
}

impl Drop for KeyProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Tells on standard error what becomes of keys.
pub(super) fn key_listener(options: Options) -> Listener {
    let quiet = options.quiet;
    Arc::new(move |event| match event {
        Event::Waiting { .. } | Event::Making { .. } if quiet => {}
        Event::Making { identifier } => eprintln!("{identifier}: making its keys"),
        other => told(other).into_iter().for_each(|line| eprintln!("{line}")),
    })
}

/// The line that tells an event.
fn told(event: &Event) -> Option<String> {
    match event {
        // Loading is what should happen, a made key was said to be in the making, and proofs have their own lines.
        Event::Loaded { .. } | Event::Making { .. } | Event::Made { .. } | Event::Proving { .. } => None,
        Event::Waiting { identifier } => {
            Some(format!("{identifier}: another process makes its keys; waiting"))
        }
        Event::Refused { name, location, reason } => {
            Some(format!("warning: {location}: {name} is refused and made again: {reason}"))
        }
        Event::Trouble { reason } => Some(format!("warning: {reason}")),
        Event::NotKept { identifier, reason } => {
            Some(format!("warning: the keys of {identifier} are not kept: {reason}"))
        }
        Event::NotAsPinned { identifier } => Some(format!(
            "warning: {identifier} is not the circuit that is pinned; run superblock pins check"
        )),
    }
}

/// Proofs to make at the same time: as many as 6 GB of memory and the cores are good for.
pub(super) fn jobs(asked: Option<usize>) -> usize {
    const MEMORY: u64 = 6 << 30;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    asked.unwrap_or_else(|| batcher_job::prove::jobs_for(MEMORY, cores)).max(1)
}

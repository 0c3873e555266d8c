//! Progress on standard error, and the request to stop.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use circuits_files::text::shown;
use circuits_keys::{Event, Listener};
use circuits_tasks::progress::{Progress, Quiet};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{exit::ExitCode, options::Options};

/// Whether the user has asked to stop: the first interrupt sets it.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// Lets the first interrupt stop before the next proof or key, and the second one at once. Either is safe, because
/// every file is whole at any time.
pub(crate) fn stop_on_interrupt() {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(ExitCode::Unavailable.number()));
        }
        eprintln!("stopping after what is being made or asked; interrupt again to stop at once");
    };
    // Without a handler an interrupt ends the process, which is safe as well.
    let _ = ctrlc::set_handler(handler);
}

/// Shows a bar if standard error is a terminal, and a line for each proof otherwise.
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
            eprintln!("{}: proved", shown(task));
        }
    }

    fn note(&self, message: &str) {
        print_above(&self.bar, message);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Prints a line.
pub(crate) fn note(line: &str) {
    eprintln!("{}", shown(line));
}

/// Prints a line above the bar.
fn print_above(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        eprintln!("{}", shown(line));
    } else {
        bar.println(shown(line).to_string());
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

/// The progress of proofs, or nothing with `--quiet`.
pub(crate) fn progress(options: Options) -> Box<dyn Progress> {
    if options.quiet {
        return Box::new(Quiet);
    }
    Box::new(Terminal { bar: bar(0) })
}

/// The things that there are to do, by name, as far as they are known, and those that are begun.
struct Tally {
    known: BTreeSet<String>,
    begun: BTreeSet<String>,
}

impl Tally {
    /// Begins `name`. Returns how many are begun, and how many there are: one more than before if `name` was unknown.
    fn begin(&mut self, name: &str) -> (usize, usize) {
        self.known.insert(name.to_owned());
        self.begun.insert(name.to_owned());
        (self.begun.len(), self.known.len())
    }
}

/// The progress over keys or their files: a bar if standard error is a terminal, and a line for each key that is made
/// otherwise.
pub(crate) struct KeyProgress {
    bar: ProgressBar,
    tally: Arc<Mutex<Tally>>,
    quiet: bool,
}

impl KeyProgress {
    /// The progress over the circuits or files called `names`, and over others that turn up.
    pub(crate) fn new(options: Options, names: BTreeSet<String>) -> Self {
        let quiet = options.quiet;
        let bar = if quiet { ProgressBar::hidden() } else { bar(names.len()) };
        Self { bar, tally: Arc::new(Mutex::new(Tally { known: names, begun: BTreeSet::new() })), quiet }
    }

    pub(crate) fn start(&self, name: &str) {
        begin(&self.bar, &self.tally, name);
    }

    pub(crate) fn done(&self) {
        self.bar.inc(1);
    }

    /// A listener that shows what is being made, and warns of stores that do not work.
    pub(crate) fn listener(&self) -> Listener {
        let (bar, tally, quiet) = (self.bar.clone(), Arc::clone(&self.tally), self.quiet);
        Arc::new(move |event| match event {
            Event::Making { identifier } => {
                let (number, all) = begin(&bar, &tally, identifier);
                if bar.is_hidden() && !quiet {
                    eprintln!("{number}/{all} {identifier}: making its keys");
                }
            }
            Event::Waiting { .. } if quiet => {}
            other => line(other).into_iter().for_each(|line| print_above(&bar, &line)),
        })
    }
}

impl Drop for KeyProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Begins `name`, and shows it in the bar. Returns what [`Tally::begin`] does.
fn begin(bar: &ProgressBar, tally: &Mutex<Tally>, name: &str) -> (usize, usize) {
    let (number, all) = tally.lock().unwrap_or_else(PoisonError::into_inner).begin(name);
    bar.set_length(all as u64);
    bar.set_message(name.to_owned());
    (number, all)
}

/// A listener that prints what becomes of keys, for commands whose progress is about proofs.
pub(crate) fn key_listener(options: Options) -> Listener {
    let quiet = options.quiet;
    Arc::new(move |event| match event {
        Event::Waiting { .. } | Event::Making { .. } if quiet => {}
        Event::Making { identifier } => eprintln!("{identifier}: making its keys"),
        other => line(other).into_iter().for_each(|line| eprintln!("{}", shown(line))),
    })
}

/// The line for an event, if it deserves one.
fn line(event: &Event) -> Option<String> {
    match event {
        // Loading is the normal case, a key that is made has its line when it is begun, and so have proofs.
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

/// How many proofs to make at the same time: as many as `asked`, or as 6 GB of memory and the cores allow.
pub(crate) fn jobs(asked: Option<usize>) -> usize {
    const MEMORY: u64 = 6 << 30;
    jobs_within(asked, MEMORY)
}

/// How many proofs to make at the same time: as many as `asked`, or as `memory` bytes and the cores allow.
pub(crate) fn jobs_within(asked: Option<usize>, memory: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    asked.unwrap_or_else(|| batcher_job::prove::jobs_for(memory, cores)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_begun_is_never_more_than_there_is() {
        let known = ["one", "two"].map(str::to_owned).into();
        let mut tally = Tally { known, begun: BTreeSet::new() };
        assert_eq!(tally.begin("two"), (1, 2));
        assert_eq!(tally.begin("three"), (2, 3), "one that was unknown");
        assert_eq!(tally.begin("two"), (2, 3), "made again");
        assert_eq!(tally.begin("one"), (3, 3));
    }
}

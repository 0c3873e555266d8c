//! `superblock worker`.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use batcher_hop::HopCircuits;
use circuits_tasks::{
    graph::Task,
    id::TaskId,
    queue::Queue as _,
    worker::{Damage, Observer, Worker},
};
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    catalogue::everything,
    key_arguments::KeyArguments,
    options::Options,
    progress::{self, STOP},
    shared::{CapacityArguments, SharedArguments, Store},
};

/// Prove tasks of a queue that several machines share, until you interrupt it.
///
/// Use this on every machine that should help to prove. It needs a connection string and nothing else: what is to be proved, and
/// where proofs go, it learns from the queue. An interrupt lets the tasks end that are being done. A worker that is killed loses
/// nothing: others do its tasks.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    shared: SharedArguments,
    #[command(flatten)]
    capacity: CapacityArguments,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Prints a line for each task that is begun or proved, and counts proofs.
pub(crate) struct Lines {
    quiet: bool,
    stored: AtomicU64,
}

impl Lines {
    pub(crate) const fn new(options: Options) -> Self {
        Self { quiet: options.quiet, stored: AtomicU64::new(0) }
    }

    /// How many proofs were stored.
    pub(crate) fn proofs(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// [`Self::proofs`] as an answer.
    pub(crate) fn proved(&self) -> Proved {
        Proved { proofs: self.proofs() }
    }

    fn note(&self, line: &str) {
        if !self.quiet {
            progress::note(line);
        }
    }
}

impl Observer for Lines {
    fn started(&self, id: TaskId, task: &Task) {
        self.note(&format!("{}: proving {id}", task.label));
    }

    fn stored(&self, id: TaskId, task: &Task) {
        self.stored.fetch_add(1, Ordering::Relaxed);
        self.note(&format!("{}: proved {id}", task.label));
    }

    fn refused(&self, id: TaskId, task: &Task, damage: &Damage) {
        progress::note(&format!("warning: {}: the stored proof {id} is refused: {damage}", task.label));
    }
}

/// What a worker or a helper has proved.
#[derive(Serialize)]
pub(crate) struct Proved {
    proofs: u64,
}

impl fmt::Display for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} proofs made", self.proofs)
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let shared = arguments.shared.open(arguments.capacity.amount(), Store::Awaited, None, options)?;
    let engine = arguments.keys.engine(options)?;
    let hops = HopCircuits::new(engine.pinned(), engine.cache());
    let (catalogue, lines) = (everything(&engine, &hops)?, Lines::new(options));
    lines.note("taking tasks from the queue");
    shared.queue.run(&Worker::new(&catalogue, &shared.store, &lines), &STOP)?;
    Ok(Answer::new(&lines.proved()))
}

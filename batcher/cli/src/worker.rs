//! `superblock worker`.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use batcher_job::provables::catalogue;
use circuits_files::text::shown;
use circuits_tasks::{
    graph::Task,
    id::TaskId,
    queue::Queue as _,
    worker::{Damage, Observer, Worker},
};
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    key_arguments::KeyArguments,
    options::Options,
    progress,
    shared::{CapacityArguments, SharedArguments},
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

/// Prints what a worker does, and counts its proofs.
pub(crate) struct Lines {
    quiet: bool,
    stored: AtomicU64,
}

impl Lines {
    pub(crate) const fn new(options: Options) -> Self {
        Self { quiet: options.quiet, stored: AtomicU64::new(0) }
    }

    /// How many proofs were stored.
    pub(crate) fn made(&self) -> Made {
        Made { proofs: self.stored.load(Ordering::Relaxed) }
    }
}

impl Observer for Lines {
    fn started(&self, id: TaskId, task: &Task) {
        if !self.quiet {
            eprintln!("{}: proving {id}", shown(&task.label));
        }
    }

    fn stored(&self, id: TaskId, task: &Task) {
        self.stored.fetch_add(1, Ordering::Relaxed);
        if !self.quiet {
            eprintln!("{}: proved {id}", shown(&task.label));
        }
    }

    fn refused(&self, id: TaskId, task: &Task, damage: &Damage) {
        eprintln!("warning: {}: the stored proof {id} is refused: {}", shown(&task.label), shown(damage));
    }
}

/// What a worker has done.
#[derive(Serialize)]
pub(crate) struct Made {
    proofs: u64,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} proofs made", self.proofs)
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let (jobs, memory) = arguments.capacity.amount();
    let shared = arguments.shared.open(jobs, memory, true, &progress::STOP)?;
    let engine = arguments.keys.engine(options)?;
    let (catalogue, lines) = (catalogue(&engine), Lines::new(options));
    let worker = Worker::new(&catalogue, &shared.store, &lines);
    shared.queue.run(&worker, &progress::STOP)?;
    Ok(Answer::new(&lines.made()))
}

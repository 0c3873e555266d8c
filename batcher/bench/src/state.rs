//! What states cost as they grow: the native time of a block, what is written for it, and what a restart takes. No proof is
//! made.
//!
//! | subject | grows | a block |
//! |---|---|---|
//! | accounts | accounts | 240 signed transfers between them, proposed |
//! | notes | notes | 240 transactions of one note each, applied from the bodies of four blocks |
//! | messages | messages, half of them claimed | a superblock of 8 blocks, 4 of which send 30 messages each that the others claim |
//! | environments | environments with a head | the same superblock |
//!
//! Memory is measured by process, so each figure comes from a process of its own.

mod accounts;
mod notes;
mod stored;
mod superblocks;

use std::{fmt, path::Path};

use circuits_tasks::progress::Progress;
use serde::{Deserialize, Serialize};

use crate::{error::BenchError, figures::resident_memory};

/// Transactions of a block of either economy.
const TRANSACTIONS: usize = 240;
/// How often a block is made: the figure is the median.
const RUNS: usize = 3;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Accounts,
    Notes,
    Messages,
    Environments,
}

impl Subject {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Accounts, Self::Notes, Self::Messages, Self::Environments];

    /// The name, as arguments and tables have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Notes => "notes",
            Self::Messages => "messages",
            Self::Environments => "environments",
        }
    }
}

/// What one process measures of one state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    /// Seconds of a block, natively: the median.
    pub block_seconds: f64,
    /// Seconds of the first block after a restart, which reads what it needs; `None` if that is not measured.
    pub first_block_seconds: Option<f64>,
    /// Seconds to write the state after it durably; `None` for a state that is in no file.
    pub write_seconds: Option<f64>,
    /// Seconds to have the state again in a new process, which reads it.
    pub restart_seconds: f64,
    /// Bytes of the files; `None` for a state that is in no file.
    pub disk_bytes: Option<u64>,
    /// Bytes by which the resident memory grew when the state was made, or, for a superblock state, when it was read and superblocks
    /// were planned on it; `None` where the system does not say.
    pub memory_bytes: Option<u64>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a block in {:.4} s, a restart in {:.3} s", self.block_seconds, self.restart_seconds)
    }
}

/// A state of one size.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub subject: Subject,
    pub size: u32,
    /// `None` if the state cannot be measured.
    pub run: Option<Run>,
    /// Why it cannot be measured.
    pub refused: Option<String>,
    /// The time of a block over that of the first size of the subject.
    pub block_ratio: Option<f64>,
}

/// What states cost as they grow.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub states: Vec<Row>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "state                     block, ms   x first   restarted, ms   write, ms   restart, s   memory, MiB   disk, MiB"
        )?;
        for Row { subject, size, run, refused, block_ratio } in &self.states {
            write!(f, "\n{size:>9} {:<12}", subject.name())?;
            let Some(run) = run else {
                write!(f, "   {}", refused.as_deref().unwrap_or_default())?;
                continue;
            };
            let or_none = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            write!(
                f,
                "   {:>9.1}   {:>7}   {:>13}   {:>9}   {:>10.3}   {:>11}   {:>9}",
                1000.0 * run.block_seconds,
                or_none(*block_ratio, 2),
                or_none(run.first_block_seconds.map(|seconds| 1000.0 * seconds), 1),
                or_none(run.write_seconds.map(|seconds| 1000.0 * seconds), 1),
                run.restart_seconds,
                or_none(run.memory_bytes.map(mebibytes), 1),
                or_none(run.disk_bytes.map(mebibytes), 1),
            )?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Measures states of these sizes, each with `run` in a process of its own.
///
/// # Errors
/// Never because of one state, whose row says why it cannot be measured.
pub fn measure(
    sizes: &[(Subject, u32)],
    progress: &dyn Progress,
    run: &dyn Fn(Subject, u32) -> Result<Run, BenchError>,
) -> Result<Figures, BenchError> {
    let mut states: Vec<Row> = vec![];
    for &(subject, size) in sizes {
        progress.note(&format!("{size} {}", subject.name()));
        let (run, refused) = match run(subject, size) {
            Ok(run) => (Some(run), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let first = states.iter().find(|row| row.subject == subject);
        let first = first.map_or(run.as_ref(), |first| first.run.as_ref());
        let block_ratio = run.as_ref().zip(first).map(|(run, first)| run.block_seconds / first.block_seconds);
        states.push(Row { subject, size, run, refused, block_ratio });
    }
    Ok(Figures { states })
}

/// Makes what [`run_once`] measures of a superblock state, in a directory that is not there. To be called in another process: what
/// a state takes in memory to be made is not what it takes to be read. States of environments are made where they are measured.
///
/// # Errors
/// [`BenchError::Blocks`]
pub fn make(subject: Subject, size: u32, directory: &Path) -> Result<(), BenchError> {
    match subject {
        Subject::Accounts | Subject::Notes => Ok(()),
        Subject::Messages => superblocks::make(superblocks::FEW, size, directory),
        Subject::Environments => superblocks::make(size, 0, directory),
    }
}

/// Measures one state in this process: a superblock state is the one that [`make`] made in the directory.
///
/// # Errors
/// [`BenchError::Blocks`]
pub fn run_once(subject: Subject, size: u32, directory: &Path) -> Result<Run, BenchError> {
    match subject {
        Subject::Accounts => accounts::run(size),
        Subject::Notes => notes::run(size),
        Subject::Messages | Subject::Environments => superblocks::run(directory),
    }
}

/// What `make` returns, and how many bytes the resident memory grew by meanwhile.
fn weighed<T>(make: impl FnOnce() -> Result<T, BenchError>) -> Result<(T, Option<u64>), BenchError> {
    let before = resident_memory();
    let made = make()?;
    let grown = resident_memory().zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok((made, grown))
}

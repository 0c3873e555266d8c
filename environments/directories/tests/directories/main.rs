//! Directories of producers and of followers, in this process and in others.

mod follower;
mod kills;
mod producer;
mod rivals;
mod snapshots;
mod turns;

use std::{
    env, fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

use circuits_core::amount::Amount;
use circuits_files::faults::KILL_AFTER;
use circuits_keys::CircuitCache;
use environments_conformance::{CHAIN_ID, id, secret};
use environments_core::{BlockProducer, DynEnvironment, EnvironmentId};
use environments_counter::Counter;
use environments_directories::{ProducerDirectory, ProducerDirectoryError};

/// One test at a time: faults are the process's own.
static FAULTS: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More durable steps than anything here takes.
const MAX_STEPS: u64 = 500;

fn counter(chain_id: u64, id: EnvironmentId, producer: u64) -> Box<dyn DynEnvironment> {
    let counter = Counter::new(chain_id, id, secret(producer), Amount::ZERO).unwrap();
    Box::new(BlockProducer::new(counter))
}

fn open(directory: &Path) -> Result<ProducerDirectory, ProducerDirectoryError> {
    ProducerDirectory::open(directory, counter(CHAIN_ID, id(0), 0), secret(0), &CircuitCache::default())
}

type Step = fn(&mut ProducerDirectory) -> Result<(), ProducerDirectoryError>;

/// What a producer does, one step after the other. All go on where they are, whatever came before.
const STEPS: [Step; 7] = [
    |directory| submit(directory, "{\"add\": 5}\n{\"add\": 2}"),
    |directory| directory.step(|producer| producer.propose_block().map(drop))?.map_err(Into::into),
    |directory| directory.publish().map(drop),
    |directory| submit(directory, "{\"add\": 7}"),
    |directory| directory.step(|producer| producer.propose_block().map(drop))?.map_err(Into::into),
    |directory| directory.publish().map(drop),
    |directory| directory.step(|producer| producer.confirm(producer.height() - 1))?.map_err(Into::into),
];

fn submit(directory: &mut ProducerDirectory, lines: &str) -> Result<(), ProducerDirectoryError> {
    let submission = directory.step(|producer| producer.submit_lines(&CircuitCache::default(), lines))?;
    assert!(submission.rejected.is_empty());
    Ok(())
}

/// Everything that there is in a directory, opened.
fn seen(directory: &ProducerDirectory) -> (u32, String, usize, usize) {
    let producer = directory.producer();
    (producer.height(), producer.commitment().to_string(), producer.pending(), producer.statements().len())
}

fn files(directory: &ProducerDirectory) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.proposed()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
    files.sort();
    files
}

/// Says to this test's own process, started again, with which directory it works.
const CHILD: &str = "SUPERBLOCK_TEST_DIRECTORY";

/// The named test of this process, in a process of its own that works with `directory`, and that is killed after so many durable
/// steps.
fn child(test: &str, directory: &Path, durable: Option<u64>) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env(CHILD, directory);
    if let Some(durable) = durable {
        command.env(KILL_AFTER, durable.to_string());
    }
    command
}

fn is_killed(ended: &Output) -> bool {
    ended.status.signal() == Some(9)
}

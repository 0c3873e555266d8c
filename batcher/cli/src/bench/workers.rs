//! `superblock bench workers`: runs this program again for each worker that is a process.

use std::process::Command;

use batcher_bench::{
    BenchError,
    workers::{self, Figures, MIN_BLOCKS, Source, Worked},
};
use batcher_circuits::engine::Engine;
use batcher_job::planner::MAX_BLOCKS;
use circuits_tasks::progress::Progress;

use crate::key_arguments::KeyArguments;

/// Measure what more workers gain.
///
/// A superblock over counter blocks, whose own proofs count too, is proved by one worker and by two, with one thread each:
/// in this process, in processes of their own, and through PostgreSQL. The times of its tasks then simulate many workers.
/// Use this to see how many workers a superblock keeps busy. It takes several minutes, and wants an otherwise idle machine.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Measure a superblock of this number of blocks.
    ///
    /// More blocks have more tasks that can be done at the same time, so two workers gain more from them.
    #[arg(long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(MIN_BLOCKS as i64..=MAX_BLOCKS as i64))]
    blocks: u16,
    /// Measure the queue in this PostgreSQL database too.
    ///
    /// Such as postgres://USER@localhost/DATABASE, without a password. Tables of a schema called `superblock_bench` are made in
    /// it, which can be dropped afterwards.
    #[arg(long, value_name = "CONNECTION")]
    queue: Option<String>,
    #[command(flatten)]
    pub(super) keys: KeyArguments,
}

/// Do tasks until standard input ends.
///
/// `bench workers` starts it.
#[derive(clap::Args)]
pub(super) struct RunArguments {
    /// Work on a superblock of this number of blocks.
    blocks: u16,
    /// Take tasks from this PostgreSQL, without a password, and not from standard input.
    #[arg(long, value_name = "CONNECTION", requires = "store")]
    queue: Option<String>,
    /// Use the store at this address.
    #[arg(long, value_name = "URL", requires = "queue")]
    store: Option<String>,
    #[command(flatten)]
    pub(super) keys: KeyArguments,
}

/// Works in this process.
pub(super) fn work(engine: &Engine, arguments: &RunArguments) -> Result<Worked, BenchError> {
    let RunArguments { blocks, queue, store, .. } = arguments;
    let source = match (queue.clone(), store.clone()) {
        (Some(connection), Some(store)) => Source::Queue { connection, store },
        _ => Source::Pipe,
    };
    workers::work(engine, (*blocks).into(), &source)
}

pub(super) fn measure(
    engine: &Engine,
    arguments: &Arguments,
    progress: &dyn Progress,
) -> Result<Figures, BenchError> {
    let start = |source: &Source| {
        let mut command = Command::new(std::env::current_exe().map_err(BenchError::workers)?);
        command.args(["--json", "--quiet", "bench", "workers-run", &arguments.blocks.to_string()]);
        if let Source::Queue { connection, store } = source {
            command.args(["--queue", connection, "--store", store]);
        }
        command.args(arguments.keys.flags());
        Ok(command)
    };
    workers::measure(engine, arguments.blocks.into(), arguments.queue.as_deref(), &start, progress)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[test]
    fn the_processes_that_it_starts_have_arguments_that_are_understood() {
        for arguments in [
            vec![
                "superblock",
                "bench",
                "workers",
                "--blocks",
                "16",
                "--queue",
                "postgres://a@localhost/b",
                "--key-directory",
                "keys",
            ],
            vec!["superblock", "--json", "--quiet", "bench", "workers-run", "16"],
            vec![
                "superblock",
                "--json",
                "--quiet",
                "bench",
                "workers-run",
                "16",
                "--queue",
                "host=/run/a user=superblock",
                "--store",
                "file:///proofs",
                "--config",
                "superblock.toml",
            ],
        ] {
            assert!(crate::Arguments::try_parse_from(&arguments).is_ok(), "{arguments:?}");
        }
        let too_few = ["superblock", "bench", "workers", "--blocks", "6"];
        assert!(crate::Arguments::try_parse_from(too_few).is_err());
    }
}

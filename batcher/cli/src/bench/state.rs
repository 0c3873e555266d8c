//! `superblock bench state`: runs this program again for each state, because memory is measured by process.

use std::path::PathBuf;

use batcher_bench::{
    BenchError,
    state::{self, Figures, Run, Subject},
};
use circuits_tasks::progress::Progress;
use tempfile::TempDir;

use super::starts::{figures, superblock};

/// Environments have ids of 16 bits, and the first is L1.
const MAX_ENVIRONMENTS: i64 = u16::MAX as i64;
/// The fewest of anything: a block has as many senders.
const MIN_SIZE: i64 = 240;
/// The fewest environments: a superblock has blocks of eight.
const MIN_ENVIRONMENTS: i64 = 8;

/// Measure what states cost as they grow.
///
/// States of accounts, of notes, of messages and of environments are made in several sizes, and a block or a superblock is
/// executed on each. No proof is made. Use this to see whether the time of a block, a restart, memory and disk depend on how
/// much there is.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Measure states of these numbers of accounts, of notes, and of messages.
    ///
    /// Separate them by commas. A million of each takes several minutes.
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "10000,100000",
          value_parser = clap::value_parser!(u32).range(MIN_SIZE..))]
    sizes: Vec<u32>,
    /// Measure states of these numbers of environments.
    ///
    /// Separate them by commas.
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "10,1000,10000",
          value_parser = clap::value_parser!(u32).range(MIN_ENVIRONMENTS..=MAX_ENVIRONMENTS))]
    environments: Vec<u32>,
}

/// Measure one state in this process.
///
/// `bench state` starts it.
#[derive(clap::Args)]
pub(super) struct RunArguments {
    /// What there is many of.
    #[arg(value_parser = subject)]
    subject: Subject,
    /// How many.
    size: u32,
    /// Make the state in this directory, or measure the one that is there.
    directory: PathBuf,
    /// Make the state and measure nothing.
    #[arg(long)]
    make: bool,
}

fn subject(name: &str) -> Result<Subject, String> {
    let found = Subject::ALL.into_iter().find(|subject| subject.name() == name);
    found.ok_or_else(|| {
        let names = Subject::ALL.map(Subject::name).join(", ");
        format!("one of {names} is expected")
    })
}

/// Measures one state in this process.
pub(super) fn run_once(arguments: &RunArguments) -> Result<Run, BenchError> {
    let RunArguments { subject, size, directory, make } = arguments;
    if *make {
        return state::make(*subject, *size, directory).map(|()| Run::default());
    }
    state::run_once(*subject, *size, directory)
}

pub(super) fn measure(arguments: &Arguments, progress: &dyn Progress) -> Result<Figures, BenchError> {
    let directory = TempDir::with_prefix("superblock-bench-").map_err(BenchError::state)?;
    let run = |subject: Subject, size: u32| {
        let states = directory.path().join(format!("{}-{size}", subject.name()));
        let (name, size, states) = (subject.name(), size.to_string(), states.to_string_lossy());
        let arguments = ["bench", "state-run", name, &size, &states];
        figures::<Run>(superblock(directory.path(), &arguments)?.arg("--make"))?;
        figures(&mut superblock(directory.path(), &arguments)?)
    };
    let sizes = Subject::ALL.into_iter().flat_map(|subject| {
        let sizes = if subject == Subject::Environments { &arguments.environments } else { &arguments.sizes };
        sizes.iter().map(move |&size| (subject, size))
    });
    state::measure(&sizes.collect::<Vec<_>>(), progress, &run)
}

#[cfg(test)]
mod tests {
    use batcher_bench::state::Subject;
    use clap::Parser as _;

    #[test]
    fn the_processes_that_it_starts_have_arguments_that_are_understood() {
        let runs = Subject::ALL
            .map(|subject| vec!["superblock", "bench", "state-run", subject.name(), "1000", "states"]);
        let all =
            vec!["superblock", "bench", "state", "--sizes", "10000,1000000", "--environments", "10,60000"];
        for arguments in runs.into_iter().chain([all]) {
            assert!(crate::Arguments::try_parse_from(&arguments).is_ok(), "{arguments:?}");
        }
        assert!(
            crate::Arguments::try_parse_from(["superblock", "bench", "state-run", "pools", "1", "states"])
                .is_err()
        );
    }
}

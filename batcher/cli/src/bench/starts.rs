//! `superblock bench keys`: runs this program again and again, because memory is measured by process.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use batcher_bench::{
    BenchError,
    starts::{Figures, Run, Start, on_disk, start},
};
use batcher_keys::config;
use circuits_tasks::progress::Progress;
use serde::{Deserialize, de::DeserializeOwned};
use tempfile::TempDir;

/// Measure cold and warm starts of a scenario.
///
/// Use this to see what keys on disk save: how long it takes to build the circuits of a scenario and to load them, how
/// large their files and the memory for them are, and when the first proof of a run starts. It takes several minutes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Measure the circuits of this scenario.
    ///
    /// The scenario is run twice, once without keys and once with them.
    #[arg(long, value_name = "FILE", default_value = "examples/small/scenario.toml")]
    scenario: PathBuf,
    /// Measure every start this often.
    ///
    /// The figures are medians. The runs of the scenario are measured once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

/// Load or build circuits once, in this process.
///
/// `bench keys` starts it.
#[derive(clap::Args)]
pub(super) struct StartArguments {
    /// Load key files from this directory.
    ///
    /// Without it, circuits are built.
    #[arg(long, value_name = "DIR")]
    key_directory: Option<PathBuf>,
    /// Load or build these circuits.
    ///
    /// `superblock security` lists the names.
    #[arg(required = true)]
    circuits: Vec<String>,
}

/// Loads or builds circuits in this process.
pub(super) fn start_once(arguments: &StartArguments) -> Result<Start, BenchError> {
    let names = arguments.circuits.iter().cloned().collect();
    start(&names, arguments.key_directory.as_deref())
}

pub(super) fn measure(arguments: &Arguments, progress: &dyn Progress) -> Result<Figures, BenchError> {
    let directory = TempDir::with_prefix("superblock-bench-").map_err(BenchError::starts)?;
    let inside = |name: &str| directory.path().join(name);
    let keys = inside("keys");
    let run = |out: &str| -> Result<Run, BenchError> {
        // What is measured are the starts of proofs: those for L1 come after all others.
        let mut command = superblock(directory.path(), &["run", "--no-l1"])?;
        command.arg("--scenario").arg(&arguments.scenario).arg("--out").arg(inside(out));
        figures(command.arg("--key-directory").arg(&keys))
    };
    progress.begin(2 + 3 * usize::from(arguments.runs));
    let cold_run = task(progress, "cold run", || run("cold"))?;
    let on_disk = on_disk(&keys)?;
    let start = |keys: Option<&Path>| -> Result<Start, BenchError> {
        let mut command = superblock(directory.path(), &["bench", "keys-start"])?;
        if let Some(keys) = keys {
            command.arg("--key-directory").arg(keys);
        }
        figures(command.args(on_disk.keys()))
    };
    let (mut cold, mut cold_written, mut warm) = (vec![], vec![], vec![]);
    for _ in 0..arguments.runs {
        cold.push(task(progress, "cold start", || start(None))?);
        let empty = inside("empty");
        cold_written.push(task(progress, "cold start, written", || start(Some(&empty)))?);
        std::fs::remove_dir_all(&empty).map_err(BenchError::starts)?;
        warm.push(task(progress, "warm start", || start(Some(&keys)))?);
    }
    let warm_run = task(progress, "warm run", || run("warm"))?;
    Ok(Figures::new([&cold, &cold_written, &warm], [cold_run, warm_run], on_disk))
}

/// Does `work` and shows that it is being measured.
fn task<T>(
    progress: &dyn Progress,
    name: &str,
    work: impl FnOnce() -> Result<T, BenchError>,
) -> Result<T, BenchError> {
    progress.start(name);
    let measured = work()?;
    progress.done(name, false);
    Ok(measured)
}

/// This program, with an empty configuration instead of the user's.
pub(super) fn superblock(directory: &Path, arguments: &[&str]) -> Result<Command, BenchError> {
    let empty = directory.join(config::FILE_NAME);
    std::fs::write(&empty, "").map_err(BenchError::starts)?;
    let mut command = Command::new(std::env::current_exe().map_err(BenchError::starts)?);
    for variable in [config::DIRECTORIES_VARIABLE, config::MEMORY_VARIABLE] {
        command.env_remove(variable);
    }
    command.env(config::FILE_VARIABLE, empty).args(["--json", "--quiet"]).args(arguments);
    Ok(command)
}

/// The part of an answer of this program that has figures.
#[derive(Deserialize)]
struct Printed<T> {
    figures: T,
}

/// Runs this program and reads the figures that it prints.
pub(super) fn figures<T: DeserializeOwned>(command: &mut Command) -> Result<T, BenchError> {
    let output = command.stderr(Stdio::inherit()).output().map_err(BenchError::starts)?;
    if !output.status.success() {
        return Err(BenchError::starts(format!("{command:?} ends with {}", output.status)));
    }
    let answer: Printed<T> = serde_json::from_slice(&output.stdout).map_err(BenchError::starts)?;
    Ok(answer.figures)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[test]
    fn the_processes_that_it_starts_have_arguments_that_are_understood() {
        for arguments in [
            vec!["superblock", "bench", "keys", "--scenario", "a", "--runs", "3"],
            vec!["superblock", "--json", "--quiet", "bench", "keys-start", "large"],
            vec!["superblock", "bench", "keys-start", "--key-directory", "keys", "large", "small"],
        ] {
            assert!(crate::Arguments::try_parse_from(&arguments).is_ok(), "{arguments:?}");
        }
    }
}

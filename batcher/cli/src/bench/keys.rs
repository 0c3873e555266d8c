//! `superblock bench keys`: runs this program again and again, for memory is measured by process.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use batcher_bench::{
    BenchError,
    keys::{Figures, Run, Start, Summary, on_disk, start},
};
use batcher_job::prove::Progress;
use batcher_keys::config;
use serde::de::DeserializeOwned;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    Options,
    answer::{Answer, Failure},
    progress,
};

/// The arguments of `superblock bench keys`.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The scenario whose circuits are measured.
    #[arg(long, value_name = "FILE", default_value = "examples/small/scenario.toml")]
    scenario: PathBuf,
    /// Every start is measured this often; the runs of the scenario are measured once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

/// The arguments of the process of one start.
#[derive(clap::Args)]
pub(super) struct StartArguments {
    /// Where key files are; without it, circuits are built.
    #[arg(long, value_name = "DIR")]
    key_directory: Option<PathBuf>,
    /// The circuits.
    #[arg(required = true)]
    circuits: Vec<String>,
}

/// One start, in this process.
pub(super) fn run_start(arguments: &StartArguments) -> Result<Answer, Failure> {
    let names = arguments.circuits.iter().cloned().collect();
    let figures = start(&names, arguments.key_directory.as_deref())?;
    let text = format!("{} circuits in {:.3} s", figures.circuits.len(), figures.seconds);
    Ok(Answer::new(json!({ "ok": true, "figures": figures }), text))
}

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let figures = {
        let progress = progress::progress(options);
        measure(arguments, progress.as_ref())?
    };
    let json = json!({ "ok": true, "figures": figures });
    Ok(Answer::new(json, table(&figures)))
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::CircuitCache(error.to_string())
}

fn measure(arguments: &Arguments, progress: &dyn Progress) -> Result<Figures, BenchError> {
    let directory = TempDir::with_prefix("superblock-bench-").map_err(failed)?;
    let inside = |name: &str| directory.path().join(name);
    let keys = inside("keys");
    let run = |out: &str| -> Result<Run, BenchError> {
        let mut command = superblock(directory.path(), &["run"])?;
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
        std::fs::remove_dir_all(&empty).map_err(failed)?;
        warm.push(task(progress, "warm start", || start(Some(&keys)))?);
    }
    let warm_run = task(progress, "warm run", || run("warm"))?;
    Ok(Figures::new([&cold, &cold_written, &warm], [cold_run, warm_run], on_disk))
}

/// Tells what is being measured.
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

/// This program with nobody's configuration.
fn superblock(directory: &Path, arguments: &[&str]) -> Result<Command, BenchError> {
    let empty = directory.join(config::FILE_NAME);
    std::fs::write(&empty, "").map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    for variable in [config::DIRECTORIES_VARIABLE, config::MEMORY_VARIABLE] {
        command.env_remove(variable);
    }
    command.env(config::FILE_VARIABLE, empty).args(["--json", "--quiet"]).args(arguments);
    Ok(command)
}

/// What the process says that it measured.
fn figures<T: DeserializeOwned>(command: &mut Command) -> Result<T, BenchError> {
    let output = command.stderr(Stdio::inherit()).output().map_err(failed)?;
    if !output.status.success() {
        return Err(failed(format!("{command:?} ends with {}", output.status)));
    }
    let mut answer: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(failed)?;
    serde_json::from_value(answer["figures"].take()).map_err(failed)
}

fn table(figures: &Figures) -> String {
    let start = |name: &str, start: &Summary| {
        format!("{name:<22}  {:>8.2}  {}", start.seconds, memory(start.peak_memory_bytes))
    };
    let run = |name: &str, run: &Run| {
        let before =
            run.seconds_before_first_proof.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}"));
        let memory = memory(run.peak_memory_bytes);
        format!("{name:<22}  {:>8.2}  {memory}  {before:>14}  {:>7.2}", run.seconds, run.seconds_on_keys)
    };
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let megabytes = figures.bytes as f64 / 1e6;
    let mut lines = vec![
        format!(
            "{} circuits, {megabytes:.1} MB on disk ({} threads, median of {}; files in the page cache)",
            figures.circuits.len(),
            figures.threads,
            figures.warm.runs.len()
        ),
        String::new(),
        "                         seconds    peak GiB".to_owned(),
        start("all built", &figures.cold),
        start("all built and written", &figures.cold_written),
        start("all loaded", &figures.warm),
        format!("loaded over built         {:>6.3}", figures.ratio),
        String::new(),
        "                         seconds    peak GiB  s before proof  on keys".to_owned(),
        run("run, no keys", &figures.cold_run),
        run("run, keys on disk", &figures.warm_run),
        String::new(),
        "circuit                         rows   built ms   loaded ms        bytes".to_owned(),
    ];
    lines.extend(figures.circuits.iter().map(|row| {
        let loaded = row.load_milliseconds.map_or_else(|| "-".to_owned(), |time| format!("{time:.0}"));
        format!(
            "{:<30}  2^{:<3}  {:>8.0}  {loaded:>10}  {:>11}",
            row.identifier, row.degree_bits, row.build_milliseconds, row.bytes
        )
    }));
    lines.join("\n")
}

fn memory(bytes: Option<u64>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let gigabytes = bytes.map(|bytes| bytes as f64 / f64::from(1_u32 << 30));
    gigabytes.map_or_else(|| format!("{:>10}", "-"), |gigabytes| format!("{gigabytes:>10.2}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use batcher_bench::keys::{Found, OnDisk};
    use clap::Parser as _;

    use super::*;

    fn start(loaded: bool, seconds: f64) -> Start {
        let found = |identifier: &str, loaded, seconds| Found {
            identifier: identifier.to_owned(),
            loaded,
            seconds,
            writing_seconds: 0.0,
        };
        let circuits = vec![found("large", loaded, seconds), found("small", false, 0.004)];
        Start { seconds, peak_memory_bytes: Some(3 << 29), circuits }
    }

    fn run(seconds_before_first_proof: Option<f64>) -> Run {
        Run { seconds: 60.0, seconds_before_first_proof, seconds_on_keys: 1.0, peak_memory_bytes: None }
    }

    #[test]
    fn the_table_has_medians_and_every_circuit_by_its_size() {
        let cold = [start(false, 4.0), start(false, 2.0), start(false, 3.0)];
        let warm = [start(true, 0.5), start(true, 0.3), start(true, 0.4)];
        let on_disk = [("large", 15, 3_000_000), ("small", 5, 4000)];
        let on_disk: BTreeMap<_, _> =
            on_disk.map(|(name, degree_bits, bytes)| (name.to_owned(), OnDisk { degree_bits, bytes })).into();
        let figures = Figures::new([&cold, &cold, &warm], [run(Some(30.0)), run(None)], on_disk);
        assert_eq!((figures.cold.seconds, figures.warm.seconds, figures.bytes), (3.0, 0.4, 3_004_000));
        let table = table(&figures);
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[rows.len() - 2], ["large", "2^15", "3000", "400", "3000000"]);
        assert_eq!(rows[rows.len() - 1], ["small", "2^5", "4", "-", "4000"]);
        assert!(table.contains("loaded over built          0.133"), "{table}");
    }

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

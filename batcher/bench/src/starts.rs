//! Cold and warm starts: how long it takes to build the circuits of a scenario, and to load them from disk.
//!
//! Loading does everything that proving needs: it defines the circuit, reads its files, compares them with their pins
//! by SHA3-256, decodes them, and computes what they leave out. The files were just written, so they are in the page
//! cache. Circuits are built and loaded one after the other, each on all threads.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use batcher_keys::{catalogue::visit_all, pins};
use circuits_keys::{
    AnyDefinition, CircuitCache, DirectoryStore, Event, KeyStore as _, START_LIMIT, read_header,
};
use environments_core::walk::{Visitor, WalkError};
use serde::{Deserialize, Serialize};

use crate::{
    error::BenchError,
    figures::{gibibytes, median, peak_memory},
};

/// A circuit that was loaded or built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub identifier: String,
    /// Whether it was loaded from disk rather than built.
    pub loaded: bool,
    /// Seconds to load or to build the circuit.
    pub seconds: f64,
    /// Seconds to serialise the circuit and to write its files.
    pub writing_seconds: f64,
}

/// A process that loads or builds circuits and proves nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Seconds from the first circuit to the last one.
    pub seconds: f64,
    /// The largest memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// The circuits, in the order in which they were loaded or built.
    pub circuits: Vec<Found>,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} circuits in {:.3} s", self.circuits.len(), self.seconds)
    }
}

/// The key files of a circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// Rows, as a logarithm.
    pub degree_bits: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

/// One circuit of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub identifier: String,
    /// Rows, as a logarithm.
    pub degree_bits: usize,
    /// Bytes of all key files.
    pub bytes: u64,
    /// Milliseconds to build the circuit: the median.
    pub build_milliseconds: f64,
    /// Milliseconds to load the circuit: the median; `None` if it was not loaded.
    pub load_milliseconds: Option<f64>,
}

/// A start of one kind, measured several times.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The median.
    pub seconds: f64,
    /// The seconds of all measurements, in order.
    pub runs: Vec<f64>,
    /// The largest memory of any of the processes.
    pub peak_memory_bytes: Option<u64>,
}

/// A whole `superblock run`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub seconds: f64,
    /// Seconds from the start of the command to the start of the first proof of a circuit. The STARK of a table of
    /// signatures does not count as such a proof, so a run that begins with one waits less for keys than this says.
    pub seconds_before_first_proof: Option<f64>,
    /// Seconds spent on loading circuits, or on building and writing them.
    pub seconds_on_keys: f64,
    /// The largest memory of the process.
    pub peak_memory_bytes: Option<u64>,
}

/// What keys on disk save.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Every circuit is built and none is kept.
    pub cold: Summary,
    /// Every circuit is built and written to an empty directory.
    pub cold_written: Summary,
    /// Every circuit is loaded.
    pub warm: Summary,
    /// The seconds of `warm` over those of `cold`.
    pub ratio: f64,
    /// Bytes of all key files.
    pub bytes: u64,
    /// A run with an empty directory of keys.
    pub cold_run: Run,
    /// The same run again with these keys, into another directory.
    pub warm_run: Run,
    /// All circuits, the one with the most bytes first.
    pub circuits: Vec<Row>,
    pub threads: usize,
}

/// Loads or builds the circuits called `names`. Key files are in `directory`, which receives those that are missing;
/// without a directory, every circuit is built.
///
/// # Errors
/// [`BenchError::Starts`].
pub fn start(names: &BTreeSet<String>, directory: Option<&Path>) -> Result<Start, BenchError> {
    let found: Arc<Mutex<Vec<Found>>> = Arc::default();
    let listener = {
        let found = found.clone();
        move |event: &Event| found.lock().unwrap_or_else(PoisonError::into_inner).extend(note(event))
    };
    let keys = match directory {
        Some(directory) => {
            let pins = pins::embedded().map_err(BenchError::starts)?;
            let store = Arc::new(DirectoryStore::new(directory));
            CircuitCache::new(pins::origin(&pins)).with_pins(pins).with_store(store)
        }
        None => CircuitCache::default(),
    };
    let keys = keys.with_listener(Arc::new(listener));
    let started = Instant::now();
    visit_all(&keys, &mut Named(names)).map_err(BenchError::starts)?;
    let seconds = started.elapsed().as_secs_f64();
    let circuits = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Start { seconds, peak_memory_bytes: peak_memory(), circuits })
}

fn note(event: &Event) -> Option<Found> {
    match event {
        Event::Loaded { identifier, took } => Some(Found {
            identifier: identifier.clone(),
            loaded: true,
            seconds: took.as_secs_f64(),
            writing_seconds: 0.0,
        }),
        Event::Made { identifier, building, writing } => Some(Found {
            identifier: identifier.clone(),
            loaded: false,
            seconds: building.as_secs_f64(),
            writing_seconds: writing.as_secs_f64(),
        }),
        _ => None,
    }
}

/// Loads or builds the circuits with these names.
struct Named<'a>(&'a BTreeSet<String>);

impl Visitor for Named<'_> {
    fn wants(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    fn visit(&mut self, cache: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), WalkError> {
        definition.circuit(cache)?;
        Ok(())
    }
}

/// The circuits that have key files in `directory`, by name.
///
/// # Errors
/// [`BenchError::Starts`] if the directory cannot be read, or a file in it is not a key file.
pub fn on_disk(directory: &Path) -> Result<BTreeMap<String, OnDisk>, BenchError> {
    let store = DirectoryStore::new(directory);
    let mut circuits: BTreeMap<String, OnDisk> = BTreeMap::new();
    for name in store.list().map_err(BenchError::starts)? {
        let start = store.read_start(&name, START_LIMIT).map_err(BenchError::starts)?;
        let (header, payload) = read_header(&name, &start.unwrap_or_default()).map_err(BenchError::starts)?;
        let bytes = payload as u64 + header.payload.bytes;
        let circuit = circuits
            .entry(header.kind.identifier)
            .or_insert(OnDisk { degree_bits: header.degree_bits, bytes: 0 });
        circuit.bytes += bytes;
    }
    Ok(circuits)
}

impl Summary {
    fn of(starts: &[Start]) -> Self {
        let runs: Vec<_> = starts.iter().map(|start| start.seconds).collect();
        let peak_memory_bytes = starts.iter().filter_map(|start| start.peak_memory_bytes).max();
        Self { seconds: median(&runs), runs, peak_memory_bytes }
    }
}

/// The median of the milliseconds that the circuit called `identifier` took in those of `starts` that loaded it, or
/// that built it.
fn milliseconds(starts: &[Start], identifier: &str, loaded: bool) -> Option<f64> {
    let found = starts.iter().flat_map(|start| &start.circuits);
    let found = found.filter(|found| found.identifier == identifier && found.loaded == loaded);
    let milliseconds: Vec<_> = found.map(|found| 1000.0 * found.seconds).collect();
    (!milliseconds.is_empty()).then(|| median(&milliseconds))
}

impl Figures {
    /// The figures of starts without a directory, with an empty one, and with the one that holds the files `on_disk`,
    /// and of runs with an empty directory and with that one.
    #[must_use]
    pub fn new(
        [cold, cold_written, warm]: [&[Start]; 3],
        [cold_run, warm_run]: [Run; 2],
        on_disk: BTreeMap<String, OnDisk>,
    ) -> Self {
        let bytes = on_disk.values().map(|files| files.bytes).sum();
        let row = |(identifier, OnDisk { degree_bits, bytes }): (String, OnDisk)| Row {
            build_milliseconds: milliseconds(cold, &identifier, false).unwrap_or_default(),
            load_milliseconds: milliseconds(warm, &identifier, true),
            identifier,
            degree_bits,
            bytes,
        };
        let mut circuits: Vec<_> = on_disk.into_iter().map(row).collect();
        circuits.sort_by_key(|row| std::cmp::Reverse(row.bytes));
        let [cold, cold_written, warm] = [cold, cold_written, warm].map(Summary::of);
        let ratio = warm.seconds / cold.seconds;
        let threads = rayon::current_num_threads();
        Self { cold, cold_written, warm, ratio, bytes, cold_run, warm_run, circuits, threads }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
        let megabytes = self.bytes as f64 / 1e6;
        let start = |name: &str, start: &Summary| {
            format!("{name:<22}  {:>8.2}  {}", start.seconds, memory(start.peak_memory_bytes))
        };
        let run = |name: &str, run: &Run| {
            let before = run
                .seconds_before_first_proof
                .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}"));
            let memory = memory(run.peak_memory_bytes);
            format!("{name:<22}  {:>8.2}  {memory}  {before:>14}  {:>7.2}", run.seconds, run.seconds_on_keys)
        };
        writeln!(
            f,
            "{} circuits, {megabytes:.1} MB on disk ({} threads, median of {}; files in the page cache)",
            self.circuits.len(),
            self.threads,
            self.warm.runs.len()
        )?;
        writeln!(f, "\n                         seconds    peak GiB")?;
        writeln!(f, "{}", start("all built", &self.cold))?;
        writeln!(f, "{}", start("all built and written", &self.cold_written))?;
        writeln!(f, "{}", start("all loaded", &self.warm))?;
        writeln!(f, "loaded over built         {:>6.3}", self.ratio)?;
        writeln!(f, "\n                         seconds    peak GiB  s before proof  on keys")?;
        writeln!(f, "{}", run("run, no keys", &self.cold_run))?;
        writeln!(f, "{}", run("run, keys on disk", &self.warm_run))?;
        write!(f, "\ncircuit                         rows   built ms   loaded ms        bytes")?;
        for row in &self.circuits {
            let loaded = row.load_milliseconds.map_or_else(|| "-".to_owned(), |time| format!("{time:.0}"));
            write!(
                f,
                "\n{:<30}  2^{:<3}  {:>8.0}  {loaded:>10}  {:>11}",
                row.identifier, row.degree_bits, row.build_milliseconds, row.bytes
            )?;
        }
        Ok(())
    }
}

fn memory(bytes: Option<u64>) -> String {
    let gibibytes = bytes.map(gibibytes);
    gibibytes.map_or_else(|| format!("{:>10}", "-"), |gibibytes| format!("{gibibytes:>10.2}"))
}

#[cfg(test)]
mod tests {
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
        let table = figures.to_string();
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[rows.len() - 2], ["large", "2^15", "3000", "400", "3000000"]);
        assert_eq!(rows[rows.len() - 1], ["small", "2^5", "4", "-", "4000"]);
        assert!(table.contains("loaded over built          0.133"), "{table}");
    }
}

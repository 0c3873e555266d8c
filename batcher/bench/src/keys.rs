//! Cold and warm start: how long the circuits of a scenario take to be built, and to be loaded from disk.
//!
//! Loading is all that it takes to prove: the circuit is defined, its files are read, compared with their pins by
//! SHA3-256, and decoded, and what they leave out is computed. The files were just written, so they are in the page
//! cache. Circuits are built and loaded one after the other, each on all threads.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use batcher_keys::pins::{self, Visitor};
use circuits_core::CircuitError;
use circuits_keys::{
    AnyDefinition, CircuitCache, DirectoryStore, Event, KeyStore as _, START_LIMIT, read_header,
};
use serde::{Deserialize, Serialize};

use super::{BenchError, median, peak_memory};

/// How a circuit was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Its name.
    pub identifier: String,
    /// Whether it comes from disk.
    pub loaded: bool,
    /// Seconds to load or to build it.
    pub seconds: f64,
    /// Seconds to serialise it and to write its files.
    pub writing_seconds: f64,
}

/// What a process did that finds circuits and proves nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Seconds from the first circuit to the last one.
    pub seconds: f64,
    /// The most memory that the process had, in bytes; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// The circuits, in the order in which they were found.
    pub circuits: Vec<Found>,
}

/// The key files of a circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// Its rows, as a logarithm.
    pub degree_bits: usize,
    /// Bytes of its files.
    pub bytes: u64,
}

/// One circuit of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub identifier: String,
    /// Its rows, as a logarithm.
    pub degree_bits: usize,
    /// Bytes of its key files.
    pub bytes: u64,
    /// Milliseconds to build it: median.
    pub build_milliseconds: f64,
    /// Milliseconds to load it: median; `None` if it was not loaded.
    pub load_milliseconds: Option<f64>,
}

/// A start of one kind, measured several times.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Seconds: median.
    pub seconds: f64,
    /// The measurements, in order.
    pub runs: Vec<f64>,
    /// The most memory that one of the processes had, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// A whole `superblock run`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Seconds in all.
    pub seconds: f64,
    /// Seconds before its first proof of a circuit starts, from the start of the command. The STARK of a table of
    /// signatures is none: of a run that starts with one, this is more than it waits for keys.
    pub seconds_before_first_proof: Option<f64>,
    /// Seconds in which a circuit was loaded, or was built and written.
    pub seconds_on_keys: f64,
    /// The most memory that the process had, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Every circuit is built, and none is kept.
    pub cold: Summary,
    /// Every circuit is built, and written to an empty directory.
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
    /// Threads of the prover.
    pub threads: usize,
}

/// Finds the circuits called `names`. They come from `directory`, which gets what is not there; without one, all are
/// built.
///
/// # Errors
/// [`BenchError::CircuitCache`].
pub fn start(names: &BTreeSet<String>, directory: Option<&Path>) -> Result<Start, BenchError> {
    let failed = |error: &dyn std::error::Error| BenchError::CircuitCache(error.to_string());
    let found: Arc<Mutex<Vec<Found>>> = Arc::default();
    let listener = {
        let found = found.clone();
        move |event: &Event| found.lock().unwrap_or_else(PoisonError::into_inner).extend(note(event))
    };
    let keys = match directory {
        Some(directory) => {
            let pins = pins::embedded().map_err(|error| failed(&error))?;
            let store = Arc::new(DirectoryStore::new(directory));
            CircuitCache::new(pins::origin(&pins)).with_pins(pins).with_store(store)
        }
        None => CircuitCache::default(),
    };
    let keys = keys.with_listener(Arc::new(listener));
    let started = Instant::now();
    pins::visit_all(&keys, &mut Named(names)).map_err(|error| failed(&error))?;
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

/// Finds the circuits of these names.
struct Named<'a>(&'a BTreeSet<String>);

impl Visitor for Named<'_> {
    type Error = CircuitError;

    fn wants(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    fn visit(
        &mut self,
        cache: &CircuitCache,
        definition: Box<dyn AnyDefinition>,
    ) -> Result<(), CircuitError> {
        definition.circuit(cache).map(drop)
    }
}

/// The circuits that `directory` has key files of, by name.
///
/// # Errors
/// [`BenchError::CircuitCache`] if it cannot be read, or a file in it is none of ours.
pub fn on_disk(directory: &Path) -> Result<BTreeMap<String, OnDisk>, BenchError> {
    let store = DirectoryStore::new(directory);
    let failed = |error: &dyn std::error::Error| BenchError::CircuitCache(error.to_string());
    let mut circuits: BTreeMap<String, OnDisk> = BTreeMap::new();
    for name in store.list().map_err(|error| failed(&error))? {
        let start = store.read_start(&name, START_LIMIT).map_err(|error| failed(&error))?;
        let (header, payload) =
            read_header(&name, &start.unwrap_or_default()).map_err(|error| failed(&error))?;
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

/// Milliseconds of the circuit called `identifier` in each of `starts` that has it `loaded` or not: median.
fn milliseconds(starts: &[Start], identifier: &str, loaded: bool) -> Option<f64> {
    let found = starts.iter().flat_map(|start| &start.circuits);
    let found = found.filter(|found| found.identifier == identifier && found.loaded == loaded);
    let milliseconds: Vec<_> = found.map(|found| 1000.0 * found.seconds).collect();
    (!milliseconds.is_empty()).then(|| median(&milliseconds))
}

impl Figures {
    /// The figures of the starts without a directory, with an empty one, and with the one that has `on_disk`.
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

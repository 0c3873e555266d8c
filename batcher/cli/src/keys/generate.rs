//! `superblock keys generate`.

use std::{collections::BTreeSet, fmt, io, path::PathBuf, sync::atomic::Ordering};

use batcher_keys::{catalogue::visit_all, config::Config, pins::needed};
use circuits_files::file::write_new;
use circuits_keys::{AnyDefinition, CircuitCache, pins::Pins};
use environments_core::walk::{Visitor, WalkError};
use serde::Serialize;
use thiserror::Error;

use super::{
    files::pins_of,
    missing::{self, missing},
};
use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    key_arguments::KeyArguments,
    options::Options,
    pins::embedded,
    progress::{self, KeyProgress},
};

/// Make the key files that are missing.
///
/// A run makes the keys that it needs by itself; use this to make them before, to make all of them, or to ship them to
/// other machines. Circuits are made before those that verify them. An interrupt stops between two circuits, and what
/// is finished stays.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    keys: KeyArguments,
    /// Make only the keys of this circuit and of those that it cannot be built without.
    ///
    /// `superblock security` lists the names. Without this flag, all keys are made.
    #[arg(long, value_name = "IDENTIFIER")]
    only: Option<String>,
    /// Make nothing, and print the headers of the missing files.
    ///
    /// There is one JSON object per line, with the name and the checksum of a file. Other programs can use it to fetch
    /// files from elsewhere.
    #[arg(long)]
    list_missing: bool,
    /// Write a configuration that names the key directories.
    ///
    /// Later runs and other machines take it with --config. A file that says something else is not replaced.
    #[arg(long, value_name = "FILE")]
    output_config: Option<PathBuf>,
}

/// Why keys are not made, or not all.
#[derive(Debug, Error)]
enum GenerateError {
    #[error("--only: no circuit is called {name}; superblock security lists the names")]
    UnknownCircuit { name: String },
    #[error("{files} key files could not be kept, among them {name}")]
    NotKept { files: usize, name: String },
    #[error("stopped; {done} of {wanted} circuits have their keys")]
    Stopped { done: usize, wanted: usize },
    #[error("{path}: its absolute path is unknown", path = .path.display())]
    Absolute { path: PathBuf, source: io::Error },
    #[error("the configuration cannot be written")]
    Config(#[from] toml::ser::Error),
}

impl HasExitCode for GenerateError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::UnknownCircuit { .. } => ExitCode::Rejected,
            Self::NotKept { .. } | Self::Stopped { .. } | Self::Absolute { .. } | Self::Config(_) => {
                ExitCode::Unavailable
            }
        }
    }
}

/// Keys that were made or found.
#[derive(Serialize)]
struct Generated {
    /// The circuits whose keys were made.
    made: Vec<String>,
    /// How many circuits had their keys.
    found: usize,
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (made, found) = (self.made.len(), self.found);
        write!(f, "{} circuits: keys of {made} made, of {found} found", made + found)
    }
}

/// The part of a configuration file that names directories.
#[derive(Serialize)]
struct Directories {
    #[serde(serialize_with = "as_text::paths")]
    key_directories: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let config = arguments.keys.load()?;
    let only = arguments.only.as_deref();
    if arguments.list_missing {
        let pins = pins_of(&config)?;
        let wanted = wanted(&pins, only)?;
        let cache = batcher_keys::open(&config, progress::key_listener(options))?;
        return Ok(missing::list(&cache, &pins, &wanted));
    }
    // Circuits of other programs, of which only the configuration has pins, cannot be made here.
    let pins = embedded()?;
    let wanted = wanted(&pins, only)?;
    let generated = {
        let progress = KeyProgress::new(options, wanted.clone());
        let cache = batcher_keys::open(&config, progress.listener())?;
        let generated = Generated { made: vec![], found: 0 };
        let mut generator = Generator { wanted: &wanted, progress: &progress, generated };
        match visit_all(&cache, &mut generator) {
            Ok(()) => {}
            Err(WalkError::Circuit(error)) => return Err(error.into()),
            Err(WalkError::Stopped) => {
                let done = generator.generated.made.len() + generator.generated.found;
                return Err(GenerateError::Stopped { done, wanted: wanted.len() }.into());
            }
        }
        let missing = missing(&cache, &pins, &wanted);
        if let Some(header) = missing.first() {
            return Err(GenerateError::NotKept { files: missing.len(), name: header.file_name() }.into());
        }
        generator.generated
    };
    if let Some(path) = &arguments.output_config {
        write_new(path, configuration(&config)?.as_bytes())?;
    }
    Ok(Answer::new(&generated))
}

/// A configuration file with the key directories. Their paths are absolute, because the file may lie anywhere.
fn configuration(config: &Config) -> Result<String, GenerateError> {
    let absolute = |path: &PathBuf| {
        std::path::absolute(path).map_err(|source| GenerateError::Absolute { path: path.clone(), source })
    };
    let key_directories = config.key_directories.iter().map(absolute).collect::<Result<_, _>>()?;
    Ok(toml::to_string(&Directories { key_directories })?)
}

/// The names of the circuits that `--only` asks for; of all circuits without it.
fn wanted(pins: &Pins, only: Option<&str>) -> Result<BTreeSet<String>, GenerateError> {
    match only {
        None => Ok(pins.circuit.iter().map(|pin| pin.name.clone()).collect()),
        Some(only) if pins.get(only).is_some() => Ok(needed(pins, only)),
        Some(only) => Err(GenerateError::UnknownCircuit { name: only.to_owned() }),
    }
}

/// Makes the keys of the circuits that lack them.
struct Generator<'a> {
    wanted: &'a BTreeSet<String>,
    progress: &'a KeyProgress,
    generated: Generated,
}

impl Visitor for Generator<'_> {
    fn wants(&self, name: &str) -> bool {
        self.wanted.contains(name)
    }

    fn visit(&mut self, cache: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), WalkError> {
        let name = definition.identifier();
        self.progress.start(&name);
        if definition.ensure(cache)? {
            self.generated.made.push(name);
        } else {
            self.generated.found += 1;
        }
        self.progress.done();
        let (done, wanted) = (self.generated.made.len() + self.generated.found, self.wanted.len());
        if done < wanted && progress::STOP.load(Ordering::Relaxed) {
            return Err(WalkError::Stopped);
        }
        Ok(())
    }
}

//! `superblock pins`.

use std::{path::PathBuf, sync::Arc};

use batcher_keys::pins;
use batcher_verify::keys::PinnedKeys;
use circuits_files::file::write_atomic;
use circuits_keys::{CircuitCache, DirectoryStore, pins::Pins};
use serde_json::json;

use super::{
    Options,
    answer::{Answer, Failure, INVALID, REJECTED, UNAVAILABLE},
    progress::KeyProgress,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Build every circuit and compare it with the embedded pins and keys. Takes minutes.
    Check {
        /// Keep the keys of what is built in this directory.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Build every circuit and write pins and keys. Takes minutes; rebuild the program afterwards.
    Regenerate {
        /// The checked-in directory of pins.toml and keys.json.
        #[arg(long, value_name = "DIR", default_value = "batcher")]
        directory: PathBuf,
        /// Build the batcher's circuits only and keep the other pins as they are embedded.
        #[arg(long)]
        batcher_only: bool,
        /// Day of the sources, for the headers of key files; without it, the one in the embedded pins.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<String>,
    },
}

/// Builds with `keys`, which have no stores: what is looked at must come from the code.
fn build(cache: CircuitCache, batcher_only: bool, options: Options) -> Result<(Pins, PinnedKeys), Failure> {
    let pinned = embedded()?;
    let progress = KeyProgress::new(options, pinned.circuit.len());
    let cache = cache.with_listener(progress.listener());
    let each = |_: &str| progress.done();
    let built = if batcher_only {
        pins::build_batcher(&cache, pinned.circuit, &each)
    } else {
        pins::build(&cache, &each)
    };
    Ok(built?)
}

/// The pins that the program was built with.
pub(super) fn embedded() -> Result<Pins, Failure> {
    pins::embedded().map_err(|error| Failure::new(REJECTED, error.to_string()))
}

/// Builds every circuit with `keys`, and says how pins and keys differ from the embedded ones.
pub(super) fn differences(cache: CircuitCache, options: Options) -> Result<Vec<String>, Failure> {
    let (built, cache) = build(cache, false, options)?;
    let mut differences: Vec<_> = embedded()?.differences(&built).iter().map(ToString::to_string).collect();
    if cache != *PinnedKeys::embedded() {
        differences.push("the embedded cache are not those of the circuits".to_owned());
    }
    Ok(differences)
}

pub(super) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    match command {
        Command::Check { keep } => {
            let pinned = embedded()?;
            let mut keys = CircuitCache::new(pins::origin(&pinned));
            if let Some(directory) = keep {
                keys = keys.with_collection(Arc::new(DirectoryStore::new(directory)));
            }
            let differences = differences(keys, options)?;
            let (ok, circuits) = (differences.is_empty(), pinned.circuit.len());
            let text = if ok { format!("{circuits} circuits are as pinned") } else { differences.join("\n") };
            let json = json!({ "ok": ok, "circuits": circuits, "differences": differences });
            Ok(Answer::new(json, text).with_code(if ok { 0 } else { INVALID }))
        }
        Command::Regenerate { directory, batcher_only, date } => {
            let (mut built, keys) = build(CircuitCache::default(), batcher_only, options)?;
            built.date = match date {
                Some(date) => date,
                None => embedded()?.date,
            };
            let failed = |error: String| Failure::new(UNAVAILABLE, error);
            let pins_text = toml::to_string(&built).map_err(|error| failed(error.to_string()))?;
            let keys_text =
                serde_json::to_string_pretty(&keys).map_err(|error| failed(error.to_string()))? + "\n";
            write_atomic(&directory.join(pins::PINS_FILE), pins_text.as_bytes())?;
            write_atomic(&directory.join(pins::KEYS_FILE), keys_text.as_bytes())?;
            let text = format!("{} circuits pinned in {}", built.circuit.len(), directory.display());
            Ok(Answer::new(json!({ "ok": true, "circuits": built.circuit.len() }), text))
        }
    }
}

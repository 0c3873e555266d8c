//! `superblock pins`.

use std::{fmt, path::PathBuf, sync::Arc};

use batcher_keys::{
    catalogue::{batcher_names, names},
    intended::{Intended, NotIntended},
    pins::{self, AllPins, KEYS_FILE, MalformedPins, PINS_FILE},
    rebuild::{StalePins, kept, rebuild_all, rebuild_batcher},
    security::too_weak,
};
use batcher_verify::{circuit::SuperblockCircuit, keys::PinnedKeys, older_key::OlderKey};
use circuits_core::security::{REQUIRED_BITS, TooWeak};
use circuits_files::{file::write_atomic, text::shown};
use circuits_keys::{
    CircuitCache, DirectoryStore,
    pins::{Difference, Pins},
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    options::Options,
    progress::KeyProgress,
    table::{Align, Table},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Build every circuit, compare it with the embedded pins and keys, and check its security.
    ///
    /// Use this after a change of the code, or to convince yourself that this program proves with the circuits that its
    /// sources define. It takes minutes.
    Check {
        /// Keep the keys of the built circuits in this directory.
        ///
        /// Later runs with --key-directory find them, so that nothing is built twice.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Build every circuit and write pins and keys, if no other circuits have changed than those named and each has the
    /// required security.
    ///
    /// Use this when a circuit is meant to change. It takes minutes, and the program must be built again afterwards,
    /// because it embeds what is written.
    Regenerate {
        /// The circuits that are meant to change.
        ///
        /// Each is a name, or the beginning of names and a *: 'accounts-*'. If others differ from their pins, they are listed,
        /// and nothing is written.
        #[arg(value_name = "CIRCUIT")]
        circuits: Vec<String>,
        /// Write pins.toml and keys.json to this directory.
        ///
        /// It is the directory that the program is built from.
        #[arg(long, value_name = "DIR", default_value = "batcher")]
        directory: PathBuf,
        /// Build the batcher's circuits only.
        ///
        /// The other pins stay as they are embedded. It is faster, and right if no circuit of an environment has
        /// changed.
        #[arg(long)]
        batcher_only: bool,
        /// Say that the sources are of this day.
        ///
        /// The date is in the headers of key files. Without it, the date of the embedded pins stays.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<String>,
    },
    /// Print the superblock keys of this program as a part of a trust file.
    ///
    /// Use this before the circuits change, and append what is printed to the trust file: later programs embed other
    /// keys, and verify the superblocks of this one with those that the file gives.
    OlderKeys {
        /// Accept the keys up to this superblock.
        ///
        /// It is the last one that is made with them.
        #[arg(long, value_name = "NUMBER")]
        valid_until: u32,
    },
}

/// Pins or keys cannot be written.
#[derive(Debug, Error)]
enum WriteError {
    #[error("the pins cannot be written")]
    Pins(#[from] toml::ser::Error),
    #[error("the keys cannot be written")]
    Keys(#[from] serde_json::Error),
}

impl HasExitCode for WriteError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Pins(_) | Self::Keys(_) => ExitCode::Unavailable,
        }
    }
}

/// The pins are the program's own.
impl HasExitCode for StalePins {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Missing { .. } | Self::Weak(_) => ExitCode::Unavailable,
        }
    }
}

impl HasExitCode for NotIntended {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoCircuit { .. } => ExitCode::Rejected,
            Self::Changed { .. } => ExitCode::Invalid,
        }
    }
}

/// The pins that the program was built with, of circuits whose keys are kept in files.
pub(crate) fn embedded() -> Result<Pins, MalformedPins> {
    pins::embedded()
}

/// Builds circuits with `cache`, which has no stores, because what is compared must come from the code.
fn build(
    cache: CircuitCache,
    batcher_only: bool,
    options: Options,
) -> Result<(AllPins, PinnedKeys), Failure> {
    let mut names = names()?;
    let kept = if batcher_only {
        let all = std::mem::replace(&mut names, batcher_names()?);
        Some(kept(&embedded()?, &all, &names)?)
    } else {
        None
    };
    let progress = KeyProgress::new(options, names);
    let cache = cache.with_listener(progress.listener());
    let each = |_: &str| progress.done();
    Ok(match kept {
        Some(kept) => rebuild_batcher(&cache, kept, &each)?,
        None => rebuild_all(&cache, &each)?,
    })
}

/// A pin or key is not what the code builds, or what it builds is too weak.
pub(crate) enum Changed {
    Circuit(Difference),
    Keys,
    Weak(TooWeak),
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Circuit(difference) => difference.fmt(f),
            Self::Keys => f.write_str("the embedded keys are not those of the circuits"),
            Self::Weak(weak) => weak.fmt(f),
        }
    }
}

/// Builds every circuit with `cache`, compares pins and keys with the embedded ones, and looks for what is too weak.
pub(crate) fn differences(cache: CircuitCache, options: Options) -> Result<Vec<Changed>, Failure> {
    let (built, keys) = build(cache, false, options)?;
    let differences = pins::embedded_all()?.differences(&built).into_iter().map(Changed::Circuit);
    // Malformed keys are those of other circuits.
    let as_embedded = PinnedKeys::read_embedded().is_ok_and(|embedded| embedded == keys);
    let keys = (!as_embedded).then_some(Changed::Keys);
    let weak = too_weak(&built).into_iter().map(Changed::Weak);
    Ok(differences.chain(keys).chain(weak).collect())
}

/// The comparison of all circuits with their pins.
#[derive(Serialize)]
struct Comparison {
    circuits: usize,
    #[serde(serialize_with = "as_text::displays")]
    differences: Vec<Changed>,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.differences.is_empty() {
            return write!(f, "{} circuits are as pinned", self.circuits);
        }
        let mut table = Table::with_titles([
            ("circuit", Align::Left),
            ("differs in", Align::Left),
            ("pinned", Align::Left),
            ("built", Align::Left),
        ]);
        let none = || "nothing".to_owned();
        for difference in &self.differences {
            table.push(match difference {
                Changed::Circuit(Difference::Changed { name, field, pinned, built }) => {
                    [name.clone(), (*field).to_owned(), pinned.clone(), built.clone()]
                }
                Changed::Circuit(Difference::Gone { name }) => {
                    [name.clone(), "existence".to_owned(), "a circuit".to_owned(), none()]
                }
                Changed::Circuit(Difference::Unpinned { name }) => {
                    [name.clone(), "existence".to_owned(), none(), "a circuit".to_owned()]
                }
                Changed::Keys => {
                    let keys = ["the embedded keys", "the keys of the circuits"].map(str::to_owned);
                    let [pinned, built] = keys;
                    ["(batcher)".to_owned(), KEYS_FILE.to_owned(), pinned, built]
                }
                Changed::Weak(TooWeak { name, round, bits }) => {
                    let required = format!("{REQUIRED_BITS} bits are required");
                    [name.clone(), format!("security, in its {round}"), required, format!("{bits:.1} bits")]
                }
            });
        }
        table.fmt(f)
    }
}

/// Pins and keys that were written.
#[derive(Serialize)]
struct Regenerated {
    circuits: usize,
    #[serde(skip)]
    directory: PathBuf,
}

impl fmt::Display for Regenerated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} circuits pinned in {}", self.circuits, shown(self.directory.display()))
    }
}

/// Keys as the trust files of later programs give them.
#[derive(Serialize)]
struct OlderKeys {
    #[serde(rename = "older_key")]
    older_keys: Vec<OlderKey>,
}

impl OlderKeys {
    fn embedded(valid_until: u32) -> Self {
        let older = |circuit| {
            let key = PinnedKeys::embedded().superblock(circuit)?;
            Some(OlderKey::new(circuit, key, valid_until))
        };
        Self { older_keys: SuperblockCircuit::all().filter_map(older).collect() }
    }
}

/// TOML.
impl fmt::Display for OlderKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = toml::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(text.trim_end())
    }
}

pub(crate) fn run(command: Command, options: Options) -> Result<Answer, Failure> {
    match command {
        Command::Check { keep } => {
            let pinned = pins::embedded_all()?;
            let mut cache = CircuitCache::new(pins::origin(&pinned.circuits));
            if let Some(directory) = keep {
                cache = cache.with_collection(Arc::new(DirectoryStore::new(directory)));
            }
            let differences = differences(cache, options)?;
            let ok = differences.is_empty();
            let comparison = Comparison { circuits: pinned.count(), differences };
            Ok(Answer::new(&comparison).or_else(ok, ExitCode::Invalid))
        }
        Command::Regenerate { circuits, directory, batcher_only, date } => {
            // What cannot be read is about to be replaced, and differs from everything.
            let pinned = pins::embedded_all().unwrap_or_default();
            let intended = Intended::new(circuits, &pinned, &names()?)?;
            let (mut built, keys) = build(CircuitCache::default(), batcher_only, options)?;
            intended.check(&pinned, &built)?;
            if let Some(weak) = too_weak(&built).into_iter().next() {
                return Err(weak.into());
            }
            built.circuits.date = match date {
                Some(date) => date,
                None => embedded()?.date,
            };
            let pins = toml::to_string(&built).map_err(WriteError::from)?;
            let keys = serde_json::to_string_pretty(&keys).map_err(WriteError::from)? + "\n";
            write_atomic(&directory.join(PINS_FILE), pins.as_bytes())?;
            write_atomic(&directory.join(KEYS_FILE), keys.as_bytes())?;
            Ok(Answer::new(&Regenerated { circuits: built.count(), directory }))
        }
        Command::OlderKeys { valid_until } => Ok(Answer::new(&OlderKeys::embedded(valid_until))),
    }
}

#[cfg(test)]
mod tests {
    use circuits_core::security::Round;

    use super::*;

    #[test]
    fn a_circuit_that_is_too_weak_is_shown_with_its_round_and_bits() {
        let weak = TooWeak { name: "kernel".to_owned(), round: Round::Queries, bits: 62.04 };
        let comparison = Comparison { circuits: 1, differences: vec![Changed::Weak(weak)] };
        let text = comparison.to_string();
        for part in ["kernel", "security, in its queries", "100 bits are required", "62.0 bits"] {
            assert!(text.contains(part), "{text}");
        }
        let json = Answer::new(&comparison).json();
        let message = "kernel has 62.0 bits proven, in its queries, and 100 are required";
        assert_eq!(json["differences"][0], message);
    }
}

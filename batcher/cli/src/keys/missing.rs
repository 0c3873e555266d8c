//! `superblock keys generate --list-missing`.

use std::{collections::BTreeSet, fmt};

use circuits_core::Digest;
use circuits_files::text::shown;
use circuits_keys::{CircuitCache, Header, pins::Pins};
use serde::Serialize;

use crate::{answer::Answer, exit::ExitCode};

/// The key files that the wanted circuits lack.
#[derive(Serialize)]
struct Missing {
    missing: Vec<Header>,
    undetermined: Vec<Undetermined>,
}

/// A circuit whose headers are unknown. Headers follow from pins, so these are the circuits that verify a key that no
/// pin has: its digest would have to be made first.
#[derive(Serialize)]
struct Undetermined {
    identifier: String,
    depends_on: String,
    key: Digest,
}

/// One header per line, which other programs can read.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.missing.iter().map(Header::to_json).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Undetermined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identifier, depends_on, key } = self;
        write!(f, "undetermined: {identifier} depends on {depends_on} with key {key}, which no pin has")
    }
}

/// The headers of the key files that no store has.
pub(super) fn missing(cache: &CircuitCache, pins: &Pins, wanted: &BTreeSet<String>) -> Vec<Header> {
    let wanted = pins.circuit.iter().filter(|pin| wanted.contains(&pin.name));
    wanted.flat_map(|pin| cache.missing(pin)).collect()
}

pub(super) fn list(cache: &CircuitCache, pins: &Pins, wanted: &BTreeSet<String>) -> Answer {
    let mut undetermined = vec![];
    for pin in pins.circuit.iter().filter(|pin| wanted.contains(&pin.name)) {
        for (name, &key) in &pin.depends_on {
            let is_pinned = pins.circuit.iter().any(|other| other.key == key);
            let is_set = name.ends_with("-set") && pins.get(name).is_none();
            if !is_pinned && !is_set {
                let (identifier, depends_on) = (pin.name.clone(), name.clone());
                undetermined.push(Undetermined { identifier, depends_on, key });
            }
        }
    }
    for one in &undetermined {
        // Standard output is for headers only.
        eprintln!("{}", shown(one));
    }
    let ok = undetermined.is_empty();
    let outcome = Missing { missing: missing(cache, pins, wanted), undetermined };
    Answer::new(&outcome).or_else(ok, ExitCode::Invalid)
}

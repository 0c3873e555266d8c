//! `superblock keys generate` and `superblock keys verify`.

use std::{io::Write as _, path::PathBuf, sync::atomic::Ordering};

use batcher::{
    keys::config::Config,
    pins::{self, Visitor},
};
use circuits::{
    CircuitError, Definition,
    file::write_atomic,
    keys::{Header, KeyFile, KeyKind, Keys},
    pins::{Pin, Pins},
};
use serde_json::json;

use super::{
    Options,
    answer::{Answer, Failure, INVALID, REJECTED, UNAVAILABLE},
    config::KeyArguments,
    progress,
};

/// Makes the key files that are missing, children before parents. What is finished stays if it is interrupted.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    keys: KeyArguments,
    /// The circuit to make the keys of, with those that it needs; without it, all.
    #[arg(long, value_name = "IDENTIFIER")]
    only: Option<String>,
    /// Make nothing: print the headers of the missing files, one JSON object per line.
    #[arg(long)]
    list_missing: bool,
    /// Write a configuration that names the directories, for other machines and later runs.
    #[arg(long, value_name = "FILE")]
    output_config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let config = arguments.keys.load()?;
    let keys = arguments.keys.keys(options)?;
    let pins = pins_of(&config)?;
    if let Some(only) = arguments.only.as_ref().filter(|only| pins.get(only).is_none()) {
        return Err(Failure::new(REJECTED, format!("--only: no circuit is called {only}")));
    }
    if arguments.list_missing {
        return Ok(list_missing(&keys, &pins, arguments.only.as_deref()));
    }
    let mut generate = Generate { only: arguments.only.as_deref(), made: vec![], found: 0 };
    let ended = pins::visit_all(&keys, &mut generate);
    if progress::STOP.load(Ordering::Relaxed) {
        let text = format!("stopped; {} circuits have their keys", generate.made.len() + generate.found);
        return Err(Failure::new(UNAVAILABLE, text));
    }
    ended.map_err(|error| Failure::new(UNAVAILABLE, error.to_string()))?;
    let missing = missing(&keys, &pins, arguments.only.as_deref());
    if let Some(header) = missing.first() {
        let text =
            format!("{} key files could not be kept, among them {}", missing.len(), header.file_name());
        return Err(Failure::new(UNAVAILABLE, text));
    }
    if let Some(path) = &arguments.output_config {
        // The file may be read from anywhere.
        let failed = |error: String| Failure::new(UNAVAILABLE, error);
        let directories = config.key_directories.iter().map(std::path::absolute);
        let directories: Vec<_> =
            directories.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
        let text = toml::to_string(&json!({ "key_directories": directories }))
            .map_err(|error| failed(error.to_string()))?;
        write_atomic(path, text.as_bytes())?;
    }
    let (made, found) = (generate.made, generate.found);
    let text = format!("{} circuits: keys of {} made, of {found} found", made.len() + found, made.len());
    Ok(Answer::new(json!({ "ok": true, "made": made, "found": found }), text))
}

/// Check the key files of the pinned circuits: headers, lengths and checksums.
#[derive(clap::Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    keys: KeyArguments,
    /// Make every key anew and compare. Takes minutes.
    #[arg(long)]
    rebuild: bool,
}

pub(super) fn verify(arguments: &VerifyArguments, options: Options) -> Result<Answer, Failure> {
    let config = arguments.keys.load()?;
    let pins = pins_of(&config)?;
    let stores = config.stores()?;
    let origin = pins::origin(&pins);
    let (mut checked, mut problems) = (0_usize, vec![]);
    let headers = pins
        .circuit
        .iter()
        .flat_map(|pin| KeyKind::ALL.into_iter().filter_map(|kind| Header::of(pin, kind, &origin)));
    for header in headers {
        let name = header.file_name();
        for store in &stores {
            let Some(bytes) = store.read(&name, header.file_limit())? else {
                continue;
            };
            match KeyFile::expect(&header, bytes) {
                Ok(_) => checked += 1,
                Err(error) => problems.push(format!("{}: {name}: {error}", store.location())),
            }
        }
    }
    if arguments.rebuild {
        let mut rebuild = Rebuild { pins: &pins, quiet: options.quiet, problems: &mut problems };
        // Without stores: what is compared must come from the code.
        pins::visit_all(&Keys::default(), &mut rebuild)
            .map_err(|error| Failure::new(UNAVAILABLE, error.to_string()))?;
    }
    let ok = problems.is_empty();
    let text = if ok { format!("{checked} key files are right") } else { problems.join("\n") };
    let json = json!({ "ok": ok, "checked": checked, "problems": problems });
    Ok(Answer::new(json, text).with_code(if ok { 0 } else { INVALID }))
}

/// Compares circuits that are built anew with their pins, and so with every file that has a pinned header.
struct Rebuild<'a> {
    pins: &'a Pins,
    quiet: bool,
    problems: &'a mut Vec<String>,
}

impl Visitor for Rebuild<'_> {
    fn visit<Def: Definition + 'static>(&mut self, keys: &Keys, definition: Def) -> Result<(), CircuitError> {
        let pin = Pin::of(keys.circuit(definition)?.as_ref());
        if !self.quiet {
            eprintln!("built {}", pin.name);
        }
        if self.pins.get(&pin.name) != Some(&pin) {
            self.problems.push(format!("circuit {} is not as pinned; see superblock pins check", pin.name));
        }
        Ok(())
    }
}

fn pins_of(config: &Config) -> Result<Pins, Failure> {
    let mut pins = pins::embedded().map_err(|error| Failure::new(REJECTED, error.to_string()))?;
    pins.circuit.extend(config.read_pins()?.circuit);
    Ok(pins)
}

fn missing(keys: &Keys, pins: &Pins, only: Option<&str>) -> Vec<Header> {
    let wanted = pins.circuit.iter().filter(|pin| only.is_none_or(|only| only == pin.name));
    wanted.flat_map(|pin| keys.missing(pin)).collect()
}

/// Headers follow from pins, so a header is unknown only if the circuit verifies another than the pinned one of
/// that name, whose digest would have to be made first.
fn list_missing(keys: &Keys, pins: &Pins, only: Option<&str>) -> Answer {
    let missing = missing(keys, pins, only);
    let mut undetermined = vec![];
    for pin in pins.circuit.iter().filter(|pin| only.is_none_or(|only| only == pin.name)) {
        for (name, digest) in &pin.depends_on {
            if pins.get(name).is_some_and(|other| other.key != *digest) {
                undetermined.push(json!({ "identifier": pin.name, "depends_on": name }));
            }
        }
    }
    let lines: Vec<_> = missing.iter().map(Header::to_json).collect();
    let text = lines.join("\n");
    let ok = undetermined.is_empty();
    for one in &undetermined {
        let _ = writeln!(std::io::stderr(), "undetermined: {one}");
    }
    let headers: Vec<_> = missing.iter().map(|header| json!(header)).collect();
    let json = json!({ "ok": ok, "missing": headers, "undetermined": undetermined });
    Answer::new(json, text).with_code(if ok { 0 } else { INVALID })
}

/// Names of the key files that the pins determine.
pub(super) fn expected_names(config: &Config) -> Result<std::collections::BTreeSet<String>, Failure> {
    let pins = pins_of(config)?;
    let origin = pins::origin(&pins);
    let headers = pins
        .circuit
        .iter()
        .flat_map(|pin| KeyKind::ALL.into_iter().filter_map(|kind| Header::of(pin, kind, &origin)));
    Ok(headers.map(|header| header.file_name()).collect())
}

/// Sees to it that each circuit has its key files.
struct Generate<'a> {
    only: Option<&'a str>,
    made: Vec<String>,
    found: usize,
}

impl Visitor for Generate<'_> {
    fn visit<Def: Definition + 'static>(&mut self, keys: &Keys, definition: Def) -> Result<(), CircuitError> {
        let name = definition.name();
        let wanted = self.only.is_none_or(|only| only == name);
        if !wanted || progress::STOP.load(Ordering::Relaxed) {
            return Ok(());
        }
        match keys.ensure(definition)? {
            true => self.made.push(name),
            false => self.found += 1,
        }
        Ok(())
    }
}

//! `superblock keys generate` and `superblock keys verify`.

use std::{collections::BTreeSet, io::Write as _, path::PathBuf, sync::atomic::Ordering};

use batcher_keys::{
    config::Config,
    pins::{self, Visitor},
};
use circuits_files::file::write_atomic;
use circuits_keys::{AnyDefinition, CircuitCache, Header, KeyFile, KeyKind, pins::Pins};
use serde_json::json;

use super::{
    Options,
    answer::{Answer, Failure, INVALID, REJECTED, UNAVAILABLE},
    config::KeyArguments,
    pins::embedded,
    progress::{self, KeyProgress},
};

/// Make the key files that are missing, children before parents. What is finished stays if it is interrupted.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    keys: KeyArguments,
    /// The circuit to make the keys of, with those of the circuits that it cannot be built without; by default all.
    /// The names are those that `superblock security` lists.
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
    if arguments.list_missing {
        let pins = pins_of(&config)?;
        let wanted = wanted(&pins, arguments.only.as_deref())?;
        let keys = batcher_keys::open(&config, progress::key_listener(options))?;
        return Ok(list_missing(&keys, &pins, &wanted));
    }
    // Circuits that only the configuration has pins of are those of other programs.
    let pins = embedded()?;
    let wanted = wanted(&pins, arguments.only.as_deref())?;
    let (made, found) = {
        let progress = KeyProgress::new(options, wanted.len());
        let keys = batcher_keys::open(&config, progress.listener())?;
        let mut generate = Generate { wanted: &wanted, progress: &progress, made: vec![], found: 0 };
        pins::visit_all(&keys, &mut generate)?;
        let missing = missing(&keys, &pins, &wanted);
        if let Some(header) = missing.first() {
            let (files, name) = (missing.len(), header.file_name());
            let text = format!("{files} key files could not be kept, among them {name}");
            return Err(Failure::new(UNAVAILABLE, text));
        }
        (generate.made, generate.found)
    };
    if let Some(path) = &arguments.output_config {
        // A reader may be in another directory.
        let failed = |error: String| Failure::new(UNAVAILABLE, error);
        let directories = config.key_directories.iter().map(std::path::absolute);
        let directories: Vec<_> =
            directories.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
        let text = toml::to_string(&json!({ "key_directories": directories }))
            .map_err(|error| failed(error.to_string()))?;
        write_atomic(path, text.as_bytes())?;
    }
    let text = format!("{} circuits: keys of {} made, of {found} found", made.len() + found, made.len());
    Ok(Answer::new(json!({ "ok": true, "made": made, "found": found }), text))
}

/// Names of the circuits that `--only` asks for; all without it.
fn wanted(pins: &Pins, only: Option<&str>) -> Result<BTreeSet<String>, Failure> {
    match only {
        None => Ok(pins.circuit.iter().map(|pin| pin.name.clone()).collect()),
        Some(only) if pins.get(only).is_some() => Ok(pins::needed(pins, only)),
        Some(only) => {
            let text = format!("--only: no circuit is called {only}; superblock security lists the names");
            Err(Failure::new(REJECTED, text))
        }
    }
}

/// Sees to it that each circuit has its key files.
struct Generate<'a> {
    wanted: &'a BTreeSet<String>,
    progress: &'a KeyProgress,
    made: Vec<String>,
    found: usize,
}

impl Visitor for Generate<'_> {
    type Error = Failure;

    fn wants(&self, name: &str) -> bool {
        self.wanted.contains(name)
    }

    fn visit(&mut self, cache: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), Failure> {
        let name = definition.identifier();
        self.progress.start(&name);
        if definition.ensure(cache)? {
            self.made.push(name);
        } else {
            self.found += 1;
        }
        self.progress.done();
        let done = self.made.len() + self.found;
        if done < self.wanted.len() && progress::STOP.load(Ordering::Relaxed) {
            let text = format!("stopped; {done} of {} circuits have their cache", self.wanted.len());
            return Err(Failure::new(UNAVAILABLE, text));
        }
        Ok(())
    }
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
    let headers = headers(&pins);
    let (mut checked, mut problems) = (0_usize, vec![]);
    let progress = KeyProgress::new(options, headers.len());
    for header in &headers {
        let name = header.file_name();
        progress.start(&header.kind.identifier);
        for store in &stores {
            // One that cannot be read hides no other.
            match store.read(&name, header.file_limit()) {
                Ok(None) => {}
                Ok(Some(bytes)) => match KeyFile::expect(header, bytes) {
                    Ok(_) => checked += 1,
                    Err(error) => problems.push(format!("{}: {name}: {error}", store.location())),
                },
                Err(error) => problems.push(error.to_string()),
            }
        }
        progress.done();
    }
    drop(progress);
    if arguments.rebuild {
        // A file of a pinned header has the pinned payload, so it is enough to compare the pins.
        problems.extend(super::pins::differences(CircuitCache::default(), options)?);
    }
    let ok = problems.is_empty();
    let text = if ok { format!("{checked} key files are right") } else { problems.join("\n") };
    let json = json!({ "ok": ok, "checked": checked, "problems": problems });
    Ok(Answer::new(json, text).with_code(if ok { 0 } else { INVALID }))
}

/// The headers that the files of these circuits have.
fn headers(pins: &Pins) -> Vec<Header> {
    let origin = pins::origin(pins);
    let of = |pin| KeyKind::ALL.map(|kind| Header::of(pin, kind, &origin));
    pins.circuit.iter().flat_map(of).flatten().collect()
}

fn pins_of(config: &Config) -> Result<Pins, Failure> {
    let mut pins = embedded()?;
    pins.circuit.extend(config.read_pins()?.circuit);
    Ok(pins)
}

fn missing(cache: &CircuitCache, pins: &Pins, wanted: &BTreeSet<String>) -> Vec<Header> {
    let wanted = pins.circuit.iter().filter(|pin| wanted.contains(&pin.name));
    wanted.flat_map(|pin| cache.missing(pin)).collect()
}

/// Headers follow from pins, so a header is unknown only if the circuit verifies one that no pin is of, whose digest
/// would have to be made first.
fn list_missing(cache: &CircuitCache, pins: &Pins, wanted: &BTreeSet<String>) -> Answer {
    let missing = missing(cache, pins, wanted);
    let mut undetermined = vec![];
    for pin in pins.circuit.iter().filter(|pin| wanted.contains(&pin.name)) {
        for (name, digest) in &pin.depends_on {
            let is_pinned = pins.circuit.iter().any(|other| other.key == *digest);
            let is_set = name.ends_with("-set") && pins.get(name).is_none();
            if !is_pinned && !is_set {
                undetermined.push(json!({ "identifier": pin.name, "depends_on": name, "key": digest }));
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
pub(super) fn expected_names(config: &Config) -> Result<BTreeSet<String>, Failure> {
    Ok(headers(&pins_of(config)?).iter().map(Header::file_name).collect())
}

//! `superblock config`, and the flags that say where keys are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use batcher_circuits::engine::Engine;
use batcher_keys::{
    self, OpenError,
    config::{Config, ConfigError, FILE_NAME, Flags, Surroundings, TEMPLATE},
};
use batcher_verify::keys::PinnedKeys;
use circuits_files::file::write_atomic;
use circuits_keys::{CircuitCache, KeyStore as _, Listener};
use serde_json::{Value, json};

use super::{
    Options,
    answer::{Answer, Coded, Failure, REJECTED, path_json, paths_json},
    progress,
};

impl Coded for ConfigError {
    fn code(&self) -> u8 {
        match self {
            Self::Text(error) => error.code(),
            _ => REJECTED,
        }
    }
}

/// Where keys are. What is not said here comes from environment variables, then from the configuration file.
#[derive(clap::Args, Clone)]
pub(super) struct KeyArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A directory of key files, in the place of those of the configuration; the first one gets new keys.
    #[arg(long = "key-directory", value_name = "DIR")]
    key_directories: Vec<PathBuf>,
    /// Memory for circuits that may be needed again.
    #[arg(long = "key-memory", value_name = "BYTES")]
    key_memory: Option<u64>,
}

impl KeyArguments {
    /// The configuration with these flags.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(&Flags {
            config: self.config.clone(),
            key_directories: self.key_directories.clone(),
            memory_bytes: self.key_memory,
        })?)
    }
}

impl KeyArguments {
    /// The keys that the configuration gives access to.
    pub(super) fn keys(&self, options: Options) -> Result<CircuitCache, Failure> {
        Ok(batcher_keys::open(&self.load()?, progress::key_listener(options))?)
    }

    /// The batcher's circuits over [`Self::keys`].
    pub(super) fn engine(&self, options: Options) -> Result<Engine, Failure> {
        self.engine_with(progress::key_listener(options))
    }

    /// The same with another listener.
    pub(super) fn engine_with(&self, listener: Listener) -> Result<Engine, Failure> {
        let keys = batcher_keys::open(&self.load()?, listener)?;
        Ok(Engine::new(PinnedKeys::embedded().clone(), Arc::new(keys)))
    }
}

impl Coded for OpenError {
    fn code(&self) -> u8 {
        match self {
            Self::Config(error) => error.code(),
            Self::Pins(_) => REJECTED,
        }
    }
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Write a configuration file with every field as a comment.
    Init {
        /// The file, which must not exist; by default superblock.toml where the platform keeps configurations.
        file: Option<PathBuf>,
    },
    /// Check the configuration and every file and address that it names.
    Validate(KeyArguments),
    /// Show the configuration that holds, and what it comes from.
    Show(KeyArguments),
}

pub(super) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Init { file } => init(file),
        Command::Validate(arguments) => {
            let config = arguments.load()?;
            let stores = config.stores()?.len();
            // One that does not exist yet is made when it is needed.
            for directory in config.directories() {
                directory.list()?;
            }
            let pins = config.read_pins()?.circuit.len();
            let file = config.file.as_deref().map_or("no file".to_owned(), |path| path.display().to_string());
            let text = format!("{file}: valid; {stores} stores, {pins} pins of other circuits");
            Ok(Answer::new(
                json!({ "ok": true, "file": file_json(&config), "stores": stores, "pins": pins }),
                text,
            ))
        }
        Command::Show(arguments) => Ok(show(&arguments.load()?)),
    }
}

fn init(file: Option<PathBuf>) -> Result<Answer, Failure> {
    let default = || Surroundings::of_process().config_directory.map(|directory| directory.join(FILE_NAME));
    let path = file
        .or_else(default)
        .ok_or_else(|| Failure::new(REJECTED, "there is no home directory; expected the name of a file"))?;
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(REJECTED, format!("{}: the file exists", path.display())));
    }
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        make_directory(directory)?;
    }
    write_atomic(&path, TEMPLATE.as_bytes())?;
    Ok(Answer::new(json!({ "ok": true, "file": path_json(&path) }), format!("{} written", path.display())))
}

/// Makes a directory and those above it.
pub(super) fn make_directory(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| {
        Failure::new(super::answer::UNAVAILABLE, format!("{}: cannot make it: {error}", path.display()))
    })
}

fn file_json(config: &Config) -> Value {
    config.file.as_deref().map_or(Value::Null, path_json)
}

fn show(config: &Config) -> Answer {
    // Options may be secret: their names only.
    let stores: Vec<_> = config
        .object_stores
        .iter()
        .map(|store| json!({ "url": store.url, "options": store.options.keys().collect::<Vec<_>>() }))
        .collect();
    let keys: Vec<_> =
        config.keys.iter().map(|key| json!({ "kind": key.kind, "path": path_json(&key.path) })).collect();
    let json = json!({
        "ok": true,
        "file": file_json(config),
        "key_directories": paths_json(&config.key_directories),
        "key_directories_from": config.directories_from,
        "keys": keys,
        "pins": paths_json(&config.pins),
        "object_stores": stores,
        "memory_bytes": config.memory_bytes,
        "memory_bytes_from": config.memory_from,
    });
    let mut text = match &config.file {
        Some(path) => format!("file {}", path.display()),
        None => "no file".to_owned(),
    };
    for path in &config.key_directories {
        text += &format!("\nkey directory {} ({})", path.display(), config.directories_from);
    }
    for key in &config.keys {
        text += &format!("\nkey {} {}", key.kind, key.path.display());
    }
    for path in &config.pins {
        text += &format!("\npins {}", path.display());
    }
    for store in &config.object_stores {
        let options: Vec<_> = store.options.keys().map(String::as_str).collect();
        text += &format!("\nobject store {} with options [{}]", store.url, options.join(", "));
    }
    text += &format!("\nmemory {} bytes ({})", config.memory_bytes, config.memory_from);
    Answer::new(json, text)
}

//! `superblock config`.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use batcher_keys::config::{Config, FILE_NAME, Surroundings, TEMPLATE};
use circuits_files::{file::write_new, text::shown};
use circuits_keys::KeyStore as _;
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    key_arguments::KeyArguments,
    new_file::check_is_new,
    table::{Align, Table},
};

/// Why no configuration file is written.
#[derive(Debug, Error)]
enum InitError {
    #[error("there is no home directory; expected the name of a file")]
    NoHome,
    #[error("{path}: cannot make it: {source}", path = .path.display())]
    MakeDirectory { path: PathBuf, source: io::Error },
}

impl HasExitCode for InitError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoHome => ExitCode::Rejected,
            Self::MakeDirectory { .. } => ExitCode::Unavailable,
        }
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write a configuration file that explains every field.
    ///
    /// Every field is commented out, so the new file changes nothing until it is edited.
    Init {
        /// Write this file, which must not exist.
        ///
        /// Without it, superblock.toml in the platform's configuration directory, which every command reads.
        file: Option<PathBuf>,
    },
    /// Check the configuration and every file and address that it names.
    ///
    /// Use this before a long run: it reads pins and listed key files and the directories, but no object store. A
    /// directory that does not exist yet is valid.
    Validate(KeyArguments),
    /// Show the configuration that holds, and where each value comes from.
    ///
    /// Flags come before environment variables, these before the file, and the file before defaults. Options of object
    /// stores may be secret, so only their names are shown.
    Show(KeyArguments),
}

pub(crate) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Init { file } => init(file),
        Command::Validate(arguments) => validate(arguments.load()?),
        Command::Show(arguments) => Ok(Answer::new(&Shown { config: arguments.load()? })),
    }
}

/// A configuration file that was written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(serialize_with = "as_text::path")]
    file: &'a Path,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} written", shown(self.file.display()))
    }
}

fn init(file: Option<PathBuf>) -> Result<Answer, Failure> {
    let default = || Surroundings::of_process().config_directory.map(|directory| directory.join(FILE_NAME));
    let file = file.or_else(default).ok_or(InitError::NoHome)?;
    check_is_new(&file)?;
    if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)
            .map_err(|source| InitError::MakeDirectory { path: directory.to_owned(), source })?;
    }
    write_new(&file, TEMPLATE.as_bytes())?;
    Ok(Answer::new(&Written { file: &file }))
}

/// A configuration that names nothing wrong.
#[derive(Serialize)]
struct Validated {
    #[serde(serialize_with = "as_text::optional_path")]
    file: Option<PathBuf>,
    stores: usize,
    /// Pins of circuits that do not come with this program.
    pins: usize,
}

impl fmt::Display for Validated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map_or("no file".to_owned(), |file| shown(file.display()).to_string());
        write!(f, "{file}: valid; {} stores, {} pins of other circuits", self.stores, self.pins)
    }
}

fn validate(config: Config) -> Result<Answer, Failure> {
    let stores = config.stores()?.len();
    for directory in config.directories() {
        // A directory that does not exist yet is listed as an empty one.
        directory.list()?;
    }
    let pins = config.read_pins()?.circuit.len();
    Ok(Answer::new(&Validated { file: config.file, stores, pins }))
}

/// The configuration that holds.
#[derive(Serialize)]
#[serde(transparent)]
struct Shown {
    config: Config,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        let mut table = Table::new([Align::Left; 3]);
        let mut push = |name: &str, value: String, note: String| table.push([name.to_owned(), value, note]);
        let file = config.file.as_ref().map_or("none".to_owned(), |file| file.display().to_string());
        push("file", file, String::new());
        for path in &config.key_directories {
            push("key directory", path.display().to_string(), format!("from {}", config.directories_from));
        }
        for key in &config.keys {
            push("key", key.path.display().to_string(), key.kind.to_string());
        }
        for path in &config.pins {
            push("pins", path.display().to_string(), String::new());
        }
        for store in &config.object_stores {
            let options: Vec<_> = store.option_names().collect();
            push("object store", store.url.clone(), format!("with options [{}]", options.join(", ")));
        }
        push("memory", format!("{} bytes", config.memory_bytes), format!("from {}", config.memory_from));
        table.fmt(f)
    }
}

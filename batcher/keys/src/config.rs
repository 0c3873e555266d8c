//! Where keys are kept: flags before environment variables before a file before defaults.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use circuits_files::text::{self, TextError};
use circuits_keys::{DEFAULT_MEMORY_BYTES, DirectoryStore, KeyKind, KeyStore, pins::Pins};
use etcetera::base_strategy::{BaseStrategy as _, choose_native_strategy};
use serde::Deserialize;
use thiserror::Error;

use super::{AddressError, ListedError, ListedFiles, ObjectStore};

/// Directories of key files, separated as in `PATH`.
pub const DIRECTORIES_VARIABLE: &str = "SUPERBLOCK_KEY_DIRECTORIES";
/// The configuration file.
pub const FILE_VARIABLE: &str = "SUPERBLOCK_CONFIG";
/// Bytes of memory for built circuits.
pub const MEMORY_VARIABLE: &str = "SUPERBLOCK_KEY_MEMORY";
/// The name of the configuration file in the platform's directory for these.
pub const FILE_NAME: &str = "superblock.toml";
/// Bytes of the largest configuration or pins file.
const FILE_LIMIT: u64 = 16 << 20;

/// A configuration file with every field, each as a comment.
pub const TEMPLATE: &str = r#"# Configuration of superblock. Relative paths start at this file.

# Directories of key files. They are searched in this order; new keys go to the first.
#key_directories = ["keys"]

# Key files elsewhere, which are read and never changed. Kinds are prover_key, verifier_key and common_data.
#keys = [{ kind = "verifier_key", path = "verifier.key" }]

# Pins of circuits that do not come with this program: what their keys must be to be loaded.
#pins = ["pins.toml"]

# Object stores, searched after the directories.
#object_stores = [{ url = "file:///srv/keys", options = {} }]

# Bytes of memory for circuits that are in use or may be needed again.
#memory_bytes = 2147483648
"#;

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A file is not TOML, or has a field that is unknown or of another type.
    #[error("{path}: {reason}", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why; names the field and what was expected.
        reason: String,
    },
    /// A value is refused.
    #[error("{origin}: {field}: expected {expected}, found {found:?}")]
    Value {
        /// The file, variable or flag.
        origin: String,
        /// The field.
        field: String,
        /// What could be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A key file that the configuration names is not one.
    #[error("{file}: keys: {source}", file = .file.display())]
    Listed {
        /// The file that names it.
        file: PathBuf,
        /// Why.
        source: ListedError,
    },
    /// An object store's address or options are refused.
    #[error("{file}: object_stores: {source}", file = .file.display())]
    Address {
        /// The file that names it.
        file: PathBuf,
        /// Why.
        source: AddressError,
    },
}

/// A key file that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedKey {
    /// Which part of a circuit it holds.
    pub kind: KeyKind,
    /// The file.
    pub path: PathBuf,
}

/// An object store that the configuration names.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectStoreAddress {
    /// Its address.
    pub url: String,
    /// Options as crate `object_store` names them. They may be secret: nothing shows their values.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// Without the values of options.
impl std::fmt::Debug for ObjectStoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let options: Vec<_> = self.options.keys().collect();
        f.debug_struct("ObjectStoreAddress").field("url", &self.url).field("options", &options).finish()
    }
}

/// A configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    key_directories: Option<Vec<PathBuf>>,
    #[serde(default)]
    keys: Vec<ListedKey>,
    #[serde(default)]
    pins: Vec<PathBuf>,
    #[serde(default)]
    object_stores: Vec<ObjectStoreAddress>,
    memory_bytes: Option<u64>,
}

/// What the command line says, which comes before everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Directories of key files; if there are none, the command line does not say.
    pub key_directories: Vec<PathBuf>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
}

/// The surroundings of the process.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Environment variables that are set and not empty, of those above.
    pub variables: BTreeMap<&'static str, OsString>,
    /// The platform's directory of configurations, if the user has a home.
    pub config_directory: Option<PathBuf>,
    /// The platform's directory of caches, if the user has a home.
    pub cache_directory: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let platform = choose_native_strategy().ok();
        let variables = [DIRECTORIES_VARIABLE, FILE_VARIABLE, MEMORY_VARIABLE].into_iter();
        Self {
            variables: variables
                .filter_map(|name| Some((name, env::var_os(name).filter(|value| !value.is_empty())?)))
                .collect(),
            config_directory: platform.as_ref().map(|platform| platform.config_dir()),
            cache_directory: platform.as_ref().map(|platform| platform.cache_dir()),
        }
    }
}

/// Where keys are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Directories of key files, in the order of the search; new keys go to the first.
    pub key_directories: Vec<PathBuf>,
    /// What says so: a flag, a variable, the file or the default.
    pub directories_from: String,
    /// Single key files.
    pub keys: Vec<ListedKey>,
    /// Files of pins.
    pub pins: Vec<PathBuf>,
    /// Object stores, searched last.
    pub object_stores: Vec<ObjectStoreAddress>,
    /// Bytes of memory for built circuits.
    pub memory_bytes: u64,
    /// What says so.
    pub memory_from: String,
}

impl Config {
    /// The configuration of this process with these flags.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::load_in(flags, &Surroundings::of_process())
    }

    /// The configuration in these surroundings.
    ///
    /// # Errors
    /// [`ConfigError`] if a value is refused, or a file that a flag or variable names is missing.
    pub fn load_in(flags: &Flags, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let variable = |name| surroundings.variables.get(name);
        let named = flags.config.clone().or_else(|| variable(FILE_VARIABLE).map(PathBuf::from));
        let default_file =
            || surroundings.config_directory.as_ref().map(|directory| directory.join(FILE_NAME));
        // One that is there and cannot be read is refused, and not taken for none.
        let file = named.or_else(|| default_file().filter(|path| !is_missing(path)));
        let content = match &file {
            Some(path) => read_file(path)?,
            None => ConfigFile::default(),
        };
        let file_name = || file.as_ref().map_or_else(String::new, |path| path.display().to_string());

        let (key_directories, directories_from) = if !flags.key_directories.is_empty() {
            (flags.key_directories.clone(), "--key-directory".to_owned())
        } else if let Some(text) = variable(DIRECTORIES_VARIABLE) {
            (env::split_paths(text).collect(), DIRECTORIES_VARIABLE.to_owned())
        } else if let Some(directories) = content.key_directories {
            (directories, file_name())
        } else {
            let cache = surroundings.cache_directory.iter();
            (cache.map(|cache| cache.join("superblock").join("keys")).collect(), "default".to_owned())
        };
        if key_directories.iter().any(|path| path.as_os_str().is_empty()) {
            return Err(refused(&directories_from, "key_directories", "paths of directories", ""));
        }

        let (memory_bytes, memory_from) = if let Some(bytes) = flags.memory_bytes {
            (bytes, "--key-memory".to_owned())
        } else if let Some(text) = variable(MEMORY_VARIABLE) {
            let text = text.to_string_lossy();
            let bytes = text
                .parse()
                .map_err(|_| refused(MEMORY_VARIABLE, "memory_bytes", "a number of bytes", &text))?;
            (bytes, MEMORY_VARIABLE.to_owned())
        } else if let Some(bytes) = content.memory_bytes {
            (bytes, file_name())
        } else {
            (DEFAULT_MEMORY_BYTES, "default".to_owned())
        };
        let ConfigFile { keys, pins, object_stores, .. } = content;
        Ok(Self {
            file,
            key_directories,
            directories_from,
            keys,
            pins,
            object_stores,
            memory_bytes,
            memory_from,
        })
    }

    /// The directories of key files.
    #[must_use]
    pub fn directories(&self) -> Vec<DirectoryStore> {
        self.key_directories.iter().map(DirectoryStore::new).collect()
    }

    /// All stores, in the order in which they are searched: directories, single files, object stores.
    ///
    /// # Errors
    /// [`ConfigError`] if a single file is not a key file, or an address is not one.
    pub fn stores(&self) -> Result<Vec<Arc<dyn KeyStore>>, ConfigError> {
        // Only a file names the others.
        let file = || self.file.clone().unwrap_or_default();
        let mut stores: Vec<Arc<dyn KeyStore>> = vec![];
        for directory in self.directories() {
            stores.push(Arc::new(directory));
        }
        if !self.keys.is_empty() {
            let mut listed = ListedFiles::default();
            for key in &self.keys {
                let added = listed.add(key.kind, &key.path);
                added.map_err(|source| ConfigError::Listed { file: file(), source })?;
            }
            stores.push(Arc::new(listed));
        }
        for store in &self.object_stores {
            let opened = ObjectStore::open(&store.url, &store.options);
            stores.push(Arc::new(opened.map_err(|source| ConfigError::Address { file: file(), source })?));
        }
        Ok(stores)
    }

    /// The pins of all pins files.
    ///
    /// # Errors
    /// [`ConfigError`] if one cannot be read or is malformed.
    pub fn read_pins(&self) -> Result<Pins, ConfigError> {
        let mut pins = vec![];
        for path in &self.pins {
            let read: Pins = parse(path, &text::read(path, FILE_LIMIT)?)?;
            pins.extend(read.circuit);
        }
        Ok(Pins::new(pins))
    }
}

fn is_missing(path: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    path.symlink_metadata().is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

fn refused(origin: &str, field: &str, expected: &'static str, found: &str) -> ConfigError {
    ConfigError::Value {
        origin: origin.to_owned(),
        field: field.to_owned(),
        expected,
        found: found.to_owned(),
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        // The parser shows the line, which may hold a secret option; its place and the reason are enough.
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        let field = error
            .span()
            .and_then(|span| text[..span.start].rsplit('\n').next()?.split_once('=').map(|(field, _)| field))
            .map_or_else(String::new, |field| format!("{}: ", field.trim()));
        ConfigError::Malformed {
            path: path.to_owned(),
            reason: format!("line {line}: {field}{}", without_text(error.message())),
        }
    })
}

/// A parser's message without the text that it found, which may be secret.
fn without_text(message: &str) -> String {
    match (message.find("string \""), message.rfind("\", expected")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}string{}", &message[..start], &message[end + 1..])
        }
        _ => message.to_owned(),
    }
}

/// Reads a configuration file; relative paths in it start at its directory.
fn read_file(path: &Path) -> Result<ConfigFile, ConfigError> {
    let mut file: ConfigFile = parse(path, &text::read(path, FILE_LIMIT)?)?;
    let origin = path.display().to_string();
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    let listed = file.keys.iter_mut().map(|key| ("keys", &mut key.path));
    let pins = file.pins.iter_mut().map(|path| ("pins", path));
    let directories = file.key_directories.iter_mut().flatten().map(|path| ("key_directories", path));
    for (field, path) in directories.chain(listed).chain(pins) {
        if path.as_os_str().is_empty() {
            return Err(refused(&origin, field, "a path", ""));
        }
        *path = directory.join(&*path);
    }
    // Whatever is done with the configuration next, addresses are shown.
    for store in &file.object_stores {
        ObjectStore::check_address(&store.url)
            .map_err(|source| ConfigError::Address { file: path.to_owned(), source })?;
    }
    Ok(file)
}

//! The configuration of key stores: flags come before environment variables, these before a file, and the file before
//! defaults.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use circuits_files::text::{self, TextError};
use circuits_keys::{DEFAULT_MEMORY_BYTES, DirectoryStore, KeyKind, KeyStore, pins::Pins};
use circuits_objects::{AddressError, check_address, shown_option};
use etcetera::base_strategy::{BaseStrategy as _, choose_native_strategy};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use crate::{
    listed_files::{ListedError, ListedFiles},
    object_stores::ObjectStore,
};

/// The environment variable with the directories of key files, separated as in `PATH`.
pub const DIRECTORIES_VARIABLE: &str = "SUPERBLOCK_KEY_DIRECTORIES";
/// The environment variable with the path of the configuration file.
pub const FILE_VARIABLE: &str = "SUPERBLOCK_CONFIG";
/// The environment variable with the bytes of memory for built circuits.
pub const MEMORY_VARIABLE: &str = "SUPERBLOCK_KEY_MEMORY";
/// The name of the configuration file in the platform's configuration directory.
pub const FILE_NAME: &str = "superblock.toml";
/// Bytes of the largest configuration file, and of the largest file of pins.
const FILE_LIMIT: u64 = 16 << 20;

/// A configuration file that explains every field in a comment.
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
        path: PathBuf,
        /// The line, the field and what was expected there.
        reason: String,
    },
    /// A value is refused.
    #[error("{origin}: {field}: expected {expected}, found {found:?}")]
    Value {
        /// The file, variable or flag that the value comes from.
        origin: String,
        field: &'static str,
        expected: &'static str,
        found: String,
    },
    /// The configuration names a file that is not the key file that it should be.
    #[error("{file}: keys: {source}", file = .file.display())]
    Listed {
        /// The configuration file.
        file: PathBuf,
        source: ListedError,
    },
    /// An object store's address or options are refused.
    #[error("{file}: object_stores: {source}", file = .file.display())]
    Address {
        /// The configuration file.
        file: PathBuf,
        source: AddressError,
    },
}

/// A key file that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedKey {
    /// The part of a circuit that the file must hold.
    pub kind: KeyKind,
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
}

/// An object store that the configuration names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectStoreAddress {
    pub url: String,
    /// Options as crate `object_store` names them. Their values may be secret: they are serialised and printed without.
    #[serde(default, serialize_with = "names_only")]
    pub options: BTreeMap<String, String>,
}

impl ObjectStoreAddress {
    /// The names of the options, without what may be a secret in the place of a name.
    pub fn option_names(&self) -> impl Iterator<Item = &str> {
        self.options.keys().map(|name| shown_option(name))
    }
}

/// Omits the values of options, which may be secret.
impl std::fmt::Debug for ObjectStoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let options: Vec<_> = self.option_names().collect();
        f.debug_struct("ObjectStoreAddress").field("url", &self.url).field("options", &options).finish()
    }
}

/// The content of a configuration file.
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

/// The values that the command line gives; they come before all others.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The path of the configuration file.
    pub config: Option<PathBuf>,
    /// Directories of key files; empty if the command line names none.
    pub key_directories: Vec<PathBuf>,
    pub memory_bytes: Option<u64>,
}

/// What a configuration depends on beyond flags and files.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Those of [`DIRECTORIES_VARIABLE`], [`FILE_VARIABLE`] and [`MEMORY_VARIABLE`] that are set and not empty.
    pub variables: BTreeMap<&'static str, OsString>,
    /// The platform's configuration directory, if the user has a home directory.
    pub config_directory: Option<PathBuf>,
    /// The platform's cache directory, if the user has a home directory.
    pub cache_directory: Option<PathBuf>,
}

impl Surroundings {
    /// The surroundings of this process.
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
///
/// It serialises without the values of the object stores' options, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The file that was read, if any.
    #[serde(serialize_with = "optional_path_as_text")]
    pub file: Option<PathBuf>,
    /// Directories of key files, in the order of the search. New keys go to the first one.
    #[serde(serialize_with = "paths_as_text")]
    pub key_directories: Vec<PathBuf>,
    /// The flag, the variable or the file that names the directories, or `default`.
    #[serde(rename = "key_directories_from")]
    pub directories_from: String,
    /// Key files that are listed one by one.
    pub keys: Vec<ListedKey>,
    /// Files with pins of further circuits.
    #[serde(serialize_with = "paths_as_text")]
    pub pins: Vec<PathBuf>,
    /// Object stores, which are searched last.
    pub object_stores: Vec<ObjectStoreAddress>,
    /// Bytes of memory for built circuits.
    pub memory_bytes: u64,
    /// The flag, the variable or the file that says so, or `default`.
    #[serde(rename = "memory_bytes_from")]
    pub memory_from: String,
}

impl Config {
    /// Reads the configuration of this process with the given flags.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::load_in(flags, &Surroundings::of_process())
    }

    /// Reads the configuration in the given surroundings.
    ///
    /// # Errors
    /// [`ConfigError`] if a value is refused, or a file that a flag or variable names is missing.
    pub fn load_in(flags: &Flags, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let variable = |name| surroundings.variables.get(name);
        let named = flags.config.clone().or_else(|| variable(FILE_VARIABLE).map(PathBuf::from));
        let default_file =
            || surroundings.config_directory.as_ref().map(|directory| directory.join(FILE_NAME));
        // A file that exists and cannot be read is refused: it is not ignored.
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

    /// All stores in the order in which they are searched: directories, listed files, object stores.
    ///
    /// # Errors
    /// [`ConfigError`] if a listed file is not a key file, or the address of an object store is refused.
    pub fn stores(&self) -> Result<Vec<Arc<dyn KeyStore>>, ConfigError> {
        // Only a configuration file names listed files and object stores.
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

    /// Reads the pins of all files of pins.
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

/// Paths need not be UTF-8, and JSON is.
fn path_as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn optional_path_as_text<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => path_as_text(path, serializer),
        None => serializer.serialize_none(),
    }
}

fn paths_as_text<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.display().to_string()))
}

fn names_only<S: Serializer>(options: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(options.keys().map(|name| shown_option(name)))
}

fn is_missing(path: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    path.symlink_metadata().is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

fn refused(origin: &str, field: &'static str, expected: &'static str, found: &str) -> ConfigError {
    ConfigError::Value { origin: origin.to_owned(), field, expected, found: found.to_owned() }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    text::parse_toml(text).map_err(|reason| ConfigError::Malformed { path: path.to_owned(), reason })
}

/// Reads a configuration file and resolves its relative paths, which start at its directory.
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
    // Messages show addresses, so an address with a secret is refused before anything else happens.
    for store in &file.object_stores {
        check_address(&store.url).map_err(|source| ConfigError::Address { file: path.to_owned(), source })?;
    }
    Ok(file)
}

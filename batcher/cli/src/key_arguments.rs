//! The flags that say where keys are kept.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use batcher_circuits::engine::Engine;
use batcher_keys::config::{Config, ConfigError, Flags};
use batcher_verify::keys::PinnedKeys;
use circuits_keys::{CircuitCache, Listener};

use crate::{answer::Failure, options::Options, progress};

#[derive(clap::Args, Clone)]
pub(crate) struct KeyArguments {
    /// Read the configuration of keys from this file.
    ///
    /// Use it where neither SUPERBLOCK_CONFIG nor superblock.toml in the platform's configuration directory is the
    /// right file. `config init` writes a file that explains every field.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep key files in this directory instead of the configured ones.
    ///
    /// Repeat the flag to search several directories in order; new keys go to the first one. A key that is nowhere is
    /// made, which takes seconds for each circuit.
    #[arg(long = "key-directory", value_name = "DIR")]
    key_directories: Vec<PathBuf>,
    /// Use at most this much memory for circuits that may be needed again.
    ///
    /// Raise it where circuits are loaded again and again, lower it where memory is short.
    #[arg(long = "key-memory", value_name = "BYTES")]
    key_memory: Option<u64>,
}

impl KeyArguments {
    /// The flags as another process of this program is given them.
    pub(crate) fn flags(&self) -> Vec<OsString> {
        let config = self.config.iter().map(|file| ("--config", file.clone().into()));
        let directories =
            self.key_directories.iter().map(|directory| ("--key-directory", directory.clone().into()));
        let memory = self.key_memory.iter().map(|bytes| ("--key-memory", bytes.to_string().into()));
        let flags = config.chain(directories).chain(memory);
        flags.flat_map(|(flag, value): (&str, OsString)| [flag.into(), value]).collect()
    }

    /// The configuration with these flags.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&Flags {
            config: self.config.clone(),
            key_directories: self.key_directories.clone(),
            memory_bytes: self.key_memory,
        })
    }

    /// The cache of circuits that the configuration describes.
    pub(crate) fn cache(&self, options: Options) -> Result<CircuitCache, Failure> {
        Ok(batcher_keys::open(&self.load()?, progress::key_listener(options))?)
    }

    /// The batcher's circuits over [`Self::cache`].
    pub(crate) fn engine(&self, options: Options) -> Result<Engine, Failure> {
        self.engine_with(progress::key_listener(options))
    }

    /// [`Self::engine`] with another listener.
    pub(crate) fn engine_with(&self, listener: Listener) -> Result<Engine, Failure> {
        let cache = batcher_keys::open(&self.load()?, listener)?;
        Ok(Engine::new(PinnedKeys::embedded().clone(), Arc::new(cache)))
    }
}

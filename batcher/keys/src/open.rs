//! From a configuration to keys.

use circuits_keys::{CircuitCache, Listener};
use thiserror::Error;

use super::config::{Config, ConfigError};
use crate::pins::{self, MalformedPins};

/// Keys cannot be looked for.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The program's own pins are malformed.
    #[error(transparent)]
    Pins(#[from] MalformedPins),
}

/// The keys of this program's circuits, and of those that the configuration has pins of, in the stores that it names.
///
/// # Errors
/// [`OpenError`]
pub fn open(config: &Config, listener: Listener) -> Result<CircuitCache, OpenError> {
    let pins = pins::embedded()?;
    let keys = CircuitCache::new(pins::origin(&pins))
        .with_pins(pins)
        .with_pins(config.read_pins()?)
        .with_memory(config.memory_bytes)
        .with_listener(listener);
    Ok(config.stores()?.into_iter().fold(keys, CircuitCache::with_store))
}

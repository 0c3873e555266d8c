//! The cache of circuits that a configuration describes.

use circuits_keys::{CircuitCache, Listener};
use thiserror::Error;

use crate::{
    config::{Config, ConfigError},
    pins::{self, MalformedPins},
};

/// The cache of circuits cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The program's own pins are malformed.
    #[error(transparent)]
    Pins(#[from] MalformedPins),
}

/// Opens the cache of circuits over the stores that the configuration names. The cache knows the pins of this program's
/// circuits and those that the configuration adds.
///
/// # Errors
/// [`OpenError`]
pub fn open(config: &Config, listener: Listener) -> Result<CircuitCache, OpenError> {
    let pins = pins::embedded()?;
    let cache = CircuitCache::new(pins::origin(&pins))
        .with_pins(pins)
        .with_pins(config.read_pins()?)
        .with_memory(config.memory_bytes)
        .with_listener(listener);
    Ok(config.stores()?.into_iter().fold(cache, CircuitCache::with_store))
}

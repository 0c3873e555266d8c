//! Definitions of any type behind one trait, so that tools can visit circuits of all kinds.

use std::sync::Arc;

use circuits_core::circuit::{AnyCompiled, CircuitError, Definition};

use crate::cache::CircuitCache;

/// A definition of any type, whose circuit can be requested from a cache.
pub trait AnyDefinition {
    /// [`Definition::name`]. Headers of key files call it the identifier.
    fn identifier(&self) -> String;

    /// See [`CircuitCache::circuit`].
    ///
    /// # Errors
    /// As [`CircuitCache::circuit`].
    fn circuit(self: Box<Self>, cache: &CircuitCache) -> Result<Arc<dyn AnyCompiled>, CircuitError>;

    /// See [`CircuitCache::ensure`].
    ///
    /// # Errors
    /// As [`CircuitCache::ensure`].
    fn ensure(self: Box<Self>, cache: &CircuitCache) -> Result<bool, CircuitError>;
}

impl<Def: Definition + 'static> AnyDefinition for Def {
    fn identifier(&self) -> String {
        self.name()
    }

    fn circuit(self: Box<Self>, cache: &CircuitCache) -> Result<Arc<dyn AnyCompiled>, CircuitError> {
        let compiled = cache.circuit(*self)?;
        Ok(compiled)
    }

    fn ensure(self: Box<Self>, cache: &CircuitCache) -> Result<bool, CircuitError> {
        cache.ensure(*self)
    }
}

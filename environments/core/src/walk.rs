//! A walk past circuits, children before parents, that builds no more than its visitor wants.
//!
//! A circuit is defined when its turn comes: only then are the circuits that it verifies known.

use circuits_core::{CircuitError, Definition};
use circuits_keys::{AnyDefinition, CircuitCache};
use circuits_protocol::wrap::Wrapper;
use thiserror::Error;

use crate::kernel::{BlockDefinition, Kernel};

/// Why a walk ends early.
#[derive(Debug, Error)]
pub enum WalkError {
    /// A circuit cannot be built.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// The visitor, who knows why, wants no more circuits.
    #[error("the visitor wants no more circuits")]
    Stopped,
}

/// Receives circuits whose types it does not know.
pub trait Visitor {
    /// Whether the circuit called `name` is to be visited. If not, nothing that only it verifies is built either.
    fn wants(&self, name: &str) -> bool;

    /// Visits the next circuit.
    ///
    /// # Errors
    /// [`WalkError::Circuit`] if the circuit cannot be built, [`WalkError::Stopped`] to end the walk.
    fn visit(&mut self, cache: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), WalkError>;
}

/// A visitor on its way.
pub struct Walk<'a> {
    cache: &'a CircuitCache,
    visitor: &'a mut dyn Visitor,
}

impl<'a> Walk<'a> {
    /// Starts a walk whose circuits are found or made by `cache`.
    pub fn new(cache: &'a CircuitCache, visitor: &'a mut dyn Visitor) -> Self {
        Self { cache, visitor }
    }

    /// The cache, for definitions that contain keys of other circuits.
    #[must_use]
    pub fn cache(&self) -> &'a CircuitCache {
        self.cache
    }

    /// Whether the visitor wants the circuit called `name`.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.visitor.wants(name)
    }

    /// Shows a circuit to the visitor if it wants one of this name.
    ///
    /// # Errors
    /// The visitor's.
    pub fn circuit<Def: Definition + 'static>(&mut self, definition: Def) -> Result<(), WalkError> {
        if self.wants(&definition.name()) {
            self.visitor.visit(self.cache, Box::new(definition))
        } else {
            Ok(())
        }
    }

    /// Shows the kernel called `name` and its wrap. `define` is called only if one of them is wanted.
    ///
    /// # Errors
    /// The visitor's, or that of a circuit below the kernel that cannot be built.
    pub fn kernel<K: BlockDefinition>(
        &mut self,
        name: &str,
        define: impl FnOnce(&CircuitCache) -> Result<K, CircuitError>,
    ) -> Result<(), WalkError> {
        // The visitor is asked in the order in which it is shown circuits.
        let is_kernel = self.wants(name);
        let is_wrapped = self.wants(&Wrapper::name_of(name));
        if !is_kernel && !is_wrapped {
            return Ok(());
        }
        let definition = define(self.cache)?;
        self.circuit(definition.clone())?;
        if is_wrapped {
            self.circuit(Kernel { definition }.wrapper(self.cache)?)?;
        }
        Ok(())
    }
}

//! Definitions and circuits without their types: what [`CircuitCache`] look them up by, load and build.
//!
//! So the lookup is compiled once, and not once for each definition.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    sync::Arc,
};

use circuits_core::{
    circuit::{AnyCompiled, CircuitError, Definition, all_parameters, defined},
    digest::Digest,
    recursion::Shape,
};
use circuits_prover::basetypes::{Builder, Circuit};

use super::CircuitCache;
use crate::pins::Pin;

/// All that determines a circuit, known before it is built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    definition: TypeId,
    pub(super) name: String,
    parameters: BTreeMap<String, u64>,
    depends_on: BTreeMap<String, Digest>,
}

impl Identity {
    pub(super) fn of<Def: Definition + 'static>(definition: &Def) -> Self {
        Self {
            definition: TypeId::of::<Def>(),
            name: definition.name(),
            parameters: all_parameters(definition),
            depends_on: definition.depends_on(),
        }
    }

    pub(super) fn is_of(&self, pin: &Pin) -> bool {
        self.name == pin.name && self.parameters == pin.parameters && self.depends_on == pin.depends_on
    }
}

/// A definition of whatever types, to be asked for.
pub trait AnyDefinition {
    /// [`Definition::name`], which headers of key files call so.
    fn identifier(&self) -> String;

    /// As [`CircuitCache::circuit`].
    ///
    /// # Errors
    /// As there.
    fn circuit(self: Box<Self>, cache: &CircuitCache) -> Result<Arc<dyn AnyCompiled>, CircuitError>;

    /// As [`CircuitCache::ensure`].
    ///
    /// # Errors
    /// As there.
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

/// A definition without its types, to be loaded or built.
pub(super) struct Erased<'a> {
    pub(super) identity: &'a Identity,
    pub(super) shape: Option<&'a Shape>,
    pub(super) define: &'a (dyn Fn() -> Defined + Sync),
}

/// What a definition adds to a builder.
pub(super) struct Defined {
    pub(super) builder: Builder,
    pub(super) targets: Targets,
    pub(super) gates: usize,
}

/// [`Definition::Targets`] of some definition.
pub(super) type Targets = Box<dyn Any + Send + Sync>;

impl Defined {
    pub(super) fn by<Def: Definition + 'static>(definition: &Def) -> Self {
        let (builder, targets, gates) = defined(definition);
        Self { builder, targets: Box::new(targets), gates }
    }
}

/// A circuit that was loaded or built, its definition's types aside.
pub(super) struct Found<'a> {
    pub(super) identity: &'a Identity,
    pub(super) circuit: Circuit,
    pub(super) targets: Targets,
    pub(super) gates: usize,
}

impl AnyCompiled for Found<'_> {
    fn name(&self) -> String {
        self.identity.name.clone()
    }

    fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    fn gates(&self) -> usize {
        self.gates
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        self.identity.parameters.clone()
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        self.identity.depends_on.clone()
    }
}

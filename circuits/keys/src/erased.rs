//! Definitions and circuits without their types, so that loading and building are compiled once and not once for each
//! definition.

use std::{any::Any, collections::BTreeMap};

use circuits_core::{
    circuit::{AnyCompiled, Definition, defined},
    digest::Digest,
    recursion::Shape,
};
use circuits_prover::basetypes::{Builder, Circuit};

use crate::identity::Identity;

/// A definition without its type, to be loaded or built.
pub(crate) struct Erased<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) shape: Option<&'a Shape>,
    pub(crate) define: &'a (dyn Fn() -> Defined + Sync),
}

/// What a definition adds to a builder.
pub(crate) struct Defined {
    pub(crate) builder: Builder,
    pub(crate) targets: Targets,
    pub(crate) gates: usize,
}

/// The [`Definition::Targets`] of some definition.
pub(crate) type Targets = Box<dyn Any + Send + Sync>;

impl Defined {
    pub(crate) fn by<Def: Definition + 'static>(definition: &Def) -> Self {
        let (builder, targets, gates) = defined(definition);
        Self { builder, targets: Box::new(targets), gates }
    }
}

/// A circuit that was loaded or built, without its definition's type.
pub(crate) struct Found<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) circuit: Circuit,
    pub(crate) targets: Targets,
    pub(crate) gates: usize,
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

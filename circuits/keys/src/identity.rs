//! What determines a circuit, known before the circuit is built.

use std::{any::TypeId, collections::BTreeMap};

use circuits_core::{
    circuit::{Definition, all_parameters},
    digest::Digest,
};

use crate::pins::Pin;

/// All that determines a circuit. The cache looks circuits up by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    definition: TypeId,
    pub(crate) name: String,
    pub(crate) parameters: BTreeMap<String, u64>,
    pub(crate) depends_on: BTreeMap<String, Digest>,
}

impl Identity {
    pub(crate) fn of<Def: Definition + 'static>(definition: &Def) -> Self {
        Self {
            definition: TypeId::of::<Def>(),
            name: definition.name(),
            parameters: all_parameters(definition),
            depends_on: definition.depends_on(),
        }
    }

    pub(crate) fn is_of(&self, pin: &Pin) -> bool {
        self.name == pin.name && self.parameters == pin.parameters && self.depends_on == pin.depends_on
    }
}

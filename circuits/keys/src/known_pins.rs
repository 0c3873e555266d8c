//! The pins that a cache knows: those that it was given, and those that it learned by building circuits.

use std::{collections::BTreeMap, sync::Mutex};

use circuits_core::digest::Digest;

use crate::{
    alone::lock,
    identity::Identity,
    pins::{Pin, Pins},
};

#[derive(Default)]
pub(crate) struct KnownPins {
    given: Pins,
    learned: Mutex<BTreeMap<Identity, Pin>>,
}

impl KnownPins {
    /// Adds pins. Of two pins of a circuit, the one that was added first counts.
    pub(crate) fn add(&mut self, pins: Pins) {
        self.given.circuit.extend(pins.circuit);
    }

    /// The pin of a circuit. One that was learned comes first: what was built here is what the code builds, whatever
    /// the other pins say.
    pub(crate) fn get(&self, identity: &Identity) -> Option<Pin> {
        let learned = lock(&self.learned).get(identity).cloned();
        learned.or_else(|| self.given.circuit.iter().find(|pin| identity.is_of(pin)).cloned())
    }

    /// The pin of the circuit with this name, these parameters and these keys below it. As in [`Self::get`], one that was
    /// learned comes first.
    pub(crate) fn find(
        &self,
        name: &str,
        parameters: &BTreeMap<String, u64>,
        depends_on: &BTreeMap<String, Digest>,
    ) -> Option<Pin> {
        let same =
            |pin: &&Pin| pin.name == name && pin.parameters == *parameters && pin.depends_on == *depends_on;
        let learned = lock(&self.learned).values().find(same).cloned();
        learned.or_else(|| self.given.circuit.iter().find(same).cloned())
    }

    pub(crate) fn learn(&self, identity: &Identity, pin: Pin) {
        lock(&self.learned).insert(identity.clone(), pin);
    }

    pub(crate) fn has_learned(&self, identity: &Identity) -> bool {
        lock(&self.learned).contains_key(identity)
    }

    /// The pin that was learned of the circuit with this name and this digest of its key.
    pub(crate) fn learned_by_key(&self, name: &str, key: Digest) -> Option<Pin> {
        lock(&self.learned).values().find(|pin| pin.name == name && pin.key == key).cloned()
    }

    pub(crate) fn learned(&self) -> Pins {
        Pins::new(lock(&self.learned).values().cloned())
    }
}

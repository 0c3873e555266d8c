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

    /// The key of the circuit with this name, these parameters and these keys below it. Unlike in [`Self::get`], a pin that
    /// was given comes first: a process lists the same key before and after it builds the circuit.
    pub(crate) fn listed_key(
        &self,
        name: &str,
        parameters: &BTreeMap<String, u64>,
        depends_on: &BTreeMap<String, Digest>,
    ) -> Option<Digest> {
        let same =
            |pin: &&Pin| pin.name == name && pin.parameters == *parameters && pin.depends_on == *depends_on;
        let given = self.given.circuit.iter().find(same).map(|pin| pin.key);
        given.or_else(|| lock(&self.learned).values().find(same).map(|pin| pin.key))
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

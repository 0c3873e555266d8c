//! Pins and keys made anew from the code: what the checked-in files should say.

use std::collections::BTreeSet;

use batcher_hop::{
    circuits::{KeccakHop, PoseidonHop},
    outer_circuit::OuterCompiled,
};
use batcher_verify::{
    circuit::SuperblockCircuit,
    hop_keys::{HopKeys, OuterKeyText},
    keys::{KeyText, PinnedKeys},
};
use circuits_core::{CircuitError, Digest, VerifierKey, security::TooWeak};
use circuits_keys::{
    AnyDefinition, CircuitCache,
    pins::{Pin, Pins},
};
use circuits_protocol::key_set::KeySet;
use environments_core::walk::{Visitor, Walk, WalkError};
use thiserror::Error;

use crate::{
    catalogue,
    pins::{AllPins, OuterPin},
};

/// Builds every circuit and returns the pins and the batcher's keys; `each` receives the name of every circuit that is
/// built. The circuits of the environments and those of the batcher do not verify each other and are built at the same
/// time, because much of building a circuit takes one thread.
///
/// # Errors
/// If a circuit does not fit its shape.
pub fn rebuild_all(
    cache: &CircuitCache,
    each: &(dyn Fn(&str) + Sync),
) -> Result<(AllPins, PinnedKeys), CircuitError> {
    let environments = || {
        let mut built = Built { each, circuits: vec![] };
        built.walk(cache, catalogue::tables)?;
        built.walk(cache, catalogue::environments)?;
        Ok::<_, CircuitError>(built.circuits)
    };
    let (environments, batcher) = rayon::join(environments, || batcher_circuits(cache, each));
    let others = environments?.into_iter().map(|(pin, _)| pin);
    Ok(pinned(batcher?, others))
}

/// Builds the batcher's circuits only. The pins are theirs and `kept`.
///
/// # Errors
/// If a circuit does not fit its shape.
pub fn rebuild_batcher(
    cache: &CircuitCache,
    kept: Vec<Pin>,
    each: &(dyn Fn(&str) + Sync),
) -> Result<(AllPins, PinnedKeys), CircuitError> {
    Ok(pinned(batcher_circuits(cache, each)?, kept))
}

/// Pins that were to be kept are of other code.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum StalePins {
    #[error("the pins to be kept are stale: {name} is not pinned; regenerate all pins")]
    Missing { name: String },
    /// No pins are written that have too little security.
    #[error("the pins to be kept are stale: {0}; regenerate all pins")]
    Weak(#[from] TooWeak),
}

/// Those of `pins` that [`rebuild_batcher`] keeps: the pins of all circuits that are in `names` and not in `batcher`.
/// Nothing is built to compare them, so that what shows without it is noticed before a build of minutes. What does not show
/// without it is left to `superblock pins check`.
///
/// # Errors
/// [`StalePins`].
pub fn kept(
    pins: &Pins,
    names: &BTreeSet<String>,
    batcher: &BTreeSet<String>,
) -> Result<Vec<Pin>, StalePins> {
    let keep = |name: &String| {
        let pin = pins.get(name).ok_or_else(|| StalePins::Missing { name: name.clone() })?;
        pin.security().check()?;
        Ok(pin.clone())
    };
    names.difference(batcher).map(keep).collect()
}

/// The batcher's circuits: the segment circuits, the superblock circuits over them, and the hop over these.
struct BatcherCircuits {
    pins: Vec<Pin>,
    keccak_hop: OuterPin,
    keys: PinnedKeys,
}

fn batcher_circuits(
    cache: &CircuitCache,
    each: &(dyn Fn(&str) + Sync),
) -> Result<BatcherCircuits, CircuitError> {
    let mut built = Built { each, circuits: vec![] };
    built.walk(cache, catalogue::segments)?;
    let segment_set: Vec<_> = built.circuits.iter().map(|(pin, _)| pin.key).collect();
    // Not the embedded set, which may be of other segments.
    let root = KeySet::new(&segment_set).root();
    built.walk(cache, |walk| catalogue::superblocks(walk, root))?;
    let superblock = built.circuits[segment_set.len()..].to_vec();
    let key_of = |circuit| {
        let index = SuperblockCircuit::all().position(|other| other == circuit);
        index.and_then(|index| superblock.get(index)).map_or(Digest::ZERO, |(pin, _)| pin.key)
    };
    let before = built.circuits.len();
    built.walk(cache, |walk| catalogue::shrinks(walk, key_of))?;
    let shrink_set: Vec<_> = built.circuits[before..].iter().map(|(pin, _)| pin.key).collect();
    let poseidon = PoseidonHop::new(KeySet::new(&shrink_set).root());
    built.walk(cache, |walk| walk.circuit(poseidon))?;
    let poseidon = cache.circuit(poseidon)?.key().clone();
    let definition = KeccakHop::new(poseidon.clone());
    let compiled = OuterCompiled::new(definition.clone())?;
    each(KeccakHop::NAME);
    let keccak = compiled.key().clone();
    let keccak_hop = OuterPin::new(&definition, &keccak, &compiled.circuit().common, compiled.gates());
    let keys = PinnedKeys {
        segment_set,
        superblock: superblock.into_iter().map(|(_, key)| KeyText::new(key)).collect(),
        hop: HopKeys { shrink_set, poseidon: KeyText::new(poseidon), keccak: OuterKeyText::new(keccak) },
    };
    let pins = built.circuits.into_iter().map(|(pin, _)| pin).collect();
    Ok(BatcherCircuits { pins, keccak_hop, keys })
}

fn pinned(batcher: BatcherCircuits, others: impl IntoIterator<Item = Pin>) -> (AllPins, PinnedKeys) {
    let BatcherCircuits { pins, keccak_hop, keys } = batcher;
    let circuits = Pins::new(others.into_iter().chain(pins));
    (AllPins { circuits, keccak_hop: Some(keccak_hop) }, keys)
}

/// Builds every circuit and keeps its pin and its key.
struct Built<'a> {
    each: &'a (dyn Fn(&str) + Sync),
    circuits: Vec<(Pin, VerifierKey)>,
}

impl Built<'_> {
    fn walk(
        &mut self,
        cache: &CircuitCache,
        walk: impl FnOnce(&mut Walk<'_>) -> Result<(), WalkError>,
    ) -> Result<(), CircuitError> {
        match walk(&mut Walk::new(cache, self)) {
            Err(WalkError::Circuit(error)) => Err(error),
            // It never stops a walk.
            Ok(()) | Err(WalkError::Stopped) => Ok(()),
        }
    }
}

impl Visitor for Built<'_> {
    fn wants(&self, _: &str) -> bool {
        true
    }

    fn visit(&mut self, cache: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), WalkError> {
        let compiled = definition.circuit(cache)?;
        (self.each)(&compiled.name());
        let key = compiled.circuit().verifier_only.clone();
        self.circuits.push((cache.pin_of(compiled.as_ref()), key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use circuits_core::security::{Parameters, Round};

    use super::*;
    use crate::{
        catalogue::{batcher_names, names},
        pins::embedded,
    };

    fn kept_of(change: impl FnOnce(&mut Vec<Pin>)) -> Result<Vec<Pin>, StalePins> {
        let mut pins = embedded().expect("well-formed");
        change(&mut pins.circuit);
        kept(&pins, &names().expect("nothing is built"), &batcher_names().expect("nothing is built"))
    }

    #[test]
    fn the_pins_of_the_environments_circuits_are_kept_and_no_others() {
        let batcher = batcher_names().expect("nothing is built");
        let kept = kept_of(|_| {}).expect("they are checked in");
        let all = names().expect("nothing is built");
        let kept_names: BTreeSet<_> = kept.iter().map(|pin| pin.name.clone()).collect();
        assert_eq!(kept_names, all.difference(&batcher).cloned().collect());
        let with_gone = kept_of(|pins| {
            let gone = Pin { name: "counter-kernel-0".to_owned(), ..pins[0].clone() };
            pins.push(gone);
        });
        assert_eq!(with_gone, Ok(kept));
    }

    #[test]
    fn stale_pins_of_the_batcher_do_not_matter_since_they_are_made_anew() {
        let batcher = batcher_names().expect("nothing is built");
        let is_batchers = |pin: &Pin| batcher.contains(&pin.name);
        let kept = kept_of(|_| {});
        let weak = kept_of(|pins| {
            pins.iter_mut()
                .filter(|pin| is_batchers(pin))
                .for_each(|pin| pin.security = Parameters::default());
        });
        assert_eq!(weak, kept);
        assert_eq!(kept_of(|pins| pins.retain(|pin| !is_batchers(pin))), kept);
    }

    #[test]
    fn stale_pins_are_named_before_anything_is_built() {
        let name = "counter-kernel".to_owned();
        let is_counters = |pin: &&mut Pin| pin.name == "counter-kernel";
        let missing = kept_of(|pins| pins.retain(|pin| pin.name != "counter-kernel"));
        assert_eq!(missing, Err(StalePins::Missing { name: name.clone() }));
        let weak = kept_of(|pins| {
            pins.iter_mut().find(is_counters).expect("pinned").security.queries = 28;
        });
        let Err(StalePins::Weak(weak)) = weak else { panic!("{weak:?}") };
        assert_eq!((weak.name, weak.round), (name, Round::Queries));
    }
}

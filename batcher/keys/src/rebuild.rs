//! Pins and keys made anew from the code: what the checked-in files should say.

use batcher_verify::keys::{KeyText, PinnedKeys};
use circuits_core::{CircuitError, Digest, VerifierKey};
use circuits_keys::{
    AnyDefinition, CircuitCache,
    pins::{Pin, Pins},
};
use circuits_protocol::key_set::KeySet;
use environments_core::walk::{Visitor, Walk, WalkError};

use crate::catalogue;

/// Builds every circuit and returns the pins and the batcher's keys; `each` receives the name of every circuit that is
/// built. The circuits of the environments and those of the batcher do not verify each other and are built at the same
/// time, because much of building a circuit takes one thread.
///
/// # Errors
/// If a circuit does not fit its shape.
pub fn rebuild_all(
    cache: &CircuitCache,
    each: &(dyn Fn(&str) + Sync),
) -> Result<(Pins, PinnedKeys), CircuitError> {
    let environments = || {
        let mut built = Built { each, circuits: vec![] };
        built.walk(cache, catalogue::environments)?;
        Ok::<_, CircuitError>(built.circuits)
    };
    let (environments, batcher) = rayon::join(environments, || batcher_circuits(cache, each));
    let others = environments?.into_iter().map(|(pin, _)| pin);
    Ok(pinned(batcher?, others))
}

/// Builds the batcher's circuits only. The pins are theirs and those of `others` that have other names.
///
/// # Errors
/// If a circuit does not fit its shape.
pub fn rebuild_batcher(
    cache: &CircuitCache,
    others: impl IntoIterator<Item = Pin>,
    each: &(dyn Fn(&str) + Sync),
) -> Result<(Pins, PinnedKeys), CircuitError> {
    Ok(pinned(batcher_circuits(cache, each)?, others))
}

/// The batcher's circuits: the segment circuits, then the superblock circuits over them.
struct BatcherCircuits {
    segment_set: Vec<Digest>,
    circuits: Vec<(Pin, VerifierKey)>,
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
    Ok(BatcherCircuits { segment_set, circuits: built.circuits })
}

fn pinned(batcher: BatcherCircuits, others: impl IntoIterator<Item = Pin>) -> (Pins, PinnedKeys) {
    let BatcherCircuits { segment_set, circuits } = batcher;
    let (pins, made): (Vec<_>, Vec<_>) = circuits.into_iter().unzip();
    let superblock = made.into_iter().skip(segment_set.len()).map(KeyText::new).collect();
    let others = others.into_iter().filter(|other| pins.iter().all(|pin| pin.name != other.name));
    let pins = Pins::new(others.chain(pins.iter().cloned()));
    (pins, PinnedKeys { segment_set, superblock })
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

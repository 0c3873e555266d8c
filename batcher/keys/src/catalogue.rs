//! The catalogue of circuits: a walk over every circuit that this workspace ships.

use std::{cell::RefCell, collections::BTreeSet};

use batcher_circuits::{
    messages::MessageSegment,
    segment::{SegmentCircuit, SegmentLeaf, segment_fold},
    superblock::SuperblockDefinition,
};
use batcher_hop::{
    circuits::{PoseidonHop, Shrink, Source},
    keys::shrink_set,
};
use batcher_verify::{circuit::SuperblockCircuit, keys::PinnedKeys};
use circuits_core::{CircuitError, Digest, recursion::key_digest};
use circuits_keys::{AnyDefinition, CircuitCache};
use circuits_tables::{
    batch::{Batch as _, BatchCircuit},
    keccak::batch::KeccakSize,
};
use environments_core::{
    kernel::Kernels as _,
    walk::{Visitor, Walk, WalkError},
};
use environments_kinds::KINDS;
use environments_l1::{KERNELS, kernel::Variant};

/// Shows `visitor` every circuit that this workspace ships, children before parents, but for the Keccak hop, whose proofs are
/// of another configuration. The circuits of superblocks and of the hop are those over the embedded keys.
///
/// # Errors
/// The visitor's, or that of a circuit that cannot be built.
pub fn visit_all(cache: &CircuitCache, visitor: &mut dyn Visitor) -> Result<(), WalkError> {
    walk_all(&mut Walk::new(cache, visitor), &Below::embedded())
}

/// The keys that circuits of the batcher have as constants.
struct Below<'a> {
    /// The root of the segment set.
    segments: Digest,
    /// The key digest of a superblock circuit.
    superblock: &'a dyn Fn(SuperblockCircuit) -> Digest,
    /// The root of the set of shrinks.
    shrinks: Digest,
}

impl Below<'_> {
    fn embedded() -> Self {
        let keys = PinnedKeys::embedded();
        Self {
            segments: keys.key_set().root(),
            superblock: &|circuit| {
                PinnedKeys::embedded().superblock(circuit).map_or(Digest::ZERO, key_digest)
            },
            shrinks: shrink_set(keys).root(),
        }
    }
}

/// Visits every circuit, those of the batcher over these keys.
fn walk_all(walk: &mut Walk<'_>, below: &Below<'_>) -> Result<(), WalkError> {
    tables(walk)?;
    environments(walk)?;
    batcher(walk, below)
}

/// Visits the batcher's circuits over these keys.
fn batcher(walk: &mut Walk<'_>, below: &Below<'_>) -> Result<(), WalkError> {
    segments(walk)?;
    superblocks(walk, below.segments)?;
    shrinks(walk, below.superblock)?;
    poseidon_hop(walk, below.shrinks)
}

/// Visits the circuits of tables that are no environment's own.
pub(crate) fn tables(walk: &mut Walk<'_>) -> Result<(), WalkError> {
    KeccakSize::ALL.iter().try_for_each(|&size| walk.circuit(BatchCircuit(size)))
}

/// Visits the kernels of environment 0 and the circuits of every kind of environment.
pub(crate) fn environments(walk: &mut Walk<'_>) -> Result<(), WalkError> {
    for variant in Variant::ALL {
        walk.kernel(&variant.kernel_name(), |cache| KERNELS.definition(cache, variant))?;
    }
    KINDS.into_iter().try_for_each(|kind| kind.circuits(walk))
}

/// Visits the segment circuits.
pub(crate) fn segments(walk: &mut Walk<'_>) -> Result<(), WalkError> {
    SegmentCircuit::all().try_for_each(|circuit| match circuit {
        SegmentCircuit::Leaf(blocks) => walk.circuit(SegmentLeaf::new(blocks)),
        SegmentCircuit::Fold(arity) => walk.circuit(segment_fold(arity)),
        SegmentCircuit::Messages => walk.circuit(MessageSegment::default()),
    })
}

/// Visits the superblock circuits over the segment set with this root.
pub(crate) fn superblocks(walk: &mut Walk<'_>, root: Digest) -> Result<(), WalkError> {
    SuperblockCircuit::all().try_for_each(|circuit| walk.circuit(SuperblockDefinition::new(circuit, root)))
}

/// Visits the shrinks of superblock proofs, whose circuits have these keys.
pub(crate) fn shrinks(
    walk: &mut Walk<'_>,
    superblock: impl Fn(SuperblockCircuit) -> Digest,
) -> Result<(), WalkError> {
    Source::ALL.into_iter().try_for_each(|source| walk.circuit(Shrink::new(source, &superblock)))
}

/// Visits the Poseidon hop over the set of shrinks with this root.
pub(crate) fn poseidon_hop(walk: &mut Walk<'_>, root: Digest) -> Result<(), WalkError> {
    walk.circuit(PoseidonHop::new(root))
}

/// The keys for a walk that asks for names alone, none of which depends on them. The embedded keys are not read: they may be
/// malformed when they are about to be replaced.
const ANY: Below<'static> =
    Below { segments: Digest::ZERO, superblock: &|_| Digest::ZERO, shrinks: Digest::ZERO };

/// The names of all circuits that this workspace ships.
///
/// # Errors
/// If a circuit is built for it and does not fit its shape.
pub fn names() -> Result<BTreeSet<String>, CircuitError> {
    Ok(offered(&CircuitCache::default(), |walk| walk_all(walk, &ANY))?.into_iter().collect())
}

/// The names of the batcher's circuits.
///
/// # Errors
/// As [`names`].
pub fn batcher_names() -> Result<BTreeSet<String>, CircuitError> {
    Ok(offered(&CircuitCache::default(), |walk| batcher(walk, &ANY))?.into_iter().collect())
}

/// Wants no circuit and records every name that it is asked about.
#[derive(Default)]
struct Names(RefCell<Vec<String>>);

impl Visitor for Names {
    fn wants(&self, name: &str) -> bool {
        self.0.borrow_mut().push(name.to_owned());
        false
    }

    fn visit(&mut self, _: &CircuitCache, _: Box<dyn AnyDefinition>) -> Result<(), WalkError> {
        Err(WalkError::Stopped)
    }
}

/// The names of the circuits that `walk` offers, in its order. None of them is built.
///
/// # Errors
/// If `walk` builds a circuit that does not fit its shape.
fn offered(
    cache: &CircuitCache,
    walk: impl FnOnce(&mut Walk<'_>) -> Result<(), WalkError>,
) -> Result<Vec<String>, CircuitError> {
    let mut names = Names::default();
    match walk(&mut Walk::new(cache, &mut names)) {
        Err(WalkError::Circuit(error)) => Err(error),
        // What is not wanted is not visited, so nothing stops the walk.
        Ok(()) | Err(WalkError::Stopped) => Ok(names.0.into_inner()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use circuits_keys::pins::Pin;
    use circuits_protocol::{key_set::KeySet, wrap::Wrapper};

    use super::*;
    use crate::pins::embedded;

    /// The names of all circuits, in the order of the walk.
    fn in_order() -> Vec<String> {
        let keys = CircuitCache::default()
            .with_listener(Arc::new(|event| panic!("nothing is asked for: {event:?}")));
        offered(&keys, |walk| walk_all(walk, &ANY)).expect("nothing is built")
    }

    #[test]
    fn every_pinned_circuit_is_offered_and_none_is_built_that_is_not_wanted() {
        let offered = in_order();
        for pin in &embedded().expect("well-formed").circuit {
            assert!(offered.contains(&pin.name), "{} is not offered", pin.name);
        }
    }

    #[test]
    fn every_name_is_known_before_a_walk_and_is_pinned() {
        let pins = embedded().expect("well-formed");
        let pinned: BTreeSet<_> = pins.circuit.iter().map(|pin| pin.name.clone()).collect();
        assert_eq!(names().expect("nothing is built"), pinned);
        let batcher = batcher_names().expect("nothing is built");
        let hop = Source::ALL.len() + 1;
        assert_eq!(batcher.len(), SegmentCircuit::all().count() + SuperblockCircuit::all().count() + hop);
        assert!(batcher.is_subset(&pinned));
    }

    /// Every run lists them, and a circuit that hashes takes long to build.
    #[test]
    fn the_kernels_of_environment_0_are_listed_without_a_circuit() {
        let pins = embedded().expect("well-formed");
        let cache = CircuitCache::default()
            .with_pins(pins.clone())
            .with_listener(Arc::new(|event| panic!("nothing is built or read: {event:?}")));
        let listed = KERNELS.key_digests(&cache).expect("nothing is built");
        let wraps = Variant::ALL.map(|variant| Wrapper::name_of(&variant.kernel_name()));
        let pinned = wraps.map(|name| pins.get(&name).expect("pinned").key);
        assert_eq!(listed, pinned);
    }

    #[test]
    fn every_dependency_is_a_pinned_circuit_or_a_set_of_them_before_it() {
        let (pins, offered) = (embedded().expect("well-formed"), in_order());
        let position = |name: &str| offered.iter().position(|other| other == name);
        for pin in &pins.circuit {
            for (dependency, digest) in &pin.depends_on {
                let members: Vec<_> = match dependency.strip_suffix("-set") {
                    None => pins.circuit.iter().filter(|other| other.key == *digest).collect(),
                    Some(set) => {
                        let members = offered.iter().filter(|name| name.starts_with(&format!("{set}-")));
                        members.filter_map(|name| pins.get(name)).collect()
                    }
                };
                let keys: Vec<_> = members.iter().map(|member| member.key).collect();
                let is_set = dependency.ends_with("-set") && KeySet::new(&keys).root() == *digest;
                assert!(is_set || keys == [*digest], "{} has an unknown {dependency}", pin.name);
                let before = |member: &&Pin| position(&member.name) < position(&pin.name);
                assert!(members.iter().all(before), "{} comes before its {dependency}", pin.name);
            }
        }
    }
}

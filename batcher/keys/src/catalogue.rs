//! The catalogue of circuits: a walk over every circuit that this workspace ships.

use batcher_circuits::{
    messages::MessageSegment,
    segment::{SegmentCircuit, SegmentLeaf, segment_fold},
    superblock::SuperblockDefinition,
};
use batcher_verify::{circuit::SuperblockCircuit, keys::PinnedKeys};
use circuits_core::Digest;
use circuits_keys::CircuitCache;
use environments_core::walk::{Visitor, Walk, WalkError};
use environments_kinds::KINDS;

/// Shows `visitor` every circuit that this workspace ships, children before parents. The superblock circuits are those
/// over the embedded segment set.
///
/// # Errors
/// The visitor's, or that of a circuit that cannot be built.
pub fn visit_all(cache: &CircuitCache, visitor: &mut dyn Visitor) -> Result<(), WalkError> {
    let mut walk = Walk::new(cache, visitor);
    environments(&mut walk)?;
    segments(&mut walk)?;
    superblocks(&mut walk, PinnedKeys::embedded().key_set().root())
}

/// Visits the circuits of every kind of environment.
pub(crate) fn environments(walk: &mut Walk<'_>) -> Result<(), WalkError> {
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

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, sync::Arc};

    use circuits_keys::{AnyDefinition, pins::Pin};
    use circuits_protocol::key_set::KeySet;

    use super::*;
    use crate::pins::embedded;

    /// Wants no circuit and records every name that it is asked about.
    #[derive(Default)]
    struct Names(RefCell<Vec<String>>);

    impl Visitor for Names {
        fn wants(&self, name: &str) -> bool {
            self.0.borrow_mut().push(name.to_owned());
            false
        }

        fn visit(&mut self, _: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), WalkError> {
            panic!("{} was not asked for", definition.identifier())
        }
    }

    /// The names of all circuits, in the order of the walk.
    fn names() -> Vec<String> {
        let keys = CircuitCache::default()
            .with_listener(Arc::new(|event| panic!("nothing is asked for: {event:?}")));
        let mut names = Names::default();
        visit_all(&keys, &mut names).expect("nothing is built");
        names.0.into_inner()
    }

    #[test]
    fn every_pinned_circuit_is_offered_and_none_is_built_that_is_not_wanted() {
        let offered = names();
        for pin in &embedded().expect("well-formed").circuit {
            assert!(offered.contains(&pin.name), "{} is not offered", pin.name);
        }
    }

    #[test]
    fn every_dependency_is_a_pinned_circuit_or_a_set_of_them_before_it() {
        let (pins, offered) = (embedded().expect("well-formed"), names());
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

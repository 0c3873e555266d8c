//! The catalogue of circuits: a walk over every circuit that this workspace ships.

use batcher_circuits::{
    messages::MessageSegment,
    segment::{SegmentCircuit, SegmentLeaf, segment_fold},
    superblock::SuperblockDefinition,
};
use batcher_verify::{circuit::SuperblockCircuit, keys::PinnedKeys};
use circuits_core::{CircuitError, Definition, Digest};
use circuits_keys::{AnyDefinition, CircuitCache};
use circuits_protocol::wrap::STAGES;
use circuits_tables::ecdsa::batch::{BatchSize, SignatureCircuit};
use environments_accounts::{self, circuits::ChunkCircuits, signatures::KERNELS};
use environments_core::kernel::{BlockDefinition, Kernel};
use environments_counter::CounterKernel;
use environments_notes::{
    self,
    batch::BatchLeaf,
    block::{MAX_BATCH, MIN_BATCH},
    transaction::TransactionKernel,
};

/// Receives the circuits of a walk, whatever their types.
pub trait Visitor {
    /// Why a walk ends early.
    type Error: From<CircuitError>;

    /// Whether the walk visits the circuit called `name`. If it does not, it builds nothing below that circuit either.
    fn wants(&self, name: &str) -> bool;

    /// Receives the next circuit.
    ///
    /// # Errors
    /// If the circuit cannot be built, or to end the walk; no other circuit is built then.
    fn visit(&mut self, cache: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), Self::Error>;
}

/// Shows `visitor` every circuit that this workspace ships, children before parents. The superblock circuits are those
/// over the embedded segment set.
///
/// # Errors
/// The visitor's, or that of a circuit that cannot be built.
pub fn visit_all<E: From<CircuitError>>(
    cache: &CircuitCache,
    visitor: &mut dyn Visitor<Error = E>,
) -> Result<(), E> {
    let mut walk = Walk { cache, visitor };
    walk.environments()?;
    walk.segments()?;
    walk.superblocks(PinnedKeys::embedded().key_set().root())
}

/// The walk past all circuits. A circuit is defined only when its turn comes, because the circuits that it verifies are
/// not built before.
pub(crate) struct Walk<'a, E> {
    pub(crate) cache: &'a CircuitCache,
    pub(crate) visitor: &'a mut dyn Visitor<Error = E>,
}

impl<E: From<CircuitError>> Walk<'_, E> {
    fn circuit<Def: Definition + 'static>(&mut self, definition: Def) -> Result<(), E> {
        if self.visitor.wants(&definition.name()) {
            self.visitor.visit(self.cache, Box::new(definition))
        } else {
            Ok(())
        }
    }

    /// Visits a kernel and the circuits that bring its proofs to the block shape.
    fn kernel<K: BlockDefinition>(
        &mut self,
        name: &str,
        define: impl FnOnce(&CircuitCache) -> Result<K, CircuitError>,
    ) -> Result<(), E> {
        let alone = self.visitor.wants(name);
        let wrapped = STAGES.iter().any(|stage| self.visitor.wants(&format!("{name}-{stage}")));
        if !alone && !wrapped {
            return Ok(());
        }
        let definition = define(self.cache)?;
        self.circuit(definition.clone())?;
        if wrapped {
            let definitions = Kernel::new(self.cache, definition)?.wrapper.definitions();
            definitions.into_iter().try_for_each(|definition| self.circuit(definition))?;
        }
        Ok(())
    }

    /// Visits the circuits of every environment.
    pub(crate) fn environments(&mut self) -> Result<(), E> {
        self.kernel(&CounterKernel.name(), |_| Ok(CounterKernel))?;
        self.notes()?;
        self.accounts()
    }

    fn notes(&mut self) -> Result<(), E> {
        for kernel in [TransactionKernel::Local, TransactionKernel::Exchange] {
            self.circuit(kernel)?;
        }
        for size in MIN_BATCH..=MAX_BATCH {
            if self.visitor.wants(&BatchLeaf::name_of(size)) {
                self.circuit(BatchLeaf::new(
                    environments_notes::circuits::transaction_keys(self.cache)?,
                    size,
                ))?;
            }
        }
        environments_notes::circuits::BatchCircuits::folds().try_for_each(|fold| self.circuit(fold))?;
        for variant in environments_notes::block::variants(environments_notes::block::MAX_TRANSACTIONS) {
            let define =
                |cache: &CircuitCache| environments_notes::circuits::block_definition(cache, variant);
            self.kernel(&variant.kernel_name(), define)?;
        }
        Ok(())
    }

    fn accounts(&mut self) -> Result<(), E> {
        for size in BatchSize::ALL {
            self.circuit(SignatureCircuit(size))?;
        }
        self.circuit(ChunkCircuits::leaf())?;
        ChunkCircuits::folds().try_for_each(|fold| self.circuit(fold))?;
        for variant in environments_accounts::block::variants(environments_accounts::block::MAX_TRANSACTIONS)
        {
            self.kernel(&variant.kernel_name(), |cache| KERNELS.definition(cache, variant))?;
        }
        Ok(())
    }

    pub(crate) fn segments(&mut self) -> Result<(), E> {
        SegmentCircuit::all().try_for_each(|circuit| match circuit {
            SegmentCircuit::Leaf(blocks) => self.circuit(SegmentLeaf::new(blocks)),
            SegmentCircuit::Fold(arity) => self.circuit(segment_fold(arity)),
            SegmentCircuit::Messages => self.circuit(MessageSegment::default()),
        })
    }

    /// Visits the superblock circuits over the segment set with this root.
    pub(crate) fn superblocks(&mut self, root: Digest) -> Result<(), E> {
        SuperblockCircuit::all().try_for_each(|source| self.circuit(SuperblockDefinition::new(source, root)))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, sync::Arc};

    use circuits_keys::pins::Pin;
    use circuits_protocol::key_set::KeySet;

    use super::*;
    use crate::pins::embedded;

    /// Wants no circuit and records every name that it is asked about.
    #[derive(Default)]
    struct Names(RefCell<Vec<String>>);

    impl Visitor for Names {
        type Error = CircuitError;

        fn wants(&self, name: &str) -> bool {
            self.0.borrow_mut().push(name.to_owned());
            false
        }

        fn visit(
            &mut self,
            _: &CircuitCache,
            definition: Box<dyn AnyDefinition>,
        ) -> Result<(), CircuitError> {
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

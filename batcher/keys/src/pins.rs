//! The checked-in pins of every circuit, and the keys that the binary embeds.

use std::collections::BTreeSet;

use batcher_circuits::{
    messages::MessageSegment,
    segment::{SegmentCircuit, SegmentLeaf, segment_fold},
    superblock::SuperblockDefinition,
};
use batcher_verify::{
    circuit::SuperblockCircuit,
    keys::{KeyText, PinnedKeys},
};
use circuits_core::{CircuitError, Definition, Digest, VerifierKey};
use circuits_keys::{
    AnyDefinition, CircuitCache, Origin, PLONKY2_VERSION, STARKY_VERSION,
    pins::{Pin, Pins},
};
use circuits_protocol::{key_set::KeySet, wrap::STAGES};
use circuits_tables::ecdsa::batch::{BatchSize, SignatureCircuit};
use environments_accounts::{self, chunk::ChunkLeaf, circuits::ChunkCircuits, signatures::KERNELS};
use environments_core::kernel::{BlockDefinition, Kernel, Kernels as _};
use environments_counter::CounterKernel;
use environments_notes::{
    self,
    batch::BatchLeaf,
    block::{MAX_BATCH, MIN_BATCH},
    transaction::TransactionKernel,
};
use thiserror::Error;

/// The name of the checked-in pins.
pub const PINS_FILE: &str = "pins.toml";
/// The name of the checked-in keys.
pub const KEYS_FILE: &str = "keys.json";

/// The checked-in pins.
const EMBEDDED: &str = include_str!(env!("SUPERBLOCK_PINS"));

/// The embedded pins are malformed.
#[derive(Debug, Error)]
#[error("the embedded pins are malformed: {0}")]
pub struct MalformedPins(#[from] toml::de::Error);

/// The pins that the program was built with.
///
/// # Errors
/// [`MalformedPins`].
pub fn embedded() -> Result<Pins, MalformedPins> {
    Ok(toml::from_str(EMBEDDED)?)
}

/// The code that this program's circuits are built from.
///
/// # Panics
/// If the build script wrote no checksum, which a test excludes.
#[must_use]
pub fn origin(pins: &Pins) -> Origin {
    Origin {
        superblock: env!("CARGO_PKG_VERSION").to_owned(),
        plonky2: PLONKY2_VERSION.to_owned(),
        starky: STARKY_VERSION.to_owned(),
        source: env!("SUPERBLOCK_SOURCE").parse().expect("the build script writes a checksum"),
        date: pins.date.clone(),
    }
}

/// Builds every circuit, telling `each` its name. Those of the environments and those of the batcher, neither of which
/// verify the others, are built at the same time: much of building a circuit takes one thread.
///
/// # Errors
/// If a circuit does not fit its shape.
pub fn build(cache: &CircuitCache, each: &(dyn Fn(&str) + Sync)) -> Result<(Pins, PinnedKeys), CircuitError> {
    let environments = || {
        let mut built = Built { each, circuits: vec![] };
        Walk { cache, visitor: &mut built }.environments()?;
        Ok::<_, CircuitError>(built.circuits)
    };
    let (environments, batcher) = rayon::join(environments, || batcher_circuits(cache, each));
    let others = environments?.into_iter().map(|(pin, _)| pin);
    Ok(pinned(batcher?, others))
}

/// Builds the batcher's circuits only and adds their pins to `others`.
///
/// # Errors
/// If a circuit does not fit its shape.
pub fn build_batcher(
    cache: &CircuitCache,
    others: impl IntoIterator<Item = Pin>,
    each: &(dyn Fn(&str) + Sync),
) -> Result<(Pins, PinnedKeys), CircuitError> {
    Ok(pinned(batcher_circuits(cache, each)?, others))
}

/// The batcher's circuits: segments, and superblocks over them.
struct BatcherCircuits {
    segment_set: Vec<Digest>,
    circuits: Vec<(Pin, VerifierKey)>,
}

fn batcher_circuits(
    cache: &CircuitCache,
    each: &(dyn Fn(&str) + Sync),
) -> Result<BatcherCircuits, CircuitError> {
    let mut built = Built { each, circuits: vec![] };
    Walk { cache, visitor: &mut built }.segments()?;
    let segment_set: Vec<_> = built.circuits.iter().map(|(pin, _)| pin.key).collect();
    // Not the embedded set, which may be of other segments.
    let root = KeySet::new(&segment_set).root();
    Walk { cache, visitor: &mut built }.superblocks(root)?;
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

/// The circuit called `name` and those that it cannot be built without: the ones that it verifies, alone or as members
/// of a set, and what these verify. Not the segments, whose set is embedded.
#[must_use]
pub fn needed(pins: &Pins, name: &str) -> BTreeSet<String> {
    let embedded = PinnedKeys::embedded().key_set().root();
    let mut needed = BTreeSet::new();
    let mut open = vec![name];
    while let Some(pin) = open.pop().and_then(|name| pins.get(name)) {
        if !needed.insert(pin.name.clone()) {
            continue;
        }
        for (dependency, digest) in pin.depends_on.iter().filter(|(_, digest)| **digest != embedded) {
            let members = dependency.strip_suffix("-set").map(|set| format!("{set}-"));
            let is_member = |name: &str| members.as_ref().is_some_and(|start| name.starts_with(start));
            let below = |other: &&Pin| other.key == *digest || is_member(&other.name);
            open.extend(pins.circuit.iter().filter(below).map(|pin| pin.name.as_str()));
        }
    }
    needed
}

/// Does something with circuits of whatever definition.
pub trait Visitor {
    /// Why a visit ends early.
    type Error: From<CircuitError>;

    /// Whether the circuit called `name` is to be visited. Of one that is not, nothing below it is built either.
    fn wants(&self, name: &str) -> bool;

    /// The next circuit.
    ///
    /// # Errors
    /// If it cannot be built, or if the visitor wants no more; then no other circuit is built.
    fn visit(&mut self, cache: &CircuitCache, definition: Box<dyn AnyDefinition>) -> Result<(), Self::Error>;
}

/// Shows every circuit that this workspace ships to `visitor`, children before parents; the batcher's with the keys
/// that are embedded.
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

/// Keeps pins and keys of the circuits that it builds.
struct Built<'a> {
    each: &'a (dyn Fn(&str) + Sync),
    circuits: Vec<(Pin, VerifierKey)>,
}

impl Visitor for Built<'_> {
    type Error = CircuitError;

    fn wants(&self, _: &str) -> bool {
        true
    }

    fn visit(
        &mut self,
        cache: &CircuitCache,
        definition: Box<dyn AnyDefinition>,
    ) -> Result<(), CircuitError> {
        let compiled = definition.circuit(cache)?;
        (self.each)(&compiled.name());
        let key = compiled.circuit().verifier_only.clone();
        self.circuits.push((cache.pin_of(compiled.as_ref()), key));
        Ok(())
    }
}

/// The way past all circuits. A circuit is defined when its turn comes, for only then are those that it verifies made.
struct Walk<'a, E> {
    cache: &'a CircuitCache,
    visitor: &'a mut dyn Visitor<Error = E>,
}

impl<E: From<CircuitError>> Walk<'_, E> {
    fn circuit<Def: Definition + 'static>(&mut self, definition: Def) -> Result<(), E> {
        if self.visitor.wants(&definition.name()) {
            self.visitor.visit(self.cache, Box::new(definition))
        } else {
            Ok(())
        }
    }

    /// A kernel, and what brings its proofs to the block shape.
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

    /// Those of the environments.
    fn environments(&mut self) -> Result<(), E> {
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
                |cache: &CircuitCache| environments_notes::circuits::KERNELS.definition(cache, variant);
            self.kernel(&variant.kernel_name(), define)?;
        }
        Ok(())
    }

    fn accounts(&mut self) -> Result<(), E> {
        for size in BatchSize::ALL {
            self.circuit(SignatureCircuit(size))?;
        }
        self.circuit(ChunkLeaf::new(environments_accounts::block::CHUNK_SLOTS))?;
        ChunkCircuits::folds().try_for_each(|fold| self.circuit(fold))?;
        for variant in environments_accounts::block::variants(environments_accounts::block::MAX_TRANSACTIONS)
        {
            self.kernel(&variant.kernel_name(), |cache| KERNELS.definition(cache, variant))?;
        }
        Ok(())
    }

    fn segments(&mut self) -> Result<(), E> {
        SegmentCircuit::all().try_for_each(|circuit| match circuit {
            SegmentCircuit::Leaf(blocks) => self.circuit(SegmentLeaf::new(blocks)),
            SegmentCircuit::Fold(arity) => self.circuit(segment_fold(arity)),
            SegmentCircuit::Messages => self.circuit(MessageSegment::default()),
        })
    }

    /// Those over the segment set of this root.
    fn superblocks(&mut self, root: Digest) -> Result<(), E> {
        SuperblockCircuit::all().try_for_each(|source| self.circuit(SuperblockDefinition::new(source, root)))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, sync::Arc};

    use super::*;

    #[test]
    fn the_origin_names_the_sources_and_their_date() {
        let pins = embedded().expect("well-formed");
        let origin = origin(&pins);
        assert_ne!(origin.source, circuits_keys::Checksum::of(b""), "no source was hashed");
        assert_eq!(origin, circuits_forging::fixtures::workspace_origin(&pins).expect("a workspace"));
        assert!(origin.date == pins.date && origin.date.len() == "2026-01-01".len());
        assert!(pins.circuit.iter().all(|pin| pin.files.is_some()), "every circuit can be kept");
    }

    #[test]
    fn the_checked_in_pins_name_the_embedded_keys() {
        let pins = embedded().expect("well-formed");
        for key in &PinnedKeys::embedded().segment_set {
            assert!(pins.circuit.iter().any(|pin| pin.key == *key), "key {key} is not pinned");
        }
    }

    /// Asks for nothing, and so hears every name.
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

    /// Every name that may be one of a circuit, in the order of the walk.
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
        let place = |name: &str| offered.iter().position(|other| other == name);
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
                let before = |member: &&Pin| place(&member.name) < place(&pin.name);
                assert!(members.iter().all(before), "{} comes before its {dependency}", pin.name);
            }
        }
    }

    #[test]
    fn needed_are_the_circuits_below_and_no_others() {
        let pins = embedded().expect("well-formed");
        let needed = |name| needed(&pins, name).into_iter().collect::<Vec<_>>();
        assert_eq!(needed("accounts-block-empty"), ["accounts-block-empty"]);
        assert_eq!(needed("counter-kernel-wrap"), ["counter-kernel", "counter-kernel-wrap"]);
        assert_eq!(needed("superblock-segments-4"), ["superblock-segments-4"]);
        let direct = ["notes-block-direct-3", "notes-block-direct-3-hop", "notes-block-direct-3-wrap"];
        let transactions = ["notes-transaction-exchange", "notes-transaction-local"];
        assert_eq!(needed(direct[2]), [&direct[..], &transactions].concat());
        let chunks = needed("accounts-block-chunks-3-of-60");
        let names = ["accounts-block-chunks-3-of-60", "accounts-chunk-68", "accounts-chunk-fold-3"];
        assert_eq!(chunks[..3], names);
        assert_eq!(chunks[3..], ["accounts-chunk-fold-5", "accounts-chunk-fold-6", "signatures-60"]);
        assert_eq!(needed("unknown"), [""; 0]);
    }
}

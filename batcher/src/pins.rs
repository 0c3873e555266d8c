//! The checked-in pins of every circuit, and the keys that the binary embeds.

use circuits::{
    AnyCompiled, CircuitError, Definition,
    ecdsa::batch::{BatchSize, SignatureCircuit},
    keys::{Keys, Origin, PLONKY2_VERSION, STARKY_VERSION},
    pins::{Pin, Pins},
};
use environments::{
    accounts::{self, circuits::ChunkCircuits, signatures::KERNELS},
    counter,
    kernel::{BlockDefinition, Kernel},
    notes::{self, transaction::TransactionKernel},
};
use thiserror::Error;

use crate::circuits::{
    engine::{Engine, EngineError},
    keys::{EngineKeys, SegmentCircuit},
    messages::MessageSegment,
    segment::{SegmentLeaf, segment_fold},
    superblock::{Source, SuperblockDefinition},
};

/// The name of the checked-in pins.
pub const PINS_FILE: &str = "pins.toml";
/// The name of the checked-in keys.
pub const KEYS_FILE: &str = "keys.json";

/// The checked-in pins.
const EMBEDDED: &str = include_str!("../pins.toml");

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

/// Builds every circuit, one after the other, telling `each` its name.
///
/// # Errors
/// [`EngineError`] if a circuit does not fit its shape.
pub fn build(keys: &Keys, each: &mut dyn FnMut(&str)) -> Result<(Pins, EngineKeys), EngineError> {
    let mut pins = vec![];
    let mut show = |compiled: &dyn AnyCompiled| {
        each(&compiled.name());
        pins.push(Pin::of(compiled));
    };
    visit_environments(keys, &mut Show(&mut show))?;
    build_batcher(keys, pins, each)
}

/// Builds the batcher's circuits only and adds their pins to `others`.
///
/// # Errors
/// [`EngineError`] if a circuit does not fit its shape.
pub fn build_batcher(
    keys: &Keys,
    others: impl IntoIterator<Item = Pin>,
    each: &mut dyn FnMut(&str),
) -> Result<(Pins, EngineKeys), EngineError> {
    let mut pins: Vec<_> = others.into_iter().collect();
    let made = Engine::generate_keys(keys, &mut |compiled| {
        each(&compiled.name());
        let pin = Pin::of(compiled);
        pins.retain(|other| other.name != pin.name);
        pins.push(pin);
    })?;
    Ok((Pins::new(pins), made))
}

/// Does something with circuits of whatever definition.
pub trait Visitor {
    /// The next circuit.
    ///
    /// # Errors
    /// If it cannot be built.
    fn visit<Def: Definition + 'static>(&mut self, keys: &Keys, definition: Def) -> Result<(), CircuitError>;
}

/// Builds each circuit and shows it.
struct Show<'a>(&'a mut dyn FnMut(&dyn AnyCompiled));

impl Visitor for Show<'_> {
    fn visit<Def: Definition + 'static>(&mut self, keys: &Keys, definition: Def) -> Result<(), CircuitError> {
        (self.0)(keys.circuit(definition)?.as_ref());
        Ok(())
    }
}

/// Every circuit that this workspace ships, children before parents; the batcher's with the keys that are embedded.
///
/// # Errors
/// If a circuit cannot be built.
pub fn visit_all(keys: &Keys, visitor: &mut impl Visitor) -> Result<(), CircuitError> {
    visit_environments(keys, visitor)?;
    for circuit in SegmentCircuit::all() {
        match circuit {
            SegmentCircuit::Leaf(blocks) => visitor.visit(keys, SegmentLeaf::new(blocks))?,
            SegmentCircuit::Fold(arity) => visitor.visit(keys, segment_fold(arity))?,
            SegmentCircuit::Messages => visitor.visit(keys, MessageSegment::default())?,
        }
    }
    let root = EngineKeys::embedded().key_set().root();
    Source::all().try_for_each(|source| visitor.visit(keys, SuperblockDefinition::new(source, root)))
}

/// Every circuit of the environments that this workspace ships, children before parents.
fn visit_environments(keys: &Keys, visitor: &mut impl Visitor) -> Result<(), CircuitError> {
    block(keys, &counter::kernel(keys)?, visitor)?;
    for kernel in [TransactionKernel::Local, TransactionKernel::Exchange] {
        visitor.visit(keys, kernel)?;
    }
    let batches = notes::circuits::BatchCircuits::new(keys)?;
    batches.leaves().try_for_each(|leaf| visitor.visit(keys, leaf))?;
    notes::circuits::BatchCircuits::folds().try_for_each(|fold| visitor.visit(keys, fold))?;
    for variant in notes::block::variants(notes::block::MAX_TRANSACTIONS) {
        block(keys, &notes::circuits::block_kernel(keys, variant)?, visitor)?;
    }
    for size in BatchSize::ALL {
        visitor.visit(keys, SignatureCircuit(size))?;
    }
    visitor.visit(keys, ChunkCircuits::leaf())?;
    ChunkCircuits::folds().try_for_each(|fold| visitor.visit(keys, fold))?;
    for variant in accounts::block::variants(accounts::block::MAX_TRANSACTIONS) {
        block(keys, &KERNELS.get(keys, variant)?, visitor)?;
    }
    Ok(())
}

fn block<K: BlockDefinition>(
    keys: &Keys,
    kernel: &Kernel<K>,
    visitor: &mut impl Visitor,
) -> Result<(), CircuitError> {
    visitor.visit(keys, kernel.definition.clone())?;
    kernel.wrapper.definitions().into_iter().try_for_each(|definition| visitor.visit(keys, definition))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_names_the_sources_and_their_date() {
        let pins = embedded().expect("well-formed");
        let origin = origin(&pins);
        assert_ne!(origin.source, circuits::keys::Checksum::of(b""), "no source was hashed");
        assert_eq!(origin, circuits::testing::workspace_origin(&pins).expect("a workspace"));
        assert!(origin.date == pins.date && origin.date.len() == "2026-01-01".len());
        assert!(pins.circuit.iter().all(|pin| pin.files.is_some()), "every circuit can be kept");
    }

    #[test]
    fn the_checked_in_pins_name_the_embedded_keys() {
        let pins = embedded().expect("well-formed");
        for key in &EngineKeys::embedded().segment_set {
            assert!(pins.circuit.iter().any(|pin| pin.key == *key), "key {key} is not pinned");
        }
    }
}

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
    keys::EngineKeys,
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
    visit_environments(keys, &mut |compiled| {
        each(&compiled.name());
        pins.push(Pin::of(compiled));
    })?;
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

/// Every circuit of the environments that this workspace ships, children before parents.
fn visit_environments(keys: &Keys, each: &mut dyn FnMut(&dyn AnyCompiled)) -> Result<(), CircuitError> {
    block(keys, &counter::kernel(keys)?, each)?;
    for kernel in [TransactionKernel::Local, TransactionKernel::Exchange] {
        visit(keys, kernel, each)?;
    }
    let batches = notes::circuits::BatchCircuits::new(keys)?;
    batches.leaves().try_for_each(|leaf| visit(keys, leaf, each))?;
    notes::circuits::BatchCircuits::folds().try_for_each(|fold| visit(keys, fold, each))?;
    for variant in notes::block::variants(notes::block::MAX_TRANSACTIONS) {
        block(keys, &notes::circuits::block_kernel(keys, variant)?, each)?;
    }
    for size in BatchSize::ALL {
        visit(keys, SignatureCircuit(size), each)?;
    }
    visit(keys, ChunkCircuits::leaf(), each)?;
    ChunkCircuits::folds().try_for_each(|fold| visit(keys, fold, each))?;
    for variant in accounts::block::variants(accounts::block::MAX_TRANSACTIONS) {
        block(keys, &KERNELS.get(keys, variant)?, each)?;
    }
    Ok(())
}

fn visit<Def: Definition + 'static>(
    keys: &Keys,
    definition: Def,
    each: &mut dyn FnMut(&dyn AnyCompiled),
) -> Result<(), CircuitError> {
    each(keys.circuit(definition)?.as_ref());
    Ok(())
}

fn block<K: BlockDefinition>(
    keys: &Keys,
    kernel: &Kernel<K>,
    each: &mut dyn FnMut(&dyn AnyCompiled),
) -> Result<(), CircuitError> {
    visit(keys, kernel.definition.clone(), each)?;
    kernel.wrapper.definitions().into_iter().try_for_each(|definition| visit(keys, definition, each))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_pins_name_the_embedded_keys() {
        let pins = embedded().expect("well-formed");
        for key in &EngineKeys::embedded().segment_set {
            assert!(pins.circuit.iter().any(|pin| pin.key == *key), "key {key} is not pinned");
        }
    }
}

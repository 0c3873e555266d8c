//! The checked-in pins of every circuit, and the keys that the binary embeds.

use circuits::{
    CircuitError,
    ecdsa::batch::BatchSize,
    pins::{Pin, Pins},
    proof::encoded_len,
    recursion::key_digest,
};
use environments::{
    accounts::{self, circuits::chunk_circuits, signatures},
    counter,
    kernel::{BlockDefinition, Kernel},
    notes::{self, transaction::TransactionKernel},
};
use thiserror::Error;

use crate::circuits::{
    engine::{AnyCompiled, Engine, EngineError},
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

/// The pin of a built circuit.
#[must_use]
pub fn pin(compiled: &dyn AnyCompiled) -> Pin {
    let circuit = compiled.circuit();
    Pin {
        name: compiled.name(),
        digest: circuit.verifier_only.circuit_digest.into(),
        key: key_digest(&circuit.verifier_only),
        gates: compiled.gates(),
        degree_bits: circuit.common.degree_bits(),
        public_inputs: circuit.common.num_public_inputs,
        proof_bytes: encoded_len(&circuit.common),
    }
}

/// Builds every circuit, one after the other, telling `each` its name.
///
/// # Errors
/// [`EngineError`] if a circuit does not fit its shape.
pub fn build(each: &mut dyn FnMut(&str)) -> Result<(Pins, EngineKeys), EngineError> {
    let mut pins = vec![];
    visit_environments(&mut |compiled| {
        each(&compiled.name());
        pins.push(pin(compiled));
    })?;
    build_batcher(pins, each)
}

/// Builds the batcher's circuits only and adds their pins to `others`.
///
/// # Errors
/// [`EngineError`] if a circuit does not fit its shape.
pub fn build_batcher(
    others: impl IntoIterator<Item = Pin>,
    each: &mut dyn FnMut(&str),
) -> Result<(Pins, EngineKeys), EngineError> {
    let mut pins: Vec<_> = others.into_iter().collect();
    let keys = Engine::generate_keys(&mut |compiled| {
        each(&compiled.name());
        let pin = pin(compiled);
        pins.retain(|other| other.name != pin.name);
        pins.push(pin);
    })?;
    Ok((Pins::new(pins), keys))
}

/// Every circuit of the environments that this workspace ships, children before parents.
fn visit_environments(visit: &mut dyn FnMut(&dyn AnyCompiled)) -> Result<(), CircuitError> {
    fn block<K: BlockDefinition>(kernel: &Kernel<K>, visit: &mut dyn FnMut(&dyn AnyCompiled)) {
        visit(&kernel.compiled);
        kernel.wrapper.circuits().iter().for_each(|circuit| visit(circuit.as_ref()));
    }
    block(counter::kernel()?.as_ref(), visit);
    let transactions = notes::circuits::transaction_kernels()?;
    for kernel in [TransactionKernel::Local, TransactionKernel::Exchange] {
        visit(transactions.of(kernel));
    }
    let batches = notes::circuits::batch_circuits()?;
    batches.leaves().iter().for_each(|leaf| visit(leaf));
    batches.folds().iter().for_each(|fold| visit(fold));
    for variant in notes::block::variants(notes::block::MAX_TRANSACTIONS) {
        block(notes::circuits::block_kernel(variant)?.as_ref(), visit);
    }
    for size in BatchSize::ALL {
        visit(signatures::tables().get(size.capacity())?.as_ref());
    }
    let chunks = chunk_circuits()?;
    visit(chunks.leaf());
    chunks.folds().iter().for_each(|fold| visit(fold));
    for variant in accounts::block::variants(accounts::block::MAX_TRANSACTIONS) {
        // Not kept: all of them would take gigabytes.
        block(&Kernel::new(signatures::KERNELS.definition(variant)?)?, visit);
    }
    Ok(())
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

//! What a batch costs, whatever it lists: its STARK, and the circuit that verifies it.

use std::error::Error;

use circuits_core::{F, layout::Layout};
use circuits_keys::CircuitCache;
use circuits_tables::batch::{Batch, BatchCircuit, BatchInput, prove};

use crate::{
    error::BenchError,
    figures::{median, timed},
};

/// Seconds of a batch: medians.
pub(crate) struct Seconds {
    /// Of the STARK.
    pub(crate) prover: f64,
    /// Of the circuit that verifies it.
    pub(crate) verifier: f64,
}

/// Measures a batch in the smallest table that holds it, `runs` times.
///
/// # Errors
/// `failed` of the reason if no table holds the batch, or it cannot be proved.
pub(crate) fn measure<B: Batch>(
    cache: &CircuitCache,
    evidence: &[B::Evidence],
    runs: usize,
    failed: fn(Box<dyn Error + Send + Sync>) -> BenchError,
) -> Result<(B, Seconds), BenchError> {
    let size = B::fitting(evidence.len())
        .ok_or_else(|| failed(format!("no table holds {} {}s", evidence.len(), B::ITEM).into()))?;
    let items: Vec<_> = evidence.iter().map(B::item).collect();
    let circuit = cache.circuit(BatchCircuit(size)).map_err(|error| failed(error.into()))?;
    let (mut prover, mut verifier) = (vec![], vec![]);
    for _ in 0..runs {
        let (seconds, proof) = timed(|| prove(size, evidence).map_err(|error| failed(error.into())))?;
        prover.push(seconds);
        let input = BatchInput { items: items.clone(), proof };
        let (seconds, proof) = timed(|| circuit.prove(&input).map_err(|error| failed(error.into())))?;
        verifier.push(seconds);
        let stated: Option<Vec<F>> = circuit.statement(&proof).ok().map(|statement| statement.encode());
        debug_assert_eq!(stated, Some(B::statement(&items).encode()));
    }
    Ok((size, Seconds { prover: median(&prover), verifier: median(&verifier) }))
}

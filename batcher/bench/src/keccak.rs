//! What Keccak-256 costs: the batch STARK of permutations, and its verification in a circuit.

use std::fmt;

use batcher_job::prove::Progress;
use circuits_keys::CircuitCache;
use circuits_tables::{
    batch::{Batch as _, BatchCircuit, prove},
    keccak::{
        KeccakStatement,
        batch::{KeccakInput, KeccakSize},
        blocks,
    },
};
use serde::Serialize;

use crate::{
    error::BenchError,
    figures::{median, peak_line, peak_memory, timed},
};

/// The cost of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Blocks, each of which takes one permutation.
    pub permutations: usize,
    /// Blocks that the table holds.
    pub table: usize,
    /// Seconds of the STARK: the median.
    pub prover_seconds: f64,
    /// Seconds of the circuit that verifies the STARK: the median.
    pub verifier_seconds: f64,
    /// Milliseconds of the STARK for each permutation.
    pub prover_milliseconds_per_permutation: f64,
    /// STARK and circuit together.
    pub milliseconds_per_permutation: f64,
    /// The largest memory of the process so far; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
}

/// What batches of blocks cost.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub batches: Vec<Row>,
    /// The largest memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    pub threads: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "permutations   table   prover s   verifier s   prover ms per permutation   ms per permutation \
             ({} threads)",
            self.threads
        )?;
        for row in &self.batches {
            write!(
                f,
                "\n{:>12}  {:>6}  {:>9.2}  {:>11.2}  {:>26.1}  {:>19.1}",
                row.permutations,
                row.table,
                row.prover_seconds,
                row.verifier_seconds,
                row.prover_milliseconds_per_permutation,
                row.milliseconds_per_permutation
            )?;
        }
        f.write_str(&peak_line(self.peak_memory_bytes))
    }
}

/// Measures batches of the given numbers of blocks, each `runs` times.
///
/// # Errors
/// [`BenchError::Keccak`] if a batch cannot be proved.
pub fn measure(
    cache: &CircuitCache,
    sizes: &[usize],
    runs: usize,
    progress: &dyn Progress,
) -> Result<Figures, BenchError> {
    let batches = sizes.iter().map(|&count| batch(cache, count, runs, progress)).collect::<Result<_, _>>()?;
    Ok(Figures { batches, peak_memory_bytes: peak_memory(), threads: rayon::current_num_threads() })
}

fn batch(
    cache: &CircuitCache,
    count: usize,
    runs: usize,
    progress: &dyn Progress,
) -> Result<Row, BenchError> {
    let size = KeccakSize::fitting(count)
        .ok_or_else(|| BenchError::keccak(format!("no table holds {count} blocks")))?;
    progress.note(&format!("{count} permutations"));
    // Each number is a message of one block.
    let list: Vec<_> = (0..count).flat_map(|message| blocks(&message.to_le_bytes())).collect();
    let circuit = cache.circuit(BatchCircuit(size)).map_err(BenchError::keccak)?;
    let (mut prover, mut verifier) = (vec![], vec![]);
    for _ in 0..runs {
        let (seconds, proof) = timed(|| prove(size, &list).map_err(BenchError::keccak))?;
        prover.push(seconds);
        let input = KeccakInput { items: list.clone(), proof };
        let (seconds, proof) = timed(|| circuit.prove(&input).map_err(BenchError::keccak))?;
        verifier.push(seconds);
        debug_assert_eq!(circuit.statement(&proof).ok(), Some(KeccakStatement::new(&list)));
    }
    let (prover_seconds, verifier_seconds) = (median(&prover), median(&verifier));
    #[expect(clippy::cast_precision_loss, reason = "a few thousand blocks")]
    let milliseconds = |seconds: f64| 1000.0 * seconds / count as f64;
    Ok(Row {
        permutations: count,
        table: size.capacity(),
        prover_seconds,
        verifier_seconds,
        prover_milliseconds_per_permutation: milliseconds(prover_seconds),
        milliseconds_per_permutation: milliseconds(prover_seconds + verifier_seconds),
        peak_memory_bytes: peak_memory(),
    })
}

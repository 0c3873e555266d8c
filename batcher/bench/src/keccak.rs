//! What Keccak-256 costs: the batch STARK of permutations, and its verification in a circuit.

use std::fmt;

use circuits_keys::CircuitCache;
use circuits_tables::{
    batch::Batch as _,
    keccak::{batch::KeccakSize, blocks},
};
use circuits_tasks::progress::Progress;
use serde::Serialize;

use crate::{
    batch::measure as measure_batch,
    error::BenchError,
    figures::{peak_line, peak_memory},
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
    progress.note(&format!("{count} permutations"));
    // Each number is a message of one block.
    let list: Vec<_> = (0..count).flat_map(|message| blocks(&message.to_le_bytes())).collect();
    let (size, seconds) = measure_batch::<KeccakSize>(cache, &list, runs, BenchError::Keccak)?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand blocks")]
    let milliseconds = |seconds: f64| 1000.0 * seconds / count as f64;
    Ok(Row {
        permutations: count,
        table: size.capacity(),
        prover_seconds: seconds.prover,
        verifier_seconds: seconds.verifier,
        prover_milliseconds_per_permutation: milliseconds(seconds.prover),
        milliseconds_per_permutation: milliseconds(seconds.prover + seconds.verifier),
        peak_memory_bytes: peak_memory(),
    })
}

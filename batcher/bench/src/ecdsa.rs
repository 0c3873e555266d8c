//! What signatures cost: the batch STARK and its verification in a circuit, next to a bare circuit of stock plonky2 that has
//! the size that one gate-based verification takes.

use std::fmt;

use circuits_keys::CircuitCache;
use circuits_tables::{
    batch::Batch as _,
    ecdsa::{PublicKey, Signature, Signed, batch::SignatureSize},
};
use circuits_tasks::progress::Progress;
use k256::ecdsa::{self, SigningKey, signature::hazmat::PrehashSigner as _};
use plonky2::plonk::circuit_data::CircuitConfig;
use serde::Serialize;

use crate::{
    batch::measure as measure_batch,
    error::BenchError,
    figures::{median, peak_line, peak_memory},
    stock::Square,
};

/// Rows of a circuit that verifies one signature with gates, as a logarithm.
const BARE_DEGREE_BITS: usize = 16;
/// Wires of such a circuit.
const BARE_WIRES: usize = 234;

/// The cost of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub signatures: usize,
    /// Signatures that the table holds.
    pub table: usize,
    /// Seconds of the STARK: the median.
    pub prover_seconds: f64,
    /// Seconds of the circuit that verifies the STARK: the median.
    pub verifier_seconds: f64,
    /// STARK and circuit together.
    pub seconds_per_signature: f64,
    /// How many times cheaper a signature is than the bare circuit.
    pub times_cheaper: f64,
}

/// What batches of signatures cost.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Seconds of the bare circuit: the median.
    pub bare_seconds: f64,
    pub batches: Vec<Row>,
    /// The largest memory of the process before the bare circuit; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    pub threads: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, threads) = (self.bare_seconds, self.threads);
        write!(
            f,
            "bare circuit of 2^16 rows and 234 wires, stock plonky2: {seconds:.2} s ({threads} threads)\n\n"
        )?;
        write!(f, "signatures   table   prover s   verifier s   s per signature   times cheaper")?;
        for row in &self.batches {
            write!(
                f,
                "\n{:>10}  {:>6}  {:>9.2}  {:>11.2}  {:>16.3}  {:>14.1}",
                row.signatures,
                row.table,
                row.prover_seconds,
                row.verifier_seconds,
                row.seconds_per_signature,
                row.times_cheaper
            )?;
        }
        f.write_str(&peak_line(self.peak_memory_bytes))
    }
}

/// Measures batches of the given numbers of signatures, each `runs` times.
///
/// # Errors
/// [`BenchError::Signatures`] if a batch cannot be proved, [`BenchError::Baseline`] if the bare circuit cannot.
pub fn measure(
    cache: &CircuitCache,
    sizes: &[usize],
    runs: usize,
    progress: &dyn Progress,
) -> Result<Figures, BenchError> {
    let mut batches =
        sizes.iter().map(|&count| batch(cache, count, runs, progress)).collect::<Result<Vec<_>, _>>()?;
    let peak_memory_bytes = peak_memory();
    progress.note("bare circuit");
    let config = CircuitConfig { num_wires: BARE_WIRES, ..CircuitConfig::standard_recursion_config() };
    let circuit = Square::new(config, BARE_DEGREE_BITS);
    let bare = (0..runs).map(|_| circuit.measure()).collect::<Result<Vec<_>, _>>()?;
    let bare_seconds = median(&bare);
    for row in &mut batches {
        row.times_cheaper = bare_seconds / row.seconds_per_signature;
    }
    Ok(Figures { bare_seconds, batches, peak_memory_bytes, threads: rayon::current_num_threads() })
}

fn batch(
    cache: &CircuitCache,
    count: usize,
    runs: usize,
    progress: &dyn Progress,
) -> Result<Row, BenchError> {
    progress.note(&format!("{count} signatures"));
    let signed = (0..count).map(sign).collect::<Result<Vec<_>, _>>()?;
    let (size, seconds) = measure_batch::<SignatureSize>(cache, &signed, runs, BenchError::Signatures)?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred signatures")]
    let seconds_per_signature = (seconds.prover + seconds.verifier) / count as f64;
    Ok(Row {
        signatures: count,
        table: size.capacity(),
        prover_seconds: seconds.prover,
        verifier_seconds: seconds.verifier,
        seconds_per_signature,
        times_cheaper: 0.0,
    })
}

/// A signature for each index, each under a key of its own.
pub(crate) fn sign(index: usize) -> Result<Signed, BenchError> {
    let hash = circuits_files::file::sha3(&index.to_le_bytes());
    let secret = SigningKey::from_slice(&hash).map_err(BenchError::signatures)?;
    let signature: ecdsa::Signature = secret.sign_prehash(&hash).map_err(BenchError::signatures)?;
    let signature =
        Signature::from_bytes(&signature.normalize_s().to_bytes()).map_err(BenchError::signatures)?;
    let key = PublicKey::from_affine(secret.verifying_key().as_affine())
        .ok_or_else(|| BenchError::signatures("a public key is infinity"))?;
    Ok(Signed { key, hash, signature })
}

//! What signatures cost: the batch STARK and its verification in a circuit, next to a bare circuit of the size
//! that one gate-based verification takes.

use std::time::Instant;

use batcher_job::prove::Progress;
use circuits_core::{Builder, Circuit, F, Witness};
use circuits_keys::CircuitCache;
use circuits_prover::proving;
use circuits_tables::ecdsa::{
    PublicKey, Signature, SignatureStatement, Signed,
    batch::{BatchSize, SignatureCircuit, SignatureInput, prove},
};
use k256::ecdsa::{self, SigningKey, signature::hazmat::PrehashSigner as _};
use plonky2::{
    field::types::Field as _, gates::noop::NoopGate, iop::witness::WitnessWrite as _,
    plonk::circuit_data::CircuitConfig,
};
use serde::Serialize;

use super::{BenchError, median, peak_memory};

/// A gate-based verification: 2^16 rows of 234 wires.
const BARE_DEGREE_BITS: usize = 16;
const BARE_WIRES: usize = 234;

/// The cost of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Signatures in the batch.
    pub signatures: usize,
    /// Signatures that the table holds.
    pub table: usize,
    /// Seconds of the STARK: median.
    pub prover_seconds: f64,
    /// Seconds of the circuit that verifies it: median.
    pub verifier_seconds: f64,
    /// Both, per signature.
    pub seconds_per_signature: f64,
    /// How many times cheaper a signature is than the bare circuit.
    pub times_cheaper: f64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Seconds of the bare circuit: median.
    pub bare_seconds: f64,
    /// One row for each number of signatures.
    pub batches: Vec<Row>,
    /// The most memory that the process had before the bare circuit, in bytes; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// Threads of the prover.
    pub threads: usize,
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
    let circuit = bare_circuit();
    let bare = (0..runs).map(|_| bare(&circuit)).collect::<Result<Vec<_>, _>>()?;
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
    let failed = |error: &dyn std::error::Error| BenchError::Signatures(error.to_string());
    let size = BatchSize::fitting(count)
        .ok_or_else(|| BenchError::Signatures(format!("no table holds {count} signatures")))?;
    progress.note(&format!("{count} signatures"));
    let signed = (0..count).map(sign).collect::<Result<Vec<_>, _>>()?;
    let claims: Vec<_> = signed.iter().map(Signed::claim).collect();
    let circuit = cache.circuit(SignatureCircuit(size)).map_err(|error| failed(&error))?;
    let (mut prover, mut verifier) = (vec![], vec![]);
    for _ in 0..runs {
        let started = Instant::now();
        let proof = prove(size, &signed).map_err(|error| failed(&error))?;
        prover.push(started.elapsed().as_secs_f64());
        let input = SignatureInput { claims: claims.clone(), proof };
        let started = Instant::now();
        let proof = circuit.prove(&input).map_err(|error| failed(&error))?;
        verifier.push(started.elapsed().as_secs_f64());
        debug_assert_eq!(circuit.statement(&proof).ok(), Some(SignatureStatement::new(&claims)));
    }
    let (prover_seconds, verifier_seconds) = (median(&prover), median(&verifier));
    #[expect(clippy::cast_precision_loss, reason = "a few hundred signatures")]
    let seconds_per_signature = (prover_seconds + verifier_seconds) / count as f64;
    Ok(Row {
        signatures: count,
        table: size.capacity(),
        prover_seconds,
        verifier_seconds,
        seconds_per_signature,
        times_cheaper: 0.0,
    })
}

/// A signature of its own key for each index.
fn sign(index: usize) -> Result<Signed, BenchError> {
    let failed = |reason: String| BenchError::Signatures(reason);
    let hash = circuits_files::file::sha3(&index.to_le_bytes());
    let secret = SigningKey::from_slice(&hash).map_err(|error| failed(error.to_string()))?;
    let signature: ecdsa::Signature =
        secret.sign_prehash(&hash).map_err(|error| failed(error.to_string()))?;
    let signature = Signature::from_bytes(&signature.normalize_s().to_bytes())
        .map_err(|error| failed(error.to_string()))?;
    let key = PublicKey::from_affine(secret.verifying_key().as_affine())
        .ok_or_else(|| failed("a public key is infinity".to_owned()))?;
    Ok(Signed { key, hash, signature })
}

fn bare_circuit() -> Circuit {
    let config = CircuitConfig { num_wires: BARE_WIRES, ..CircuitConfig::standard_recursion_config() };
    let mut builder = Builder::new(config);
    let input = builder.add_virtual_public_input();
    builder.square(input);
    while builder.num_gates() <= 1 << (BARE_DEGREE_BITS - 1) {
        builder.add_gate(NoopGate, vec![]);
    }
    proving::build(builder)
}

fn bare(circuit: &Circuit) -> Result<f64, BenchError> {
    let failed = |error: String| BenchError::Baseline(error);
    let mut witness = Witness::new();
    let input = circuit.prover_only.public_inputs[0];
    witness.set_target(input, F::TWO).map_err(|error| failed(error.to_string()))?;
    let started = Instant::now();
    proving::prove(circuit, witness).map_err(failed)?;
    Ok(started.elapsed().as_secs_f64())
}

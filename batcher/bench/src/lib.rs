//! What superblocks cost, in multiples of `t1`: stock plonky2 verifying one proof of 2^12 rows recursively with
//! its standard configuration, measured between the other measurements, in the same process with the same
//! threads.

pub mod accounts;
pub mod ecdsa;
pub mod keys;
pub mod messages;
pub mod wrap;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError, atomic::AtomicBool},
    time::Instant,
};

use batcher_circuits::{engine::Engine, state::SuperblockState, transition::TransitionError};
use batcher_job::{
    intake::CheckedBlock,
    planner::{Candidate, Planner},
    prove::{Progress, ProveError, Prover},
};
use batcher_verify::circuit::superblock_shape;
use circuits_core::{
    Builder, Circuit, Digest, F, Proof, Witness, amount::Amount, proof, recursion::key_digest,
};
use circuits_files::file;
use circuits_keys::CircuitCache;
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry},
    wrap::block_shape,
};
use circuits_prover::proving::{self, ProofTarget};
use environments_core::{
    BlockProducer, DynEnvironment, Environment as _, block::check_statement, kernel::ProducerSecret,
};
use environments_counter::Counter;
use plonky2::{
    field::types::Field, gates::noop::NoopGate, iop::witness::WitnessWrite as _,
    plonk::circuit_data::CircuitConfig,
};
use serde::Serialize;
use thiserror::Error;

/// Rows of the proof that `t1` verifies, as a logarithm.
const BASELINE_DEGREE_BITS: usize = 12;
/// Wraps are measured this often.
const WRAPS: usize = 5;
/// Superblock proofs are verified this often.
const VERIFICATIONS: usize = 21;

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum BenchError {
    /// A block of the measured chain cannot be made.
    #[error("the blocks to be batched cannot be made: {0}")]
    Blocks(String),
    /// The baseline does not work.
    #[error("the baseline cannot be proved: {0}")]
    Baseline(String),
    /// A batch of signatures cannot be proved.
    #[error("the signatures cannot be proved: {0}")]
    Signatures(String),
    /// Keys cannot be found, or a process that finds them fails.
    #[error("the keys cannot be measured: {0}")]
    CircuitCache(String),
    /// The blocks do not chain.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// A superblock was not made.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The superblock is not accepted.
    #[error(transparent)]
    Bundle(#[from] batcher_verify::bundle::BundleError),
}

/// The cost of superblocks of one size.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Blocks in the superblock.
    pub blocks: usize,
    /// The superblock circuit.
    pub circuit: String,
    /// Seconds in leaves.
    pub leaf_seconds: f64,
    /// Seconds in folds.
    pub fold_seconds: f64,
    /// Seconds in the superblock proof.
    pub superblock_seconds: f64,
    /// Leaves per block, in `t1`.
    pub leaf_per_block: f64,
    /// Folds per block, in `t1`.
    pub fold_per_block: f64,
    /// Superblock proof per block, in `t1`.
    pub superblock_per_block: f64,
    /// All of them per block, in `t1`, without the blocks' own kernels and wraps.
    pub per_block: f64,
    /// Bytes of the superblock proof.
    pub proof_bytes: usize,
    /// Milliseconds to verify it with a loaded key: median.
    pub verify_milliseconds: f64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Seconds of the baseline: median.
    pub t1_seconds: f64,
    /// Its measurements, in order.
    pub t1_runs: Vec<f64>,
    /// A counter's kernel, in `t1`: median.
    pub kernel: f64,
    /// Its wrap, in `t1`: median.
    pub wrap: f64,
    /// One row for each size.
    pub superblocks: Vec<Row>,
    /// The most memory that the process had, in bytes; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// Threads of the prover.
    pub threads: usize,
}

/// The circuit of `t1`, with the proof that it verifies.
pub struct Baseline {
    outer: Circuit,
    target: ProofTarget,
    inner: Proof,
}

impl Baseline {
    /// Builds the circuit and proves what it verifies.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub fn new() -> Result<Self, BenchError> {
        let config = CircuitConfig::standard_recursion_config();
        let mut builder = Builder::new(config.clone());
        let input = builder.add_virtual_public_input();
        builder.square(input);
        while builder.num_gates() <= 1 << (BASELINE_DEGREE_BITS - 1) {
            builder.add_gate(NoopGate, vec![]);
        }
        let circuit = proving::build(builder);
        let mut witness = Witness::new();
        let failed = |error: String| BenchError::Baseline(error);
        witness.set_target(input, F::TWO).map_err(|error| failed(error.to_string()))?;
        let inner = proving::prove(&circuit, witness).map_err(failed)?;

        let mut builder = Builder::new(config);
        let key = builder.constant_verifier_data(&circuit.verifier_only);
        let target = proving::verify_circuit(&mut builder, &circuit.common, &key);
        Ok(Self { outer: proving::build(builder), target, inner })
    }

    /// Seconds of one proof.
    ///
    /// # Errors
    /// [`BenchError::Baseline`].
    pub fn measure(&self) -> Result<f64, BenchError> {
        let failed = |error: String| BenchError::Baseline(error);
        let mut witness = Witness::new();
        witness
            .set_proof_with_pis_target(&self.target, &self.inner)
            .map_err(|error| failed(error.to_string()))?;
        let started = Instant::now();
        proving::prove(&self.outer, witness).map_err(failed)?;
        Ok(started.elapsed().as_secs_f64())
    }
}

/// Adds up the time of tasks by the first word of their name.
#[derive(Default)]
struct Stopwatch {
    running: Mutex<BTreeMap<String, Instant>>,
    seconds: Mutex<BTreeMap<String, f64>>,
}

impl Stopwatch {
    fn seconds(&self, kind: &str) -> f64 {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).get(kind).copied().unwrap_or(0.0)
    }
}

impl Stopwatch {
    /// Of all tasks.
    fn total(&self) -> f64 {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Progress for Stopwatch {
    fn begin(&self, _: usize) {}

    fn start(&self, task: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(task.to_owned(), Instant::now());
    }

    fn done(&self, task: &str, _: bool) {
        let started = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
        let kind = task.split(' ').next().unwrap_or(task).to_owned();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        *seconds.entry(kind).or_default() += started.map_or(0.0, |started| started.elapsed().as_secs_f64());
    }

    fn note(&self, _: &str) {}
}

/// The middle of `values`, 0 if there are none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// A chain of counter blocks with its registry.
struct Chain {
    registry: Registry,
    blocks: Vec<CheckedBlock>,
}

fn chain(
    cache: &CircuitCache,
    count: usize,
    baseline: &Baseline,
    t1: &mut Vec<f64>,
    progress: &dyn Progress,
) -> Result<Chain, BenchError> {
    let failed = |error: &dyn std::error::Error| BenchError::Blocks(batcher_job::scenario::chain_of(error));
    let id = EnvironmentId(1);
    let counter = Counter::new(1, id, ProducerSecret::new(Digest::ZERO), Amount::ZERO)
        .map_err(|error| failed(&error))?;
    let mut producer = BlockProducer::new(counter);
    let kernels = DynEnvironment::kernels(&producer, cache).map_err(|error| failed(&error))?;
    let entry = RegistryEntry {
        genesis_state: producer.genesis_commitment(),
        producer: DynEnvironment::producer(&producer),
        kernels: kernels
            .into_iter()
            .map(|key| KernelEntry { key, valid_from: 1, valid_until: u32::MAX })
            .collect(),
    };
    let mut registry = Registry::default();
    registry.insert(id, entry).map_err(|error| failed(&error))?;
    let mut blocks = vec![];
    progress.begin(count);
    for index in 0..count {
        let name = format!("counter block {}", index + 1);
        progress.start(&name);
        producer.submit_lines(cache, "{\"add\": 1}");
        let report = DynEnvironment::propose_block(&mut producer).map_err(|error| failed(&error))?;
        let bundle =
            DynEnvironment::prove(&producer, cache, report.height).map_err(|error| failed(&error))?;
        let (proof, key, digest) = bundle.open(&block_shape().common).map_err(|error| failed(&error))?;
        let file = file::sha3(&bundle.proof);
        let environments_core::BlockBundle { statement, messages, .. } = bundle;
        let header = check_statement(&statement).map_err(|error| failed(&error))?;
        let candidate = Candidate { statement, header, key: digest, messages, file };
        blocks.push(CheckedBlock { path: name.clone().into(), candidate, proof, key });
        if index % 16 == 15 {
            t1.push(baseline.measure()?);
        }
        progress.done(&name, false);
    }
    Ok(Chain { registry, blocks })
}

/// Seconds of a counter's kernel and of its wrap, each measured [`WRAPS`] times.
fn kernel_and_wrap(
    cache: &CircuitCache,
    baseline: &Baseline,
    t1: &mut Vec<f64>,
) -> Result<(Vec<f64>, Vec<f64>), BenchError> {
    let failed = |error: &dyn std::error::Error| BenchError::Blocks(batcher_job::scenario::chain_of(error));
    let counter = Counter::new(1, EnvironmentId(1), ProducerSecret::new(Digest::ZERO), Amount::ZERO)
        .map_err(|error| failed(&error))?;
    let add = counter.parse(cache, "{\"add\": 1}").map_err(|error| failed(&error))?;
    let proposal = counter.propose(&counter.genesis(), &[&add]).map_err(|error| failed(&error))?;
    let input = counter.kernel_input(proposal.block.witness());
    let kernel = environments_counter::kernel(cache).map_err(|error| failed(&error))?;
    let circuit = kernel.circuit(cache).map_err(|error| failed(&error))?;
    kernel.wrapper.load(cache).map_err(|error| failed(&error))?;
    let (mut kernels, mut wraps) = (vec![], vec![]);
    for _ in 0..WRAPS {
        let started = Instant::now();
        let proof = circuit.prove(&input).map_err(|error| failed(&error))?;
        kernels.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        kernel.wrapper.prove(cache, &proof).map_err(|error| failed(&error))?;
        wraps.push(started.elapsed().as_secs_f64());
        t1.push(baseline.measure()?);
    }
    Ok((kernels, wraps))
}

/// Measures superblocks of the given numbers of blocks.
///
/// # Errors
/// [`BenchError`].
pub fn measure(engine: &Engine, sizes: &[usize], progress: &dyn Progress) -> Result<Figures, BenchError> {
    let baseline = Baseline::new()?;
    baseline.measure()?;
    let mut t1 = vec![baseline.measure()?];
    let largest = sizes.iter().copied().max().unwrap_or(1);
    let Chain { registry, blocks } = chain(engine.cache(), largest, &baseline, &mut t1, progress)?;

    let mut rows = vec![];
    for &size in sizes {
        progress.note(&format!("superblock of {size} blocks"));
        t1.push(baseline.measure()?);
        rows.push(superblock(engine, &registry, &blocks[..size])?);
        t1.push(baseline.measure()?);
    }
    let (kernels, wraps) = kernel_and_wrap(engine.cache(), &baseline, &mut t1)?;
    while t1.len() < 5 {
        t1.push(baseline.measure()?);
    }
    let t1_seconds = median(&t1);
    for row in &mut rows {
        #[expect(clippy::cast_precision_loss, reason = "a few blocks")]
        let unit = t1_seconds * row.blocks as f64;
        row.leaf_per_block = row.leaf_seconds / unit;
        row.fold_per_block = row.fold_seconds / unit;
        row.superblock_per_block = row.superblock_seconds / unit;
        row.per_block = row.leaf_per_block + row.fold_per_block + row.superblock_per_block;
    }
    Ok(Figures {
        t1_seconds,
        t1_runs: t1,
        kernel: median(&kernels) / t1_seconds,
        wrap: median(&wraps) / t1_seconds,
        superblocks: rows,
        peak_memory_bytes: peak_memory(),
        threads: rayon::current_num_threads(),
    })
}

fn superblock(engine: &Engine, registry: &Registry, blocks: &[CheckedBlock]) -> Result<Row, BenchError> {
    let candidates: Vec<_> = blocks.iter().map(|block| block.candidate.clone()).collect();
    let root = engine.pinned().key_set().root();
    let (planner, genesis) = (Planner::default(), SuperblockState::genesis(1));
    let selection = planner.select(&genesis, registry, &candidates, &[]);
    let plan = planner.plan(&genesis, registry, root, selection)?;
    let stopwatch = Stopwatch::default();
    let stop = AtomicBool::new(false);
    let prover = Prover { engine, store: None, progress: &stopwatch, jobs: 1, stop: &stop };
    let finished = prover.run(&plan, blocks)?;

    let bundle = plan.transition.bundle(&finished.proof, finished.key_digest());
    bundle.verify(engine.pinned())?;
    let common = &superblock_shape(plan.tree.source).common;
    let times: Vec<_> = (0..VERIFICATIONS)
        .map(|_| {
            let started = Instant::now();
            let valid = proof::verify(&finished.proof, &finished.key, common).is_ok();
            debug_assert!(valid && key_digest(&finished.key) == finished.key_digest());
            1000.0 * started.elapsed().as_secs_f64()
        })
        .collect();
    Ok(Row {
        blocks: blocks.len(),
        circuit: plan.tree.source.name(),
        leaf_seconds: stopwatch.seconds("leaf"),
        fold_seconds: stopwatch.seconds("fold"),
        superblock_seconds: stopwatch.seconds("superblock"),
        leaf_per_block: 0.0,
        fold_per_block: 0.0,
        superblock_per_block: 0.0,
        per_block: 0.0,
        proof_bytes: bundle.proof.len(),
        verify_milliseconds: median(&times),
    })
}

/// The high-water mark of the process's resident memory, where Linux tells.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024 * kilobytes)
}

//! What superblocks cost, without the kernels and wraps of their blocks.

use std::{fmt, sync::atomic::AtomicBool, time::Instant};

use batcher_circuits::{engine::Engine, state::SuperblockState};
use batcher_job::{
    intake::CheckedBlock,
    planner::{Candidate, Planner},
    prove::Prover,
};
use batcher_verify::circuit::superblock_shape;
use circuits_core::{Digest, amount::Amount, proof, recursion::key_digest};
use circuits_files::file;
use circuits_keys::CircuitCache;
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry},
    wrap::block_shape,
};
use circuits_tasks::progress::Progress;
use environments_core::{
    BlockProducer, DynEnvironment, Environment as _, block::check_statement, kernel::ProducerSecret,
};
use environments_counter::Counter;
use serde::Serialize;

use crate::{
    baseline::Baseline,
    error::BenchError,
    figures::{median, peak_line, peak_memory, unit},
    stopwatch::Stopwatch,
};

/// How often a wrap is measured.
const WRAPS: usize = 5;
/// How often a superblock proof is verified.
const VERIFICATIONS: usize = 21;

/// The cost of superblocks of one size.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub blocks: usize,
    /// The name of the superblock circuit.
    pub circuit: String,
    pub leaf_seconds: f64,
    pub fold_seconds: f64,
    pub superblock_seconds: f64,
    /// Leaves per block, in `t1`.
    pub leaf_per_block: f64,
    /// Folds per block, in `t1`.
    pub fold_per_block: f64,
    /// Superblock proof per block, in `t1`.
    pub superblock_per_block: f64,
    /// All of them per block, in `t1`, without the blocks' own kernels and wraps.
    pub per_block: f64,
    pub proof_bytes: usize,
    /// Milliseconds to verify it with a loaded key: the median.
    pub verify_milliseconds: f64,
}

/// What superblocks cost.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Seconds of the baseline: the median.
    pub t1_seconds: f64,
    /// The measurements of the baseline, in order.
    pub t1_runs: Vec<f64>,
    /// A counter's kernel, in `t1`: the median.
    pub kernel: f64,
    /// Its wrap, in `t1`: the median.
    pub wrap: f64,
    pub superblocks: Vec<Row>,
    /// The largest memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    pub threads: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = unit(self.t1_seconds, &self.t1_runs, self.threads);
        let (kernel, wrap) = (self.kernel, self.wrap);
        write!(f, "{unit}; a counter's kernel: {kernel:.2} t1, its wrap: {wrap:.2} t1\n\n")?;
        write!(f, "blocks   leaf   fold   superblock   t1 per block   proof bytes   verify ms   circuit")?;
        for row in &self.superblocks {
            write!(
                f,
                "\n{:>6}  {:>5.2}  {:>5.2}  {:>11.2}  {:>13.2}  {:>12}  {:>10.2}   {}",
                row.blocks,
                row.leaf_per_block,
                row.fold_per_block,
                row.superblock_per_block,
                row.per_block,
                row.proof_bytes,
                row.verify_milliseconds,
                row.circuit
            )?;
        }
        f.write_str(&peak_line(self.peak_memory_bytes))
    }
}

/// A chain of counter blocks and the registry that allows their kernels.
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
    let id = EnvironmentId(1);
    let secret = ProducerSecret::new(Digest::ZERO);
    let counter = Counter::new(1, id, secret, Amount::ZERO).map_err(BenchError::blocks)?;
    let mut producer = BlockProducer::new(counter);
    let kernels = DynEnvironment::key_digests(&producer, cache).map_err(BenchError::blocks)?;
    let kernels =
        kernels.into_iter().map(|key| KernelEntry { key, valid_from: 1, valid_until: u32::MAX }).collect();
    let entry = RegistryEntry::new(producer.genesis_commitment(), secret.producer(), kernels);
    let mut registry = Registry::default();
    registry.insert(id, entry).map_err(BenchError::blocks)?;
    let mut blocks = vec![];
    progress.begin(count);
    for index in 0..count {
        let name = format!("counter block {}", index + 1);
        progress.start(&name);
        producer.submit_lines(cache, "{\"add\": 1}");
        let report = DynEnvironment::propose_block(&mut producer).map_err(BenchError::blocks)?;
        let bundle = DynEnvironment::prove(&producer, cache, report.height).map_err(BenchError::blocks)?;
        let (proof, key, digest) = bundle.open(&block_shape().common).map_err(BenchError::blocks)?;
        let file = file::sha3(&bundle.proof);
        let environments_core::BlockBundle { statement, messages, .. } = bundle;
        let header = check_statement(&statement).map_err(BenchError::blocks)?;
        let candidate = Candidate { statement, header, key: digest, messages, file };
        blocks.push(CheckedBlock { path: name.clone().into(), candidate, proof, key });
        if index % 16 == 15 {
            t1.push(baseline.measure()?);
        }
        progress.done(&name, false);
    }
    Ok(Chain { registry, blocks })
}

/// The seconds of a counter's kernel and of its wrap, each measured [`WRAPS`] times.
fn kernel_and_wrap(
    cache: &CircuitCache,
    baseline: &Baseline,
    t1: &mut Vec<f64>,
) -> Result<(Vec<f64>, Vec<f64>), BenchError> {
    let counter = Counter::new(1, EnvironmentId(1), ProducerSecret::new(Digest::ZERO), Amount::ZERO)
        .map_err(BenchError::blocks)?;
    let add = counter.parse(cache, "{\"add\": 1}").map_err(BenchError::blocks)?;
    let proposal = counter.propose(&counter.genesis(), &[&add]).map_err(BenchError::blocks)?;
    let input = counter.kernel_input(proposal.block.witness());
    let kernel = environments_counter::KERNEL;
    let circuit = kernel.circuit(cache).map_err(BenchError::blocks)?;
    kernel.wrapper(cache).and_then(|wrapper| wrapper.load(cache)).map_err(BenchError::blocks)?;
    let (mut kernels, mut wraps) = (vec![], vec![]);
    for _ in 0..WRAPS {
        let started = Instant::now();
        let proof = circuit.prove(&input).map_err(BenchError::blocks)?;
        kernels.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        kernel.wrapper(cache).and_then(|wrapper| wrapper.prove(cache, &proof)).map_err(BenchError::blocks)?;
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
    let selection = planner.select(&genesis, registry, &candidates, None).map_err(BenchError::blocks)?;
    let plan = planner.plan(&genesis, registry, root, selection)?;
    let stopwatch = Stopwatch::default();
    let stop = AtomicBool::new(false);
    let prover = Prover { engine, store: None, shared: None, progress: &stopwatch, jobs: 1, stop: &stop };
    let finished = prover.run(&plan, blocks, None)?;

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

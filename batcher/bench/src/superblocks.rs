//! What superblocks cost, without the kernels and wraps of their blocks.

use std::{fmt, sync::atomic::AtomicBool, time::Instant};

use batcher_circuits::engine::Engine;
use batcher_job::{intake::CheckedBlock, prove::Prover};
use batcher_verify::circuit::superblock_shape;
use circuits_core::{proof, recursion::key_digest};
use circuits_keys::CircuitCache;
use circuits_tasks::progress::Progress;
use environments_core::Environment as _;
use serde::Serialize;

use crate::{
    baseline::Baseline,
    counters::{ADD, Chain, counter},
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

/// Proves a chain of `count` counter blocks, and `t1` now and then.
fn chain(
    cache: &CircuitCache,
    count: usize,
    baseline: &Baseline,
    t1: &mut Vec<f64>,
    progress: &dyn Progress,
) -> Result<(Chain, Vec<CheckedBlock>), BenchError> {
    let chain = Chain::new(cache, count)?;
    let mut blocks = vec![];
    progress.begin(count);
    for height in chain.heights() {
        let name = Chain::name(height);
        progress.start(&name);
        blocks.push(chain.prove(cache, height)?);
        if height % 16 == 0 {
            t1.push(baseline.measure()?);
        }
        progress.done(&name, false);
    }
    Ok((chain, blocks))
}

/// The seconds of a counter's kernel and of its wrap, each measured [`WRAPS`] times.
fn kernel_and_wrap(
    cache: &CircuitCache,
    baseline: &Baseline,
    t1: &mut Vec<f64>,
) -> Result<(Vec<f64>, Vec<f64>), BenchError> {
    let counter = counter()?;
    let add = counter.parse(cache, ADD).map_err(BenchError::blocks)?;
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
    let (chain, blocks) = chain(engine.cache(), largest, &baseline, &mut t1, progress)?;

    let mut rows = vec![];
    for &size in sizes {
        progress.note(&format!("superblock of {size} blocks"));
        t1.push(baseline.measure()?);
        rows.push(superblock(engine, &chain, &blocks[..size])?);
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

fn superblock(engine: &Engine, chain: &Chain, blocks: &[CheckedBlock]) -> Result<Row, BenchError> {
    let plan = chain.plan(engine, blocks)?;
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

//! What moving messages costs: superblocks with and without messages, and a segment that holds nothing else.

use std::{fmt, sync::atomic::AtomicBool};

use batcher_circuits::{engine::Engine, messages::MESSAGE_CAPACITY, state::SuperblockState};
use batcher_job::{
    intake::CheckedBlock,
    planner::{Candidate, Planner},
    prove::Prover,
};
use bridge_core::{AssetId, BlockMessages, Consumption, Message};
use circuits_core::{Digest, F, VerifierKey, amount::Amount, recursion::key_digest};
use circuits_keys::CircuitCache;
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry},
    statement::BlockStatement,
    wrap::Wrapper,
};
use circuits_tasks::progress::Progress;
use environments_core::{
    BlockHeader,
    kernel::{Kernel, ProducerSecret},
};
use plonky2::field::types::Field;
use serde::Serialize;

use crate::{
    baseline::Baseline,
    error::BenchError,
    figures::{median, peak_line, peak_memory, unit},
    stopwatch::Stopwatch,
    wrap::Filler,
};

/// Blocks of the superblocks that are compared.
const BLOCKS: u16 = 16;
/// Messages of each block that has any; half of the blocks have.
const MESSAGES: u64 = 4;
const CHAIN_ID: u64 = 1;
/// Rows of the kernel that states the blocks, as a logarithm.
const KERNEL_DEGREE_BITS: usize = 8;

/// What moving messages costs. Costs are in `t1`, without the blocks' own kernels and wraps.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Seconds of the baseline: the median.
    pub t1_seconds: f64,
    /// The measurements of the baseline, in order.
    pub t1_runs: Vec<f64>,
    /// A superblock of 16 blocks without messages: the median.
    pub without_messages: f64,
    /// A superblock of 16 blocks, eight of which have four messages each: the median.
    pub with_messages: f64,
    /// The cost with messages over the cost without.
    pub ratio: f64,
    /// A full message segment: the median.
    pub segment: f64,
    /// Messages that the segment emits or consumes.
    pub segment_messages: usize,
    /// The cost of the segment for each of these messages.
    pub per_message: f64,
    /// The largest memory of the process; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    pub threads: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = unit(self.t1_seconds, &self.t1_runs, self.threads);
        write!(f, "{unit}; all costs in t1\n\n")?;
        writeln!(f, "16 blocks without messages:          {:>7.2}", self.without_messages)?;
        writeln!(f, "16 blocks, 8 of them with 4 messages: {:>6.2}", self.with_messages)?;
        writeln!(f, "the second over the first:           {:>7.3}", self.ratio)?;
        write!(
            f,
            "a segment of {} steps:              {:>7.2}, {:.4} for each message emitted or consumed",
            self.segment_messages, self.segment, self.per_message
        )?;
        f.write_str(&peak_line(self.peak_memory_bytes))
    }
}

/// Measures each superblock `runs` times.
///
/// # Errors
/// [`BenchError`]
pub fn measure(engine: &Engine, runs: usize, progress: &dyn Progress) -> Result<Figures, BenchError> {
    let baseline = Baseline::new()?;
    baseline.measure()?;
    // No store should keep this kernel, which only the benchmark uses.
    let keys = CircuitCache::default();
    let producers = Producers::new(&keys)?;
    progress.note("proving the blocks");
    let quiet = producers.blocks(&keys, &quiet())?;
    let busy = producers.blocks(&keys, &half_busy()?)?;
    let full = producers.blocks(&keys, &full_segment(MESSAGE_CAPACITY.steps)?)?;
    drop(keys);

    let mut t1 = vec![baseline.measure()?];
    let (mut without, mut with, mut segments) = (vec![], vec![], vec![]);
    for run in 0..runs {
        progress.note(&format!("run {} of {runs}", run + 1));
        without.push(producers.superblock(engine, &quiet)?.total());
        t1.push(baseline.measure()?);
        with.push(producers.superblock(engine, &busy)?.total());
        t1.push(baseline.measure()?);
        segments.push(producers.superblock(engine, &full)?.seconds("messages"));
        t1.push(baseline.measure()?);
    }
    while t1.len() < 5 {
        t1.push(baseline.measure()?);
    }
    let t1_seconds = median(&t1);
    let [without_messages, with_messages, segment] =
        [&without, &with, &segments].map(|seconds| median(seconds) / t1_seconds);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred messages")]
    let per_message = segment / MESSAGE_CAPACITY.steps as f64;
    Ok(Figures {
        t1_seconds,
        t1_runs: t1,
        without_messages,
        with_messages,
        ratio: with_messages / without_messages,
        segment,
        segment_messages: MESSAGE_CAPACITY.steps,
        per_message,
        peak_memory_bytes: peak_memory(),
        threads: rayon::current_num_threads(),
    })
}

/// Blocks without messages.
fn quiet() -> Vec<BlockMessages> {
    (1..=BLOCKS).map(|id| BlockMessages::none(EnvironmentId(id))).collect()
}

/// The first quarter of the environments each send messages to one of the second quarter, which claims them.
fn half_busy() -> Result<Vec<BlockMessages>, BenchError> {
    let quarter = BLOCKS / 4;
    let mut blocks = quiet();
    for source in 1..=quarter {
        send(&mut blocks, source, source + quarter, MESSAGES)?;
    }
    Ok(blocks)
}

/// One environment sends, another one claims, and the messages fill a segment of this many steps.
fn full_segment(steps: usize) -> Result<Vec<BlockMessages>, BenchError> {
    let mut blocks = quiet();
    blocks.truncate(2);
    send(&mut blocks, 1, 2, steps.div_ceil(2) as u64)?;
    // Of an odd number of steps, one emits what nobody claims.
    blocks[1].inbox.truncate(steps / 2);
    Ok(blocks)
}

/// Adds `count` messages about an asset of `source` to its block and to the block of `destination`.
fn send(blocks: &mut [BlockMessages], source: u16, destination: u16, count: u64) -> Result<(), BenchError> {
    let asset = AssetId::new(source, 1).map_err(BenchError::blocks)?;
    let amount = Amount::new(1).map_err(BenchError::blocks)?;
    for sequence in 0..count {
        let message = Message {
            chain_id: CHAIN_ID,
            source: EnvironmentId(source),
            destination: EnvironmentId(destination),
            sequence,
            sender: Digest::ZERO,
            recipient: Digest::ZERO,
            asset,
            amount,
            deadline: 1000,
            data: Digest::ZERO,
        };
        let [from, to] = [source, destination].map(|id| usize::from(id) - 1);
        blocks[from].outbox.push(message.clone());
        blocks[to].inbox.push((message, Consumption::Claim));
    }
    Ok(())
}

/// The secret of every producer. The kernel does not ask for it.
const SECRET: ProducerSecret = ProducerSecret::new(Digest::ZERO);

/// Environments whose kernel proves any statement.
struct Producers {
    kernel: Kernel<Filler>,
    wrapper: Wrapper,
    key: VerifierKey,
    registry: Registry,
}

impl Producers {
    fn new(cache: &CircuitCache) -> Result<Self, BenchError> {
        let filler = Filler { degree_bits: KERNEL_DEGREE_BITS };
        let kernel = Kernel { definition: filler };
        let wrapper = kernel.wrapper(cache).map_err(BenchError::blocks)?;
        let key = wrapper.key(cache).map_err(BenchError::blocks)?.verifier_only.clone();
        let mut registry = Registry::default();
        for id in 1..=BLOCKS {
            let kernel = KernelEntry { key: key_digest(&key), valid_from: 1, valid_until: u32::MAX };
            let entry = RegistryEntry::new(environment_state(id, 0), SECRET.producer(), vec![kernel]);
            registry.insert(EnvironmentId(id), entry).map_err(BenchError::blocks)?;
        }
        Ok(Self { kernel, wrapper, key, registry })
    }

    /// The first block of each environment.
    fn blocks(
        &self,
        cache: &CircuitCache,
        messages: &[BlockMessages],
    ) -> Result<Vec<CheckedBlock>, BenchError> {
        let kernel = self.kernel.circuit(cache).map_err(BenchError::blocks)?;
        let prove = |messages: &BlockMessages| {
            let id = messages.environment;
            let statement = BlockStatement {
                environment: id.to_field(),
                first_height: F::ONE,
                last_height: F::ONE,
                previous_state: environment_state(id.0, 0),
                new_state: environment_state(id.0, 1),
                outbox: messages.outbox_digest(),
                inbox: messages.inbox_digest(),
                body: Digest::ZERO,
                producer: SECRET.commitment(),
            };
            let proof = kernel.prove(&statement).map_err(BenchError::blocks)?;
            let candidate = Candidate {
                statement,
                header: BlockHeader { environment: id, first_height: 1, last_height: 1 },
                key: key_digest(&self.key),
                messages: messages.clone(),
                file: [0; 32],
            };
            Ok(CheckedBlock {
                path: format!("block of environment {id}").into(),
                candidate,
                proof: self.wrapper.prove(cache, &proof).map_err(BenchError::blocks)?,
                key: self.key.clone(),
            })
        };
        messages.iter().map(prove).collect()
    }

    /// Makes the superblock of all of `blocks`.
    fn superblock(&self, engine: &Engine, blocks: &[CheckedBlock]) -> Result<Stopwatch, BenchError> {
        let candidates: Vec<_> = blocks.iter().map(|block| block.candidate.clone()).collect();
        let (genesis, root) = (SuperblockState::genesis(CHAIN_ID), engine.pinned().key_set().root());
        let selection = Planner::default().select(&genesis, &self.registry, &candidates, None);
        let selection = selection.map_err(BenchError::blocks)?;
        let plan = Planner::default().plan(&genesis, &self.registry, root, selection)?;
        if plan.order.len() != blocks.len() {
            return Err(BenchError::blocks(format!("left out: {:?}", plan.left_out)));
        }
        let (stopwatch, stop) = (Stopwatch::default(), AtomicBool::new(false));
        let prover = Prover { engine, store: None, shared: None, progress: &stopwatch, jobs: 1, stop: &stop };
        prover.run(&plan, blocks, None)?;
        Ok(stopwatch)
    }
}

/// The state of an environment at a height; any digest would do.
pub(crate) fn environment_state(id: u16, height: u16) -> Digest {
    Digest([F::from_canonical_u16(id), F::from_canonical_u16(height), F::ZERO, F::ONE])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_a_full_segment_take_each_of_its_steps() {
        for steps in [MESSAGE_CAPACITY.steps, 1, 2, 173] {
            let blocks = full_segment(steps).expect("messages");
            assert_eq!(blocks.iter().map(BlockMessages::steps).sum::<usize>(), steps);
            assert!(
                blocks[1].inbox.iter().zip(&blocks[0].outbox).all(|((claimed, _), sent)| claimed == sent)
            );
        }
    }
}

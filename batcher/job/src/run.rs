//! A whole run: from a scenario's transactions to verified superblocks. A run that was stopped at any point goes on from
//! what it finds in its output directory.
//!
//! ```text
//! for each superblock
//!   execution   transactions --> blocks of every environment; messages between them
//!   prove       blocks --> block bundles
//!   batch       block bundles --> superblock bundle, new state
//! verify        all superblock bundles, against the trust file
//! ```
//!
//! Blocks are executed again in each run, which is cheap and tells whether the directory is of the same scenario; proofs
//! of blocks, and of their parts, are made only if they are not there yet.

mod error;
mod execution;
mod report;

use std::{
    error::Error,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use batcher_circuits::{engine::Engine, state::SuperblockState};
use batcher_verify::{
    circuit::SuperblockCircuit,
    trust::{Checkpoint, RegistryFrom, Trust, TrustError},
    verify,
};
use circuits_core::recursion::key_digest;
use circuits_files::file::{self, BUNDLE_LIMIT, FileError, FileKind, SMALL_LIMIT};
use circuits_protocol::{registry::Registry, statement::BlockStatement, wrap::block_shape};
use circuits_tasks::{
    coordinator::{Coordinator, GraphRunError, Pace},
    in_process::InProcess,
    progress::Progress,
    shared::{Shared, priority},
    store::{self as tasks, Object},
};
use environments_core::{BlockBundle, DynEnvironment, ProducerError, ProveError, kind::Kind};
use environments_l1::{Deposit, block::MAX_DEPOSITS, circuits::KERNELS};

use self::execution::{ExecutedBlock, Execution};
pub use self::{
    error::RunError,
    report::{FailedTransaction, RejectedTransaction, RunReport},
};
use crate::{
    batch::{Batcher, Outcome},
    delivery::L1Effects,
    graph::TASK_BYTES,
    lifecycle::lifecycles,
    output::{OutputDirectory, create_directory},
    payouts::L1Summary,
    planner::Planner,
    scenario::{self, Participant, Scenario, chain_of},
    states::States,
    store::{Store, StoreError},
};

/// Runs scenarios.
pub struct Runner<'a> {
    pub engine: &'a Engine,
    /// The state models that scenarios may name.
    pub kinds: &'a [&'a dyn Kind],
    /// Receives progress events.
    pub progress: &'a dyn Progress,
    /// Shares the tasks of blocks and superblocks with workers.
    pub shared: Option<Shared<'a>>,
    /// Plans superblocks anew for which the shared store has a plan already.
    pub replan: bool,
    /// The most proofs that are made at the same time.
    pub jobs: usize,
    /// Set by the caller to stop before the next proof.
    pub stop: &'a AtomicBool,
}

impl Runner<'_> {
    /// Runs `scenario` into the output directory `out`. A run that was stopped goes on from what it finds there.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&self, scenario: &Scenario, out: &Path) -> Result<RunReport, RunError> {
        let output = OutputDirectory::new(out);
        // Whoever has the states has the whole output directory.
        let mut states = States::open(&output.state(), Some(scenario.chain_id))?;
        create_directory(&output.superblocks()).map_err(StoreError::from)?;

        let participants = scenario.participants(self.kinds)?;
        let queue = scenario.queue()?;
        self.progress.note("building the environments' kernels");
        let registry = scenario::registry(self.engine.cache(), scenario.chain_id, &participants)?;
        let trust = self.prepare(scenario, &output, &registry)?;

        let mut execution = Execution::new(self.engine.cache(), participants);
        let mut superblocks = vec![];
        for number in 1..=scenario.superblocks {
            let executed = execution.execute_blocks(number)?;
            if states.latest().number < number {
                let share = scenario.deposits_per_superblock.unwrap_or(MAX_DEPOSITS);
                let waiting = queue.pending(states.latest().l1.queue)?;
                let deposits = &waiting[..share.min(waiting.len())];
                self.prove_blocks(execution.participants(), number, &executed, &output)?;
                if !self.batch(number, executed.len(), deposits, &output, &mut states, &registry)? {
                    break;
                }
            }
            superblocks.push(output.superblock_file(number));
            let effects = L1Effects::of(number, &states.latest().bridge);
            states.check_reads()?;
            execution.pass_l1(&effects);
        }
        if superblocks.is_empty() {
            let (transactions, _) = execution.finish()?;
            return Err(RunError::NoBlock { rejected: transactions.rejected });
        }
        let state = states.latest();
        check_same_blocks(execution.participants(), state, &output)?;
        let verified = verify::verify(superblocks.clone(), Some(&trust), self.engine.pinned())?
            .check_deposits(|length| queue.digest_of(length))?;
        let (messages, l1) = (lifecycles(&state.bridge), L1Summary::of_verified(&verified.superblocks)?);
        states.check_reads()?;
        let (transactions, undeliverable) = execution.finish()?;
        Ok(RunReport {
            blocks: verified.superblocks.iter().map(|one| one.blocks).sum(),
            transactions: transactions.included,
            rejected: transactions.rejected,
            failed: transactions.failed,
            undeliverable,
            messages,
            l1,
            verified,
            superblocks,
            registry: output.registry_file(),
            trust: output.trust_file(),
        })
    }

    /// Writes registry and trust file, or checks that an earlier run wrote the same.
    fn prepare(
        &self,
        scenario: &Scenario,
        output: &OutputDirectory,
        registry: &Registry,
    ) -> Result<Trust, RunError> {
        let genesis = SuperblockState::genesis(scenario.chain_id);
        let keys = self.engine.pinned();
        let trust = Trust {
            chain_id: scenario.chain_id,
            keys: SuperblockCircuit::all()
                .filter_map(|source| keys.superblock(source))
                .map(key_digest)
                .collect(),
            start: Checkpoint { number: 0, state: genesis.commitment() },
            l1_queue: None,
            registry: vec![RegistryFrom { from: 1, root: registry.root() }],
            older_keys: vec![],
        };
        match file::create(FileKind::Registry, &output.registry_file(), registry, SMALL_LIMIT) {
            Err(FileError::Exists { .. }) => return Err(other_run(output, "its registry differs")),
            written => written?,
        }
        match trust.write(&output.trust_file()) {
            Err(TrustError::File(FileError::Exists { .. })) => {
                return Err(other_run(output, "its trust file differs"));
            }
            written => written?,
        }
        Ok(trust)
    }

    /// Proves blocks of superblock `number` whose bundles are not there yet.
    fn prove_blocks(
        &self,
        participants: &[Participant],
        number: u32,
        blocks: &[ExecutedBlock],
        output: &OutputDirectory,
    ) -> Result<(), RunError> {
        create_directory(&output.blocks(number)).map_err(StoreError::from)?;
        let store = Store::open(output)?;
        self.progress.begin(blocks.len());
        for block in blocks {
            if self.stop.load(Ordering::Relaxed) {
                return Err(RunError::Stopped);
            }
            let producer = &participants[block.participant].producer;
            let environment = producer.id();
            let path = output.block_file(number, environment, block.height);
            let name = format!("block {} of environment {environment}", block.height);
            self.progress.start(&name);
            match proven_block(&path) {
                Some(found) if found == block.statement => {
                    self.progress.done(&name, true);
                    continue;
                }
                Some(_) => return Err(other_run(output, &format!("its {name} differs"))),
                // What is no proven block is made again.
                None => {}
            }
            self.prove_block(producer.as_ref(), (number, block.height), &path, &store)?;
            self.progress.done(&name, false);
        }
        Ok(())
    }

    /// Proves the block at `height`, for superblock `number`, and writes its bundle to `path`. Until then its finished parts are in the store, so that a run that was
    /// stopped goes on from them.
    fn prove_block(
        &self,
        producer: &dyn DynEnvironment,
        (number, height): (u32, u32),
        path: &Path,
        store: &Store,
    ) -> Result<(), RunError> {
        let failed = |error: &dyn Error| RunError::Producer {
            environment: producer.id().get(),
            reason: chain_of(error),
        };
        let graph = producer.graph(self.engine.cache(), height).map_err(|error| failed(&error))?;
        let proofs: &dyn tasks::Store = match self.shared {
            Some(shared) => shared.store,
            None => store.proofs(),
        };
        let jobs = self.jobs.max(1);
        let coordinator = Coordinator {
            catalogue: graph.catalogue(),
            store: proofs,
            here: &InProcess::new(jobs, jobs as u64 * TASK_BYTES),
            queue: self.shared.map(|shared| shared.queue),
            // A block without parts leaves nothing to a queue.
            worker: self.shared.and_then(|shared| shared.worker).filter(|_| graph.graph().len() > 1),
            patience: None,
            priority: priority(number),
            pace: Pace::default(),
            progress: &OfBlocks(self.progress),
            stop: self.stop,
        };
        let block = match graph.prove_with(&coordinator) {
            Ok(block) => block,
            Err(ProveError::Run(error)) if matches!(*error, GraphRunError::Stopped) => {
                return Err(RunError::Stopped);
            }
            Err(source) => return Err(failed(&ProducerError::Prove { height, source })),
        };
        file::write_atomic(path, &BlockBundle::new(&block).encode()?)?;
        for (id, _) in graph.graph().tasks() {
            // What stays takes space and does no harm.
            let _ = proofs.remove(&Object::Proof(id));
        }
        Ok(())
    }

    /// Makes superblock `number` of all its blocks, `expected` of them beside that of environment 0, and of all `deposits`.
    /// Returns whether there is anything to make it of.
    fn batch(
        &self,
        number: u32,
        expected: usize,
        deposits: &[Deposit],
        output: &OutputDirectory,
        states: &mut States,
        registry: &Registry,
    ) -> Result<bool, RunError> {
        self.progress.note(&format!("superblock {number}: {expected} blocks of producers"));
        let batcher = Batcher {
            engine: self.engine,
            output,
            trust: None,
            l1: &KERNELS,
            progress: self.progress,
            planner: Planner::default(),
            shared: self.shared,
            replan: self.replan,
            jobs: self.jobs,
            stop: self.stop,
        };
        let (blocks, superblocks) = (output.blocks(number), output.superblocks());
        let outcome = batcher.run(&blocks, deposits, states, registry, &superblocks)?;
        check_complete(number, expected, &outcome)?;
        Ok(outcome.made.is_some())
    }
}

/// Progress over blocks as wholes: their parts are not counted.
struct OfBlocks<'a>(&'a dyn Progress);

impl Progress for OfBlocks<'_> {
    fn begin(&self, _: usize) {}
    fn start(&self, _: &str) {}
    fn done(&self, _: &str, _: bool) {}

    fn note(&self, message: &str) {
        self.0.note(message);
    }
}

/// Checks that a superblock has every block of a producer and every deposit.
fn check_complete(number: u32, expected: usize, outcome: &Outcome) -> Result<(), RunError> {
    let included = outcome.made.as_ref().map_or(0, |made| made.included.len());
    if included == expected && outcome.l1_waits.is_none() {
        return Ok(());
    }
    let refused = outcome.refused.iter().map(|one| format!("{}: {}", one.path.display(), one.reason));
    let left_out = outcome.left_out.iter().map(|(path, reason)| format!("{}: {reason}", path.display()));
    let l1_waits = outcome.l1_waits.iter().map(ToString::to_string);
    let waiting =
        outcome.waiting.iter().map(|path| format!("{}: it waits for the next call", path.display()));
    let reasons: Vec<_> = refused.chain(left_out).chain(l1_waits).chain(waiting).collect();
    Err(RunError::Incomplete {
        number,
        reason: format!("{included} of {expected} blocks of producers were batched; {}", reasons.join("; ")),
    })
}

/// Checks that the superblocks end where this scenario's blocks end: an earlier run in the same directory may
/// have had other transactions.
fn check_same_blocks(
    participants: &[Participant],
    state: &SuperblockState,
    output: &OutputDirectory,
) -> Result<(), RunError> {
    for Participant { producer, .. } in participants {
        let id = producer.id();
        let head = state.environments.get(id);
        let reached = head.map_or((0, producer.genesis_commitment()), |head| (head.height, head.state));
        if reached != (producer.height(), producer.commitment()) {
            let reason = format!(
                "environment {id} is at height {} with another state than the scenario's height {}",
                reached.0,
                producer.height()
            );
            return Err(other_run(output, &reason));
        }
    }
    Ok(())
}

/// The error for a directory that holds the run of another scenario.
fn other_run(output: &OutputDirectory, reason: &str) -> RunError {
    RunError::OtherRun { path: output.root().to_owned(), reason: reason.to_owned() }
}

/// What the file at `path` proves of a block, if it is a valid bundle that an earlier run left.
fn proven_block(path: &Path) -> Option<BlockStatement> {
    let bytes = file::read_bytes(FileKind::BlockBundle, path, BUNDLE_LIMIT).ok()?;
    let bundle = BlockBundle::decode(&bytes).ok()?;
    bundle.open(&block_shape().common).ok()?;
    Some(bundle.statement)
}

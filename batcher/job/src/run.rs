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
//! are made only if they are not there yet.

mod error;
mod execution;
mod report;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use batcher_circuits::{engine::Engine, state::SuperblockState};
use batcher_verify::{
    circuit::SuperblockCircuit,
    trust::{Checkpoint, RegistryFrom, Trust},
    verify,
};
use bridge_core::Message;
use circuits_core::recursion::key_digest;
use circuits_files::file::{self, BUNDLE_LIMIT, FileKind, SMALL_LIMIT};
use circuits_protocol::{registry::Registry, statement::BlockStatement, wrap::block_shape};
use environments_core::{BlockBundle, ProducerError, kind::Kind};

pub use self::{
    error::RunError,
    report::{FailedTransaction, RejectedTransaction, RunReport},
};
use self::{
    execution::{ExecutedBlock, Execution},
    report::message_lives,
};
use crate::{
    batch::{Batcher, Outcome},
    output::{OutputDirectory, create_directory},
    planner::{MAX_DEPOSITS, Planner},
    prove::Progress,
    scenario::{self, Participant, Scenario, chain_of},
    state,
    store::{Store, StoreError},
};

/// Runs scenarios.
pub struct Runner<'a> {
    pub engine: &'a Engine,
    /// The state models that scenarios may name.
    pub kinds: &'a [&'a dyn Kind],
    /// Receives progress events.
    pub progress: &'a dyn Progress,
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
        let store = Store::open(&output)?;
        let _lock = store.lock()?;
        for directory in [output.state(), output.superblocks()] {
            create_directory(&directory).map_err(StoreError::from)?;
        }

        let participants = scenario.participants(self.kinds)?;
        let queue = scenario.queue()?;
        let mut deposits = queue.deposits();
        self.progress.note("building the environments' kernels");
        let registry = scenario::registry(self.engine.cache(), &participants)?;
        let trust = self.prepare(scenario, &output, &registry)?;

        let mut execution = Execution::new(self.engine.cache(), participants);
        let (mut blocks, mut superblocks) = (0, vec![]);
        for number in 1..=scenario.superblocks {
            let share = scenario.deposits_per_superblock.unwrap_or(MAX_DEPOSITS).min(MAX_DEPOSITS);
            let (taken, rest) = deposits.split_at(share.min(deposits.len()));
            deposits = rest;
            let executed = execution.execute_blocks(number, taken)?;
            if executed.is_empty() {
                break;
            }
            blocks += executed.len();
            superblocks.push(output.superblock_file(number));
            if state::read(&output.state_file())?.number >= number {
                continue;
            }
            self.prove_blocks(execution.participants(), number, &executed, &output)?;
            self.batch(number, executed.len(), taken, &store, &registry)?;
        }
        if superblocks.is_empty() {
            let (transactions, _) = execution.finish();
            return Err(RunError::NoBlock { rejected: transactions.rejected });
        }
        let state = state::read(&output.state_file())?;
        check_same_blocks(execution.participants(), &state, &output)?;
        let verified = verify::verify(superblocks.clone(), Some(&trust), self.engine.pinned())?
            .check_deposits(queue.deposits())?;
        let messages = message_lives(&state.bridge, &superblocks)?;
        let (transactions, undeliverable) = execution.finish();
        Ok(RunReport {
            blocks,
            transactions: transactions.included,
            rejected: transactions.rejected,
            failed: transactions.failed,
            undeliverable,
            messages,
            verified,
            superblocks,
            trust: output.trust_file(),
        })
    }

    /// Writes registry, genesis and trust file, or checks that an earlier run wrote the same.
    fn prepare(
        &self,
        scenario: &Scenario,
        output: &OutputDirectory,
        registry: &Registry,
    ) -> Result<Trust, RunError> {
        let other =
            |reason: &str| RunError::OtherRun { path: output.root().to_owned(), reason: reason.to_owned() };
        let state_file = output.state_file();
        let genesis = SuperblockState::genesis(scenario.chain_id);
        let keys = self.engine.pinned();
        let trust = Trust {
            chain_id: scenario.chain_id,
            keys: SuperblockCircuit::all()
                .filter_map(|source| keys.superblock(source))
                .map(key_digest)
                .collect(),
            start: Checkpoint { number: 0, state: genesis.commitment() },
            l1_inbox: None,
            registry: vec![RegistryFrom { from: 1, root: registry.root() }],
            older_keys: vec![],
        };
        if state_file.exists() {
            if state::read(&state_file)?.chain_id != scenario.chain_id {
                return Err(other("its chain id differs"));
            }
            let found: Registry = file::read(FileKind::Registry, &output.registry_file(), SMALL_LIMIT)?;
            if found.root() != registry.root() {
                return Err(other("its registry differs"));
            }
        } else {
            file::write(FileKind::Registry, &output.registry_file(), registry, SMALL_LIMIT)?;
            state::write(&state_file, &genesis)?;
        }
        trust.write(&output.trust_file())?;
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
            if holds_block(&path, &block.statement) {
                self.progress.done(&name, true);
                continue;
            }
            let proved = producer.prove(self.engine.cache(), block.height);
            let bundle = proved.map_err(|error: ProducerError| RunError::Producer {
                environment: environment.get(),
                reason: chain_of(&error),
            })?;
            file::write_atomic(&path, &bundle.encode()?)?;
            self.progress.done(&name, false);
        }
        Ok(())
    }

    /// Makes superblock `number` of all its blocks, `expected` of them, and of all `deposits`.
    fn batch(
        &self,
        number: u32,
        expected: usize,
        deposits: &[Message],
        store: &Store,
        registry: &Registry,
    ) -> Result<(), RunError> {
        self.progress.note(&format!("superblock {number}: {expected} blocks"));
        let batcher = Batcher {
            engine: self.engine,
            store,
            progress: self.progress,
            planner: Planner::default(),
            jobs: self.jobs,
            stop: self.stop,
        };
        let output = store.output();
        let (blocks, superblocks) = (output.blocks(number), output.superblocks());
        let outcome = batcher.run(&blocks, deposits, &output.state_file(), registry, &superblocks)?;
        check_complete(number, expected, &outcome)
    }
}

/// Checks that a superblock has every block and every deposit.
fn check_complete(number: u32, expected: usize, outcome: &Outcome) -> Result<(), RunError> {
    let included = outcome.made.as_ref().map_or(0, |made| made.included.len());
    if included == expected && outcome.stuck.is_none() {
        return Ok(());
    }
    let refused = outcome.refused.iter().map(|one| format!("{}: {}", one.path.display(), one.reason));
    let left_out = outcome.left_out.iter().map(|(path, reason)| format!("{}: {reason}", path.display()));
    let stuck = outcome.stuck.iter().map(|(index, reason)| format!("deposit {}: {reason}", index + 1));
    let reasons: Vec<_> = refused.chain(left_out).chain(stuck).collect();
    Err(RunError::Incomplete {
        number,
        reason: format!("{included} of {expected} blocks were batched; {}", reasons.join("; ")),
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
        let head = state.environments.get(&id);
        let reached = head.map_or((0, producer.genesis_commitment()), |head| (head.height, head.state));
        if reached != (producer.height(), producer.commitment()) {
            return Err(RunError::OtherRun {
                path: output.root().to_owned(),
                reason: format!(
                    "environment {id} is at height {} with another state than the scenario's height {}",
                    reached.0,
                    producer.height()
                ),
            });
        }
    }
    Ok(())
}

/// Whether the file at `path` is a valid proof of this block, which an earlier run left.
fn holds_block(path: &Path, statement: &BlockStatement) -> bool {
    path.exists()
        && file::read_bytes(FileKind::BlockBundle, path, BUNDLE_LIMIT).is_ok_and(|bytes| {
            BlockBundle::decode(&bytes).is_ok_and(|bundle| {
                bundle.statement == *statement && bundle.open(&block_shape().common).is_ok()
            })
        })
}

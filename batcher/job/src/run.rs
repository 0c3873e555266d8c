//! The whole job: from a scenario's transactions to verified superblocks, resumable at any point.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use batcher_circuits::{engine::Engine, state::SuperblockState};
use batcher_verify::{
    bundle::{SUPERBLOCK_LIMIT, SuperblockBundle},
    circuit::SuperblockCircuit,
    trust::{Checkpoint, RegistryFrom, Trust, TrustError},
    verify::{self, Report, VerifyError},
};
use bridge_core::Message;
use circuits_core::recursion::key_digest;
use circuits_files::file::{self, BUNDLE_LIMIT, FileError, Kind, SMALL_LIMIT};
use circuits_keys::CircuitCache;
use circuits_protocol::{registry::Registry, statement::BlockStatement, wrap::block_shape};
use environments_core::{BlockBundle, ProducerError, bundle::BundleError};
use thiserror::Error;

use crate::{
    batch::{BatchError, Batcher, bundle_name},
    delivery::{Deliveries, Undeliverable},
    lifecycle::{Lifecycle, lifecycles},
    planner::{MAX_DEPOSITS, Planner},
    prove::Progress,
    queue::QueueError,
    scenario::{self, Participant, Scenario, ScenarioError, chain_of},
    state::{self, StateError},
    store::{Store, StoreError},
};

/// Runs scenarios.
pub struct Runner<'a> {
    /// The circuits.
    pub engine: &'a Engine,
    /// Who is told.
    pub progress: &'a dyn Progress,
    /// Proofs made at the same time.
    pub jobs: usize,
    /// Set from outside to stop before the next proof.
    pub stop: &'a AtomicBool,
}

/// Where a run's files are.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Block bundles of one superblock.
    #[must_use]
    pub fn blocks(&self, number: u32) -> PathBuf {
        self.root.join("blocks").join(format!("{number:06}"))
    }

    /// The superblock state's directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Superblock bundles.
    #[must_use]
    pub fn superblocks(&self) -> PathBuf {
        self.root.join("superblocks")
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> PathBuf {
        self.root.join("registry.superblock")
    }

    /// The trust file.
    #[must_use]
    pub fn trust(&self) -> PathBuf {
        self.root.join("trust.toml")
    }
}

/// A refused transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedTransaction {
    /// The environment.
    pub environment: u16,
    /// The file's line, if it was not even a transaction.
    pub line: Option<usize>,
    /// Why.
    pub reason: String,
}

/// A transaction that is in a block and did not do what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTransaction {
    /// The environment.
    pub environment: u16,
    /// The block's height.
    pub height: u32,
    /// The transaction's position in the block, from 0.
    pub position: usize,
    /// Why.
    pub reason: String,
}

/// What became of the transactions of a run.
#[derive(Debug, Default)]
struct Tally {
    transactions: usize,
    rejected: Vec<RejectedTransaction>,
    failed: Vec<FailedTransaction>,
    undeliverable: Vec<Undeliverable>,
}

/// What a run did.
#[derive(Debug)]
pub struct RunReport {
    /// Blocks in the superblocks.
    pub blocks: usize,
    /// Transactions in those blocks.
    pub transactions: usize,
    /// Transactions that were refused.
    pub rejected: Vec<RejectedTransaction>,
    /// Transactions that are in the blocks and did not do what they ask for.
    pub failed: Vec<FailedTransaction>,
    /// Messages that an environment did not take in.
    pub undeliverable: Vec<Undeliverable>,
    /// The messages, and what became of them.
    pub messages: Vec<Lifecycle>,
    /// The superblocks, verified from their files against the trust file.
    pub verified: Report,
    /// The superblock bundles.
    pub superblocks: Vec<PathBuf>,
    /// The trust file.
    pub trust: PathBuf,
}

/// Why a run ends without an answer.
#[derive(Debug, Error)]
pub enum RunError {
    /// The scenario is refused.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// L1's queue is refused.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A block cannot be made or proved.
    #[error("environment {environment}: {reason}")]
    Producer {
        /// The environment.
        environment: u16,
        /// Why.
        reason: String,
    },
    /// A block's bundle cannot be encoded.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A superblock was not made.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The trust file cannot be written.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The superblocks just made are not accepted.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The directory holds another run.
    #[error("{path}: the directory holds the run of another scenario: {reason}", path = .path.display())]
    OtherRun {
        /// The directory.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// Not every block of a superblock was taken, although a run makes only good ones.
    #[error("superblock {number}: {reason}")]
    Incomplete {
        /// The superblock.
        number: u32,
        /// What was left out.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("stopped; finished proofs are kept and the same command goes on from them")]
    Stopped,
}

/// What a superblock of a run is made of.
struct Content<'a> {
    directory: &'a Path,
    blocks: usize,
    deposits: &'a [Message],
}

/// A block that was executed for a superblock.
struct Proposed {
    participant: usize,
    height: u32,
    statement: BlockStatement,
}

impl Runner<'_> {
    /// Runs `scenario` into `out`. A run that was stopped goes on from what it finds there.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&self, scenario: &Scenario, out: &Path) -> Result<RunReport, RunError> {
        let layout = Layout::new(out);
        let store = Store::open(out)?;
        let _lock = store.lock()?;
        let make = |path: PathBuf| {
            fs::create_dir_all(&path).map_err(|source| StoreError::Directory {
                path,
                action: "create it",
                source,
            })
        };
        make(layout.state())?;
        make(layout.superblocks())?;

        let mut participants = scenario.participants()?;
        let queue = scenario.queue()?;
        let mut deposits = queue.deposits();
        let mut deliveries = Deliveries::default();
        self.progress.note("building the environments' kernels");
        let registry = scenario::registry(self.engine.cache(), &participants)?;
        let state_path = state::state_path(&layout.state());
        let trust = self.prepare(scenario, &layout, &registry, &state_path)?;

        let (mut blocks, mut tally, mut superblocks) = (0, Tally::default(), vec![]);
        for number in 1..=scenario.superblocks {
            let share = scenario
                .deposits_per_superblock
                .unwrap_or(MAX_DEPOSITS)
                .min(MAX_DEPOSITS)
                .min(deposits.len());
            let (taken, rest) = deposits.split_at(share);
            deposits = rest;
            tally.undeliverable.extend(deliveries.open(number, taken, &mut participants));
            let proposed =
                propose(self.engine.cache(), number, &mut participants, &mut deliveries, &mut tally)?;
            if proposed.is_empty() {
                break;
            }
            blocks += proposed.len();
            superblocks.push(layout.superblocks().join(bundle_name(number)));
            if state::read(&state_path)?.number >= number {
                continue;
            }
            let directory = layout.blocks(number);
            make(directory.clone())?;
            self.prove_blocks(&participants, &proposed, &directory)?;
            let content = Content { directory: &directory, blocks: proposed.len(), deposits: taken };
            self.batch(number, &content, &layout, &store, &registry)?;
        }
        let state = state::read(&state_path)?;
        check_same_blocks(&participants, &state, &layout)?;
        let verified = verify::verify(superblocks.clone(), Some(&trust), self.engine.pinned())?;
        let messages = messages(&state, &superblocks)?;
        let Tally { transactions, rejected, failed, undeliverable } = tally;
        Ok(RunReport {
            blocks,
            transactions,
            rejected,
            failed,
            undeliverable,
            messages,
            verified,
            superblocks,
            trust: layout.trust(),
        })
    }

    /// Writes registry, genesis and trust file, or checks that an earlier run wrote the same.
    fn prepare(
        &self,
        scenario: &Scenario,
        layout: &Layout,
        registry: &Registry,
        state_path: &Path,
    ) -> Result<Trust, RunError> {
        let other = |path: PathBuf, reason: &str| RunError::OtherRun { path, reason: reason.to_owned() };
        let genesis = SuperblockState::genesis(scenario.chain_id);
        let keys = self.engine.pinned();
        let trust = Trust {
            chain_id: scenario.chain_id,
            keys: SuperblockCircuit::all()
                .filter_map(|source| keys.superblock(source))
                .map(key_digest)
                .collect(),
            start: Checkpoint { number: 0, state: genesis.commitment() },
            registry: vec![RegistryFrom { from: 1, root: registry.root() }],
        };
        if state_path.exists() {
            if state::read(state_path)?.chain_id != scenario.chain_id {
                return Err(other(layout.root.clone(), "its chain id differs"));
            }
            let found: Registry = file::read(Kind::Registry, &layout.registry(), SMALL_LIMIT)?;
            if found.root() != registry.root() {
                return Err(other(layout.root.clone(), "its registry differs"));
            }
        } else {
            file::write(Kind::Registry, &layout.registry(), registry)?;
            state::write(state_path, &genesis)?;
        }
        trust.write(&layout.trust())?;
        Ok(trust)
    }

    /// Proves blocks whose bundles are not there yet.
    fn prove_blocks(
        &self,
        participants: &[Participant],
        proposed: &[Proposed],
        directory: &Path,
    ) -> Result<(), RunError> {
        self.progress.begin(proposed.len());
        for block in proposed {
            if self.stop.load(Ordering::Relaxed) {
                return Err(RunError::Stopped);
            }
            let producer = &participants[block.participant].producer;
            let id = producer.id().get();
            let path = directory.join(format!("environment-{id:05}-block-{:06}.block", block.height));
            let name = format!("block {} of environment {id}", block.height);
            self.progress.start(&name);
            if has_block(&path, &block.statement) {
                self.progress.done(&name, true);
                continue;
            }
            let proved = producer.prove(self.engine.cache(), block.height);
            let bundle = proved.map_err(|error: ProducerError| RunError::Producer {
                environment: id,
                reason: chain_of(&error),
            })?;
            file::write_atomic(&path, &bundle.encode()?)?;
            self.progress.done(&name, false);
        }
        Ok(())
    }

    fn batch(
        &self,
        number: u32,
        content: &Content<'_>,
        layout: &Layout,
        store: &Store,
        registry: &Registry,
    ) -> Result<(), RunError> {
        let &Content { directory, blocks: expected, deposits } = content;
        self.progress.note(&format!("superblock {number}: {expected} blocks"));
        let batcher = Batcher {
            engine: self.engine,
            store,
            progress: self.progress,
            planner: Planner::default(),
            jobs: self.jobs,
            stop: self.stop,
        };
        let state_path = state::state_path(&layout.state());
        let outcome = batcher.run(directory, deposits, &state_path, registry, &layout.superblocks())?;
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
}

/// Executes every environment's blocks for one superblock, one of each in turn, so that a message can go there
/// and back. An environment without transactions makes none.
fn propose(
    cache: &CircuitCache,
    number: u32,
    participants: &mut [Participant],
    deliveries: &mut Deliveries,
    tally: &mut Tally,
) -> Result<Vec<Proposed>, RunError> {
    let mut proposed = vec![];
    let rounds = participants.iter().map(|participant| participant.blocks_per_superblock).max().unwrap_or(0);
    for round in 0..rounds {
        for index in 0..participants.len() {
            let participant = &mut participants[index];
            if round >= participant.blocks_per_superblock {
                continue;
            }
            let environment = participant.producer.id().get();
            participant.producer.expect_superblock(number);
            let lines = participant.offer(cache);
            tally.rejected.extend(lines.into_iter().map(|line| RejectedTransaction {
                environment,
                line: Some(line.line),
                reason: line.reason,
            }));
            if participant.producer.pending() == 0 {
                continue;
            }
            let report = participant.producer.propose_block().map_err(|error: ProducerError| {
                RunError::Producer { environment, reason: chain_of(&error) }
            })?;
            tally.transactions += report.included.len();
            tally.rejected.extend(report.rejected.iter().map(|(_, reason)| RejectedTransaction {
                environment,
                line: None,
                reason: chain_of(reason.as_ref()),
            }));
            tally.failed.extend(report.failed.iter().map(|(position, reason)| FailedTransaction {
                environment,
                height: report.height,
                position: *position,
                reason: chain_of(reason.as_ref()),
            }));
            proposed.push(Proposed {
                participant: index,
                height: report.height,
                statement: report.statement,
            });
            tally.undeliverable.extend(deliveries.pass(number, &report, participants));
        }
    }
    Ok(proposed)
}

/// The lives of all messages of the run.
fn messages(state: &SuperblockState, superblocks: &[PathBuf]) -> Result<Vec<Lifecycle>, RunError> {
    let mut bundles = vec![];
    for (number, path) in (1..).zip(superblocks) {
        let bytes = file::read_bytes(Kind::SuperblockBundle, path, SUPERBLOCK_LIMIT)?;
        let bundle = SuperblockBundle::decode(&bytes).map_err(BatchError::Bundle)?;
        bundles.push((number, bundle));
    }
    Ok(lifecycles(&state.bridge, bundles.iter().map(|(number, bundle)| (*number, bundle))))
}

/// Checks that the superblocks end where this scenario's blocks end: an earlier run in the same directory may
/// have had other transactions.
fn check_same_blocks(
    participants: &[Participant],
    state: &SuperblockState,
    layout: &Layout,
) -> Result<(), RunError> {
    for Participant { producer, .. } in participants {
        let id = producer.id();
        let row = state.environments.get(&id);
        let reached = row.map_or((0, producer.genesis_commitment()), |row| (row.height, row.state));
        if reached != (producer.height(), producer.commitment()) {
            return Err(RunError::OtherRun {
                path: layout.root.clone(),
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

/// Whether an earlier run left a valid proof of this block.
fn has_block(path: &Path, statement: &BlockStatement) -> bool {
    path.exists()
        && file::read_bytes(Kind::BlockBundle, path, BUNDLE_LIMIT).is_ok_and(|bytes| {
            BlockBundle::decode(&bytes).is_ok_and(|bundle| {
                bundle.statement == *statement && bundle.open(&block_shape().common).is_ok()
            })
        })
}

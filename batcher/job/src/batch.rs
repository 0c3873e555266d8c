//! Makes one superblock: from a directory of block bundles and a state to a superblock bundle and the next state.
//!
//! The bundle is written before the state moves, and neither replaces a file. A run that is interrupted between the two
//! leaves a bundle, which the next run adopts ([`crate::leftover`]), and finds wherever it is ([`crate::location`]).

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use batcher_circuits::{engine::Engine, state::SuperblockState, transition::Transition};
use batcher_verify::{
    bundle::{BundleError, SuperblockBundle},
    trust::Trust,
};
use circuits_core::{Digest, recursion::key_digest};
use circuits_files::file::{self, FileError};
use circuits_protocol::{registry::Registry, statement::SuperblockStatement};
use circuits_tasks::{progress::Progress, shared::Shared};
use environments_l1::Deposit;
use thiserror::Error;

use crate::{
    anchor::{self, Untrusted},
    intake::{CheckedBlock, Intake, IntakeError, MAX_VERIFIED, Reader, Refusal, Refused, Stale},
    l1::{self, L1ProveError, L1Prover},
    leftover::{self, Leftover, LeftoverError},
    output::{OutputDirectory, superblock_file},
    payouts::{L1Summary, MalformedPayouts, packed},
    planner::{L1Input, L1Waits, LeftOut, MAX_BLOCKS, Plan, Planner, Selection},
    plans::{PlanError, Planned, Waiting},
    prove::{ProveError, Prover},
    states::{States, StatesError},
    store::{Store, StoreError},
};

/// Makes superblocks.
pub struct Batcher<'a> {
    pub engine: &'a Engine,
    /// Where finished proofs and quarantine records are.
    pub output: &'a OutputDirectory,
    /// Nothing is made that this would refuse, deposits aside.
    pub trust: Option<&'a Trust>,
    /// Proves the blocks of environment 0.
    pub l1: &'a dyn L1Prover,
    /// Receives progress events.
    pub progress: &'a dyn Progress,
    /// Chooses blocks and trees of proofs.
    pub planner: Planner,
    /// Shares the tasks of superblocks with workers.
    pub shared: Option<Shared<'a>>,
    /// Plans superblocks anew for which the shared store has a plan already.
    pub replan: bool,
    /// The most proofs that are made at the same time.
    pub jobs: usize,
    /// Set by the caller to stop before the next proof.
    pub stop: &'a AtomicBool,
}

/// A superblock that was made.
#[derive(Debug)]
pub struct Made {
    pub statement: SuperblockStatement,
    /// The state that it leads to.
    pub state: SuperblockState,
    pub path: PathBuf,
    /// Whether an interrupted run had written the bundle.
    pub is_adopted: bool,
    /// The blocks in it that came as files, in order.
    pub included: Vec<PathBuf>,
    /// What its block of environment 0 did, if it has one.
    pub l1: Option<L1Summary>,
}

/// What became of the bundles and deposits.
#[derive(Debug)]
pub struct Outcome {
    /// The superblock, unless no block could be batched.
    pub made: Option<Made>,
    pub refused: Vec<Refused>,
    /// Why the refusals of some of them are not on record.
    pub unrecorded: Vec<StoreError>,
    /// Why some states that are too old to be kept are not removed.
    pub unremoved: Vec<FileError>,
    /// Valid blocks that are not in the superblock, with the reasons.
    pub left_out: Vec<(PathBuf, LeftOut)>,
    /// What is not done for L1.
    pub l1_waits: Option<L1Waits>,
    /// Bundles of blocks that earlier superblocks have.
    pub stale: Vec<Stale>,
    /// Further files with a block that is in another file.
    pub copies: Vec<PathBuf>,
    /// Bundles that wait for the next call, because this one verified as many of their environment as it may.
    pub waiting: Vec<PathBuf>,
}

/// Why no superblock was made, or none could be tried.
#[derive(Debug, Error)]
pub enum BatchError {
    /// The bundles cannot be read.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StatesError),
    /// The trust file would refuse the superblock.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// Another bundle of this number is there, or may be elsewhere.
    #[error(transparent)]
    Leftover(#[from] LeftoverError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The block of environment 0 was not proved.
    #[error("the block of environment 0: {0}")]
    L1Prove(#[from] L1ProveError),
    /// A proof was not made.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The output directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bundle cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bundle just made does not verify.
    #[error("the superblock just made is not accepted: {0}")]
    Bundle(#[from] BundleError),
    /// The bundle that is there pays what no block of environment 0 pays.
    #[error(transparent)]
    Payouts(#[from] MalformedPayouts),
}

impl Batcher<'_> {
    /// Makes the next superblock after the latest of `states` from the bundles in the directory `blocks` and a block of
    /// environment 0, if that has anything to do. `deposits` are what L1's queue has beyond those taken. Writes its bundle to the directory `superblocks`, which exists, then the
    /// new state; before both, it remembers the directory beside the states. A crash before the last write leaves the old
    /// state, from which the same run starts again with the proofs that were finished, or adopts the bundle.
    ///
    /// # Errors
    /// [`BatchError`]. A refused bundle is not an error: the outcome lists it.
    pub fn run(
        &self,
        blocks: &Path,
        deposits: &[Deposit],
        states: &mut States,
        registry: &Registry,
        superblocks: &Path,
    ) -> Result<Outcome, BatchError> {
        let outcome = self.run_unchecked(blocks, deposits, states, registry, superblocks);
        // An outcome may rest on what was taken for absent, and so may an error.
        states.check_reads()?;
        outcome
    }

    fn run_unchecked(
        &self,
        blocks: &Path,
        deposits: &[Deposit],
        states: &mut States,
        registry: &Registry,
        superblocks: &Path,
    ) -> Result<Outcome, BatchError> {
        let (state, registry_root) = (states.latest(), registry.root());
        if let Some(trust) = self.trust {
            anchor::check(trust, state, registry_root)?;
        }
        leftover::check_elsewhere(states, superblocks)?;
        let leftover = Leftover::find(superblocks, state, self.engine.pinned())?;
        let store = Store::open(self.output)?;
        let program = self.program();
        let refusal = |sha3: &[u8; 32]| store.refusal(sha3, &program);
        let reader = Reader {
            state,
            registry,
            wanted: &|_| true,
            refusal: &refusal,
            max_verified: max_verified(registry),
        };
        let Intake { blocks, refused, stale, copies, waiting } = reader.read(blocks)?;
        // The outcome lists the bundles in any case.
        let unrecorded = refused.iter().filter_map(|bundle| record(&store, bundle, &program).err()).collect();
        let candidates: Vec<_> = blocks.iter().map(|block| block.candidate.clone()).collect();
        let mut outcome = Outcome {
            made: None,
            refused,
            unrecorded,
            unremoved: vec![],
            left_out: vec![],
            l1_waits: None,
            stale,
            copies,
            waiting,
        };
        if let Some(leftover) = leftover {
            let order = leftover.check_input(registry_root, state, deposits, &candidates)?;
            let new_state = leftover.follow(state)?;
            self.check_key(leftover.bundle().key, new_state.number)?;
            states.check(&new_state)?;
            let (path, unremoved) = write(superblocks, leftover.bytes(), &new_state, states)?;
            outcome.unremoved = unremoved;
            outcome.made = Some(Made {
                statement: *leftover.statement(),
                state: new_state,
                path,
                is_adopted: true,
                included: order.iter().map(|&index| blocks[index].path.clone()).collect(),
                l1: L1Summary::of(leftover.bundle())?,
            });
            let others = blocks.iter().enumerate().filter(|(index, _)| !order.contains(index));
            outcome.left_out = others.map(|(_, block)| (block.path.clone(), LeftOut::MadeWithout)).collect();
            return Ok(outcome);
        }
        let key = |variant| self.l1.key_digest(self.engine.cache(), variant);
        let l1 = L1Input { state: l1::l1_state(state), deposits, key: &key };
        let (engine, planner, check) =
            (self.engine, &self.planner, &|next: &SuperblockState| states.check(next));
        let waiting = Waiting { engine, planner, state, check, registry, candidates: &candidates, l1 };
        let planned = match self.shared {
            Some(shared) => waiting.plan_in(shared.store, self.replan)?,
            None => waiting.plan()?,
        };
        let plan = match planned {
            Planned::Plan(plan) => *plan,
            Planned::Nothing(selection) => {
                let Selection { left_out, l1_waits, .. } = *selection;
                outcome.left_out = with_paths(left_out, &blocks);
                outcome.l1_waits = l1_waits;
                return Ok(outcome);
            }
        };
        let bundle = self.prove(&plan, &blocks, &store)?;

        let Plan { order, left_out, l1_waits, transition, .. } = plan;
        let Transition { statement, new_state, .. } = transition;
        let (path, unremoved) = write(superblocks, &bundle.encode()?, &new_state, states)?;
        outcome.unremoved = unremoved;
        outcome.l1_waits = l1_waits;
        outcome.made = Some(Made {
            statement,
            state: new_state,
            path,
            is_adopted: false,
            included: order.iter().map(|&index| blocks[index].path.clone()).collect(),
            l1: L1Summary::of(&bundle)?,
        });
        outcome.left_out = with_paths(left_out, &blocks);
        Ok(outcome)
    }

    /// Proves a plan over `blocks`, the block of environment 0 first, and returns the bundle.
    fn prove(
        &self,
        plan: &Plan,
        blocks: &[CheckedBlock],
        store: &Store,
    ) -> Result<SuperblockBundle, BatchError> {
        if let Some(key) = self.engine.pinned().superblock(plan.tree.source) {
            self.check_key(key_digest(key), plan.transition.new_state.number)?;
        }
        let prover = Prover {
            engine: self.engine,
            store: Some(store),
            shared: self.shared,
            progress: self.progress,
            jobs: self.jobs,
            stop: self.stop,
        };
        if self.stop.load(Ordering::Relaxed) {
            return Err(ProveError::Stopped.into());
        }
        let l1_block = plan
            .l1
            .as_ref()
            .map(|planned| l1::proven_block(planned, self.l1, self.engine.cache(), store, self.progress));
        let l1_block = l1_block.transpose()?;
        let finished = prover.run(plan, blocks, l1_block.as_ref())?;
        let payouts = plan.l1.as_ref().map_or(&[][..], |planned| &planned.block.witness().outcome.payouts);
        let bundle = plan.transition.bundle(&finished.proof, finished.key_digest());
        let bundle = bundle.with_payouts(packed(payouts));
        bundle.verify(self.engine.pinned())?;
        Ok(bundle)
    }

    /// Checks that the trust file, if there is one, lists the key of the superblock.
    fn check_key(&self, key: Digest, number: u32) -> Result<(), Untrusted> {
        self.trust.map_or(Ok(()), |trust| anchor::check_key(trust, key, number))
    }

    /// What decides whether the bytes of a bundle are a proven block: the code, and the circuits that verify blocks.
    fn program(&self) -> String {
        format!("{} {}", env!("CARGO_PKG_VERSION"), self.engine.pinned().key_set().root())
    }
}

/// Remembers the directory `superblocks`, writes a superblock's bundle to it, then makes `state` the latest one. Returns the
/// bundle's path, and why some states that are too old to be kept are not removed.
fn write(
    superblocks: &Path,
    bundle: &[u8],
    state: &SuperblockState,
    states: &mut States,
) -> Result<(PathBuf, Vec<FileError>), BatchError> {
    let path = superblock_file(superblocks, state.number);
    states.set_location(superblocks)?;
    // A bundle that is adopted was perhaps not durable yet.
    file::write_new(&path, bundle)?;
    Ok((path, states.advance(state.clone())?))
}

/// The most bundles whose proofs are verified: every environment's share is a whole superblock at least.
fn max_verified(registry: &Registry) -> usize {
    MAX_VERIFIED.max(MAX_BLOCKS * registry.entries().count())
}

/// Records a refusal, unless it is on record already.
fn record(store: &Store, bundle: &Refused, program: &str) -> Result<(), StoreError> {
    let Some(sha3) = bundle.sha3.filter(|_| !matches!(bundle.reason, Refusal::Recorded { .. })) else {
        return Ok(());
    };
    let name = bundle.path.file_name().unwrap_or_default().to_string_lossy();
    let program = bundle.reason.is_final().then_some(program);
    store.quarantine(&sha3, &name, &bundle.reason.to_string(), program)
}

fn with_paths(left_out: Vec<(usize, LeftOut)>, blocks: &[CheckedBlock]) -> Vec<(PathBuf, LeftOut)> {
    left_out.into_iter().map(|(index, reason)| (blocks[index].path.clone(), reason)).collect()
}

#[cfg(test)]
mod tests {
    use batcher_circuits::testing::free_registry;

    use super::*;

    #[test]
    fn every_environment_has_a_whole_superblock_verified_however_many_there_are() {
        for count in [1, 8, 9, 40] {
            let registry = free_registry(count);
            let state = SuperblockState::genesis(1);
            let max_verified = max_verified(&registry);
            let reader = Reader {
                state: &state,
                registry: &registry,
                wanted: &|_| true,
                refusal: &|_| None,
                max_verified,
            };
            assert!(reader.share() >= MAX_BLOCKS, "{} of {count} environments", reader.share());
            assert!(max_verified >= MAX_VERIFIED);
        }
    }
}

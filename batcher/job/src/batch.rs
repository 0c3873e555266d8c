//! Makes one superblock: from a directory of block bundles and a state to a superblock bundle and the next state.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use batcher_circuits::{
    engine::Engine,
    state::SuperblockState,
    transition::{Transition, TransitionError},
};
use batcher_verify::bundle::BundleError;
use bridge_core::{BridgeError, Consumption, Message};
use circuits_files::file::{self, FileError};
use circuits_protocol::{registry::Registry, statement::SuperblockStatement};
use thiserror::Error;

use crate::{
    intake::{self, Intake, IntakeError, Refused, Stale},
    output::superblock_file,
    planner::{LeftOut, Planner, Selection},
    prove::{Progress, ProveError, Prover},
    state::{self, StateError},
    store::{Store, StoreError},
};

/// Makes superblocks.
pub struct Batcher<'a> {
    pub engine: &'a Engine,
    /// Finished proofs and quarantine records.
    pub store: &'a Store,
    /// Receives progress events.
    pub progress: &'a dyn Progress,
    /// Chooses blocks and trees of proofs.
    pub planner: Planner,
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
    /// The blocks in it, in order.
    pub included: Vec<PathBuf>,
    /// Deposits that it takes from L1's queue, in order.
    pub deposits: Vec<Message>,
    /// What L1 must pay or give back, in the order of the L1 outbox.
    pub l1_outbox: Vec<(Message, Consumption)>,
}

/// What became of the bundles and deposits.
#[derive(Debug)]
pub struct Outcome {
    /// The superblock, unless no block could be batched.
    pub made: Option<Made>,
    pub refused: Vec<Refused>,
    /// Why the refusals of some of them are not on record.
    pub unrecorded: Vec<StoreError>,
    /// Valid blocks that are not in the superblock, with the reasons.
    pub left_out: Vec<(PathBuf, LeftOut)>,
    /// The position of the deposit that stays in L1's queue, with all after it, and the rule of the bridge that it breaks.
    pub stuck: Option<(usize, BridgeError)>,
    /// Bundles of blocks that earlier superblocks have.
    pub stale: Vec<Stale>,
    /// Further files with a block that is in another file.
    pub copies: Vec<PathBuf>,
}

/// Why no superblock was made, or none could be tried.
#[derive(Debug, Error)]
pub enum BatchError {
    /// The bundles cannot be read.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A checked block does not apply.
    #[error(transparent)]
    Transition(#[from] TransitionError),
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
}

impl Batcher<'_> {
    /// Makes the next superblock after the state in `state_file` from the bundles in the directory `blocks` and the
    /// `deposits` that L1's queue has beyond those consumed. Writes its bundle to the directory `superblocks`, then the
    /// new state. A crash before that last write leaves the old state, from which the same run starts again with the
    /// proofs that were finished.
    ///
    /// # Errors
    /// [`BatchError`]. A refused bundle is not an error: the outcome lists it.
    pub fn run(
        &self,
        blocks: &Path,
        deposits: &[Message],
        state_file: &Path,
        registry: &Registry,
        superblocks: &Path,
    ) -> Result<Outcome, BatchError> {
        let state = state::read(state_file)?;
        let mut intake = intake::read(blocks, &state, registry)?;
        let copies = intake.drop_copies();
        let Intake { blocks, refused, stale } = intake;
        let mut unrecorded = vec![];
        for bundle in &refused {
            if let Some(sha3) = &bundle.sha3 {
                let name = bundle.path.file_name().unwrap_or_default().to_string_lossy();
                // The outcome lists the bundle in any case.
                unrecorded.extend(self.store.quarantine(sha3, &name, &bundle.reason.to_string()).err());
            }
        }
        let candidates: Vec<_> = blocks.iter().map(|block| block.candidate.clone()).collect();
        let segment_set_root = self.engine.pinned().key_set().root();
        let selection = self.planner.select(&state, registry, &candidates, deposits);
        if selection.order.is_empty() {
            let Selection { left_out, stuck, .. } = selection;
            let left_out = with_paths(left_out, &blocks);
            return Ok(Outcome { made: None, refused, unrecorded, left_out, stuck, stale, copies });
        }
        let plan = self.planner.plan(&state, registry, segment_set_root, selection)?;
        let prover = Prover {
            engine: self.engine,
            store: Some(self.store),
            progress: self.progress,
            jobs: self.jobs,
            stop: self.stop,
        };
        let finished = prover.run(&plan, &blocks)?;

        let statement = plan.transition.statement;
        let bundle = plan.transition.bundle(&finished.proof, finished.key_digest());
        bundle.verify(self.engine.pinned())?;
        let Transition { new_state, l1_inbox, l1_outbox, .. } = plan.transition;
        let path = superblock_file(superblocks, new_state.number);
        file::write_atomic(&path, &bundle.encode()?)?;
        state::write(state_file, &new_state)?;

        let included = plan.order.iter().map(|&index| blocks[index].path.clone()).collect();
        let left_out = with_paths(plan.left_out, &blocks);
        let made = Made { statement, state: new_state, path, included, deposits: l1_inbox, l1_outbox };
        Ok(Outcome { made: Some(made), refused, unrecorded, left_out, stuck: plan.stuck, stale, copies })
    }
}

fn with_paths(left_out: Vec<(usize, LeftOut)>, blocks: &[intake::CheckedBlock]) -> Vec<(PathBuf, LeftOut)> {
    left_out.into_iter().map(|(index, reason)| (blocks[index].path.clone(), reason)).collect()
}

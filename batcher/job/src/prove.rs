//! Carries out a plan: proves its graph in this process, several tasks at a time, or with others, and keeps what is finished.

use std::sync::atomic::AtomicBool;

use batcher_circuits::engine::Engine;
use batcher_verify::circuit::superblock_shape;
use circuits_core::{Digest, Proof, VerifierKey, proof::ProofError, recursion::key_digest};
use circuits_tasks::{
    circuit::KeyedProof,
    coordinator::{Coordinator, GraphRunError, Pace},
    in_process::InProcess,
    progress::Progress,
    shared::{Shared, priority},
    store::{self, MemoryStore},
};
use thiserror::Error;

use crate::{
    graph::{PlanGraph, PlanGraphError, TASK_BYTES},
    intake::CheckedBlock,
    planner::Plan,
    provables::catalogue,
    store::Store,
};

/// Why a plan is not carried out.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The plan has no graph.
    #[error(transparent)]
    Graph(#[from] PlanGraphError),
    /// The graph is not proved.
    #[error(transparent)]
    Run(GraphRunError),
    /// The superblock's proof cannot be read.
    #[error("superblock: {0}")]
    Proof(#[from] ProofError),
    /// The caller asked to stop.
    #[error("stopped; finished proofs are kept and the same command goes on from them")]
    Stopped,
}

impl From<GraphRunError> for ProveError {
    fn from(error: GraphRunError) -> Self {
        match error {
            GraphRunError::Stopped => Self::Stopped,
            error => Self::Run(error),
        }
    }
}

/// A finished proof with the key it verifies under.
#[derive(Clone, Debug)]
pub struct Finished {
    pub proof: Proof,
    pub key: VerifierKey,
}

impl Finished {
    /// Digest of [`Self::key`].
    #[must_use]
    pub fn key_digest(&self) -> Digest {
        key_digest(&self.key)
    }
}

/// Carries out plans.
pub struct Prover<'a> {
    pub engine: &'a Engine,
    /// Keeps finished proofs; without a store they are lost when the process ends.
    pub store: Option<&'a Store>,
    /// Shares the tasks, whose proofs are then in the shared store only.
    pub shared: Option<Shared<'a>>,
    /// Receives progress events.
    pub progress: &'a dyn Progress,
    /// The most proofs that are made at the same time, and how many times [`TASK_BYTES`] they need at most; one that needs more
    /// is made alone.
    pub jobs: usize,
    /// Set by the caller to stop before the next proof.
    pub stop: &'a AtomicBool,
}

/// How many proofs can be made at the same time within `memory` bytes on `cores` cores; one proof keeps about
/// four busy.
#[must_use]
pub fn jobs_for(memory: u64, cores: usize) -> usize {
    let by_memory = usize::try_from(memory / TASK_BYTES).unwrap_or(usize::MAX);
    by_memory.min(cores / 4).max(1)
}

impl Prover<'_> {
    /// Proves every task of `plan` over `blocks`, which the plan was made from, and over the block of environment 0, if the
    /// plan has one. Returns the superblock's proof.
    ///
    /// # Errors
    /// [`ProveError`]; what was finished stays in the store.
    pub fn run(
        &self,
        plan: &Plan,
        blocks: &[CheckedBlock],
        l1_block: Option<&CheckedBlock>,
    ) -> Result<Finished, ProveError> {
        let planned = PlanGraph::new(self.engine, plan, blocks, l1_block)?;
        let memory = MemoryStore::default();
        let store: &dyn store::Store = match (self.shared, self.store) {
            (Some(shared), _) => shared.store,
            (None, Some(store)) => store.proofs(),
            (None, None) => &memory,
        };
        let catalogue = catalogue(self.engine);
        let coordinator = Coordinator {
            catalogue: &catalogue,
            store,
            here: &InProcess::new(self.jobs.max(1), self.jobs.max(1) as u64 * TASK_BYTES),
            queue: self.shared.map(|shared| shared.queue),
            worker: self.shared.and_then(|shared| shared.worker),
            patience: None,
            priority: priority(plan.transition.new_state.number),
            pace: Pace::default(),
            progress: self.progress,
            stop: self.stop,
        };
        let proof = coordinator.run(planned.graph(), &|position| planned.input(position))?;
        let common = &superblock_shape(plan.tree.source).common;
        let KeyedProof { proof, key } = KeyedProof::decode(&proof, common)?;
        Ok(Finished { proof, key })
    }
}

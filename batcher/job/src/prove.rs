//! Carries out a plan: proves its tasks, several at a time, and keeps what is finished.
//!
//! # The problem
//!
//! A plan's tasks form a tree in which a proof needs the proofs below it. Each takes seconds and gigabytes, and a process
//! may be stopped at any time. Independent tasks should run side by side, no more of them than fit into memory, and no
//! proof should be made twice.
//!
//! # The approach
//!
//! All statements are known before any proof exists. So a task has a name, [`TaskId`]: the hash of what it proves, under
//! which key, from which children. Under this name its finished proof is stored, verified whenever it is loaded, and found
//! again by a later run with the same plan.
//!
//! Tasks are ordered children first. In each round the first [`Prover::jobs`] tasks whose children are done are proved at
//! the same time, one thread each; the proof system itself uses the other cores. A child's proof is dropped from memory as soon as
//! its only parent is proved. A proof whose public inputs are not the planned statement is an error: the native transition
//! and the circuit would disagree.
//!
//! # Example
//!
//! With three jobs and ten blocks: four leaves, one fold of the first three, and a superblock over the fold and the fourth:
//!
//! ```text
//! round 1:   leaf 0..3, leaf 3..6, leaf 6..9
//! round 2:   leaf 9..10, fold 0..9
//! round 3:   superblock 0..10
//! ```
//!
//! # Cost
//!
//! At most [`Prover::jobs`] times [`TASK_BYTES`] of memory, beside one proof in memory for each task that waits for its
//! parent. A round ends with its slowest task; tasks of a plan are of about equal size, except for the superblock. It is
//! proved alone, and needs up to twice [`TASK_BYTES`].

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use batcher_circuits::{
    engine::{Engine, EngineError, Required},
    segment::{BlockInput, LeafInput},
    superblock::SuperblockChildren,
    transition::Transition,
};
use circuits_core::{Definition, Digest, Proof, VerifierKey, layout::Layout, recursion::key_digest};
use circuits_protocol::fold::FoldChild;
use thiserror::Error;

use crate::{
    intake::CheckedBlock,
    planner::Plan,
    proof_tree::{Task, Work},
    store::{Store, StoreError, TaskId},
};

/// Bytes of memory that one task needs while it is proved, for a circuit of 2^15 rows.
pub const TASK_BYTES: u64 = 1_500 << 20;

/// Receives what happens while a plan is carried out.
pub trait Progress: Sync {
    /// Work starts on `tasks` proofs.
    fn begin(&self, tasks: usize);
    /// The proof of `task` is needed now.
    fn start(&self, task: &str);
    /// The proof of `task` is there: `resumed` if an earlier run had made it.
    fn done(&self, task: &str, resumed: bool);
    /// Something happened that deserves a line and does not stop the work.
    fn note(&self, message: &str);
}

/// Ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: usize) {}
    fn start(&self, _: &str) {}
    fn done(&self, _: &str, _: bool) {}
    fn note(&self, _: &str) {}
}

/// Why a plan is not carried out.
#[derive(Debug, Error)]
pub enum ProveError {
    /// A circuit cannot be built, or its proof cannot be made.
    #[error("task {task}: {source}")]
    Engine { task: String, source: EngineError },
    /// A finished proof cannot be stored.
    #[error("task {task}: {source}")]
    Store { task: String, source: StoreError },
    /// A proof states something else than the plan computed.
    #[error("task {task}: the proof's statement is not the planned one")]
    OtherStatement { task: String },
    /// The caller asked to stop.
    #[error("stopped; finished proofs are kept and the same command goes on from them")]
    Stopped,
    /// A task's child was not proved before it; plans order children first.
    #[error("task {task}: a proof below it is missing")]
    MissingChild { task: String },
}

/// A finished proof with the key it verifies under.
#[derive(Clone, Debug)]
pub struct Finished {
    pub proof: Proof,
    pub key: VerifierKey,
    id: TaskId,
}

/// Carries out plans.
pub struct Prover<'a> {
    pub engine: &'a Engine,
    /// Keeps finished proofs; without a store they are lost when the process ends.
    pub store: Option<&'a Store>,
    /// Receives progress events.
    pub progress: &'a dyn Progress,
    /// The most proofs that are made at the same time; each needs about [`TASK_BYTES`].
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
        let tasks = &plan.tree.tasks;
        self.progress.begin(tasks.len());
        let ordered: Vec<&CheckedBlock> =
            plan.order.iter().map(|&index| &blocks[index]).chain(l1_block).collect();
        let mut finished: Vec<Option<Finished>> = vec![None; tasks.len()];
        let mut done = vec![false; tasks.len()];
        loop {
            let ready = ready_tasks(tasks, &done, self.jobs);
            if ready.is_empty() {
                break;
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(ProveError::Stopped);
            }
            let proofs =
                self.together(&ready, |index| self.task(&tasks[index], plan, &ordered, &finished))?;
            for (index, proof) in ready.into_iter().zip(proofs) {
                for &child in tasks[index].children() {
                    // A proof is used once; nothing below needs it in memory any longer.
                    finished[child].take();
                }
                finished[index] = Some(proof);
                done[index] = true;
            }
        }
        finished.pop().flatten().ok_or(ProveError::MissingChild { task: "superblock".to_owned() })
    }

    /// Runs `work` on each of `indices` at the same time, on threads outside of the pool that the prover itself
    /// uses: a pool worker that waits for a circuit being built could be given another task that waits for it.
    fn together(
        &self,
        indices: &[usize],
        work: impl Fn(usize) -> Result<Finished, ProveError> + Sync,
    ) -> Result<Vec<Finished>, ProveError> {
        if let &[index] = indices {
            return Ok(vec![work(index)?]);
        }
        let work = &work;
        thread::scope(|scope| {
            let threads: Vec<_> = indices.iter().map(|&index| scope.spawn(move || work(index))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    fn task(
        &self,
        task: &Task,
        plan: &Plan,
        blocks: &[&CheckedBlock],
        finished: &[Option<Finished>],
    ) -> Result<Finished, ProveError> {
        let engine_error = |source| ProveError::Engine { task: task.name.clone(), source };
        let transition = &plan.transition;
        let segment = transition.segment(task.span.clone());
        match &task.work {
            Work::Leaf => {
                let circuit = self.engine.leaf(task.span.len());
                let covered = &blocks[task.span.clone()];
                let ids: Vec<_> = covered.iter().map(|block| block_id(block)).collect();
                self.prove(task, &circuit, &segment, &ids, || {
                    Ok(LeafInput { statement: segment, blocks: block_inputs(transition, task, blocks) })
                })
            }
            Work::Messages => {
                let circuit = self.engine.messages();
                // Its steps follow from its statement, and it has no children.
                self.prove(task, &circuit, &segment, &[], || Ok(transition.messages_input(task.span.start)))
            }
            Work::Fold(children) => {
                let circuit = self.engine.fold(children.len());
                let ids = self.ids(task, finished)?;
                self.prove(task, &circuit, &segment, &ids, || self.children(task, finished))
            }
            Work::Direct | Work::Top(_) => {
                let circuit = self.engine.superblock(plan.tree.source).map_err(engine_error)?;
                let ids = match &task.work {
                    Work::Direct => blocks.iter().map(|block| block_id(block)).collect(),
                    _ => self.ids(task, finished)?,
                };
                self.prove(task, &circuit, &transition.statement, &ids, || {
                    let source = match &task.work {
                        Work::Direct => SuperblockChildren::Blocks(block_inputs(transition, task, blocks)),
                        _ => SuperblockChildren::Segments(self.children(task, finished)?),
                    };
                    Ok(transition.superblock_input(source))
                })
            }
        }
    }

    fn ids(&self, task: &Task, finished: &[Option<Finished>]) -> Result<Vec<TaskId>, ProveError> {
        let children = task.children().iter().map(|&child| finished[child].as_ref().map(|done| done.id));
        children.collect::<Option<_>>().ok_or_else(|| ProveError::MissingChild { task: task.name.clone() })
    }

    fn children(&self, task: &Task, finished: &[Option<Finished>]) -> Result<Vec<FoldChild>, ProveError> {
        let child = |&index: &usize| {
            let done = finished[index]
                .as_ref()
                .ok_or_else(|| ProveError::MissingChild { task: task.name.clone() })?;
            let membership = self
                .engine
                .membership(&done.key)
                .map_err(|source| ProveError::Engine { task: task.name.clone(), source })?;
            Ok(FoldChild { proof: done.proof.clone(), key: done.key.clone(), membership })
        };
        task.children().iter().map(child).collect()
    }

    /// Loads the task's proof, or makes, compares and stores it. Only the key is needed to load one.
    fn prove<Def: Definition + Clone + 'static>(
        &self,
        task: &Task,
        circuit: &Required<'_, Def>,
        statement: &Def::NativeStatement,
        children: &[TaskId],
        input: impl FnOnce() -> Result<Def::Input, ProveError>,
    ) -> Result<Finished, ProveError> {
        let engine_error = |source| ProveError::Engine { task: task.name.clone(), source };
        let verifier = circuit.verifier().map_err(engine_error)?;
        let (key, common) = (&verifier.verifier_only, &verifier.common);
        let id = TaskId::new(key_digest(key), statement, children);
        let finished = |proof| Finished { proof, key: key.clone(), id };
        match self.store.map(|store| store.load(id, statement, key, common)).transpose() {
            Ok(Some(Some(proof))) => {
                self.progress.start(&task.name);
                self.progress.done(&task.name, true);
                return Ok(finished(proof));
            }
            Ok(Some(None) | None) => {}
            Err(error) => self.progress.note(&format!("{error}; it is made again")),
        }
        let circuit = circuit.circuit().map_err(engine_error)?;
        self.progress.start(&task.name);
        let proof = circuit.prove(&input()?).map_err(|source| engine_error(source.into()))?;
        if proof.public_inputs != statement.encode() {
            return Err(ProveError::OtherStatement { task: task.name.clone() });
        }
        if let Some(store) = self.store {
            store
                .save(id, &task.name, statement, key, &proof)
                .map_err(|source| ProveError::Store { task: task.name.clone(), source })?;
        }
        self.progress.done(&task.name, false);
        Ok(finished(proof))
    }
}

/// The next tasks, at most `jobs`, that are not done and whose children are.
fn ready_tasks(tasks: &[Task], done: &[bool], jobs: usize) -> Vec<usize> {
    (0..tasks.len())
        .filter(|&index| !done[index] && tasks[index].children().iter().all(|&child| done[child]))
        .take(jobs.max(1))
        .collect()
}

fn block_id(block: &CheckedBlock) -> TaskId {
    TaskId::of_block(block.candidate.key, &block.candidate.statement)
}

fn block_inputs(transition: &Transition, task: &Task, blocks: &[&CheckedBlock]) -> Vec<BlockInput> {
    let applied = &transition.applied[task.span.clone()];
    let covered = &blocks[task.span.clone()];
    covered
        .iter()
        .zip(applied)
        .map(|(block, applied)| BlockInput {
            proof: block.proof.clone(),
            key: block.key.clone(),
            applied: applied.clone(),
        })
        .collect()
}

impl Finished {
    /// Digest of [`Self::key`].
    #[must_use]
    pub fn key_digest(&self) -> Digest {
        key_digest(&self.key)
    }
}

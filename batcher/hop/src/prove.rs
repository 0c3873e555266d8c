//! Makes hops: carries out their graphs.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use batcher_verify::{circuit::SuperblockCircuit, keys::PinnedKeys};
use circuits_core::{
    Proof,
    layout::{Layout as _, LayoutError},
};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::SuperblockStatement;
use circuits_tasks::{
    circuit::KeyedProof,
    coordinator::{Coordinator, GraphRunError},
    in_process::InProcess,
    progress::{Progress, Quiet},
    provable::Catalogue,
    shared::{Shared, priority},
};
use plonky2::field::types::PrimeField64 as _;
use thiserror::Error;

use crate::{
    graph::{HopGraphError, STAGE_BYTES, stage_input},
    proof::{HopError, HopProof},
    provables::HopCircuits,
    stages::Stages,
};

/// Why there is no hop.
#[derive(Debug, Error)]
pub enum HopProveError {
    /// There is no graph of the hop.
    #[error(transparent)]
    Graph(#[from] HopGraphError),
    /// The public inputs of the superblock's proof are not a statement.
    #[error("the statement of the superblock: {0}")]
    Statement(#[from] LayoutError),
    /// A stage is not proved, as it is if the superblock's proof does not verify.
    #[error(transparent)]
    Run(GraphRunError),
    /// The last proof is malformed.
    #[error(transparent)]
    Hop(#[from] HopError),
    /// The caller asked to stop.
    #[error("stopped; finished stages are kept and the same command goes on from them")]
    Stopped,
}

impl From<GraphRunError> for HopProveError {
    fn from(error: GraphRunError) -> Self {
        match error {
            GraphRunError::Stopped => Self::Stopped,
            error => Self::Run(error),
        }
    }
}

/// How often it is looked whether another process is done.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Makes hops, in this process or with others.
pub struct HopProver<'a> {
    pinned: &'a PinnedKeys,
    circuits: HopCircuits<'a>,
    progress: &'a dyn Progress,
    stop: Option<&'a AtomicBool>,
    shared: Option<Shared<'a>>,
    patience: Option<Duration>,
}

impl<'a> HopProver<'a> {
    /// A prover that finds or builds circuits through `cache` and requires the `pinned` keys.
    #[must_use]
    pub fn new(pinned: &'a PinnedKeys, cache: &'a CircuitCache) -> Self {
        Self {
            pinned,
            circuits: HopCircuits::new(pinned, cache),
            progress: &Quiet,
            stop: None,
            shared: None,
            patience: None,
        }
    }

    /// Reports progress events to `progress`.
    #[must_use]
    pub fn with_progress(self, progress: &'a dyn Progress) -> Self {
        Self { progress, ..self }
    }

    /// Stops before the next stage once `stop` is set.
    #[must_use]
    pub fn with_stop(self, stop: &'a AtomicBool) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Shares the stages with workers, if there is somewhere to share them.
    #[must_use]
    pub fn with_shared(self, shared: Option<Shared<'a>>) -> Self {
        Self { shared, ..self }
    }

    /// Waits no longer than so for workers without any of them proving a stage, and for another process that makes the same hop.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Where the finished stages of the hop in the file `hop` lie until it is written: with the tasks that are shared, or else beside
    /// the file. Waits while another process makes the same hop there: look for the file once more after this. If that takes too long,
    /// they are in memory.
    ///
    /// # Errors
    /// [`HopProveError::Stopped`]
    pub fn stages(&self, hop: &Path) -> Result<Stages<'a>, HopProveError> {
        if let Some(shared) = self.shared {
            return Ok(Stages::among(shared.store));
        }
        let (begun, mut is_told) = (Instant::now(), false);
        loop {
            if let Some(stages) = Stages::beside(hop) {
                return Ok(stages);
            }
            if self.patience.is_some_and(|patience| begun.elapsed() >= patience) {
                return Ok(Stages::in_memory());
            }
            if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(HopProveError::Stopped);
            }
            if !std::mem::replace(&mut is_told, true) {
                self.progress.note(&format!("another process makes {}; waiting", hop.display()));
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Makes the hop of a proof of a superblock circuit. One of the `stages` that is there is not made again.
    ///
    /// # Errors
    /// [`HopProveError`]; what was finished is among the stages.
    pub fn prove(
        &self,
        circuit: SuperblockCircuit,
        proof: Proof,
        stages: &Stages<'_>,
    ) -> Result<HopProof, HopProveError> {
        let statement = SuperblockStatement::decode(&proof.public_inputs)?;
        let graph = self.circuits.graph(circuit, &statement)?;
        let number = u32::try_from(statement.number.to_canonical_u64()).unwrap_or(u32::MAX);
        let key = self.pinned.superblock(circuit).ok_or(HopGraphError::UnknownSuperblock(circuit))?;
        let superblock = KeyedProof { proof, key: key.clone() }.encode();
        let (catalogue, here) = (self.circuits.add_to(Catalogue::default()), InProcess::new(1, STAGE_BYTES));
        let mut coordinator = Coordinator {
            queue: self.shared.map(|shared| shared.queue),
            worker: self.shared.and_then(|shared| shared.worker),
            patience: self.patience,
            priority: priority(number),
            progress: self.progress,
            ..Coordinator::new(&catalogue, stages.store(), &here)
        };
        if let Some(stop) = self.stop {
            coordinator.stop = stop;
        }
        let input = |position| if position == 0 { Ok(superblock.clone()) } else { Ok(stage_input()?) };
        let last = coordinator.run(&graph, &input)?;
        Ok(HopProof::from_calldata(self.circuits.keccak_key(), &last, &statement.encode())?)
    }
}

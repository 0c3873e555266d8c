//! Makes hops: carries out their graphs.

use std::sync::atomic::AtomicBool;

use batcher_verify::{circuit::SuperblockCircuit, keys::PinnedKeys};
use circuits_core::{
    Proof,
    layout::{Layout as _, LayoutError},
};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::SuperblockStatement;
use circuits_tasks::{
    circuit::KeyedProof,
    coordinator::{Coordinator, GraphRunError, Pace},
    in_process::InProcess,
    progress::{Progress, Quiet},
    provable::Catalogue,
    store::Store,
};
use thiserror::Error;

use crate::{
    graph::{HopGraphError, STAGE_BYTES, stage_input},
    proof::{HopError, HopProof},
    provables::HopCircuits,
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

/// Of provers that nobody asks to stop.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Makes hops in this process.
pub struct HopProver<'a> {
    pinned: &'a PinnedKeys,
    circuits: HopCircuits<'a>,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl<'a> HopProver<'a> {
    /// A prover that finds or builds circuits through `cache` and requires the `pinned` keys.
    #[must_use]
    pub fn new(pinned: &'a PinnedKeys, cache: &'a CircuitCache) -> Self {
        Self { pinned, circuits: HopCircuits::new(pinned, cache), progress: &Quiet, stop: &NEVER }
    }

    /// Reports progress events to `progress`.
    #[must_use]
    pub fn with_progress(self, progress: &'a dyn Progress) -> Self {
        Self { progress, ..self }
    }

    /// Stops before the next stage once `stop` is set.
    #[must_use]
    pub fn with_stop(self, stop: &'a AtomicBool) -> Self {
        Self { stop, ..self }
    }

    /// Makes the hop of a proof of a superblock circuit. A stage whose proof is in `store` is not made again.
    ///
    /// # Errors
    /// [`HopProveError`]; finished stages stay in the store.
    pub fn prove(
        &self,
        circuit: SuperblockCircuit,
        proof: Proof,
        store: &dyn Store,
    ) -> Result<HopProof, HopProveError> {
        let statement = SuperblockStatement::decode(&proof.public_inputs)?;
        let graph = self.circuits.graph(circuit, &statement)?;
        let key = self.pinned.superblock(circuit).ok_or(HopGraphError::UnknownSuperblock(circuit))?;
        let superblock = KeyedProof { proof, key: key.clone() }.encode();
        let coordinator = Coordinator {
            catalogue: &self.circuits.add_to(Catalogue::default()),
            store,
            here: &InProcess::new(1, STAGE_BYTES),
            queue: None,
            priority: 0,
            pace: Pace::default(),
            progress: self.progress,
            stop: self.stop,
        };
        let last = coordinator.run(&graph, &|position| match position {
            0 => Ok(superblock.clone()),
            _ => Ok(stage_input()?),
        })?;
        Ok(HopProof::from_calldata(self.circuits.keccak_key(), &last, &statement.encode())?)
    }
}

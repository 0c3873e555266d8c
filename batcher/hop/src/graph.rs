//! The graph of a hop: three tasks above a superblock's.

use batcher_verify::circuit::SuperblockCircuit;
use circuits_core::{Digest, layout, recursion::key_digest};
use circuits_files::file::FormatError;
use circuits_protocol::statement::SuperblockStatement;
use circuits_tasks::{
    circuit::encode_input,
    graph::{Graph, GraphError, Place, Task},
};
use thiserror::Error;

use crate::{
    circuits::{KeccakHop, PoseidonHop, Source},
    provables::{GivenSuperblock, HopCircuits},
};

/// Bytes of memory that a stage needs while it is proved: a whole hop was measured at 4.06 GB.
pub const STAGE_BYTES: u64 = 4 << 30;

/// Why there is no graph of a hop.
#[derive(Debug, Error)]
pub enum HopGraphError {
    /// The pinned keys lack this superblock circuit.
    #[error("there is no superblock circuit {}", .0.name())]
    UnknownSuperblock(SuperblockCircuit),
    /// The root of a graph is no superblock: no superblock circuit has its key.
    #[error("task {label} is no superblock: key {key} is not that of a superblock circuit")]
    NotASuperblock {
        label: String,
        /// Hexadecimal.
        key: String,
    },
    /// The pinned keys lack a circuit of the hop.
    #[error("the pinned keys lack circuit {name}")]
    NoKey { name: String },
    /// The graph is beyond what a graph may be.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl HopCircuits<'_> {
    /// The graph of the hop of a superblock whose proof is given: the first of its four tasks.
    ///
    /// # Errors
    /// [`HopGraphError`]
    pub fn graph(
        &self,
        circuit: SuperblockCircuit,
        statement: &SuperblockStatement,
    ) -> Result<Graph, HopGraphError> {
        let key = self.pinned().superblock(circuit).ok_or(HopGraphError::UnknownSuperblock(circuit))?;
        let given = Task {
            label: "superblock".to_owned(),
            provable: GivenSuperblock::NAME.to_owned(),
            key: key_digest(key).to_bytes(),
            statement: layout::to_bytes(statement),
            children: vec![],
            memory: 0,
            place: Place::Given,
        };
        self.graph_above(&Graph::new(vec![given])?)
    }

    /// The graph of a superblock that is still to be proved, and of its hop: three more tasks behind those of `superblock`.
    ///
    /// # Errors
    /// [`HopGraphError`]
    pub fn graph_above(&self, superblock: &Graph) -> Result<Graph, HopGraphError> {
        let mut tasks: Vec<_> = superblock.tasks().map(|(_, task)| task.clone()).collect();
        tasks.extend(self.stages(superblock)?);
        Ok(Graph::new(tasks)?)
    }

    /// The shrink, the Poseidon hop and the Keccak hop above the root of a superblock's graph.
    fn stages(&self, superblock: &Graph) -> Result<[Task; 3], HopGraphError> {
        let id = superblock.root();
        let root = superblock.tasks().map(|(_, task)| task).next_back();
        let root = root.ok_or(GraphError::Empty)?;
        let key = Digest::from_bytes(root.key).ok();
        let circuit = key.and_then(|key| self.pinned().source_of(key));
        let circuit = circuit.ok_or_else(|| HopGraphError::NotASuperblock {
            label: root.label.clone(),
            key: hex::encode(root.key),
        })?;
        let stage = |label: &str, provable: String, key, child| Task {
            label: label.to_owned(),
            provable,
            key,
            statement: root.statement.clone(),
            children: vec![child],
            memory: STAGE_BYTES,
            place: Place::Anywhere,
        };
        let source = Source::of(circuit);
        let name = source.shrink_name();
        let key = self.shrink_key(source).ok_or_else(|| HopGraphError::NoKey { name: name.clone() })?;
        let shrink = stage("shrink", name, key.to_bytes(), id);
        let name = PoseidonHop::NAME.to_owned();
        let key = self.poseidon_key().to_bytes();
        let poseidon = stage("Poseidon hop", name, key, shrink.id());
        let name = KeccakHop::NAME.to_owned();
        let keccak = stage("Keccak hop", name, self.keccak_key(), poseidon.id());
        Ok([shrink, poseidon, keccak])
    }
}

/// The input of every stage: all that its circuit needs is in the statement and in the proof below it.
///
/// # Errors
/// [`FormatError`]
pub fn stage_input() -> Result<Vec<u8>, FormatError> {
    encode_input(&())
}

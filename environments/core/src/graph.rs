//! The proof of a block as a graph of tasks.
//!
//! # What may leave the house
//!
//! Every kernel has the producer's secret in its witness, and proofs are made without blinding: whoever has a kernel's proof and
//! the rest of the witness, which is often public, can compute the secret from the proof's openings. So a kernel is proved where the
//! secret is, its proof is wrapped at once, and only the wrapped proof becomes bytes: it shows openings of a circuit whose whole
//! witness is the kernel's proof. Everything below the kernel is a task of its own, and its environment says of each whether others
//! may do it:
//!
//! ```text
//! signatures   hashes   chunk chunk chunk      travel: any worker
//!      |          |        └─ fold ─┘
//!      └──────────┼───────────┘
//!          kernel and wrap                     stays: the process with the secret
//! ```

use std::{collections::BTreeMap, error::Error};

use circuits_core::{F, layout};
use circuits_files::file::FormatError;
use circuits_keys::CircuitCache;
use circuits_protocol::{
    statement::BlockStatement,
    wrap::{Wrapper, block_shape},
};
use circuits_tasks::{
    circuit::{KeyedProof, encode_input},
    coordinator::Coordinator,
    graph::{Graph, GraphError, Place, Task},
    id::{KeyBytes, TaskId},
    in_process::InProcess,
    provable::{Bound, Catalogue, Child, Provable, ProvableError, Request},
    store::MemoryStore,
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    block::{BlockHeader, ProposedBlock, ProvenBlock},
    environment::ProveError,
    kernel::{AnyKernel as _, BlockDefinition, Kernel},
};

/// The most parts that [`BlockGraph::prove`] proves at a time: while one has the cores, another may wait for keys.
const PARTS_AT_A_TIME: usize = 2;

/// Bytes of memory for each row of a circuit in the standard configuration while it is proved: 1,500 MiB for 2^15 rows.
const BYTES_PER_ROW: u64 = (1_500 << 20) >> 15;

/// The logarithm of the rows of the largest kernels.
const KERNEL_DEGREE_BITS: usize = 16;

/// Bytes of memory that a circuit of 2^`degree_bits` rows needs while it is proved.
#[must_use]
pub const fn memory(degree_bits: usize) -> u64 {
    BYTES_PER_ROW << degree_bits
}

/// Why a block has no graph.
#[derive(Debug, Error)]
pub enum BlockGraphError {
    /// The key of a part is not known.
    #[error("{name}: {source}")]
    Key { name: String, source: ProvableError },
    /// What a part's prover needs is too large.
    #[error("{name}: {source}")]
    Input { name: String, source: FormatError },
    /// The parts do not form a graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// One proof below a kernel.
#[derive(Clone, Debug)]
pub struct Part {
    /// What people read, such as `chunk 2`.
    pub label: String,
    /// What it proves: the encoding of its circuit's statement.
    pub statement: Vec<u8>,
    /// The parts whose proofs it verifies, in order.
    pub children: Vec<TaskId>,
    /// Bytes of memory that proving needs.
    pub memory: u64,
}

impl Part {
    /// A part that makes this statement.
    #[must_use]
    pub fn new(label: impl Into<String>, statement: &impl layout::Layout<F>, memory: u64) -> Self {
        Self { label: label.into(), statement: layout::to_bytes(statement), children: vec![], memory }
    }

    /// The same part with these children.
    #[must_use]
    pub fn above(self, children: Vec<TaskId>) -> Self {
        Self { children, ..self }
    }
}

/// Makes the input of a circuit from the proofs of a task's children and from what it holds, which may be secret. It has no
/// encoding, so it cannot leave its process.
pub type Witness<'a, I> = Box<dyn Fn(&[Child<'_>]) -> Result<I, ProvableError> + Send + Sync + 'a>;

/// The witnesses of a block's tasks that one circuit proves.
pub type Witnesses<'a, I> = BTreeMap<TaskId, Witness<'a, I>>;

/// The witness of a task.
///
/// # Errors
/// [`ProvableError::NoSecret`] if the task is of another block.
pub fn witness_of<'w, 'a, I>(
    witnesses: &'w Witnesses<'a, I>,
    task: &Task,
) -> Result<&'w Witness<'a, I>, ProvableError> {
    let name = || ProvableError::NoSecret { name: task.provable.clone() };
    witnesses.get(&task.id()).ok_or_else(name)
}

/// The parts of a block that are proved before its kernel.
#[derive(Default)]
pub struct BlockParts<'a> {
    tasks: Vec<Task>,
    /// What the prover of each may know from bytes.
    inputs: Vec<Vec<u8>>,
    catalogue: Catalogue<'a>,
}

impl<'a> BlockParts<'a> {
    /// Adds a part that anybody may prove: `input` goes to the store, where workers read it.
    ///
    /// # Errors
    /// [`BlockGraphError::Key`] or [`BlockGraphError::Input`].
    pub fn travelling(
        &mut self,
        provable: impl Provable<Secret = ()> + 'a,
        part: Part,
        input: &impl Serialize,
    ) -> Result<TaskId, BlockGraphError> {
        let at = |source| BlockGraphError::Input { name: provable.name(), source };
        let input = encode_input(input).map_err(at)?;
        let id = self.add(&provable, part, Place::Anywhere, input)?;
        self.catalogue = std::mem::take(&mut self.catalogue).with(provable);
        Ok(id)
    }

    /// Adds all parts of the block that are proved by `provable` in this process only, each with its witness.
    ///
    /// # Errors
    /// [`BlockGraphError::Key`]
    pub fn staying<I: 'a, P: Provable<Secret = Witnesses<'a, I>> + 'a>(
        &mut self,
        provable: P,
        parts: Vec<(Part, Witness<'a, I>)>,
    ) -> Result<Vec<TaskId>, BlockGraphError> {
        let (mut ids, mut witnesses) = (vec![], Witnesses::new());
        for (part, witness) in parts {
            let id = self.add(&provable, part, Place::Here, vec![])?;
            witnesses.insert(id, witness);
            ids.push(id);
        }
        self.catalogue = std::mem::take(&mut self.catalogue).with(Bound::new(provable, witnesses));
        Ok(ids)
    }

    fn add(
        &mut self,
        provable: &impl Provable,
        part: Part,
        place: Place,
        input: Vec<u8>,
    ) -> Result<TaskId, BlockGraphError> {
        let (name, key) = (provable.name(), provable.key());
        let key = key.map_err(|source| BlockGraphError::Key { name: name.clone(), source })?;
        let Part { label, statement, children, memory } = part;
        let task = Task { label, provable: name, key, statement, children, memory, place };
        let id = task.id();
        self.tasks.push(task);
        self.inputs.push(input);
        Ok(id)
    }

    /// Proves the parts in this process, one after the other, and hands the proofs of those called `ids` to `use_proofs`: for
    /// whoever measures the parts of a block, or attacks the kernel above them.
    ///
    /// # Errors
    /// [`ProvableError`], and what `use_proofs` returns.
    pub fn prove<T>(
        &self,
        ids: &[TaskId],
        use_proofs: impl FnOnce(&[Child<'_>]) -> Result<T, ProvableError>,
    ) -> Result<T, ProvableError> {
        let positions: BTreeMap<_, _> = self.tasks.iter().map(Task::id).zip(0..).collect();
        let mut proofs: Vec<Vec<u8>> = vec![];
        for (task, input) in self.tasks.iter().zip(&self.inputs) {
            let children = self.children(&positions, &proofs, &task.children)?;
            let provable = self.catalogue.find(&task.provable);
            let unknown = || ProvableError::NoSecret { name: task.provable.clone() };
            let request = Request { task, input, children: &children };
            proofs.push(provable.ok_or_else(unknown)?.prove(&request, &())?);
        }
        use_proofs(&self.children(&positions, &proofs, ids)?)
    }

    /// The tasks called `ids` with their proofs, of those that are proved by now.
    fn children<'p>(
        &'p self,
        positions: &BTreeMap<TaskId, usize>,
        proofs: &'p [Vec<u8>],
        ids: &[TaskId],
    ) -> Result<Vec<Child<'p>>, ProvableError> {
        let child = |id: &TaskId| {
            let position = *positions.get(id)?;
            Some(Child { task: self.tasks.get(position)?, proof: proofs.get(position)? })
        };
        let missing = |id: &TaskId| ProvableError::Input { reason: format!("part {id} has no proof") };
        ids.iter().map(|id| child(id).ok_or_else(|| missing(id))).collect()
    }
}

/// The proof of a block as a graph of tasks, with what its process alone knows.
pub struct BlockGraph<'a> {
    graph: Graph,
    inputs: Vec<Vec<u8>>,
    catalogue: Catalogue<'a>,
    block: ProposedBlock<()>,
}

impl BlockGraph<'_> {
    /// The tasks. The root is the kernel with its wrap, and its proof is the block's.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What proves and verifies the tasks, with the secrets of those that stay here.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue<'_> {
        &self.catalogue
    }

    /// The input of the task at `position`.
    ///
    /// # Errors
    /// None for the graph's own positions.
    pub fn input(&self, position: usize) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        self.inputs.get(position).cloned().ok_or_else(|| format!("there is no task {position}").into())
    }

    /// The proven block, from the proof of the root.
    ///
    /// # Errors
    /// [`ProveError::Root`] or [`ProveError::Block`].
    pub fn proven(&self, proof: &[u8]) -> Result<ProvenBlock, ProveError> {
        let keyed = KeyedProof::decode(proof, &block_shape().common);
        let KeyedProof { proof, key } = keyed.map_err(ProveError::Root)?;
        Ok(ProvenBlock::new(&self.block, proof, key)?)
    }

    /// Proves the block with `coordinator`, but for whose catalogue.
    ///
    /// # Errors
    /// [`ProveError`]; what was proved stays in the coordinator's store.
    pub fn prove_with(&self, coordinator: &Coordinator<'_>) -> Result<ProvenBlock, ProveError> {
        let coordinator = Coordinator { catalogue: &self.catalogue, ..*coordinator };
        let proof = coordinator.run(&self.graph, &|position| self.input(position))?;
        self.proven(&proof)
    }

    /// Proves the block in this process, and keeps nothing but its proof.
    ///
    /// # Errors
    /// [`ProveError`]
    pub fn prove(&self) -> Result<ProvenBlock, ProveError> {
        let (store, here) = (MemoryStore::default(), InProcess::new(PARTS_AT_A_TIME, u64::MAX));
        self.prove_with(&Coordinator::new(&self.catalogue, &store, &here))
    }
}

/// A kernel with its wrap: one task, because the kernel's proof must not leave the function that makes it.
struct WrappedKernel<'a, K> {
    cache: &'a CircuitCache,
    kernel: Kernel<K>,
}

impl<'a, K: BlockDefinition> Provable for WrappedKernel<'a, K> {
    type Secret = Witnesses<'a, K::Input>;

    fn name(&self) -> String {
        Wrapper::name_of(&self.kernel.definition.name())
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(self.kernel.key_digest(self.cache)?.to_bytes())
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        KeyedProof::verify::<BlockStatement>(task, proof, &block_shape().common).map(drop)
    }

    fn prove(&self, request: &Request<'_>, secret: &Self::Secret) -> Result<Vec<u8>, ProvableError> {
        let statement: BlockStatement = layout::from_bytes(&request.task.statement)?;
        let input = witness_of(secret, request.task)?(request.children)?;
        match self.kernel.prove(self.cache, &statement, &input) {
            Ok(proof) => Ok(proof.encode()),
            Err(ProveError::Circuit(error)) => Err(error.into()),
            Err(error) => Err(ProvableError::Other(Box::new(error))),
        }
    }
}

impl<K: BlockDefinition> Kernel<K> {
    /// The graph of a block whose kernel verifies no other proofs, from the kernel's input.
    ///
    /// # Errors
    /// [`BlockGraphError`]
    pub fn graph<'a, W>(
        self,
        cache: &'a CircuitCache,
        block: &ProposedBlock<W>,
        input: K::Input,
    ) -> Result<BlockGraph<'a>, BlockGraphError>
    where
        K::Input: Clone + Send + Sync + 'a,
    {
        self.graph_above(cache, block, BlockParts::default(), vec![], move |_| Ok(input.clone()))
    }

    /// The graph of a block: its `parts`, and the kernel above those called `children`, whose input `witness` makes of their
    /// proofs. It never leaves this process.
    ///
    /// # Errors
    /// [`BlockGraphError`]
    pub fn graph_above<'a, W>(
        self,
        cache: &'a CircuitCache,
        block: &ProposedBlock<W>,
        mut parts: BlockParts<'a>,
        children: Vec<TaskId>,
        witness: impl Fn(&[Child<'_>]) -> Result<K::Input, ProvableError> + Send + Sync + 'a,
    ) -> Result<BlockGraph<'a>, BlockGraphError>
    where
        K::Input: 'a,
    {
        let BlockHeader { environment, last_height, .. } = block.header();
        let label = format!("block {last_height} of environment {environment}");
        let part = Part::new(label, block.statement(), memory(KERNEL_DEGREE_BITS)).above(children);
        parts.staying(WrappedKernel { cache, kernel: self }, vec![(part, Box::new(witness))])?;
        let BlockParts { tasks, inputs, catalogue } = parts;
        Ok(BlockGraph { graph: Graph::new(tasks)?, inputs, catalogue, block: block.without_witness() })
    }
}

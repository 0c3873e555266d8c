//! The superblock that workers are measured with: blocks of a counter, their kernels and wraps included.

use std::{error::Error, sync::Arc};

use batcher_circuits::{
    engine::{Engine, Required},
    packing::Load,
};
use batcher_job::{
    graph::{PlanGraph, TASK_BYTES},
    intake::CheckedBlock,
    planner::Plan,
    proof_tree::{ProofTree, ProofTreeLimits, Work},
    provables::catalogue,
};
use circuits_core::Definition;
use circuits_tasks::{
    circuit::{KeyedProof, decode_input, encode_input},
    graph::{Graph, Place, Task},
    id::KeyBytes,
    provable::{Catalogue, Provable, ProvableError, Request},
};

use crate::{counters::Chain, error::BenchError};

/// The name of the provable whose proofs a superblock's graph has given.
const BLOCK: &str = "block";

/// What every process that works on the superblock has.
pub(super) struct House<'a> {
    engine: &'a Engine,
    chain: Arc<Chain>,
}

impl<'a> House<'a> {
    /// Executes the chain of `blocks` blocks.
    pub(super) fn new(engine: &'a Engine, blocks: usize) -> Result<Self, BenchError> {
        Ok(Self { engine, chain: Arc::new(Chain::new(engine.cache(), blocks)?) })
    }

    /// Loads or builds every circuit that the superblock's tasks need, so that no task waits for one.
    pub(super) fn load_circuits(&self) -> Result<(), BenchError> {
        let (engine, cache) = (self.engine, self.engine.cache());
        let kernel = environments_counter::KERNEL;
        kernel.circuit(cache).map_err(BenchError::workers)?;
        kernel.wrapper(cache).and_then(|wrapper| wrapper.load(cache)).map_err(BenchError::workers)?;
        let tree = tree(self.chain.heights().count());
        for node in &tree.nodes {
            match &node.work {
                Work::Leaf => load(&engine.leaf(node.span.len()))?,
                Work::Messages => load(&engine.messages())?,
                Work::Fold(children) => load(&engine.fold(children.len()))?,
                Work::Direct | Work::Top(_) => {
                    load(&engine.superblock(tree.source).map_err(BenchError::workers)?)?;
                }
            }
        }
        Ok(())
    }

    /// What can be proved: a superblock's provables, of which the block proves its kernel and its wrap.
    pub(super) fn catalogue(&self) -> Catalogue<'a> {
        let given = catalogue(self.engine);
        let block = Block { engine: self.engine, chain: self.chain.clone(), given };
        catalogue(self.engine).with(block)
    }

    /// Proves the blocks, since the graph above them follows from their bundles.
    pub(super) fn prove_blocks(&self) -> Result<Vec<CheckedBlock>, BenchError> {
        self.chain.heights().map(|height| self.chain.prove(self.engine.cache(), height)).collect()
    }

    /// The superblock over all `blocks`.
    pub(super) fn plan(&self, blocks: &[CheckedBlock]) -> Result<Plan, BenchError> {
        self.chain.plan(self.engine, blocks)
    }
}

/// The tree over this number of blocks without messages.
pub(super) fn tree(blocks: usize) -> ProofTree {
    ProofTree::cheapest(blocks, &Load::default(), ProofTreeLimits::default())
}

fn load<Def: Definition + Clone + 'static>(circuit: &Required<'_, Def>) -> Result<(), BenchError> {
    circuit.circuit().map(drop).map_err(BenchError::workers)
}

/// The graph of a superblock in which the blocks are to be proved too.
pub(super) struct WholeGraph<'a> {
    planned: PlanGraph<'a>,
    blocks: usize,
    pub(super) graph: Graph,
}

impl<'a> WholeGraph<'a> {
    pub(super) fn new(
        engine: &Engine,
        plan: &'a Plan,
        blocks: &'a [CheckedBlock],
    ) -> Result<Self, BenchError> {
        let planned = PlanGraph::new(engine, plan, blocks, None).map_err(BenchError::workers)?;
        let tasks = planned.graph().tasks().map(|(_, task)| match task.place {
            // Its id does not depend on who proves it.
            Place::Given => Task { place: Place::Anywhere, memory: TASK_BYTES, ..task.clone() },
            Place::Anywhere | Place::Here => task.clone(),
        });
        let graph = Graph::new(tasks.collect()).map_err(BenchError::workers)?;
        Ok(Self { planned, blocks: blocks.len(), graph })
    }

    /// What the task at `position` needs to know; of a block, its height.
    pub(super) fn input(&self, position: usize) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        if position < self.blocks {
            return Ok(encode_input(&u32::try_from(position + 1)?)?);
        }
        self.planned.input(position)
    }
}

/// A counter's block, proved from its height.
struct Block<'a> {
    engine: &'a Engine,
    chain: Arc<Chain>,
    /// Verifies blocks.
    given: Catalogue<'a>,
}

impl Provable for Block<'_> {
    type Secret = ();

    fn name(&self) -> String {
        BLOCK.to_owned()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(self.chain.key().to_bytes())
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        let given = self.given.find(BLOCK).ok_or(ProvableError::OtherStatement)?;
        given.verify(task, proof)
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        let height = decode_input(request.input)?;
        let block = self.chain.prove(self.engine.cache(), height);
        let CheckedBlock { proof, key, .. } = block.map_err(|error| ProvableError::Other(Box::new(error)))?;
        let proof = KeyedProof { proof, key }.encode();
        self.verify(request.task, &proof)?;
        Ok(proof)
    }
}

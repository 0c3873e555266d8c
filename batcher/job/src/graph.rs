//! The graph of a plan's proofs, for everybody who makes them.

use std::{error::Error, ops::Range};

use batcher_circuits::{
    apply::AppliedBlock,
    engine::{Engine, EngineError, Required},
    superblock::SuperblockChildren,
};
use batcher_verify::circuit::superblock_shape;
use circuits_core::{
    Definition, Digest,
    layout::{self, Layout},
};
use circuits_protocol::statement::BlockStatement;
use circuits_tasks::{
    circuit::{KeyedProof, encode_input},
    graph::{Graph, GraphError, Place, Task},
    id::TaskId,
};
use environments_core::block::BlockHeader;
use thiserror::Error;

use crate::{
    intake::CheckedBlock,
    planner::{Candidate, Plan},
    proof_tree::{Node, SEGMENT_ROWS, Work},
    provables::{GivenBlock, SuperblockParts},
};

/// Bytes of memory that a task needs while it is proved, for a circuit of 2^15 rows. Others need as much for each row.
pub const TASK_BYTES: u64 = 1_500 << 20;

/// Why a plan has no graph.
#[derive(Debug, Error)]
pub enum PlanGraphError {
    /// The pinned keys lack a circuit of the plan.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The pinned keys lack a segment circuit.
    #[error("the pinned keys lack circuit {name}")]
    NoKey { name: String },
    /// The graph is beyond what a graph may be.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// The graph of a plan, and what its tasks need to know.
///
/// The blocks come first, in the order of application, with their given proofs; then the nodes of the plan's tree.
pub struct PlanGraph<'a> {
    plan: &'a Plan,
    blocks: Vec<&'a CheckedBlock>,
    graph: Graph,
}

/// The id of the task that proves a block, however it is proved.
pub(crate) fn block_id(key: Digest, statement: &BlockStatement) -> TaskId {
    TaskId::new(&key.to_bytes(), &layout::to_bytes(statement), &[])
}

/// The task of a block.
fn given(header: &BlockHeader, key: Digest, statement: &BlockStatement) -> Task {
    Task {
        label: format!("block {} of environment {}", header.last_height, header.environment),
        provable: GivenBlock::NAME.to_owned(),
        key: key.to_bytes(),
        statement: layout::to_bytes(statement),
        children: vec![],
        memory: 0,
        place: Place::Given,
    }
}

/// The graph of `plan` over the candidates that it was made from, by index. The block of environment 0 need not be proved yet.
///
/// # Errors
/// [`PlanGraphError`]
pub(crate) fn graph_of<'c>(
    engine: &Engine,
    plan: &Plan,
    candidate: impl Fn(usize) -> &'c Candidate,
) -> Result<Graph, PlanGraphError> {
    let ordered = plan.order.iter().map(|&index| {
        let candidate = candidate(index);
        given(&candidate.header, candidate.key, &candidate.statement)
    });
    let l1 = plan.l1.iter().map(|l1| given(&l1.block.header(), l1.key, l1.block.statement()));
    let mut tasks: Vec<_> = ordered.chain(l1).collect();
    let blocks = tasks.len();
    let mut ids: Vec<_> = tasks.iter().map(Task::id).collect();
    for node in &plan.tree.nodes {
        let children = children(node, blocks).into_iter().map(|position| ids[position]).collect();
        let task = task(engine, plan, node, children)?;
        ids.push(task.id());
        tasks.push(task);
    }
    Ok(Graph::new(tasks)?)
}

impl<'a> PlanGraph<'a> {
    /// The graph of `plan` over `blocks`, which the plan was made from, and over the block of environment 0, if the plan has
    /// one.
    ///
    /// # Errors
    /// [`PlanGraphError`]
    pub fn new(
        engine: &Engine,
        plan: &'a Plan,
        blocks: &'a [CheckedBlock],
        l1_block: Option<&'a CheckedBlock>,
    ) -> Result<Self, PlanGraphError> {
        let graph = graph_of(engine, plan, |index| &blocks[index].candidate)?;
        let blocks = plan.order.iter().map(|&index| &blocks[index]).chain(l1_block).collect();
        Ok(Self { plan, blocks, graph })
    }

    /// The graph.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What the task at `position` needs to know: its input, or, of a block, the proof.
    ///
    /// # Errors
    /// If it is too large.
    pub fn input(&self, position: usize) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        let Some(index) = position.checked_sub(self.blocks.len()) else {
            let CheckedBlock { proof, key, .. } = self.blocks[position];
            return Ok(KeyedProof { proof: proof.clone(), key: key.clone() }.encode());
        };
        let (node, transition) = (&self.plan.tree.nodes[index], &self.plan.transition);
        let applied = |span: Range<usize>| -> Vec<AppliedBlock> { transition.applied[span].to_vec() };
        let superblock = |applied| {
            // Its proofs come with the children.
            let input = transition.superblock_input(SuperblockChildren::Segments(vec![]));
            encode_input(&SuperblockParts::new(input, applied))
        };
        let bytes = match &node.work {
            Work::Leaf => encode_input(&applied(node.span.clone())),
            Work::Messages => encode_input(&transition.messages_input(node.span.start).chunk),
            Work::Fold(_) => encode_input(&()),
            Work::Direct => superblock(applied(node.span.clone())),
            Work::Top(_) => superblock(vec![]),
        };
        Ok(bytes?)
    }
}

/// The positions of the tasks whose proofs a node verifies, after those of `blocks` blocks.
fn children(node: &Node, blocks: usize) -> Vec<usize> {
    match &node.work {
        Work::Leaf | Work::Direct => node.span.clone().collect(),
        Work::Messages => vec![],
        Work::Fold(children) | Work::Top(children) => children.iter().map(|&child| blocks + child).collect(),
    }
}

/// The task of a node.
fn task(engine: &Engine, plan: &Plan, node: &Node, children: Vec<TaskId>) -> Result<Task, PlanGraphError> {
    let segment = plan.transition.segment(node.span.clone());
    let rows = match &node.work {
        Work::Leaf | Work::Messages | Work::Fold(_) => SEGMENT_ROWS,
        Work::Direct | Work::Top(_) => 1 << superblock_shape(plan.tree.source).common.degree_bits(),
    };
    let memory = TASK_BYTES / SEGMENT_ROWS as u64 * rows as u64;
    match &node.work {
        Work::Leaf => made(node, &engine.leaf(node.span.len()), &segment, children, memory),
        Work::Messages => made(node, &engine.messages(), &segment, children, memory),
        Work::Fold(below) => made(node, &engine.fold(below.len()), &segment, children, memory),
        Work::Direct | Work::Top(_) => {
            let circuit = engine.superblock(plan.tree.source)?;
            made(node, &circuit, &plan.transition.statement, children, memory)
        }
    }
}

fn made<Def: Definition + Clone + 'static>(
    node: &Node,
    circuit: &Required<'_, Def>,
    statement: &impl Layout<circuits_core::F>,
    children: Vec<TaskId>,
    memory: u64,
) -> Result<Task, PlanGraphError> {
    let name = circuit.name();
    let key = circuit.key().ok_or_else(|| PlanGraphError::NoKey { name: name.clone() })?;
    Ok(Task {
        label: node.name.clone(),
        provable: name,
        key: key.to_bytes(),
        statement: layout::to_bytes(statement),
        children,
        memory,
        place: Place::Anywhere,
    })
}

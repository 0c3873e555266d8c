//! From what waits to the plan of the next superblock, on which all coordinators of a shared store agree.
//!
//! # The problem
//!
//! A coordinator that starts anew finds other blocks and deposits waiting than the one that ended, and so does a second
//! one beside it. If each of them planned the superblock by itself, there would be two superblocks of one number, and the
//! proofs of one of them would be made in vain.
//!
//! # The approach
//!
//! The graph of a plan is written to the shared store once, under the superblock's number, the number of the attempt, and the
//! state that it continues. Whoever comes later repeats the choice of blocks and deposits that the graph shows, and computes
//! the rest from its own copies of them: the two graphs must be equal, so nothing in the store is believed. Only somebody
//! who asks for it plans anew, as a further attempt: the latest one counts.
//!
//! # Cost
//!
//! One look at the store for each attempt. A graph says that there is a block of environment 0, and not how many deposits it
//! took: if there are more by now, fewer of them are tried, one after the other.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use batcher_circuits::{engine::Engine, state::SuperblockState, transition::TransitionError};
use circuits_core::{CircuitError, layout};
use circuits_protocol::{
    registry::{EnvironmentId, Registry},
    statement::BlockStatement,
};
use circuits_tasks::{
    graph::{Graph, GraphError, Place, Task},
    id::TaskId,
    store::{GraphName, GraphNameError, Object, Store, StoreError},
};
use environments_l1::block::MAX_DEPOSITS;
use plonky2::field::types::PrimeField64 as _;
use thiserror::Error;

use crate::{
    graph::{PlanGraphError, block_id, graph_of},
    planner::{Candidate, L1Input, Plan, Planner, RepeatError, Selection},
    states::StatesError,
};

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The state cannot be read, or the next one cannot be kept.
    #[error(transparent)]
    State(#[from] StatesError),
    /// A checked block does not apply.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// The kernel of environment 0's block cannot be built.
    #[error("the block of environment 0: {0}")]
    L1Kernel(#[from] CircuitError),
    /// The plan has no graph.
    #[error(transparent)]
    Graph(#[from] PlanGraphError),
    /// The shared store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plan has no name in the shared store.
    #[error(transparent)]
    Name(#[from] GraphNameError),
    /// The shared store has something else in the plan's place.
    #[error("plan {name} is damaged: {source}; make another plan")]
    Damaged { name: GraphName, source: Box<GraphError> },
    /// A block of the shared plan is not here.
    #[error(
        "plan {name} has {block}, which is not among the valid blocks here; add it, or make another plan"
    )]
    Missing { name: GraphName, block: String },
    /// The blocks of the shared plan cannot come in its order.
    #[error("plan {name} cannot be repeated: {source}; make another plan")]
    Repeat { name: GraphName, source: Box<RepeatError> },
    /// The rest of the shared plan is another one.
    #[error(
        "plan {name} is of other deposits, another registry, or a program with other circuits; \
         give the same input, or make another plan"
    )]
    Other { name: GraphName },
}

/// What there is to do for a superblock.
pub(crate) enum Planned {
    Plan(Box<Plan>),
    /// No block can be batched; why, the selection says.
    Nothing(Box<Selection>),
}

/// A plan in the store.
struct Stored {
    attempt: u32,
    name: GraphName,
    graph: Result<Graph, GraphError>,
}

/// What waits for the superblock after a state.
pub(crate) struct Waiting<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) planner: &'a Planner,
    pub(crate) state: &'a SuperblockState,
    /// Checks that a state, this one or the next, was read as far as needed and can be kept.
    pub(crate) check: &'a dyn Fn(&SuperblockState) -> Result<(), StatesError>,
    pub(crate) registry: &'a Registry,
    pub(crate) candidates: &'a [Candidate],
    pub(crate) l1: L1Input<'a>,
}

impl Waiting<'_> {
    /// Plans the superblock of what waits.
    ///
    /// # Errors
    /// [`PlanError::State`], [`PlanError::Transition`] or [`PlanError::L1Kernel`].
    pub(crate) fn plan(&self) -> Result<Planned, PlanError> {
        let selection = self.planner.select(self.state, self.registry, self.candidates, Some(&self.l1))?;
        // Without what cannot be read, good blocks would be left out.
        (self.check)(self.state)?;
        if selection.contents.blocks.is_empty() {
            return Ok(Planned::Nothing(Box::new(selection)));
        }
        Ok(Planned::Plan(Box::new(self.plan_of(selection)?)))
    }

    /// Makes the plan that counts in `store`. If there is none, or `replan` asks for another one, it is written there first.
    ///
    /// # Errors
    /// [`PlanError`]
    pub(crate) fn plan_in(&self, store: &dyn Store, mut replan: bool) -> Result<Planned, PlanError> {
        loop {
            let latest = match self.latest(store)? {
                Some(stored) if !replan => return Ok(Planned::Plan(Box::new(self.repeat(stored)?))),
                latest => latest,
            };
            let plan = match self.plan()? {
                Planned::Plan(plan) => plan,
                nothing @ Planned::Nothing(_) => return Ok(nothing),
            };
            let name = self.name(latest.map_or(0, |latest| latest.attempt.saturating_add(1)))?;
            let bytes = self.graph(&plan)?.encode().map_err(PlanGraphError::Graph)?;
            if store.create(&Object::Graph(name), &bytes)? {
                return Ok(Planned::Plan(plan));
            }
            // Another coordinator was faster, and its plan counts.
            replan = false;
        }
    }

    /// The name of an attempt. Chains that share a store have different states, and so have superblocks of one number after
    /// a rollback.
    fn name(&self, attempt: u32) -> Result<GraphName, GraphNameError> {
        let number = self.state.number.saturating_add(1);
        GraphName::new(format!("superblock-{number}-{attempt}-{}", self.state.commitment()))
    }

    /// The latest attempt, if there is one.
    fn latest(&self, store: &dyn Store) -> Result<Option<Stored>, PlanError> {
        let mut latest = None;
        for attempt in 0..=u32::MAX {
            let name = self.name(attempt)?;
            let Some(bytes) = store.get(&Object::Graph(name.clone()))? else { break };
            latest = Some(Stored { attempt, name, graph: Graph::decode(&bytes) });
        }
        Ok(latest)
    }

    /// Makes a plan again, of the same blocks, and, if it has a block of environment 0, of as many deposits.
    fn repeat(&self, Stored { name, graph, .. }: Stored) -> Result<Plan, PlanError> {
        let graph = match graph {
            Ok(graph) => graph,
            Err(error) => return Err(PlanError::Damaged { name, source: Box::new(error) }),
        };
        let id = |candidate: &Candidate| block_id(candidate.key, &candidate.statement);
        let known: BTreeMap<_, _> = self.candidates.iter().map(id).zip(0..).collect();
        let given = graph.tasks().filter(|(_, task)| task.place == Place::Given);
        let (of_l1, others): (Vec<_>, Vec<_>) = given.partition(|(_, task)| is_of_l1(task));
        let mut order = Vec::with_capacity(others.len());
        for (id, task) in others {
            match known.get(&id) {
                Some(&index) => order.push(index),
                None => return Err(PlanError::Missing { name, block: task.label.clone() }),
            }
        }
        let of_l1 = of_l1.first().map(|(id, _)| *id);
        let selection = self.selection_of(&order, of_l1);
        (self.check)(self.state)?;
        match selection {
            Err(error) => Err(PlanError::Repeat { name, source: Box::new(error) }),
            Ok(None) => Err(PlanError::Other { name }),
            Ok(Some(selection)) => {
                let plan = self.plan_of(selection)?;
                if self.graph(&plan)? == graph { Ok(plan) } else { Err(PlanError::Other { name }) }
            }
        }
    }

    /// The selection of these candidates, in this order, and of the block of environment 0 whose task is called `of_l1`, if
    /// the deposits here lead to it.
    fn selection_of(&self, order: &[usize], of_l1: Option<TaskId>) -> Result<Option<Selection>, RepeatError> {
        let repeat = |l1: Option<&L1Input<'_>>| {
            self.planner.repeat(self.state, self.registry, self.candidates, order, l1)
        };
        if of_l1.is_none() {
            return repeat(None).map(Some);
        }
        let deposits = self.l1.deposits;
        for taken in (0..=deposits.len().min(MAX_DEPOSITS)).rev() {
            let selection = repeat(Some(&L1Input { deposits: &deposits[..taken], ..self.l1 }))?;
            let id = selection.l1.as_ref().map(|l1| block_id(l1.key, l1.block.statement()));
            if id == of_l1 {
                return Ok(Some(selection));
            }
        }
        Ok(None)
    }

    fn plan_of(&self, selection: Selection) -> Result<Plan, PlanError> {
        let segment_set_root = self.engine.pinned().key_set().root();
        let plan = self.planner.plan(self.state, self.registry, segment_set_root, selection)?;
        // A state that is too large to be written would make all proofs useless.
        (self.check)(&plan.transition.new_state)?;
        Ok(plan)
    }

    fn graph(&self, plan: &Plan) -> Result<Graph, PlanGraphError> {
        graph_of(self.engine, plan, |index| &self.candidates[index])
    }
}

/// Whether a given task is a block of environment 0.
fn is_of_l1(task: &Task) -> bool {
    let statement = layout::from_bytes::<BlockStatement>(&task.statement);
    let l1 = u64::from(EnvironmentId::L1.get());
    statement.is_ok_and(|statement| statement.environment.to_canonical_u64() == l1)
}

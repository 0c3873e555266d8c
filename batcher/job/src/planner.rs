//! From checked blocks to a plan: which blocks, in which order, under which tree of proofs. A function of its inputs.

mod left_out;
#[cfg(test)]
mod message_tests;
mod placing;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use batcher_circuits::{
    state::SuperblockState,
    transition::{ContentBlock, Contents, Transition, TransitionError},
};
use bridge_core::{BlockMessages, BridgeError, Message};
use circuits_core::Digest;
use circuits_protocol::{
    registry::{EnvironmentId, Registry},
    statement::{BlockStatement, statement_digest},
};
use plonky2::field::types::PrimeField64;

use crate::proof_tree::{ProofTree, ProofTreeLimits};

pub use left_out::{BlockName, LeftOut};
use placing::Placing;

/// The most blocks of one superblock, unless the caller says less.
pub const MAX_BLOCKS: usize = 512;
/// The most deposits that one superblock takes, and the most that it sends back.
pub const MAX_DEPOSITS: usize = 128;

/// A block that the intake accepted: what the planner knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What its proof states.
    pub statement: BlockStatement,
    /// Digest of the wrap key that it was proved under.
    pub key: Digest,
    /// The messages that the statement's lists are digests of.
    pub messages: BlockMessages,
    /// SHA3-256 of its file, which settles the order among files that state the same.
    pub file: [u8; 32],
}

impl Candidate {
    /// The environment; checked statements name one.
    fn environment(&self) -> EnvironmentId {
        EnvironmentId(u16::try_from(self.statement.environment.to_canonical_u64()).unwrap_or(0))
    }

    fn first_height(&self) -> u64 {
        self.statement.first_height.to_canonical_u64()
    }

    fn name(&self) -> BlockName {
        BlockName { environment: self.environment(), height: clamp(self.first_height()) }
    }
}

/// What is to be proved.
pub struct Plan {
    /// Indices of the candidates that are in the superblock, in the order of application.
    pub order: Vec<usize>,
    /// The others, each with its reason, by index.
    pub left_out: Vec<(usize, LeftOut)>,
    /// Why a deposit stays in L1's queue, with all after it: which one, and the rule that it breaks.
    pub stuck: Option<(usize, BridgeError)>,
    /// The superblock, computed natively.
    pub transition: Transition,
    /// The proofs to make.
    pub tree: ProofTree,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("order", &self.order)
            .field("left_out", &self.left_out)
            .field("stuck", &self.stuck)
            .field("tree", &self.tree)
            .finish_non_exhaustive()
    }
}

/// What a selection says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Indices of the blocks taken, in the order of application.
    pub order: Vec<usize>,
    /// The others, by index.
    pub left_out: Vec<(usize, LeftOut)>,
    /// How many deposits are taken.
    pub deposits: usize,
    /// Deposits that nobody claimed in time, which go back.
    pub refunds: Vec<Message>,
    /// The deposit that stays in L1's queue, with all after it, if a rule of the bridge keeps it there.
    pub stuck: Option<(usize, BridgeError)>,
}

/// Where an environment stands while blocks are selected.
struct Head {
    height: u32,
    state: Digest,
}

/// Makes plans.
#[derive(Clone, Copy, Debug)]
pub struct Planner {
    /// The most blocks of one superblock.
    pub max_blocks: usize,
    /// Which trees are considered.
    pub limits: ProofTreeLimits,
}

impl Default for Planner {
    fn default() -> Self {
        Self { max_blocks: MAX_BLOCKS, limits: ProofTreeLimits::default() }
    }
}

impl Planner {
    /// Chooses blocks. Per environment they form one chain from where `state` left it; of several blocks that
    /// continue the chain, the one with the lowest statement digest wins. Environments take turns, by id: in
    /// each turn an environment places its next block if its messages can be moved by then. What can never be
    /// placed is left out with what needs it, each with its own reason. The order of `candidates` has no
    /// influence on what is stated.
    ///
    /// `deposits` are those that L1's queue has and no superblock took.
    #[must_use]
    pub fn select(
        &self,
        state: &SuperblockState,
        registry: &Registry,
        candidates: &[Candidate],
        deposits: &[Message],
    ) -> Selection {
        let (chains, mut left_out) = chains(state, registry, candidates);
        let mut placing = Placing::new(state, candidates, chains);
        let (deposits, stuck) = placing.take_deposits(deposits);
        let refunds = placing.send_back(state);
        placing.place();
        left_out.extend(placing.reasons(&left_out));
        let mut order = placing.order;
        let late = order.split_off(order.len().min(self.max_blocks));
        left_out.extend(late.into_iter().map(|index| (index, LeftOut::Full { limit: self.max_blocks })));
        left_out.sort_by_key(|(index, _)| *index);
        Selection { order, left_out, deposits, refunds, stuck }
    }

    /// Chooses blocks with [`Self::select`], applies them natively and chooses the tree.
    ///
    /// # Errors
    /// [`TransitionError`]: no block is left, or a block breaks a rule that the intake checks.
    pub fn plan(
        &self,
        state: &SuperblockState,
        registry: &Registry,
        segment_set_root: Digest,
        candidates: &[Candidate],
        deposits: &[Message],
    ) -> Result<Plan, TransitionError> {
        let Selection { order, left_out, deposits: taken, refunds, stuck } =
            self.select(state, registry, candidates, deposits);
        let block = |&index: &usize| {
            let Candidate { statement, key, messages, .. } = &candidates[index];
            ContentBlock { key: *key, statement: *statement, messages: messages.clone() }
        };
        let contents = Contents {
            blocks: order.iter().map(block).collect(),
            deposits: deposits[..taken].to_vec(),
            refunds,
        };
        let tree = ProofTree::cheapest(contents.blocks.len(), &contents.load(state), self.limits);
        let transition = Transition::new(state, registry, segment_set_root, &contents, &tree.shares)?;
        Ok(Plan { order, left_out, stuck, transition, tree })
    }
}

/// What continues `state`, by environment, and what does not, with the reason.
fn chains(
    state: &SuperblockState,
    registry: &Registry,
    candidates: &[Candidate],
) -> (Vec<Vec<usize>>, Vec<(usize, LeftOut)>) {
    let mut by_environment: BTreeMap<EnvironmentId, Vec<usize>> = BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        by_environment.entry(candidate.environment()).or_default().push(index);
    }
    let (mut chains, mut left_out) = (vec![], vec![]);
    for (environment, mut indices) in by_environment {
        indices.sort_by_key(|&index| {
            let candidate = &candidates[index];
            (candidate.first_height(), statement_digest(&candidate.statement), candidate.file)
        });
        let row = state.environments.get(&environment);
        let genesis = registry.entry(environment).map_or(Digest::ZERO, |entry| entry.genesis_state);
        let mut head =
            Head { height: row.map_or(0, |row| row.height), state: row.map_or(genesis, |row| row.state) };
        let mut chain = vec![];
        let mut winner: Option<(u64, Digest)> = None;
        for index in indices {
            let statement = &candidates[index].statement;
            let first = candidates[index].first_height();
            let next = u64::from(head.height) + 1;
            let reason = match winner {
                Some((height, winner)) if height == first => {
                    LeftOut::Duplicate { environment, height: clamp(first), winner }
                }
                _ if first < next => LeftOut::AlreadyIncluded { environment, height: head.height },
                _ if first > next => LeftOut::Gap { environment, missing: clamp(next) },
                _ if statement.previous_state != head.state => LeftOut::OtherState {
                    environment,
                    height: clamp(first),
                    reached: head.state,
                    found: statement.previous_state,
                },
                _ => {
                    winner = Some((first, statement_digest(statement)));
                    head.height = clamp(statement.last_height.to_canonical_u64());
                    head.state = statement.new_state;
                    chain.push(index);
                    continue;
                }
            };
            left_out.push((index, reason));
        }
        chains.push(chain);
    }
    (chains, left_out)
}

/// Heights of checked statements have 32 bits.
fn clamp(height: u64) -> u32 {
    u32::try_from(height).unwrap_or(u32::MAX)
}

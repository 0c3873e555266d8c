//! From checked blocks to a plan: which blocks, in which order, under which tree of proofs. A function of its inputs.

use std::{collections::BTreeMap, fmt};

use circuits::{
    Digest,
    registry::{EnvironmentId, Registry},
    statement::{BlockStatement, statement_digest},
};
use plonky2::field::types::PrimeField64;
use thiserror::Error;

use crate::{
    circuits::{
        state::SuperblockState,
        transition::{Transition, TransitionError},
    },
    tree::{Tree, TreeLimits},
};

/// The most blocks of one superblock, unless the caller says less.
pub const MAX_BLOCKS: usize = 512;

/// A block that the intake accepted: what the planner knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What its proof states.
    pub statement: BlockStatement,
    /// Digest of the wrap key that it was proved under.
    pub key: Digest,
    /// SHA3-256 of its file, which settles the order among files that state the same.
    pub file: [u8; 32],
}

/// Why a valid block is not in a superblock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LeftOut {
    /// The environment is already past it.
    #[error("environment {environment} is already at height {height}")]
    AlreadyIncluded {
        /// The environment.
        environment: EnvironmentId,
        /// Its height.
        height: u32,
    },
    /// Another block of this height states less; see [`Planner::plan`].
    #[error(
        "another block of environment {environment} starts at height {height}; its statement digest {winner} is not larger"
    )]
    Duplicate {
        /// The environment.
        environment: EnvironmentId,
        /// The height where both start.
        height: u32,
        /// Digest of the other's statement.
        winner: Digest,
    },
    /// It starts from a state that the environment is not in.
    #[error(
        "environment {environment} reached state {reached}, the block at height {height} starts from {found}"
    )]
    OtherState {
        /// The environment.
        environment: EnvironmentId,
        /// The block's first height.
        height: u32,
        /// The state reached.
        reached: Digest,
        /// The block's previous state.
        found: Digest,
    },
    /// A block before it is missing.
    #[error("environment {environment} has no block for height {missing}")]
    Gap {
        /// The environment.
        environment: EnvironmentId,
        /// The first height without a block.
        missing: u32,
    },
    /// The superblock is full; the next one can take it.
    #[error("the superblock has {limit} blocks already")]
    Full {
        /// The limit.
        limit: usize,
    },
}

impl LeftOut {
    /// Whether a later superblock could still include the block.
    #[must_use]
    pub fn may_come_later(&self) -> bool {
        match self {
            Self::Gap { .. } | Self::Full { .. } => true,
            Self::AlreadyIncluded { .. } | Self::Duplicate { .. } | Self::OtherState { .. } => false,
        }
    }
}

/// What is to be proved.
pub struct Plan {
    /// Indices of the candidates that are in the superblock, in the order of application.
    pub order: Vec<usize>,
    /// The others, each with its reason, by index.
    pub left_out: Vec<(usize, LeftOut)>,
    /// The superblock, computed natively.
    pub transition: Transition,
    /// The proofs to make.
    pub tree: Tree,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("order", &self.order)
            .field("left_out", &self.left_out)
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
    pub limits: TreeLimits,
}

impl Default for Planner {
    fn default() -> Self {
        Self { max_blocks: MAX_BLOCKS, limits: TreeLimits::default() }
    }
}

impl Planner {
    /// Chooses blocks. Per environment they form one chain from where `state` left it; of several blocks that continue the
    /// chain, the one with the lowest statement digest wins. Blocks are ordered by environment, then by height. The order
    /// of `candidates` has no influence on what is stated.
    #[must_use]
    pub fn select(
        &self,
        state: &SuperblockState,
        registry: &Registry,
        candidates: &[Candidate],
    ) -> Selection {
        let mut by_environment: BTreeMap<EnvironmentId, Vec<usize>> = BTreeMap::new();
        for (index, candidate) in candidates.iter().enumerate() {
            by_environment.entry(environment_of(&candidate.statement)).or_default().push(index);
        }
        let (mut chains, mut left_out) = (vec![], vec![]);
        for (environment, mut indices) in by_environment {
            indices.sort_by_key(|&index| {
                let candidate = &candidates[index];
                (first_height(&candidate.statement), statement_digest(&candidate.statement), candidate.file)
            });
            let row = state.environments.get(&environment);
            let genesis = registry.entry(environment).map_or(Digest::ZERO, |entry| entry.genesis_state);
            let mut head =
                Head { height: row.map_or(0, |row| row.height), state: row.map_or(genesis, |row| row.state) };
            let mut chain = vec![];
            let mut winner: Option<(u64, Digest)> = None;
            for index in indices {
                let statement = &candidates[index].statement;
                let first = first_height(statement);
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
        let mut order = vec![];
        for (chain, share) in chains.iter().zip(self.shares(&chains)) {
            order.extend(&chain[..share]);
            left_out.extend(
                chain[share..].iter().map(|&index| (index, LeftOut::Full { limit: self.max_blocks })),
            );
        }
        left_out.sort_by_key(|(index, _)| *index);
        Selection { order, left_out }
    }

    /// How many blocks of each chain fit: one of each in turn, so that no environment crowds another one out.
    fn shares(&self, chains: &[Vec<usize>]) -> Vec<usize> {
        let mut shares = vec![0; chains.len()];
        let mut left = self.max_blocks;
        loop {
            let before = left;
            for (share, chain) in shares.iter_mut().zip(chains) {
                if left > 0 && *share < chain.len() {
                    *share += 1;
                    left -= 1;
                }
            }
            if left == before {
                return shares;
            }
        }
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
    ) -> Result<Plan, TransitionError> {
        let Selection { order, left_out } = self.select(state, registry, candidates);
        let blocks: Vec<_> =
            order.iter().map(|&index| (candidates[index].key, candidates[index].statement)).collect();
        let transition = Transition::new(state, registry, segment_set_root, &blocks)?;
        let tree = Tree::cheapest(blocks.len(), self.limits);
        Ok(Plan { order, left_out, transition, tree })
    }
}

/// The environment that a checked statement names.
fn environment_of(statement: &BlockStatement) -> EnvironmentId {
    EnvironmentId(u16::try_from(statement.environment.to_canonical_u64()).unwrap_or(0))
}

fn first_height(statement: &BlockStatement) -> u64 {
    statement.first_height.to_canonical_u64()
}

/// Heights of checked statements have 32 bits.
fn clamp(height: u64) -> u32 {
    u32::try_from(height).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{block, digest, free_key_digest, free_registry};

    fn candidate(statement: BlockStatement, file: u8) -> Candidate {
        Candidate { statement, key: free_key_digest(), file: [file; 32] }
    }

    fn select(max_blocks: usize, candidates: &[Candidate]) -> Selection {
        let planner = Planner { max_blocks, ..Planner::default() };
        planner.select(&SuperblockState::genesis(1), &free_registry(3), candidates)
    }

    #[test]
    fn the_order_of_files_has_no_influence() {
        let mut candidates: Vec<_> = [(2, 2), (1, 3), (3, 1), (1, 1), (2, 1), (1, 2)]
            .into_iter()
            .zip(0..)
            .map(|((id, height), file)| candidate(block(id, height), file))
            .collect();
        let statements = |candidates: &[Candidate]| -> Vec<_> {
            select(100, candidates).order.iter().map(|&index| candidates[index].statement).collect()
        };
        let expected: Vec<_> =
            [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)].map(|(id, height)| block(id, height)).into();
        for _ in 0..candidates.len() {
            candidates.rotate_left(1);
            assert_eq!(statements(&candidates), expected);
        }
        candidates.reverse();
        assert_eq!(statements(&candidates), expected);
    }

    #[test]
    fn of_two_blocks_of_one_height_the_lower_statement_digest_wins() {
        let a = block(1, 1);
        let b = BlockStatement { body: digest(99), ..a };
        let (winner, loser) = if statement_digest(&a) < statement_digest(&b) { (a, b) } else { (b, a) };
        for candidates in [[winner, loser], [loser, winner]] {
            let candidates = candidates.map(|statement| candidate(statement, 0));
            let selection = select(100, &candidates);
            assert_eq!(selection.order.len(), 1);
            assert_eq!(candidates[selection.order[0]].statement, winner);
            let reason = LeftOut::Duplicate {
                environment: EnvironmentId(1),
                height: 1,
                winner: statement_digest(&winner),
            };
            assert_eq!(selection.left_out, [(1 - selection.order[0], reason)]);
        }
    }

    #[test]
    fn a_block_from_another_state_never_blocks_the_one_that_continues() {
        let good = block(1, 1);
        // Many digests, so that some are below and some above the good one's.
        let mut candidates: Vec<_> = (0..8)
            .map(|label| candidate(BlockStatement { previous_state: digest(50 + label), ..good }, 0))
            .collect();
        candidates.push(candidate(good, 0));
        let selection = select(100, &candidates);
        assert_eq!(selection.order, [8]);
        assert_eq!(selection.left_out.len(), 8);
    }

    #[test]
    fn a_gap_leaves_out_what_follows_and_nothing_else() {
        let candidates = [block(1, 1), block(1, 3), block(2, 1)].map(|statement| candidate(statement, 0));
        let selection = select(100, &candidates);
        assert_eq!(selection.order, [0, 2]);
        assert_eq!(selection.left_out, [(1, LeftOut::Gap { environment: EnvironmentId(1), missing: 2 })]);
    }

    #[test]
    fn a_block_that_a_superblock_holds_is_left_out() {
        let registry = free_registry(3);
        let candidates = [block(1, 1), block(1, 2)].map(|statement| candidate(statement, 0));
        let genesis = SuperblockState::genesis(1);
        let first = Planner::default().plan(&genesis, &registry, digest(1), &candidates[..1]).expect("valid");
        let state = first.transition.new_state;
        let selection = Planner::default().select(&state, &registry, &candidates);
        assert_eq!(selection.order, [1]);
        let reason = LeftOut::AlreadyIncluded { environment: EnvironmentId(1), height: 1 };
        assert_eq!(selection.left_out, [(0, reason)]);
    }

    #[test]
    fn a_full_superblock_leaves_the_rest_for_the_next_one() {
        let candidates =
            [block(1, 1), block(1, 2), block(1, 3), block(2, 1)].map(|statement| candidate(statement, 0));
        let selection = select(2, &candidates);
        assert_eq!(selection.order, [0, 3], "each environment has its turn");
        assert_eq!(selection.left_out.len(), 2);
        assert!(selection.left_out.iter().all(|(_, reason)| *reason == LeftOut::Full { limit: 2 }));
    }

    #[test]
    fn a_superblock_without_blocks_is_refused() {
        let result = Planner::default().plan(&SuperblockState::genesis(1), &free_registry(1), digest(1), &[]);
        assert_eq!(result.expect_err("no blocks"), TransitionError::Empty);
    }
}

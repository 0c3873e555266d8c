//! The tree of proofs above a list of blocks and their messages, chosen by cost.
//!
//! # The problem
//!
//! The number of blocks of a superblock varies; the circuits do not. A leaf applies 1 to 3 blocks, a message segment moves
//! messages, a fold joins 2 or 3 segments, and a superblock verifies 1, 2, 3 or 6 segments, or 1 to 6 blocks directly. Many
//! trees of these prove the same statement: it does not depend on the tree. A proof costs about as much time as its
//! circuit has rows, so the tree with the fewest rows in total is to be found.
//!
//! # The approach
//!
//! All leaves, folds and message segments have 2^15 rows, whatever they contain, so the fewest of them are best. That
//! leaves one choice, the superblock circuit: a handful of candidates. For each, [`Load::pack`] says how many message
//! segments are needed beside the rows that the circuit leaves free, and the rest follows:
//!
//! - Leaves are full, but for the last one.
//! - A fold of `k` segments saves `k - 1`. From the left, folds as wide as possible reduce the segments to as many as the
//!   superblock verifies. The folds of one sweep do not depend on each other, and can be proved at the same time.
//!
//! The candidate with the fewest rows wins; of several, one that verifies blocks directly, or else the fewest segments.
//!
//! # Example
//!
//! 24 blocks without messages fill 8 leaves:
//!
//! ```text
//! superblock over    folds                              2^15 rows: leaves + folds + superblock
//! 6 segments         3 to 1                     -> 6    8 + 1 + 2   = 11
//! 3 segments         3 to 1 twice, 2 to 1       -> 3    8 + 3 + 1   = 12
//! 2 segments         3 to 1 three times         -> 2    8 + 3 + 1   = 12
//! 1 segment          3 to 1 three times, 2 to 1 -> 1    8 + 4 + 1/2 = 12.5
//! ```
//!
//! # Cost
//!
//! There are at most five candidates. Each takes one pass over the moves, and for `s` segments `O(s^2)` steps to lay out
//! the folds, with at most a few hundred segments.

use std::ops::Range;

use batcher_circuits::{
    messages::MESSAGE_CAPACITY,
    packing::{Load, Share},
    segment::{FOLD_MAX_ARITY, LEAF_MAX_BLOCKS},
};
use batcher_verify::circuit::{SEGMENT_ARITIES, SuperblockCircuit};
use bridge_core::Capacity;

/// Rows of every segment circuit.
pub(crate) const SEGMENT_ROWS: usize = 1 << 15;

/// What a proof of the tree verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A segment leaf over blocks.
    Leaf,
    /// A message segment.
    Messages,
    /// A fold of earlier nodes.
    Fold(Vec<usize>),
    /// The superblock over blocks.
    Direct,
    /// The superblock over earlier nodes.
    Top(Vec<usize>),
}

/// One proof to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Names the node within its plan, such as `leaf 0..3`; the same in every run.
    pub name: String,
    /// What it verifies.
    pub work: Work,
    /// The positions that it covers: the superblock's blocks come first, then its message segments.
    pub span: Range<usize>,
}

impl Node {
    fn new(label: &str, work: Work, span: Range<usize>) -> Self {
        Self { name: format!("{label} {}..{}", span.start, span.end), work, span }
    }

    /// The message segment at `position`, named by its steps.
    fn messages(position: usize, share: &Share) -> Self {
        let Share { new_balances, steps, .. } = share;
        let name = if steps.is_empty() {
            format!("balances {}..{}", new_balances.start, new_balances.end)
        } else {
            format!("messages {}..{}", steps.start, steps.end)
        };
        Self { name, work: Work::Messages, span: position..position + 1 }
    }

    /// Indices of the nodes that must be done before.
    #[must_use]
    pub fn children(&self) -> &[usize] {
        match &self.work {
            Work::Leaf | Work::Messages | Work::Direct => &[],
            Work::Fold(children) | Work::Top(children) => children,
        }
    }
}

/// Which trees are candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofTreeLimits {
    /// Whether a superblock may verify blocks itself, without a segment.
    pub direct: bool,
}

impl Default for ProofTreeLimits {
    fn default() -> Self {
        Self { direct: true }
    }
}

/// The proofs of one superblock: children before parents, the superblock last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofTree {
    /// The proofs, in an order that satisfies their dependencies.
    pub nodes: Vec<Node>,
    /// What the superblock verifies.
    pub source: SuperblockCircuit,
    /// What each message segment moves, and last what the superblock moves itself.
    pub shares: Vec<Share>,
}

/// Rows of a superblock circuit.
fn superblock_rows(source: SuperblockCircuit) -> usize {
    1 << batcher_verify::circuit::superblock_shape(source).common.degree_bits()
}

impl ProofTree {
    /// The tree with the fewest rows over `blocks` blocks, at least 1, and the messages of `load`. Ties go to
    /// a superblock over blocks, or else to the fewest segments below it.
    #[must_use]
    pub fn cheapest(blocks: usize, load: &Load, limits: ProofTreeLimits) -> Self {
        let direct = SuperblockCircuit::all()
            .filter(|source| limits.direct && source.blocks() == blocks)
            .filter_map(|source| Self::direct(source, load));
        let folded = SEGMENT_ARITIES.into_iter().filter_map(|arity| Self::segments(blocks, load, arity));
        // One segment takes any load whose moves each fit a message segment.
        direct.chain(folded).min_by_key(Self::rows).unwrap_or_else(|| Self::top(vec![], vec![], 1))
    }

    /// Rows of all proofs.
    #[must_use]
    pub fn rows(&self) -> usize {
        SEGMENT_ROWS * (self.nodes.len() - 1) + superblock_rows(self.source)
    }

    /// A superblock that verifies its blocks and moves their messages itself.
    fn direct(source: SuperblockCircuit, load: &Load) -> Option<Self> {
        let shares = load.pack(Capacity::NONE, source.capacity(), 0)?;
        let nodes = vec![Node::new("superblock", Work::Direct, 0..source.blocks())];
        Some(Self { nodes, source, shares })
    }

    /// Full leaves, the last one smaller, then message segments; as few folds as reduce them to `arity`
    /// segments, in sweeps from left to right.
    fn segments(blocks: usize, load: &Load, arity: usize) -> Option<Self> {
        let least = arity.saturating_sub(blocks.div_ceil(LEAF_MAX_BLOCKS));
        let shares = load.pack(MESSAGE_CAPACITY, SuperblockCircuit::Segments(arity).capacity(), least)?;
        let mut nodes: Vec<_> = (0..blocks)
            .step_by(LEAF_MAX_BLOCKS)
            .map(|start| Node::new("leaf", Work::Leaf, start..blocks.min(start + LEAF_MAX_BLOCKS)))
            .collect();
        let own = shares.len() - 1;
        nodes.extend((blocks..).zip(&shares[..own]).map(|(position, share)| Node::messages(position, share)));
        Some(Self::top(nodes, shares, arity))
    }

    /// Folds `nodes` until `arity` are left, which the superblock verifies.
    fn top(mut nodes: Vec<Node>, shares: Vec<Share>, arity: usize) -> Self {
        let span = nodes.last().map_or(0, |node| node.span.end);
        let mut frontier: Vec<usize> = (0..nodes.len()).collect();
        let mut position = 0;
        while frontier.len() > arity {
            let width = FOLD_MAX_ARITY.min(frontier.len() - arity + 1);
            if position + width > frontier.len() {
                position = 0;
            }
            let children: Vec<_> = frontier[position..position + width].to_vec();
            let covered = nodes[children[0]].span.start..nodes[children[width - 1]].span.end;
            frontier.splice(position..position + width, [nodes.len()]);
            nodes.push(Node::new("fold", Work::Fold(children), covered));
            position += 1;
        }
        nodes.push(Node::new("superblock", Work::Top(frontier), 0..span));
        Self { nodes, source: SuperblockCircuit::Segments(arity), shares }
    }
}

#[cfg(test)]
mod tests {
    use batcher_verify::circuit::DIRECT_MAX_BLOCKS;

    use super::*;

    /// The tree over blocks without messages.
    fn silent(blocks: usize, limits: ProofTreeLimits) -> ProofTree {
        ProofTree::cheapest(blocks, &Load::default(), limits)
    }

    /// Checks that every node covers its children's positions, without a gap and in order, and that every proof is used.
    fn check(tree: &ProofTree, blocks: usize) {
        let last = tree.nodes.last().expect("a tree has a superblock");
        assert_eq!(last.span, 0..blocks + tree.shares.len() - 1);
        let mut parents = vec![0; tree.nodes.len()];
        for (index, node) in tree.nodes.iter().enumerate() {
            let children = node.children();
            for &child in children {
                assert!(child < index, "{} comes before its child", node.name);
                parents[child] += 1;
            }
            match &node.work {
                Work::Leaf => assert!((1..=LEAF_MAX_BLOCKS).contains(&node.span.len())),
                Work::Messages => assert_eq!(node.span.len(), 1),
                Work::Direct => assert!((1..=DIRECT_MAX_BLOCKS).contains(&node.span.len())),
                Work::Fold(children) => assert!((2..=FOLD_MAX_ARITY).contains(&children.len())),
                Work::Top(children) => assert_eq!(tree.source, SuperblockCircuit::Segments(children.len())),
            }
            let mut at = node.span.start;
            for &child in children {
                assert_eq!(tree.nodes[child].span.start, at);
                at = tree.nodes[child].span.end;
            }
            if !children.is_empty() {
                assert_eq!(at, node.span.end);
            }
        }
        assert_eq!(parents.pop(), Some(0));
        assert!(parents.iter().all(|&count| count == 1), "a proof is used exactly once");
    }

    #[test]
    fn every_tree_covers_every_block_once_and_in_order() {
        for blocks in 1..=300 {
            for direct in [false, true] {
                check(&silent(blocks, ProofTreeLimits { direct }), blocks);
            }
        }
        check(&silent(4096, ProofTreeLimits::default()), 4096);
    }

    #[test]
    fn the_tree_of_a_number_of_blocks_is_always_the_same() {
        for blocks in [1, 4, 5, 16, 64, 100] {
            let tree = silent(blocks, ProofTreeLimits::default());
            assert_eq!(tree, silent(blocks, ProofTreeLimits::default()));
        }
    }

    #[test]
    fn small_superblocks_verify_blocks_themselves() {
        for blocks in 1..=DIRECT_MAX_BLOCKS {
            assert_eq!(silent(blocks, ProofTreeLimits::default()).source, SuperblockCircuit::Blocks(blocks));
        }
        let more = silent(DIRECT_MAX_BLOCKS + 1, ProofTreeLimits::default());
        assert_eq!(more.source, SuperblockCircuit::Segments(3));
    }

    #[test]
    fn no_more_folds_are_made_than_needed() {
        for blocks in 1..=600 {
            let leaves = usize::div_ceil(blocks, LEAF_MAX_BLOCKS);
            for arity in SEGMENT_ARITIES.into_iter().filter(|&arity| arity <= leaves) {
                let tree = ProofTree::segments(blocks, &Load::default(), arity).expect("enough leaves");
                let folds = tree.nodes.iter().filter(|node| matches!(node.work, Work::Fold(_))).count();
                assert_eq!(folds, (leaves - arity).div_ceil(FOLD_MAX_ARITY - 1));
            }
        }
    }

    #[test]
    fn sixty_four_blocks_need_the_rows_of_thirty_two_segments() {
        for (blocks, segments) in [(3, 1), (6, 2), (7, 4), (16, 8), (64, 32)] {
            let rows = silent(blocks, ProofTreeLimits::default()).rows();
            assert_eq!(rows, segments * SEGMENT_ROWS, "{blocks} blocks");
        }
    }

    #[test]
    fn names_are_unique() {
        let tree = silent(100, ProofTreeLimits::default());
        let mut names: Vec<_> = tree.nodes.iter().map(|node| &node.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), tree.nodes.len());
    }

    /// The load of moves with these numbers of steps.
    fn load(steps: &[usize]) -> Load {
        let moves: Vec<_> = steps
            .iter()
            .map(|&count| {
                let sent: Vec<_> = (0..count as u64)
                    .map(|sequence| bridge_core::Message {
                        sequence,
                        ..batcher_circuits::testing::message(1, 1, 2, 1)
                    })
                    .collect();
                batcher_circuits::testing::moves(1, &[], &sent.iter().collect::<Vec<_>>())
            })
            .collect();
        Load::new(&bridge_core::BridgeState::default(), &moves)
    }

    #[test]
    fn every_tree_with_messages_covers_every_position_once_and_in_order() {
        for blocks in [1, 2, 3, 4, 5, 9, 40, 300] {
            for steps in [&[1][..], &[20], &[60, 60], &[128], &[128; 3], &[100; 30]] {
                let tree = ProofTree::cheapest(blocks, &load(steps), ProofTreeLimits::default());
                check(&tree, blocks);
                let moved: usize = tree.shares.iter().map(|share| share.steps.len()).sum();
                assert_eq!(moved, steps.iter().sum::<usize>());
                let mut names: Vec<_> = tree.nodes.iter().map(|node| &node.name).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), tree.nodes.len());
            }
        }
    }

    #[test]
    fn messages_cost_nothing_where_rows_are_free_for_them() {
        for (blocks, steps) in
            [(1, 32), (2, 65), (3, 14), (4, 128), (5, 80), (6, 36), (7, 8), (16, 18), (64, 18)]
        {
            let tree = ProofTree::cheapest(blocks, &load(&[steps]), ProofTreeLimits::default());
            assert_eq!(tree.rows(), silent(blocks, ProofTreeLimits::default()).rows(), "{blocks} blocks");
        }
    }
}

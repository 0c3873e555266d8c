//! The tree of proofs above a list of blocks, chosen by cost.

use std::ops::Range;

use crate::circuits::{
    segment::{FOLD_MAX_ARITY, LEAF_MAX_BLOCKS},
    superblock::{DIRECT_MAX_BLOCKS, SEGMENT_ARITIES, Source},
};

/// Rows of a segment proof, whatever it verifies.
const SEGMENT_ROWS: usize = 1 << 15;

/// What a proof of the tree verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A segment leaf over blocks.
    Leaf,
    /// A fold of earlier tasks.
    Fold(Vec<usize>),
    /// The superblock over blocks.
    Direct,
    /// The superblock over earlier tasks.
    Top(Vec<usize>),
}

/// One proof to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// A name that the plan gives it, such as `leaf 0..8`; the same in every run.
    pub name: String,
    /// What it verifies.
    pub work: Work,
    /// The blocks it covers.
    pub blocks: Range<usize>,
}

impl Task {
    fn new(label: &str, work: Work, blocks: Range<usize>) -> Self {
        Self { name: format!("{label} {}..{}", blocks.start, blocks.end), work, blocks }
    }

    /// Indices of the tasks that must be done before.
    #[must_use]
    pub fn children(&self) -> &[usize] {
        match &self.work {
            Work::Leaf | Work::Direct => &[],
            Work::Fold(children) | Work::Top(children) => children,
        }
    }
}

/// Which trees are considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeLimits {
    /// Whether a superblock may verify blocks itself.
    pub direct: bool,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { direct: true }
    }
}

/// The proofs of one superblock: children before parents, the superblock last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The proofs, in an order that satisfies their dependencies.
    pub tasks: Vec<Task>,
    /// What the superblock verifies.
    pub source: Source,
}

/// Rows of a superblock circuit.
fn superblock_rows(source: Source) -> usize {
    1 << crate::circuits::superblock::superblock_shape(source).common.degree_bits()
}

impl Tree {
    /// The tree with the fewest rows over `blocks` blocks, at least 1. Ties go to the fewest segments below the superblock.
    #[must_use]
    pub fn cheapest(blocks: usize, limits: TreeLimits) -> Self {
        let direct =
            (limits.direct && (1..=DIRECT_MAX_BLOCKS).contains(&blocks)).then(|| Self::direct(blocks));
        let leaves = blocks.div_ceil(LEAF_MAX_BLOCKS).max(1);
        let folded = SEGMENT_ARITIES
            .into_iter()
            .filter(|&arity| arity <= leaves)
            .map(|arity| Self::segments(blocks, arity));
        direct.into_iter().chain(folded).min_by_key(Self::rows).unwrap_or_else(|| Self::direct(blocks))
    }

    /// Rows of all proofs.
    #[must_use]
    pub fn rows(&self) -> usize {
        SEGMENT_ROWS * (self.tasks.len() - 1) + superblock_rows(self.source)
    }

    fn direct(blocks: usize) -> Self {
        let tasks = vec![Task::new("superblock", Work::Direct, 0..blocks)];
        Self { tasks, source: Source::Blocks(blocks) }
    }

    /// Full leaves, the last one smaller; as few folds as reduce them to `arity` segments, in sweeps from left to right.
    fn segments(blocks: usize, arity: usize) -> Self {
        let mut tasks: Vec<_> = (0..blocks)
            .step_by(LEAF_MAX_BLOCKS)
            .map(|start| Task::new("leaf", Work::Leaf, start..blocks.min(start + LEAF_MAX_BLOCKS)))
            .collect();
        let mut frontier: Vec<usize> = (0..tasks.len()).collect();
        let mut position = 0;
        while frontier.len() > arity {
            let width = FOLD_MAX_ARITY.min(frontier.len() - arity + 1);
            if position + width > frontier.len() {
                position = 0;
            }
            let children: Vec<_> = frontier[position..position + width].to_vec();
            let covered = tasks[children[0]].blocks.start..tasks[children[width - 1]].blocks.end;
            frontier.splice(position..position + width, [tasks.len()]);
            tasks.push(Task::new("fold", Work::Fold(children), covered));
            position += 1;
        }
        tasks.push(Task::new("superblock", Work::Top(frontier), 0..blocks));
        Self { tasks, source: Source::Segments(arity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every task covers its children's blocks, without a hole and in order; every block is covered by one leaf.
    fn check(tree: &Tree, blocks: usize) {
        let last = tree.tasks.last().expect("a tree has a superblock");
        assert_eq!(last.blocks, 0..blocks);
        let mut parents = vec![0; tree.tasks.len()];
        for (index, task) in tree.tasks.iter().enumerate() {
            let children = task.children();
            for &child in children {
                assert!(child < index, "{} stands before its child", task.name);
                parents[child] += 1;
            }
            match &task.work {
                Work::Leaf => assert!((1..=LEAF_MAX_BLOCKS).contains(&task.blocks.len())),
                Work::Direct => assert!((1..=DIRECT_MAX_BLOCKS).contains(&task.blocks.len())),
                Work::Fold(children) => assert!((2..=FOLD_MAX_ARITY).contains(&children.len())),
                Work::Top(children) => assert_eq!(tree.source, Source::Segments(children.len())),
            }
            let mut at = task.blocks.start;
            for &child in children {
                assert_eq!(tree.tasks[child].blocks.start, at);
                at = tree.tasks[child].blocks.end;
            }
            if !children.is_empty() {
                assert_eq!(at, task.blocks.end);
            }
        }
        assert_eq!(parents.pop(), Some(0));
        assert!(parents.iter().all(|&count| count == 1), "a proof is used exactly once");
    }

    #[test]
    fn every_tree_covers_every_block_once_and_in_order() {
        for blocks in 1..=300 {
            for direct in [false, true] {
                check(&Tree::cheapest(blocks, TreeLimits { direct }), blocks);
            }
        }
        check(&Tree::cheapest(4096, TreeLimits::default()), 4096);
    }

    #[test]
    fn the_tree_of_a_number_of_blocks_is_always_the_same() {
        for blocks in [1, 4, 5, 16, 64, 100] {
            let tree = Tree::cheapest(blocks, TreeLimits::default());
            assert_eq!(tree, Tree::cheapest(blocks, TreeLimits::default()));
        }
    }

    #[test]
    fn small_superblocks_verify_blocks_themselves() {
        for blocks in 1..=DIRECT_MAX_BLOCKS {
            assert_eq!(Tree::cheapest(blocks, TreeLimits::default()).source, Source::Blocks(blocks));
        }
        assert_eq!(Tree::cheapest(5, TreeLimits::default()).source, Source::Segments(1));
    }

    #[test]
    fn no_more_folds_are_made_than_needed() {
        for blocks in 1..=600 {
            let leaves = usize::div_ceil(blocks, LEAF_MAX_BLOCKS);
            for arity in SEGMENT_ARITIES.into_iter().filter(|&arity| arity <= leaves) {
                let tree = Tree::segments(blocks, arity);
                let folds = tree.tasks.iter().filter(|task| matches!(task.work, Work::Fold(_))).count();
                assert_eq!(folds, (leaves - arity).div_ceil(FOLD_MAX_ARITY - 1));
            }
        }
    }

    #[test]
    fn sixty_four_blocks_need_ten_segment_sized_proofs() {
        let tree = Tree::cheapest(64, TreeLimits::default());
        assert_eq!(tree.rows(), 10 * SEGMENT_ROWS);
        assert_eq!(Tree::cheapest(16, TreeLimits::default()).rows(), 5 * SEGMENT_ROWS / 2);
    }

    #[test]
    fn names_are_unique() {
        let tree = Tree::cheapest(100, TreeLimits::default());
        let mut names: Vec<_> = tree.tasks.iter().map(|task| &task.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), tree.tasks.len());
    }
}

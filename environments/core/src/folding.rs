//! How a kernel verifies the parts of its block.

use circuits_core::{
    Builder, Digest,
    constrain::{Constrain as _, DigestOps as _},
    layout::Layout,
    recursion::Shape,
};
use circuits_protocol::fold::{Chain, ListedChildTarget};
use plonky2::iop::target::Target;

/// "In the block with this context, these transactions lead from `before` to `after`."
pub trait PartStatement: Layout<Target> + Copy {
    /// What is the same for all parts of a block.
    type Context: Layout<Target>;
    /// What is carried from one part to the next.
    type Running: Layout<Target> + Copy;

    /// Context, before and after.
    fn parts(&self) -> (&Self::Context, &Self::Running, &Self::Running);
}

/// Verifies `count` consecutive parts of the block with this context, proved by circuits of the set with this root. The
/// first part continues `start`. Returns the running state after the last one.
pub fn parts_circuit<C: Chain<Statement: PartStatement>>(
    builder: &mut Builder,
    shape: &Shape,
    key_set_root: Digest,
    context: &<C::Statement as PartStatement>::Context,
    start: &<C::Statement as PartStatement>::Running,
    count: usize,
) -> (<C::Statement as PartStatement>::Running, Vec<ListedChildTarget<C::Statement>>) {
    let root = builder.constant_digest(key_set_root);
    let mut running = *start;
    let mut children = vec![];
    for _ in 0..count {
        let listed = ListedChildTarget::verify(builder, shape, |_: &C::Statement| root);
        let statement = listed.child.statement;
        // A fold takes the root from its statement, so the statement must carry the pinned one.
        builder.enforce_digest_equal(C::key_set_root(&statement), root);
        let (of, before, after) = statement.parts();
        builder.enforce_layout_equal(of, context);
        builder.enforce_layout_equal(before, &running);
        running = *after;
        children.push(listed);
    }
    (running, children)
}

/// How many of `parts` consecutive proofs each of a kernel's `children` covers, the largest first: 1 for a proof as it is,
/// more for a fold of one of the `arities`, which fall. `None` if the arities allow no such children.
#[must_use]
pub fn child_sizes(parts: usize, arities: &[usize], children: usize) -> Option<Vec<usize>> {
    if children == 0 {
        return (parts == 0).then(Vec::new);
    }
    let fitting = arities.iter().chain([&1]).filter(|&&size| size <= parts);
    fitting
        .filter_map(|&size| Some([vec![size], child_sizes(parts - size, arities, children - 1)?].concat()))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_children_as_asked_for_cover_all_parts() {
        assert_eq!(child_sizes(3, &[3, 2], 2), Some(vec![2, 1]));
        assert_eq!(child_sizes(8, &[3, 2], 5), Some(vec![3, 2, 1, 1, 1]));
        assert_eq!(child_sizes(0, &[3, 2], 0), Some(vec![]));
        for (parts, children) in [(1, 2), (7, 2), (1, 0)] {
            assert_eq!(child_sizes(parts, &[3, 2], children), None);
        }
    }
}

//! Openings and appending.

use circuits_core::{
    DigestTarget,
    constrain::DigestOps,
    trees::{AppendTree, IndexTree, Path, PathTarget, index_bits},
};
use plonky2::iop::target::BoolTarget;

use super::*;

fn index_tree() -> IndexTree {
    let mut tree = IndexTree::new(DEPTH);
    for index in [3, 4, 15] {
        tree.set(index, leaf(index)).unwrap();
    }
    tree
}

fn membership(root: Digest, index: u64, leaf: Digest, path: Path) -> Lie<Path> {
    honest(&[&root.0[..], &[element(index)], &leaf.0].concat(), path)
}

#[test]
fn index_membership_withstands_the_kit() {
    let (tree, empty) = (index_tree(), IndexTree::new(DEPTH));
    attack::<gadgets::IndexMembership, 9>(
        &[
            membership(tree.root(), 4, leaf(4), tree.path(4)),
            membership(tree.root(), 15, leaf(15), tree.path(15)),
        ],
        &[
            membership(tree.root(), 7, Digest::ZERO, tree.path(7)),
            membership(empty.root(), 7, Digest::ZERO, empty.path(7)),
            membership(empty.root(), 4, leaf(4), tree.path(4)),
        ],
    );
}

/// Case 31, with any weights.
#[test]
fn zero_leaf_is_rejected() {
    let tree = index_tree();
    let compiled = Compiled::new(Lying(Gadget::<gadgets::IndexMembership, 9>::new(DEPTH))).unwrap();
    for weights in [[0; 4], [1; 4], [u64::MAX; 4]] {
        for hint in [0, 1] {
            let lie = membership(tree.root(), 7, Digest::ZERO, tree.path(7)).answer(hint, &weights);
            assert_rejects(&compiled, &lie);
        }
    }
}

#[test]
fn index_vacancy_and_replacement_withstand_the_kit() {
    let tree = index_tree();
    let vacancy =
        |index: u64, path_of| honest(&[&tree.root().0[..], &[element(index)]].concat(), tree.path(path_of));
    attack::<gadgets::IndexVacancy, 5>(&[vacancy(5, 5), vacancy(12, 12)], &[vacancy(4, 4), vacancy(5, 4)]);
    let replace = |index: u64, path_of, old: Digest, new: Digest| {
        let given = [&tree.root().0[..], &[element(index)], &old.0, &new.0].concat();
        honest(&given, tree.path(path_of))
    };
    attack::<gadgets::IndexReplace, 17>(
        &[replace(5, 5, Digest::ZERO, leaf(1)), replace(15, 15, leaf(15), leaf(16))],
        &[replace(4, 4, leaf(5), leaf(1)), replace(5, 4, leaf(4), leaf(1))],
    );
}

/// A path whose directions are given as they are, or as the bits of an index.
struct Direction {
    bound: bool,
}

impl Definition for Direction {
    type Statement = DigestTarget;
    type NativeStatement = Digest;
    type Targets = (Target, Vec<BoolTarget>, DigestTarget, PathTarget);
    type Input = (u64, [u64; DEPTH]);

    fn name(&self) -> String {
        format!("direction-{}", self.bound)
    }

    fn config(&self) -> CircuitConfig {
        circuits_prover::basetypes::standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (DigestTarget, Self::Targets) {
        let index = builder.add_virtual_target();
        let bits = if self.bound {
            index_bits(builder, index, DEPTH)
        } else {
            (0..DEPTH).map(|_| BoolTarget::new_unsafe(builder.add_virtual_target())).collect()
        };
        let (leaf, path) = (builder.new_digest(), PathTarget::new_virtual(builder, DEPTH));
        let root = path.root_circuit(builder, &bits, leaf);
        (root, (index, bits, leaf, path))
    }

    fn assign(
        &self,
        (index, bits, member, path): &Self::Targets,
        (index_value, bit_values): &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        layout::set_target(witness, *index, element(*index_value))?;
        for (bit, &value) in bits.iter().zip(bit_values) {
            layout::set_target(witness, bit.target, element(value))?;
        }
        layout::set(witness, member, &leaf(4))?;
        path.set_targets(witness, &index_tree().path(4))
    }
}

/// Case 29: with a direction of 2, the node would be a mixture of both orders. 4 = 2 * 2 = 2 + 2.
#[test]
fn merkle_direction_that_is_not_boolean_is_rejected() {
    for bound in [false, true] {
        let compiled = Compiled::new(Direction { bound }).unwrap();
        assert_accepts(&compiled, &(4, [0, 0, 1, 0]));
        for bits in [[0, 2, 0, 0], [4, 0, 0, 0], [2, 1, 0, 0]] {
            assert_rejects(&compiled, &(4, bits));
        }
    }
    // Case 23: other bits than the index has.
    let bound = Compiled::new(Direction { bound: true }).unwrap();
    for index in [5, 4 + (1 << DEPTH)] {
        assert_rejects(&bound, &(index, [0, 0, 1, 0]));
    }
}

fn append_tree(count: u64) -> AppendTree {
    let mut tree = AppendTree::new(DEPTH);
    (0..count).for_each(|index| assert_eq!(tree.push(leaf(index)), Ok(index)));
    tree
}

#[test]
fn appending_withstands_the_kit() {
    let append = |count, claimed: u64, leaf: Digest| {
        let tree = append_tree(count);
        honest(&[&tree.root().0[..], &[element(claimed)], &leaf.0].concat(), tree.path(claimed % 16))
    };
    attack::<gadgets::Append, 14>(
        &[append(0, 0, leaf(9)), append(13, 13, leaf(9))],
        &[append(5, 4, leaf(9)), append(16, 16, leaf(9)), append(5, 5, Digest::ZERO)],
    );
    let subtree = |count, claimed: u64| {
        let tree = append_tree(count);
        let path = Path { siblings: tree.path(claimed % 16).siblings[gadgets::SUBTREE_HEIGHT..].to_vec() };
        let leaves: Vec<_> = (20..24).map(leaf).collect();
        honest(&[&tree.root().0[..], &[element(claimed)], &elements(&leaves)].concat(), path)
    };
    attack::<gadgets::AppendSubtree, 26>(
        &[subtree(0, 0), subtree(12, 12)],
        &[subtree(4, 5), subtree(4, 6), subtree(5, 4), subtree(16, 16)],
    );
}

//! The hashes of all types of transactions, in a tree over the types of their actions: a slot descends by one action, and
//! finds the hash of the type of the transaction that ends with it.
//!
//! ```text
//! node(t1 .. ti)      = H(TYPE, hash of the type of a transaction of t1 .. ti, children(t1 .. ti))
//! children(t1 .. ti)  = H(TYPES, node(t1 .. ti t) for each type t of an action), zeros below four actions
//! ```
//! The root is `children` of no action, a constant of the circuits. A slot costs five permutations.

use std::{collections::BTreeMap, sync::LazyLock};

use circuits_core::{
    Builder, Digest, DigestTarget,
    constrain::{Constrain, DigestOps},
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
};
use circuits_tables::keccak::DIGEST_WORDS;
use plonky2::iop::target::{BoolTarget, Target};

use super::{
    types::{ACTION_TYPES, ActionType, transaction_type_hash},
    words::digest_words,
};
use crate::transaction::MAX_ACTIONS;

/// The domain of nodes.
const TYPE: Domain = Domain::new("a-type");
/// The domain of the nodes below a node.
const TYPES: Domain = Domain::new("a-types");

circuits_core::layout! {
    /// One step down the tree.
    pub struct TypeStep<T> {
        /// The nodes for each type of an action, by number.
        pub nodes: [Digest<T>; 6],
        /// The words of the hash of the transaction's type, in the node of the slot's action.
        pub type_hash: [T; 8],
        /// What is below that node.
        pub below: Digest<T>,
    }
}

const _: () = assert!(ACTION_TYPES == 6 && DIGEST_WORDS == 8, "as the layout says");

/// The tree.
struct TypeTree {
    /// The steps to each sequence of types.
    steps: BTreeMap<Vec<ActionType>, TypeStep>,
    root: Digest,
}

static TREE: LazyLock<TypeTree> = LazyLock::new(|| {
    let mut steps = BTreeMap::new();
    let root = grow(&mut steps, &mut vec![]);
    TypeTree { steps, root }
});

/// What is below the node of `types`.
fn grow(steps: &mut BTreeMap<Vec<ActionType>, TypeStep>, types: &mut Vec<ActionType>) -> Digest {
    if types.len() == MAX_ACTIONS {
        return Digest::ZERO;
    }
    let children = ActionType::ALL.map(|next| {
        types.push(next);
        let below = grow(steps, types);
        let type_hash = digest_words(&transaction_type_hash(types));
        let node = hash(TYPE, &[&type_hash[..], &below.0].concat());
        let child = (types.clone(), type_hash, below, node);
        types.pop();
        child
    });
    let mut nodes = [Digest::ZERO; ACTION_TYPES];
    for (slot, (_, _, _, node)) in nodes.iter_mut().zip(&children) {
        *slot = *node;
    }
    for (types, type_hash, below, _) in children {
        steps.insert(types, TypeStep { nodes, type_hash, below });
    }
    hash(TYPES, &nodes.encode())
}

/// The root, below which all types are.
#[must_use]
pub(super) fn type_root() -> Digest {
    TREE.root
}

/// The step to the last one of `types`, from where those before it led.
///
/// # Panics
/// If there are no types, or more than a transaction has.
#[must_use]
pub fn type_step(types: &[ActionType]) -> TypeStep {
    *TREE.steps.get(types).expect("a transaction has 1 to 4 actions")
}

/// Enforces that a step leads from `below`, what the actions before lead to, to the action whose type's flag is set.
pub(super) fn type_step_circuit(
    builder: &mut Builder,
    below: DigestTarget,
    is_type: &[BoolTarget; ACTION_TYPES],
    step: &TypeStep<Target>,
) {
    let nodes = hash_circuit(builder, TYPES, &step.nodes.encode());
    builder.enforce_digest_equal(nodes, below);
    let mut chosen = builder.constant_digest(Digest::ZERO);
    for (&flag, node) in is_type.iter().zip(&step.nodes) {
        for (sum, &element) in chosen.0.iter_mut().zip(&node.0) {
            *sum = builder.mul_add(flag.target, element, *sum);
        }
    }
    let node = hash_circuit(builder, TYPE, &[&step.type_hash[..], &step.below.0].concat());
    builder.enforce_digest_equal(node, chosen);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_has_every_sequence_of_types_once() {
        let sequences: usize =
            (1..=MAX_ACTIONS).map(|actions| ACTION_TYPES.pow(u32::try_from(actions).unwrap())).sum();
        assert_eq!((sequences, TREE.steps.len()), (1554, 1554));
        let mut hashes: Vec<_> = TREE.steps.values().map(|step| step.type_hash.map(|word| word.0)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 1554);
        for (types, step) in &TREE.steps {
            let below = match types.split_last().unwrap().1 {
                [] => type_root(),
                before => type_step(before).below,
            };
            assert_eq!(hash(TYPES, &step.nodes.encode()), below);
            let last = *types.last().unwrap() as usize;
            assert_eq!(step.nodes[last], hash(TYPE, &[&step.type_hash[..], &step.below.0].concat()));
            assert_eq!(step.below == Digest::ZERO, types.len() == MAX_ACTIONS);
        }
    }
}

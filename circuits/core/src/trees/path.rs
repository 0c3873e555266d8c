//! Openings in-circuit: what [`Path`] checks natively, on targets.
//!
//! A path of depth d costs d rows, one Poseidon gate per level. Replacing a leaf costs 2d: both roots are
//! computed from one set of siblings, so nothing else can have changed.

use plonky2::iop::target::{BoolTarget, Target};

use super::{
    NODE, Path,
    hint::{Question, hint},
};
use crate::{
    Builder, Digest, DigestTarget, Witness,
    constrain::{Constrain, DigestOps, note_choice},
    hash::hash_pair_swapped_circuit,
    layout::{self, WitnessError},
};

/// The bits of `index`, least significant first; enforces `index < 2^depth`. One row.
///
/// The base-sum gate makes each bit boolean, and at most [`MAX_DEPTH`](super::MAX_DEPTH) bits have one value.
///
/// # Panics
/// If `depth` is more than [`MAX_DEPTH`](super::MAX_DEPTH).
pub fn index_bits(builder: &mut Builder, index: Target, depth: usize) -> Vec<BoolTarget> {
    assert!(depth <= super::MAX_DEPTH, "a tree has at most {} levels, not {depth}", super::MAX_DEPTH);
    if depth == 0 {
        builder.enforce_zero(index);
    }
    let bits = builder.split_le(index, depth);
    note_choice(&bits.iter().map(|bit| bit.target).collect::<Vec<_>>());
    bits
}

/// Enforces that a digest is not [`Digest::ZERO`]: there are weights whose product with it is 1.
pub fn enforce_nonzero(builder: &mut Builder, digest: DigestTarget) {
    let weights = hint(builder, Question::NonzeroWeights, &digest.0);
    let mut sum = builder.zero();
    for (limb, weight) in digest.0.into_iter().zip(weights) {
        sum = builder.mul_add(limb, weight, sum);
    }
    let one = builder.one();
    builder.enforce_equal(sum, one);
}

/// A [`Path`] in-circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTarget {
    /// One per level, beginning beside the leaf.
    pub siblings: Vec<DigestTarget>,
}

impl PathTarget {
    /// Fresh targets for a path of `depth` siblings.
    pub fn new_virtual(builder: &mut Builder, depth: usize) -> Self {
        Self { siblings: (0..depth).map(|_| builder.new_digest()).collect() }
    }

    /// Assigns a path. One that is too short is filled up with empty digests, and what is too long is left out:
    /// neither satisfies a circuit.
    ///
    /// # Errors
    /// If a sibling was already set to another value.
    pub fn set_targets(&self, witness: &mut Witness, path: &Path) -> Result<(), WitnessError> {
        let values = path.siblings.iter().copied().chain(std::iter::repeat(Digest::ZERO));
        self.siblings.iter().zip(values).try_for_each(|(target, value)| layout::set(witness, target, &value))
    }

    /// The root that `leaf` leads to at the index with these bits.
    ///
    /// # Panics
    /// If there are not as many bits as siblings.
    pub fn root_circuit(
        &self,
        builder: &mut Builder,
        index_bits: &[BoolTarget],
        leaf: DigestTarget,
    ) -> DigestTarget {
        assert_eq!(index_bits.len(), self.siblings.len(), "an index has one bit per level");
        index_bits
            .iter()
            .zip(&self.siblings)
            .fold(leaf, |node, (&bit, &sibling)| hash_pair_swapped_circuit(builder, NODE, node, sibling, bit))
    }

    /// Enforces that `leaf`, which is not empty, is a member under `root`. Where the leaf is a hash made
    /// in-circuit, the comparison of [`Self::root_circuit`] alone does.
    pub fn membership_circuit(
        &self,
        builder: &mut Builder,
        root: DigestTarget,
        index_bits: &[BoolTarget],
        leaf: DigestTarget,
    ) {
        enforce_nonzero(builder, leaf);
        let found = self.root_circuit(builder, index_bits, leaf);
        builder.enforce_digest_equal(found, root);
    }

    /// Enforces that the slot is empty under `root`.
    pub fn vacancy_circuit(&self, builder: &mut Builder, root: DigestTarget, index_bits: &[BoolTarget]) {
        let empty = builder.constant_digest(Digest::ZERO);
        let found = self.root_circuit(builder, index_bits, empty);
        builder.enforce_digest_equal(found, root);
    }

    /// Enforces that `old` is the leaf under `root`, and returns the root with `new` in its place. Either may
    /// be empty.
    pub fn replace_circuit(
        &self,
        builder: &mut Builder,
        root: DigestTarget,
        index_bits: &[BoolTarget],
        old: DigestTarget,
        new: DigestTarget,
    ) -> DigestTarget {
        let found = self.root_circuit(builder, index_bits, old);
        builder.enforce_digest_equal(found, root);
        self.root_circuit(builder, index_bits, new)
    }
}

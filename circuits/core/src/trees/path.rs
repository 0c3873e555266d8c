//! Paths from leaves to roots, natively and in-circuit.
//!
//! In-circuit, a path of depth d costs d rows, one Poseidon gate for each level. Replacing a leaf costs 2d rows: both
//! roots are computed from one set of siblings, so nothing else in the tree can have changed.

use plonky2::iop::target::{BoolTarget, Target};
use serde::{Deserialize, Serialize};

use super::{
    error::TreeError,
    hint::{Question, hint},
    node::{MAX_DEPTH, NODE, fits},
};
use crate::{
    Builder, Digest, DigestTarget, Witness,
    constrain::{Constrain, DigestOps, note_choice, within_gadget},
    hash::{hash_pair, hash_pair_swapped_circuit},
    layout::{self, WitnessError},
};

/// The siblings of a leaf and of its ancestors, from the leaf to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// One for each level, beginning beside the leaf.
    pub siblings: Vec<Digest>,
}

impl Path {
    /// The root that `leaf` at `index` leads to. It ignores the bits of `index` beyond the path's length; judge an opening
    /// with [`Self::verify`].
    #[must_use]
    pub fn root(&self, index: u64, leaf: Digest) -> Digest {
        self.siblings.iter().enumerate().fold(leaf, |node, (level, &sibling)| {
            if index >> level & 1 == 0 {
                hash_pair(NODE, node, sibling)
            } else {
                hash_pair(NODE, sibling, node)
            }
        })
    }

    /// Checks that `leaf` is a member at `index` under `root`.
    ///
    /// # Errors
    /// - [`TreeError::Index`] if the index has more bits than the path has siblings
    /// - [`TreeError::EmptyLeaf`] if the leaf is empty
    /// - [`TreeError::Root`] if the path leads to another root
    pub fn verify(&self, root: Digest, index: u64, leaf: Digest) -> Result<(), TreeError> {
        if leaf == Digest::ZERO {
            return Err(TreeError::EmptyLeaf { index });
        }
        self.verify_any(root, index, leaf)
    }

    /// Checks that the slot at `index` is empty under `root`.
    ///
    /// # Errors
    /// [`TreeError::Index`] or [`TreeError::Root`], as for [`Self::verify`].
    pub fn verify_vacancy(&self, root: Digest, index: u64) -> Result<(), TreeError> {
        self.verify_any(root, index, Digest::ZERO)
    }

    /// The root after `old` at `index` under `root` was replaced by `new`; either may be empty.
    ///
    /// # Errors
    /// [`TreeError::Index`] or [`TreeError::Root`], as for [`Self::verify`].
    pub fn replace(&self, root: Digest, index: u64, old: Digest, new: Digest) -> Result<Digest, TreeError> {
        self.verify_any(root, index, old)?;
        Ok(self.root(index, new))
    }

    fn verify_any(&self, root: Digest, index: u64, leaf: Digest) -> Result<(), TreeError> {
        if !fits(index, self.siblings.len()) {
            return Err(TreeError::Index { index, depth: self.siblings.len() });
        }
        let found = self.root(index, leaf);
        if found == root { Ok(()) } else { Err(TreeError::Root { index, expected: root, found }) }
    }

    /// Checks the number of siblings.
    ///
    /// # Errors
    /// [`TreeError::PathLength`] if it is not `expected`.
    pub fn expect_length(&self, expected: usize) -> Result<(), TreeError> {
        let found = self.siblings.len();
        if found == expected { Ok(()) } else { Err(TreeError::PathLength { expected, found }) }
    }
}

/// The bits of `index`, least significant first; enforces `index < 2^depth`. One row.
///
/// The base-sum gate makes each bit boolean, and at most [`MAX_DEPTH`] bits have one value.
///
/// # Panics
/// If `depth` is more than [`MAX_DEPTH`].
pub fn index_bits(builder: &mut Builder, index: Target, depth: usize) -> Vec<BoolTarget> {
    assert!(depth <= MAX_DEPTH, "a tree has at most {MAX_DEPTH} levels, not {depth}");
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

/// The in-circuit twin of [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTarget {
    /// One for each level, beginning beside the leaf.
    pub siblings: Vec<DigestTarget>,
}

impl PathTarget {
    /// Allocates a path of `depth` siblings.
    pub fn new_virtual(builder: &mut Builder, depth: usize) -> Self {
        Self { siblings: (0..depth).map(|_| builder.new_digest()).collect() }
    }

    /// Assigns a path. A path that is too short is padded with empty digests, and one that is too long is cut off; neither
    /// satisfies a circuit.
    ///
    /// # Errors
    /// If a sibling was already set to another value.
    #[track_caller]
    pub fn set_targets(&self, witness: &mut Witness, path: &Path) -> Result<(), WitnessError> {
        within_gadget(|| {
            let values = path.siblings.iter().copied().chain(std::iter::repeat(Digest::ZERO));
            let mut pairs = self.siblings.iter().zip(values);
            pairs.try_for_each(|(sibling, value)| layout::set(witness, sibling, &value))
        })
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

    /// Enforces that `leaf` is not empty, and that it is a member under `root`. For a leaf that is a hash made in-circuit,
    /// comparing [`Self::root_circuit`] with the root is enough.
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

    /// Enforces that `old` is the leaf under `root`, and returns the root after `new` replaced it. Either may be
    /// empty.
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

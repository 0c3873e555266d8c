//! A fixed set of verifier keys: a Merkle tree of key digests.
//!
//! The circuit that ends a recursion pins the root, so that every proof below it verifies under a key of the set.

use std::collections::BTreeMap;

use circuits_core::{
    constrain::{Constrain, within_gadget},
    digest::{Digest, DigestTarget},
    layout::{WitnessError, set_target},
    trees::{IndexTree, Path, PathTarget, index_bits},
};
use circuits_prover::basetypes::{Builder, F, Witness};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

/// The depth of a key set. 32 keys are enough for every arity of every circuit of one kind.
pub const KEY_SET_DEPTH: usize = 5;

/// The keys of the circuits that a fold may verify, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    tree: IndexTree,
    positions: BTreeMap<Digest, u64>,
}

/// Evidence that a key is in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMembership {
    /// The key's position in the set.
    pub index: u64,
    /// Siblings from the leaf to the root.
    pub path: Path,
}

impl KeySet {
    /// Builds the set of `keys`, which are digests made by [`key_digest`](circuits_core::recursion::key_digest).
    ///
    /// # Panics
    /// If there are more keys than the tree has leaves. Sets are fixed in code.
    #[must_use]
    pub fn new(keys: &[Digest]) -> Self {
        let mut tree = IndexTree::new(KEY_SET_DEPTH);
        let mut positions = BTreeMap::new();
        for (index, &key) in (0..).zip(keys) {
            tree.set(index, key).expect("a key set has at most 32 keys");
            positions.insert(key, index);
        }
        Self { tree, positions }
    }

    /// The root that circuits pin.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The evidence that `key` is in the set, or `None` if it is not.
    #[must_use]
    pub fn membership(&self, key: Digest) -> Option<KeyMembership> {
        let index = *self.positions.get(&key)?;
        Some(KeyMembership { index, path: self.tree.path(index) })
    }
}

/// The in-circuit twin of [`KeyMembership`].
#[derive(Clone, Debug)]
pub struct KeyMembershipTarget {
    index: Target,
    bits: Vec<BoolTarget>,
    path: PathTarget,
}

impl KeyMembershipTarget {
    /// Allocates targets that [`Self::set_targets`] assigns.
    pub fn new_virtual(builder: &mut Builder) -> Self {
        let index = builder.add_virtual_target();
        let bits = index_bits(builder, index, KEY_SET_DEPTH);
        Self { index, bits, path: PathTarget::new_virtual(builder, KEY_SET_DEPTH) }
    }

    /// Enforces that `key` is in the set with this `root`. A key digest is a hash, so an empty leaf never passes.
    pub fn verify(&self, builder: &mut Builder, root: DigestTarget, key: DigestTarget) {
        let found = self.path.root_circuit(builder, &self.bits, key);
        builder.enforce_digest_equal(found, root);
    }

    /// Assigns the membership.
    ///
    /// # Errors
    /// [`WitnessError`] if a target already has another value.
    #[track_caller]
    pub fn set_targets(&self, witness: &mut Witness, value: &KeyMembership) -> Result<(), WitnessError> {
        within_gadget(|| {
            set_target(witness, self.index, F::from_canonical_u64(value.index))?;
            self.path.set_targets(witness, &value.path)
        })
    }
}

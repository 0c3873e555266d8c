//! A fixed set of verifier keys: a Merkle tree of key digests whose root the verifying circuit pins.

use std::collections::BTreeMap;

use circuits_core::{
    circuit::{CircuitError, Definition},
    constrain::Constrain,
    digest::{Digest, DigestTarget},
    layout::{WitnessError, set_target},
    recursion::key_digest,
    trees::{IndexTree, Path, PathTarget, index_bits},
};
use circuits_keys::CircuitCache;
use circuits_prover::basetypes::{Builder, Witness};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use crate::fold::FoldChild;

/// Depth of a key set: 32 keys, enough for every arity of every circuit of one kind.
pub const KEY_SET_DEPTH: usize = 5;

/// Keys of the circuits that a fold may verify, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    tree: IndexTree,
    positions: BTreeMap<Digest, u64>,
}

/// Proof that a key is in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMembership {
    /// Position of the key.
    pub index: u64,
    /// Siblings from the leaf to the root.
    pub path: Path,
}

impl KeySet {
    /// The set of `keys`, which are digests made by [`key_digest`].
    ///
    /// # Panics
    /// If there are more keys than the tree has leaves; sets are fixed in code.
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

    /// Proves with a circuit of the set.
    ///
    /// # Errors
    /// [`CircuitError::Unlisted`] if its key is not in the set; else as [`CircuitCache::circuit`] and
    /// [`Compiled::prove`](circuits_core::Compiled::prove).
    pub fn prove<Def: Definition + 'static>(
        &self,
        cache: &CircuitCache,
        definition: Def,
        input: &Def::Input,
    ) -> Result<FoldChild, CircuitError> {
        let circuit = cache.circuit(definition)?;
        let key = circuit.key().clone();
        let digest = key_digest(&key);
        let unlisted = || CircuitError::Unlisted { name: circuit.definition.name(), key: digest };
        let membership = self.membership(digest).ok_or_else(unlisted)?;
        Ok(FoldChild { proof: circuit.prove(input)?, key, membership })
    }

    /// Membership of `key`, or `None` if it is not in the set.
    #[must_use]
    pub fn membership(&self, key: Digest) -> Option<KeyMembership> {
        let index = *self.positions.get(&key)?;
        Some(KeyMembership { index, path: self.tree.path(index) })
    }
}

/// In-circuit twin of [`KeyMembership`].
#[derive(Clone, Debug)]
pub struct KeyMembershipTarget {
    index: Target,
    bits: Vec<BoolTarget>,
    path: PathTarget,
}

impl KeyMembershipTarget {
    /// Fresh targets.
    pub fn new_virtual(builder: &mut Builder) -> Self {
        let index = builder.add_virtual_target();
        let bits = index_bits(builder, index, KEY_SET_DEPTH);
        Self { index, bits, path: PathTarget::new_virtual(builder, KEY_SET_DEPTH) }
    }

    /// Enforces that `key` is in the set with this `root`. A key digest is a hash, so the empty leaf never passes.
    pub fn verify(&self, builder: &mut Builder, root: DigestTarget, key: DigestTarget) {
        let found = self.path.root_circuit(builder, &self.bits, key);
        builder.enforce_digest_equal(found, root);
    }

    /// Assigns a membership.
    ///
    /// # Errors
    /// If a target already has another value.
    pub fn set_targets(&self, witness: &mut Witness, value: &KeyMembership) -> Result<(), WitnessError> {
        set_target(witness, self.index, circuits_core::F::from_canonical_u64(value.index))?;
        self.path.set_targets(witness, &value.path)
    }
}

//! Openings of the keyed tree: evidence of membership and absence, and witnesses of insertions and updates.

use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

use super::{append::append, error::TreeError, path::Path, short::SetKey};
use crate::{
    Digest, F,
    hash::{Domain, hash},
};

/// The domain of the leaves of keyed trees.
pub const KEYED: Domain = Domain::new("keyed");
/// The value to use where only presence matters.
pub const PRESENT: Digest = Digest([F::ONE, F::ZERO, F::ZERO, F::ZERO]);

/// A leaf with its index and path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafOpening {
    /// The leaf's index.
    pub index: u64,
    pub key: Digest,
    pub value: Digest,
    /// The next key in the list; 0 stands for infinity.
    pub next_key: Digest,
    pub path: Path,
}

/// What an insertion needs to know of the tree before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsertWitness {
    /// The leaf with the largest smaller key, before the insertion.
    pub low: LeafOpening,
    /// The path of the slot that the new leaf takes, after the low leaf was linked to the new key.
    pub slot: Path,
}

/// What an insertion or update needs to know of the tree before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetWitness {
    /// Whether the key is absent.
    pub insert: bool,
    /// For an insertion, the leaf with the largest smaller key. For an update, the key's leaf.
    pub leaf: LeafOpening,
    /// For an insertion, the path of the slot that the new leaf takes, after the low leaf was linked to the new key. For an
    /// update, any path of the tree's depth.
    pub slot: Path,
}

/// The effect of [`SetWitness::apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetOutcome {
    pub root: Digest,
    pub count: u64,
    /// Value before; zero exactly if the key was absent.
    pub old_value: Digest,
}

impl LeafOpening {
    /// The leaf's hash.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        leaf_hash(self.key, self.value, self.next_key)
    }

    /// Checks that the leaf is in the tree with this root.
    fn verify(&self, root: Digest) -> Result<(), TreeError> {
        self.path.verify(root, self.index, self.leaf())
    }

    /// Checks that `key` has `value` in the tree with this root.
    ///
    /// # Errors
    /// - [`TreeError::ZeroKey`] for the sentinel's key
    /// - [`TreeError::Key`] or [`TreeError::Value`] if the leaf is another one
    /// - [`TreeError::Index`] or [`TreeError::Root`] if the leaf is not in the tree
    pub fn verify_membership(&self, root: Digest, key: Digest, value: Digest) -> Result<(), TreeError> {
        self.verify_key(root, key)?;
        if self.value == value {
            Ok(())
        } else {
            Err(TreeError::Value { key, expected: value, found: self.value })
        }
    }

    fn verify_key(&self, root: Digest, key: Digest) -> Result<(), TreeError> {
        if key == Digest::ZERO {
            return Err(TreeError::ZeroKey);
        }
        if self.key != key {
            return Err(TreeError::Key { expected: key, found: self.key });
        }
        self.verify(root)
    }

    /// Checks that `key` is not in the tree with this root.
    ///
    /// # Errors
    /// - [`TreeError::Order`] if the key is not strictly between the leaf's key and its next key
    /// - [`TreeError::Index`] or [`TreeError::Root`] if the leaf is not in the tree
    pub fn verify_non_membership(&self, root: Digest, key: Digest) -> Result<(), TreeError> {
        let below_next = self.next_key == Digest::ZERO || key < self.next_key;
        if self.key >= key || !below_next {
            return Err(TreeError::Order { key, low: self.key, next: self.next_key });
        }
        self.verify(root)
    }

    /// The root after the value of `key` was changed from `old_value` to `new_value`.
    ///
    /// # Errors
    /// Those of [`Self::verify_membership`], and [`TreeError::ZeroValue`] if the new value is zero.
    pub fn apply_update(
        &self,
        root: Digest,
        key: Digest,
        old_value: Digest,
        new_value: Digest,
    ) -> Result<Digest, TreeError> {
        self.verify_membership(root, key, old_value)?;
        check_value(key, new_value)?;
        Ok(self.path.root(self.index, leaf_hash(self.key, new_value, self.next_key)))
    }
}

impl InsertWitness {
    /// Root and count after `key` was inserted with `value`.
    ///
    /// # Errors
    /// - those of [`LeafOpening::verify_non_membership`]
    /// - [`TreeError::ZeroValue`] if the value is zero
    /// - [`TreeError::Full`] or [`TreeError::Occupied`] if the slot at `count` does not exist or is not empty
    /// - [`TreeError::PathLength`] if the two paths differ in length
    pub fn apply(
        &self,
        root: Digest,
        count: u64,
        key: Digest,
        value: Digest,
    ) -> Result<(Digest, u64), TreeError> {
        let Self { low, slot } = self;
        low.verify_non_membership(root, key)?;
        check_value(key, value)?;
        slot.expect_length(low.path.siblings.len())?;
        let linked = low.path.root(low.index, leaf_hash(low.key, low.value, key));
        append(linked, count, leaf_hash(key, value, low.next_key), slot)
    }
}

impl SetWitness {
    /// The tree's commitment after `key` was set to `value`, and the value before.
    ///
    /// # Errors
    /// - those of [`InsertWitness::apply`] for an insertion, of [`LeafOpening::apply_update`] for an update
    /// - [`TreeError::LongLimb`] if a short key is inserted next to one that is not
    pub fn apply(
        &self,
        root: Digest,
        count: u64,
        key: impl Into<SetKey>,
        value: Digest,
    ) -> Result<SetOutcome, TreeError> {
        let kind = key.into();
        let key = kind.digest();
        if self.insert {
            kind.check_neighbours(&self.leaf)?;
            let insertion = InsertWitness { low: self.leaf.clone(), slot: self.slot.clone() };
            let (root, count) = insertion.apply(root, count, key, value)?;
            Ok(SetOutcome { root, count, old_value: Digest::ZERO })
        } else {
            let old_value = self.leaf.value;
            let root = self.leaf.apply_update(root, key, old_value, value)?;
            Ok(SetOutcome { root, count, old_value })
        }
    }
}

/// The hash of a leaf.
#[must_use]
pub fn leaf_hash(key: Digest, value: Digest, next_key: Digest) -> Digest {
    hash(KEYED, &[key.0, next_key.0, value.0].concat())
}

/// Checks that neither the key nor the value is zero.
pub(super) fn check_value(key: Digest, value: Digest) -> Result<(), TreeError> {
    if key == Digest::ZERO {
        Err(TreeError::ZeroKey)
    } else if value == Digest::ZERO {
        Err(TreeError::ZeroValue { key })
    } else {
        Ok(())
    }
}

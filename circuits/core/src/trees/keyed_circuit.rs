//! The keyed tree in-circuit.
//!
//! What a set does, by its flag:
//!
//! ```text
//!                 insert = 1                                insert = 0
//! opened leaf     low: low.key < key < low.next_key         the key's: leaf.key = key
//! becomes         (low.key, low.value, next: key)           (key, value, next: leaf.next_key)
//! slot at count   empty, becomes (key, value, low.next_key) not looked at
//! count           + 1                                       the same
//! old value       0                                         leaf.value
//! ```

use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use super::{
    hint::{Question, hint},
    keyed_opening::{InsertWitness, KEYED, LeafOpening, SetWitness},
    order::{Limbs, enforce_order_if},
    path::{PathTarget, enforce_nonzero, index_bits},
    short::SetKeyTarget,
};
use crate::{
    Builder, Digest, DigestTarget, F, Witness,
    constrain::{Constrain, DigestOps, note_choice, within_gadget},
    hash::hash_circuit,
    layout::{self, WitnessError},
};

/// A [`LeafOpening`] in-circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafOpeningTarget {
    /// The leaf's index.
    pub index: Target,
    pub key: DigestTarget,
    pub value: DigestTarget,
    /// The next key in the list; 0 stands for infinity.
    pub next_key: DigestTarget,
    pub path: PathTarget,
}

/// An [`InsertWitness`] in-circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsertTarget {
    /// The leaf before the new key.
    pub low: LeafOpeningTarget,
    /// Path of the slot that the new leaf takes.
    pub slot: PathTarget,
}

/// A [`SetWitness`] in-circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetTarget {
    /// Whether the key is absent.
    pub insert: BoolTarget,
    /// The low leaf of an insertion, the key's leaf of an update.
    pub leaf: LeafOpeningTarget,
    /// Path of the slot that a new leaf takes.
    pub slot: PathTarget,
}

/// What [`set_circuit`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetOutcomeTarget {
    pub root: DigestTarget,
    pub count: Target,
    /// Value before; zero exactly if the key was absent.
    pub old_value: DigestTarget,
    /// Whether the key was absent.
    pub inserted: BoolTarget,
}

impl LeafOpeningTarget {
    /// Allocates targets for a leaf of a tree of `depth` levels.
    pub fn new_virtual(builder: &mut Builder, depth: usize) -> Self {
        Self {
            index: builder.add_virtual_target(),
            key: builder.new_digest(),
            value: builder.new_digest(),
            next_key: builder.new_digest(),
            path: PathTarget::new_virtual(builder, depth),
        }
    }

    /// Assigns the opening.
    ///
    /// # Errors
    /// [`WitnessError`] if a target already has another value.
    #[track_caller]
    pub fn set_targets(&self, witness: &mut Witness, opening: &LeafOpening) -> Result<(), WitnessError> {
        within_gadget(|| {
            layout::set_target(witness, self.index, F::from_noncanonical_u64(opening.index))?;
            layout::set(witness, &self.key, &opening.key)?;
            layout::set(witness, &self.value, &opening.value)?;
            layout::set(witness, &self.next_key, &opening.next_key)?;
            self.path.set_targets(witness, &opening.path)
        })
    }

    /// The roots of the tree with each of `values` in this leaf, from one set of siblings: with its old value it is the
    /// root that the leaf is in, with others those that it leads to.
    pub fn roots_circuit<const N: usize>(
        &self,
        builder: &mut Builder,
        values: [DigestTarget; N],
    ) -> [DigestTarget; N] {
        let bits = self.index_bits(builder);
        values.map(|value| {
            let leaf = leaf_hash_circuit(builder, self.key, value, self.next_key);
            self.path.root_circuit(builder, &bits, leaf)
        })
    }

    /// The leaf's hash, two rows.
    fn leaf_circuit(&self, builder: &mut Builder) -> DigestTarget {
        leaf_hash_circuit(builder, self.key, self.value, self.next_key)
    }

    fn index_bits(&self, builder: &mut Builder) -> Vec<BoolTarget> {
        index_bits(builder, self.index, self.path.siblings.len())
    }

    /// Enforces that the leaf is in the tree with this root. It is a hash, so not an empty one.
    fn verify_circuit(&self, builder: &mut Builder, root: DigestTarget) {
        let bits = self.index_bits(builder);
        let leaf = self.leaf_circuit(builder);
        let found = self.path.root_circuit(builder, &bits, leaf);
        builder.enforce_digest_equal(found, root);
    }

    /// Enforces that the leaf is in the tree, and returns the root with another value and next key in it.
    fn replace_circuit(
        &self,
        builder: &mut Builder,
        root: DigestTarget,
        value: DigestTarget,
        next_key: DigestTarget,
    ) -> DigestTarget {
        let bits = self.index_bits(builder);
        let old = self.leaf_circuit(builder);
        let new = leaf_hash_circuit(builder, self.key, value, next_key);
        self.path.replace_circuit(builder, root, &bits, old, new)
    }

    /// Enforces `self.key < key < self.next_key`, where a next key of 0 is infinity, if `condition`.
    fn enforce_between_if(
        &self,
        builder: &mut Builder,
        condition: BoolTarget,
        key: DigestTarget,
        limbs: Limbs,
    ) {
        enforce_order_if(builder, condition, self.key, key, limbs);
        // Claiming infinity needs a zero next key; denying it needs a next key above `key`, which is not zero.
        // A claim that is neither 0 nor 1 needs a zero next key too, and is no lie then.
        let is_last = hint(builder, Question::IsZero, &self.next_key.0)[0];
        let claimed = Digest(self.next_key.0.map(|limb| builder.mul(is_last, limb)));
        let zero = builder.constant_digest(Digest::ZERO);
        builder.enforce_digest_equal(claimed, zero);
        let masked = builder.mul(condition.target, is_last);
        let compare = BoolTarget::new_unsafe(builder.sub(condition.target, masked));
        enforce_order_if(builder, compare, key, self.next_key, limbs);
    }
}

impl InsertTarget {
    /// Allocates targets for a tree of `depth` levels.
    pub fn new_virtual(builder: &mut Builder, depth: usize) -> Self {
        Self {
            low: LeafOpeningTarget::new_virtual(builder, depth),
            slot: PathTarget::new_virtual(builder, depth),
        }
    }

    /// Assigns the witness.
    ///
    /// # Errors
    /// [`WitnessError`] if a target already has another value.
    #[track_caller]
    pub fn set_targets(&self, witness: &mut Witness, value: &InsertWitness) -> Result<(), WitnessError> {
        within_gadget(|| {
            self.low.set_targets(witness, &value.low)?;
            self.slot.set_targets(witness, &value.slot)
        })
    }
}

impl SetTarget {
    /// Allocates targets for a tree of `depth` levels; the flag is constrained to be boolean.
    pub fn new_virtual(builder: &mut Builder, depth: usize) -> Self {
        let insert = builder.new_bool();
        note_choice(&[insert.target]);
        Self {
            insert,
            leaf: LeafOpeningTarget::new_virtual(builder, depth),
            slot: PathTarget::new_virtual(builder, depth),
        }
    }

    /// Assigns the witness.
    ///
    /// # Errors
    /// [`WitnessError`] if a target already has another value.
    #[track_caller]
    pub fn set_targets(&self, witness: &mut Witness, value: &SetWitness) -> Result<(), WitnessError> {
        within_gadget(|| {
            layout::set_target(witness, self.insert.target, F::from_bool(value.insert))?;
            self.leaf.set_targets(witness, &value.leaf)?;
            self.slot.set_targets(witness, &value.slot)
        })
    }
}

/// The in-circuit twin of [`LeafOpening::verify_membership`]: `key`, which is not 0, has `value`.
pub fn membership_circuit(
    builder: &mut Builder,
    root: DigestTarget,
    key: DigestTarget,
    value: DigestTarget,
    opening: &LeafOpeningTarget,
) {
    enforce_nonzero(builder, key);
    builder.enforce_digest_equal(opening.key, key);
    builder.enforce_digest_equal(opening.value, value);
    opening.verify_circuit(builder, root);
}

/// The in-circuit twin of [`LeafOpening::verify_non_membership`]: no leaf has `key`.
pub fn non_membership_circuit(
    builder: &mut Builder,
    root: DigestTarget,
    key: DigestTarget,
    low: &LeafOpeningTarget,
) {
    let always = builder._true();
    low.enforce_between_if(builder, always, key, Limbs::Any);
    low.verify_circuit(builder, root);
}

/// The in-circuit twin of [`InsertWitness::apply`]: `(root, count)` after the absent `key` was inserted with
/// `value`, which is not 0.
pub fn insert_circuit(
    builder: &mut Builder,
    root: DigestTarget,
    count: Target,
    key: DigestTarget,
    value: DigestTarget,
    witness: &InsertTarget,
) -> (DigestTarget, Target) {
    let InsertTarget { low, slot } = witness;
    let always = builder._true();
    // The key is above some key, so it is not 0.
    low.enforce_between_if(builder, always, key, Limbs::Any);
    enforce_nonzero(builder, value);
    let linked = low.replace_circuit(builder, root, low.value, key);
    let leaf = leaf_hash_circuit(builder, key, value, low.next_key);
    let bits = index_bits(builder, count, slot.siblings.len());
    let empty = builder.constant_digest(Digest::ZERO);
    let new_root = slot.replace_circuit(builder, linked, &bits, empty, leaf);
    let one = builder.one();
    (new_root, builder.add(count, one))
}

/// The in-circuit twin of [`LeafOpening::apply_update`]: the root after the value of `key`, which is not 0, was
/// changed from `old_value` to `new_value`, which is not 0.
pub fn update_circuit(
    builder: &mut Builder,
    root: DigestTarget,
    key: DigestTarget,
    old_value: DigestTarget,
    new_value: DigestTarget,
    opening: &LeafOpeningTarget,
) -> DigestTarget {
    enforce_nonzero(builder, key);
    enforce_nonzero(builder, new_value);
    builder.enforce_digest_equal(opening.key, key);
    builder.enforce_digest_equal(opening.value, old_value);
    opening.replace_circuit(builder, root, new_value, opening.next_key)
}

/// [`update_circuit`] if `condition`, for a `key` and a `new_value` that are never 0; otherwise the root stays
/// as it is and the opening means nothing.
pub fn update_if_circuit(
    builder: &mut Builder,
    condition: BoolTarget,
    root: DigestTarget,
    key: DigestTarget,
    old_value: DigestTarget,
    new_value: DigestTarget,
    opening: &LeafOpeningTarget,
) -> DigestTarget {
    builder.enforce_digest_equal_if(condition, opening.key, key);
    builder.enforce_digest_equal_if(condition, opening.value, old_value);
    let bits = opening.index_bits(builder);
    let old = opening.leaf_circuit(builder);
    let found = opening.path.root_circuit(builder, &bits, old);
    builder.enforce_digest_equal_if(condition, found, root);
    let new = leaf_hash_circuit(builder, key, new_value, opening.next_key);
    let changed = opening.path.root_circuit(builder, &bits, new);
    builder.select_digest(condition, changed, root)
}

/// The in-circuit twin of [`SetWitness::apply`]: inserts `key` if it is absent, updates it if it is present;
/// neither `key` nor `value` is 0. See the module's table.
///
/// A short key is compared as such, so it has to be set in a tree of short keys.
pub fn set_circuit(
    builder: &mut Builder,
    root: DigestTarget,
    count: Target,
    key: impl Into<SetKeyTarget>,
    value: DigestTarget,
    witness: &SetTarget,
) -> SetOutcomeTarget {
    let (key, limbs) = key.into().parts();
    let SetTarget { insert, leaf, slot } = witness;
    let insert = *insert;
    let update = builder.not(insert);
    enforce_nonzero(builder, key);
    enforce_nonzero(builder, value);

    // The opened leaf is the key's own, or the one before it: one flag cannot claim both.
    let own_key = builder.select_digest(insert, key, leaf.key);
    builder.enforce_digest_equal(own_key, key);
    leaf.enforce_between_if(builder, insert, key, limbs);
    let leaf_value = builder.select_digest(insert, leaf.value, value);
    let leaf_next = builder.select_digest(insert, key, leaf.next_key);
    let changed = leaf.replace_circuit(builder, root, leaf_value, leaf_next);

    // An update looks at slot 0 without consequence, so that a full tree can still be updated.
    let slot_index = builder.mul(count, insert.target);
    let bits = index_bits(builder, slot_index, slot.siblings.len());
    let empty = builder.constant_digest(Digest::ZERO);
    let vacant = slot.root_circuit(builder, &bits, empty);
    let expected = builder.select_digest(insert, changed, vacant);
    builder.enforce_digest_equal(vacant, expected);
    let new_leaf = leaf_hash_circuit(builder, key, value, leaf.next_key);
    let appended = slot.root_circuit(builder, &bits, new_leaf);

    let old_value = Digest(leaf.value.0.map(|limb| builder.mul(limb, update.target)));
    SetOutcomeTarget {
        root: builder.select_digest(insert, appended, changed),
        count: builder.add(count, insert.target),
        old_value,
        inserted: insert,
    }
}

fn leaf_hash_circuit(
    builder: &mut Builder,
    key: DigestTarget,
    value: DigestTarget,
    next_key: DigestTarget,
) -> DigestTarget {
    hash_circuit(builder, KEYED, &[key.0, next_key.0, value.0].concat())
}

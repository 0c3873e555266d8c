//! Keys with short limbs, which are compared with fewer rows than those that are hashes.
//!
//! A comparison of short limbs is wrong for others: `p - 5 < 7` holds for it, by wrapping around. So a short key is made only
//! by what bounds its limbs: natively [`ShortKey`] checks them, and in-circuit a [`ShortLimb`] comes from constraints that
//! leave it no more bits. All keys of a tree have to be of one kind: those that an insertion is compared with are in the
//! tree, so they were bounded when they were inserted.

use std::ops::Deref;

use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};

use super::{
    error::TreeError,
    keyed_circuit::SetTarget,
    keyed_opening::LeafOpening,
    order::{Limbs, SHORT_LIMB_BITS},
};
use crate::{
    Builder, Digest, DigestTarget, F,
    constrain::{Constrain, DigestOps},
    digest::DIGEST_LEN,
};

/// The largest short limb.
const LARGEST: u64 = (1 << SHORT_LIMB_BITS) - 1;

/// A key whose limbs have at most [`SHORT_LIMB_BITS`] bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShortKey(Digest);

impl ShortKey {
    /// Checks that a key is short.
    fn check(key: Digest) -> Result<(), TreeError> {
        match key.to_u64s().iter().position(|&limb| limb > LARGEST) {
            Some(limb) => Err(TreeError::LongLimb { key, limb }),
            None => Ok(()),
        }
    }
}

impl TryFrom<Digest> for ShortKey {
    type Error = TreeError;

    /// # Errors
    /// [`TreeError::LongLimb`].
    fn try_from(key: Digest) -> Result<Self, TreeError> {
        Self::check(key)?;
        Ok(Self(key))
    }
}

impl Deref for ShortKey {
    type Target = Digest;

    fn deref(&self) -> &Digest {
        &self.0
    }
}

/// A key that a set inserts or updates. Its kind says how the circuit of the set compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKey {
    /// The limbs are any elements, as those of hashes are.
    Any(Digest),
    /// The limbs are short, and so are those of all keys of the tree.
    Short(ShortKey),
}

impl SetKey {
    /// The key as the tree holds it.
    #[must_use]
    pub fn digest(self) -> Digest {
        match self {
            Self::Any(key) => key,
            Self::Short(key) => *key,
        }
    }

    /// Checks that the keys between which this one is inserted are of its kind.
    pub(super) fn check_neighbours(self, low: &LeafOpening) -> Result<(), TreeError> {
        match self {
            Self::Any(_) => Ok(()),
            Self::Short(_) => ShortKey::check(low.key).and_then(|()| ShortKey::check(low.next_key)),
        }
    }
}

impl From<Digest> for SetKey {
    fn from(key: Digest) -> Self {
        Self::Any(key)
    }
}

impl From<ShortKey> for SetKey {
    fn from(key: ShortKey) -> Self {
        Self::Short(key)
    }
}

/// An element in-circuit that constraints bound to at most [`SHORT_LIMB_BITS`] bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortLimb {
    target: Target,
    /// No witness gives the element a larger integer.
    largest: u64,
}

impl ShortLimb {
    /// Bounds an element to `bits` bits, which are returned with it, least significant first.
    ///
    /// # Panics
    /// If a short limb has fewer bits.
    #[track_caller]
    #[must_use]
    pub fn split(builder: &mut Builder, value: Target, bits: usize) -> (Self, Vec<BoolTarget>) {
        assert!(bits <= SHORT_LIMB_BITS, "a short limb has at most {SHORT_LIMB_BITS} bits, not {bits}");
        let all = builder.split_le(value, bits);
        (Self { target: value, largest: (1 << bits) - 1 }, all)
    }

    /// The integer of a word of `low_bits` bits and of the bits above it, and the integer of these alone.
    pub(super) fn join(
        builder: &mut Builder,
        high: &[BoolTarget],
        low: Target,
        low_bits: usize,
    ) -> (Self, Target) {
        let bits = low_bits + high.len();
        assert!(bits <= SHORT_LIMB_BITS, "a short limb has at most {SHORT_LIMB_BITS} bits, not {bits}");
        let high = builder.le_sum(high.iter());
        let target = builder.mul_const_add(F::from_canonical_u64(1 << low_bits), high, low);
        (Self { target, largest: (1 << bits) - 1 }, high)
    }

    /// A constant.
    ///
    /// # Panics
    /// If it has more bits than a short limb.
    #[must_use]
    pub fn constant(builder: &mut Builder, value: u64) -> Self {
        assert!(value <= LARGEST, "a limb of {value} is not short");
        Self { target: builder.constant(F::from_canonical_u64(value)), largest: value }
    }

    /// The sum with a constant.
    ///
    /// # Panics
    /// If the sum may have more bits than a short limb.
    #[must_use]
    pub fn plus(self, builder: &mut Builder, value: u64) -> Self {
        let largest = self.largest.saturating_add(value);
        assert!(largest <= LARGEST, "a limb of up to {largest} is not short");
        Self { target: builder.add_const(self.target, F::from_canonical_u64(value)), largest }
    }

    /// `if condition { a } else { b }`.
    #[must_use]
    pub fn select(builder: &mut Builder, condition: BoolTarget, a: Self, b: Self) -> Self {
        Self { target: builder.select(condition, a.target, b.target), largest: a.largest.max(b.largest) }
    }

    /// The element.
    #[must_use]
    pub fn target(self) -> Target {
        self.target
    }
}

/// A key in-circuit whose limbs are short wherever a set inserts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortKeyTarget(DigestTarget);

impl ShortKeyTarget {
    /// The key of these limbs.
    #[must_use]
    pub fn new(limbs: [ShortLimb; DIGEST_LEN]) -> Self {
        Self(Digest(limbs.map(ShortLimb::target)))
    }

    /// `if condition { a } else { b }`.
    #[must_use]
    pub fn select(builder: &mut Builder, condition: BoolTarget, a: Self, b: Self) -> Self {
        Self(builder.select_digest(condition, a.0, b.0))
    }

    /// A key that the set with this witness may insert, but if `condition` the key `present` of any limbs, which it may only
    /// update: an update compares no keys.
    #[must_use]
    pub fn or_present(
        self,
        builder: &mut Builder,
        condition: BoolTarget,
        present: DigestTarget,
        witness: &SetTarget,
    ) -> Self {
        let inserts = builder.and(condition, witness.insert);
        builder.enforce_zero(inserts.target);
        Self(builder.select_digest(condition, present, self.0))
    }

    /// The key's limbs.
    #[must_use]
    pub fn digest(self) -> DigestTarget {
        self.0
    }
}

/// A [`SetKey`] in-circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKeyTarget {
    /// The limbs are any elements.
    Any(DigestTarget),
    /// The limbs are short, and so are those of all keys of the tree.
    Short(ShortKeyTarget),
}

impl SetKeyTarget {
    /// The key's limbs, and what is known of them.
    pub(super) fn parts(self) -> (DigestTarget, Limbs) {
        match self {
            Self::Any(key) => (key, Limbs::Any),
            Self::Short(key) => (key.0, Limbs::Short),
        }
    }
}

impl From<DigestTarget> for SetKeyTarget {
    fn from(key: DigestTarget) -> Self {
        Self::Any(key)
    }
}

impl From<ShortKeyTarget> for SetKeyTarget {
    fn from(key: ShortKeyTarget) -> Self {
        Self::Short(key)
    }
}

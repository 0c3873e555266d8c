//! Hashers that hash several inputs at once, one in each lane of the machine's vectors.

use std::ops::Range;

use p3_field::{Field, PrimeField64 as _};
use p3_goldilocks::Goldilocks;
use plonky2::{
    field::types::Field as _,
    hash::hash_types::{HashOut, NUM_HASH_OUT_ELTS},
    plonk::config::Hasher,
};

use crate::basetypes::F;

/// As many field elements as the machine computes with at once.
pub type Packed = <Goldilocks as Field>::Packing;

/// The number of elements of a sponge's state.
pub const SPONGE_WIDTH: usize = plonky2::hash::poseidon::SPONGE_WIDTH;
/// The number of elements that a sponge absorbs in one permutation.
pub const SPONGE_RATE: usize = plonky2::hash::poseidon::SPONGE_RATE;

/// A hasher of plonky2 that also hashes many inputs at once.
///
/// Its permutation has [`SPONGE_WIDTH`] elements and absorbs [`SPONGE_RATE`] of them. Every [`PackedSponge`] is one.
pub trait PackedHasher: Hasher<F, Hash: Default + 'static> {
    /// Fills `digests` with what plonky2 hashes leaves to. `row` returns the leaf of each digest, all of one length.
    fn hash_rows<'r, T: Copy + 'r>(
        digests: &mut [Self::Hash],
        row: impl Fn(usize) -> &'r [T],
        convert: impl Fn(T) -> Goldilocks,
    );

    /// Fills `parents` with the hashes of pairs of `children`, of which there are twice as many.
    fn hash_pairs(children: &[Self::Hash], parents: &mut [Self::Hash]);

    /// The lowest of `nonces` that, at `position` of `state`, makes the last element that is squeezed begin with `bits`
    /// zeros.
    fn lowest_nonce(state: &Self::Permutation, position: usize, nonces: Range<u64>, bits: u32)
    -> Option<u64>;

    /// The hash that the transcript observes as these elements.
    fn hash_of_elements(elements: [F; NUM_HASH_OUT_ELTS]) -> Self::Hash;
}

/// A sponge over field elements whose permutation also exists for packed states.
///
/// Its `hash_no_pad` and `two_to_one` are plonky2's overwrite sponge of [`SPONGE_WIDTH`] elements and [`SPONGE_RATE`].
pub trait PackedSponge: Hasher<F, Hash = HashOut<F>> {
    /// Applies `Self::Permutation` in every lane.
    fn permute_packed(state: &mut [Packed; SPONGE_WIDTH]);
}

/// Converts an element of plonky2's field type.
#[inline]
pub(crate) const fn to_p3(element: F) -> Goldilocks {
    Goldilocks::new(element.0)
}

/// Converts an element to plonky2's field type, in canonical form.
#[inline]
pub(crate) fn from_p3(element: Goldilocks) -> F {
    F::from_canonical_u64(element.as_canonical_u64())
}

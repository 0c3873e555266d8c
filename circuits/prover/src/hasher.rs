//! Hashers that permute several states at once, one in each lane of the machine's vectors.

use p3_field::{Field, PackedValue as _, PrimeField64 as _};
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

/// A hasher of plonky2 whose permutation also exists for packed states.
///
/// Its `hash_no_pad` and `two_to_one` are plonky2's overwrite sponge of [`SPONGE_WIDTH`] elements and [`SPONGE_RATE`].
pub trait PackedHasher: Hasher<F, Hash = HashOut<F>> {
    /// Applies `Self::Permutation` in every lane.
    fn permute_packed(state: &mut [Packed; SPONGE_WIDTH]);
}

/// The hash in each lane of a state.
pub(crate) fn digests(state: &[Packed; SPONGE_WIDTH]) -> impl Iterator<Item = HashOut<F>> + '_ {
    (0..Packed::WIDTH).map(|lane| HashOut {
        elements: std::array::from_fn::<_, NUM_HASH_OUT_ELTS, _>(|i| from_p3(state[i].as_slice()[lane])),
    })
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

//! Low-degree extension, and how the order of p3's rows differs from that of plonky2's.
//!
//! p3 and plonky2 have different roots of unity of order 2^32. Each of them is an odd power of the other one, so that both
//! name the same points of a domain in different orders: the point with index `i` in plonky2 has index `e i mod N` in p3.

use std::sync::OnceLock;

use p3_dft::{Radix2DFTSmallBatch, Radix2DitParallel, TwoAdicSubgroupDft as _};
use p3_field::{Field as _, PrimeCharacteristicRing as _, TwoAdicField as _};
use p3_goldilocks::Goldilocks;
use p3_matrix::{bitrev::BitReversibleMatrix as _, dense::RowMajorMatrix};
use p3_maybe_rayon::prelude::*;
use plonky2::field::types::Field as _;

use crate::{basetypes::F, hasher::to_p3};

/// The orders of the points of a domain of `2^bits` points.
///
/// Extended rows lie in the order of p3's transforms, which reverses the bits of p3's indices. plonky2's leaves lie in the
/// order that reverses the bits of plonky2's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain {
    bits: usize,
    /// plonky2's root is p3's to this power.
    exponent: usize,
    /// The inverse of `exponent` modulo `2^bits`.
    inverse: usize,
}

impl Domain {
    /// # Panics
    /// If the field has no subgroup of `2^bits` elements.
    pub(crate) fn new(bits: usize) -> Self {
        let exponent = root_exponent(bits);
        // An odd number is its own inverse modulo 8, and each step doubles the number of bits that are right.
        let mut inverse = exponent;
        for _ in 0..usize::BITS.ilog2() {
            inverse = inverse.wrapping_mul(2_usize.wrapping_sub(exponent.wrapping_mul(inverse)));
        }
        Self { bits, exponent, inverse }
    }

    pub(crate) const fn bits(self) -> usize {
        self.bits
    }

    pub(crate) const fn len(self) -> usize {
        1 << self.bits
    }

    /// p3's index of the point with this index in plonky2.
    pub(crate) const fn p3_index(self, index: usize) -> usize {
        self.exponent.wrapping_mul(index) & (self.len() - 1)
    }

    /// plonky2's index of the point with this index in p3.
    pub(crate) const fn plonky2_index(self, p3_index: usize) -> usize {
        self.inverse.wrapping_mul(p3_index) & (self.len() - 1)
    }

    /// `index` with its bits in reverse.
    pub(crate) const fn reverse(self, index: usize) -> usize {
        // A shift by all bits is an overflow.
        if self.bits == 0 { 0 } else { index.reverse_bits() >> (usize::BITS as usize - self.bits) }
    }

    /// The extended row of the point with this index in plonky2.
    pub(crate) const fn row(self, index: usize) -> usize {
        self.reverse(self.p3_index(index))
    }
}

/// plonky2's root of unity of order `2^bits` as a power of p3's, bit by bit.
fn root_exponent(bits: usize) -> usize {
    let target = to_p3(F::primitive_root_of_unity(bits));
    let inverse_root = Goldilocks::two_adic_generator(bits).inverse();
    let mut exponent = 0;
    for bit in 0..bits {
        let rest = target * inverse_root.exp_u64(exponent);
        if rest.exp_power_of_2(bits - 1 - bit) != Goldilocks::ONE {
            exponent |= 1 << bit;
        }
    }
    exponent as usize
}

/// The shift of the coset on which polynomials are committed to.
pub(crate) const fn coset_shift() -> Goldilocks {
    to_p3(F::MULTIPLICATIVE_GROUP_GENERATOR)
}

/// Transforms of rows that fill vectors, with the powers of roots that earlier ones needed.
fn wide() -> &'static Radix2DitParallel<Goldilocks> {
    static TRANSFORMS: OnceLock<Radix2DitParallel<Goldilocks>> = OnceLock::new();
    TRANSFORMS.get_or_init(Radix2DitParallel::default)
}

/// Transforms of rows of a few elements, which fill vectors with several rows.
fn narrow() -> &'static Radix2DFTSmallBatch<Goldilocks> {
    static TRANSFORMS: OnceLock<Radix2DFTSmallBatch<Goldilocks>> = OnceLock::new();
    TRANSFORMS.get_or_init(Radix2DFTSmallBatch::default)
}

/// The number of elements that one thread copies at a stretch.
const ELEMENTS_PER_TASK: usize = 1 << 14;

/// The values of polynomials on `shift` times the subgroup, from columns of coefficients. The rows of the result are in the
/// order of [`Domain`]. `buffer` is overwritten and becomes the result.
pub(crate) fn evaluate(
    coefficients: &RowMajorMatrix<Goldilocks>,
    shift: Goldilocks,
    mut buffer: Vec<Goldilocks>,
) -> RowMajorMatrix<Goldilocks> {
    buffer.resize(coefficients.values.len(), Goldilocks::ZERO);
    let chunks = coefficients.values.par_chunks(ELEMENTS_PER_TASK);
    buffer.par_chunks_mut(ELEMENTS_PER_TASK).zip(chunks).for_each(|(to, from)| to.copy_from_slice(from));
    wide().coset_dft_batch(RowMajorMatrix::new(buffer, coefficients.width), shift).bit_reverse_rows()
}

/// The coefficients of polynomials from columns of their values on p3's subgroup, in the order of p3's indices.
pub(crate) fn interpolate(values: RowMajorMatrix<Goldilocks>) -> RowMajorMatrix<Goldilocks> {
    wide().idft_batch(values)
}

/// The values of polynomials on `shift` times p3's subgroup that is `2^rate_bits` times as large as there are coefficients,
/// in the order of p3's indices, from a few columns of coefficients.
pub(crate) fn extend_coefficients(
    coefficients: RowMajorMatrix<Goldilocks>,
    rate_bits: usize,
    shift: Goldilocks,
) -> RowMajorMatrix<Goldilocks> {
    let values = narrow().dft_batch(coefficients);
    narrow().coset_lde_batch(values, rate_bits, shift)
}

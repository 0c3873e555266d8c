//! What the quotients of circuits and STARKs have in common: the coset on which they are computed, and the polynomials that
//! are committed to.

use plonky2::{
    field::{polynomial::PolynomialCoeffs, types::Field, zero_poly_coset::ZeroPolyOnCoset},
    util::log2_ceil,
};

use crate::basetypes::F;

/// A coset with as many times the rows as the quotient's degree, rounded up to a power of two.
pub(crate) struct Coset {
    /// The logarithm of its points for each row.
    pub(crate) expansion_bits: usize,
    pub(crate) points: Vec<F>,
    /// `L_0` at each point: 1 in the first row and 0 in the others.
    pub(crate) first_row: Vec<F>,
    /// The polynomial that vanishes in all rows.
    pub(crate) vanishing: ZeroPolyOnCoset<F>,
}

impl Coset {
    /// The coset for `2^degree_bits` rows and a quotient of `degree_factor` times as many coefficients.
    pub(crate) fn new(degree_bits: usize, degree_factor: usize) -> Self {
        let expansion_bits = log2_ceil(degree_factor);
        let size_bits = degree_bits + expansion_bits;
        let root = F::primitive_root_of_unity(size_bits);
        let points = F::cyclic_subgroup_coset_known_order(root, F::coset_shift(), 1 << size_bits);
        let vanishing = ZeroPolyOnCoset::new(degree_bits, expansion_bits);
        // L_0(x) = (x^n - 1) / (n (x - 1)), and no point is a row, so that none is 1.
        let rows = F::from_canonical_u64(1 << degree_bits);
        let denominators: Vec<F> = points.iter().map(|&point| rows * (point - F::ONE)).collect();
        let first_row = F::batch_multiplicative_inverse(&denominators)
            .into_iter()
            .enumerate()
            .map(|(index, inverse)| vanishing.eval(index) * inverse)
            .collect();
        Self { expansion_bits, points, first_row, vanishing }
    }

    /// How many cosets of the subgroup make up this one. They are those of a commitment, [`Coset::step`] apart.
    pub(crate) const fn num_cosets(&self) -> usize {
        1 << self.expansion_bits
    }

    /// The number of points of one of these cosets, a point for each row.
    pub(crate) const fn num_rows(&self) -> usize {
        self.points.len() >> self.expansion_bits
    }

    /// The place among all points of the point `row`, which may exceed the rows, of one of these cosets.
    pub(crate) const fn index(&self, coset: usize, row: usize) -> usize {
        coset + ((row % self.num_rows()) << self.expansion_bits)
    }

    /// How many cosets of a commitment of this rate there are for each of these cosets.
    pub(crate) const fn step(&self, rate_bits: usize) -> usize {
        1 << (rate_bits - self.expansion_bits)
    }
}

/// The coefficients of the quotients, cut into polynomials with as many as there are rows; those of the first quotient come
/// first. `None` if a quotient has more than `degree_factor` times as many: a constraint does not hold.
pub(crate) fn chunks(
    quotients: &[PolynomialCoeffs<F>],
    degree_bits: usize,
    degree_factor: usize,
) -> Option<Vec<Vec<F>>> {
    let mut chunks = Vec::with_capacity(degree_factor * quotients.len());
    for quotient in quotients {
        let (kept, excess) = quotient.coeffs.split_at(degree_factor << degree_bits);
        if excess.iter().any(Field::is_nonzero) {
            return None;
        }
        chunks.extend(kept.chunks(1 << degree_bits).map(<[F]>::to_vec));
    }
    Some(chunks)
}

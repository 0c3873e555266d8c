//! Commitments to batches of polynomials: plonky2's `PolynomialBatch` without its second copy of every polynomial.

use std::{borrow::Cow, ops::Range};

use p3_field::{PackedValue as _, PrimeCharacteristicRing as _, TwoAdicField as _};
use p3_goldilocks::Goldilocks;
use p3_matrix::{Matrix as _, dense::RowMajorMatrix};
use p3_maybe_rayon::prelude::*;
use plonky2::{
    field::{
        extension::{Extendable, FieldExtension as _},
        polynomial::PolynomialCoeffs,
        types::Field as _,
    },
    fri::oracle::PolynomialBatch,
    hash::{
        hash_types::HashOut,
        merkle_proofs::MerkleProof,
        merkle_tree::{MerkleCap, MerkleTree},
    },
    plonk::config::GenericConfig,
};

use crate::{
    basetypes::F,
    hasher::{Packed, PackedHasher, from_p3, to_p3},
    merkle,
    transform::{self, Domain, coset_shift},
};

/// The number of rows that one thread transposes, evaluates or combines at a stretch.
pub(crate) const ROWS_PER_TASK: usize = 256;

/// A batch of polynomials and the Merkle tree over their values on the extended domain.
///
/// Caps, digests, leaves and paths are those of plonky2's `PolynomialBatch`. Coefficients are not kept: the first
/// `2^degree_bits` rows hold the values on a coset, which determine everything.
///
/// The lifetime is that of the batch of an existing circuit, which [`Commitment::of_batch`] borrows.
#[derive(Clone, Debug)]
pub struct Commitment<'b, H: PackedHasher> {
    rows: Rows<'b>,
    digests: Cow<'b, [HashOut<F>]>,
    cap: MerkleCap<F, H>,
    degree_bits: usize,
    domain: Domain,
}

/// The values on the extended domain, one row a point.
#[derive(Clone, Debug)]
enum Rows<'b> {
    /// Rows in the order of [`Domain`].
    Extended(RowMajorMatrix<Goldilocks>),
    /// The leaves of plonky2's tree.
    Leaves(&'b [Vec<F>]),
}

/// Why polynomials cannot be committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// There is no polynomial.
    #[error("there is no polynomial to commit to")]
    NoPolynomials,
    /// The polynomials have different lengths.
    #[error("polynomial {index} has {length} elements, but the first one has {expected}")]
    Length {
        /// The number of the polynomial.
        index: usize,
        /// Its number of values or coefficients.
        length: usize,
        /// That of the first polynomial.
        expected: usize,
    },
    /// The polynomials' length is not a power of two.
    #[error("polynomials have {length} elements, which is not a power of two")]
    NotPowerOfTwo {
        /// The number of values or coefficients.
        length: usize,
    },
    /// The field has no extended domain of that size.
    #[error("an extended domain of 2^{degree_bits} x 2^{rate_bits} points exceeds 2^{}", F::TWO_ADICITY)]
    DomainTooLarge {
        /// The logarithm of the polynomials' length.
        degree_bits: usize,
        /// The logarithm of the inverse of the rate.
        rate_bits: usize,
    },
    /// The cap would have more hashes than the tree has leaves.
    #[error("a cap of height {cap_height} is above the 2^{domain_bits} leaves of the tree")]
    CapTooHigh {
        /// The height of the cap.
        cap_height: usize,
        /// The logarithm of the number of leaves.
        domain_bits: usize,
    },
    /// The batch has salts, which this prover does not have.
    #[error("the batch is blinded, and zero-knowledge is not supported")]
    Blinded,
}

impl<'b, H: PackedHasher> Commitment<'b, H> {
    /// Commits to the polynomials with these `columns` of values on the subgroup, in the order of plonky2's root of unity.
    /// Columns that are given away are freed before the domain is extended, which takes the most memory.
    ///
    /// # Errors
    /// If there is no column, if columns have different lengths or one that is not a power of two, if the field has no
    /// domain of that size, or if the cap is too high for it.
    pub fn of_values<Column: AsRef<[F]> + Sync>(
        columns: impl AsRef<[Column]>,
        rate_bits: usize,
        cap_height: usize,
    ) -> Result<Self, CommitmentError> {
        let degree_bits = degree_bits(columns.as_ref(), rate_bits, cap_height)?;
        let subgroup = Domain::new(degree_bits);
        let values = row_major(columns.as_ref(), rate_bits, |row| subgroup.plonky2_index(row));
        drop(columns);
        Ok(Self::of_rows(transform::extend(values, rate_bits, coset_shift()), degree_bits, cap_height))
    }

    /// Commits to the polynomials with these `columns` of coefficients, lowest degree first.
    ///
    /// # Errors
    /// As [`Commitment::of_values`].
    pub fn of_coefficients<Column: AsRef<[F]> + Sync>(
        columns: impl AsRef<[Column]>,
        rate_bits: usize,
        cap_height: usize,
    ) -> Result<Self, CommitmentError> {
        let degree_bits = degree_bits(columns.as_ref(), rate_bits, cap_height)?;
        let values = row_major(columns.as_ref(), 0, |row| row);
        drop(columns);
        let values = transform::evaluate(values);
        Ok(Self::of_rows(transform::extend(values, rate_bits, coset_shift()), degree_bits, cap_height))
    }

    /// The commitment that plonky2 made to `batch`, which is borrowed: nothing is hashed or copied but the cap.
    ///
    /// # Errors
    /// If the batch is blinded or has no polynomial.
    pub fn of_batch<C, const D: usize>(batch: &'b PolynomialBatch<F, C, D>) -> Result<Self, CommitmentError>
    where
        F: Extendable<D>,
        C: GenericConfig<D, F = F, Hasher = H>,
    {
        if batch.blinding {
            return Err(CommitmentError::Blinded);
        }
        if batch.polynomials.is_empty() {
            return Err(CommitmentError::NoPolynomials);
        }
        let tree = &batch.merkle_tree;
        Ok(Self {
            rows: Rows::Leaves(&tree.leaves),
            digests: Cow::Borrowed(&tree.digests),
            cap: tree.cap.clone(),
            degree_bits: batch.degree_log,
            domain: Domain::new(batch.degree_log + batch.rate_bits),
        })
    }

    fn of_rows(rows: RowMajorMatrix<Goldilocks>, degree_bits: usize, cap_height: usize) -> Self {
        let domain = Domain::new(rows.height().ilog2() as usize);
        let (digests, cap) = merkle::hash_tree::<H>(domain.len(), cap_height, |leaf| {
            let row = domain.row(domain.reverse(leaf));
            &rows.values[row * rows.width..][..rows.width]
        });
        Self { rows: Rows::Extended(rows), digests: Cow::Owned(digests), cap, degree_bits, domain }
    }

    /// Turns the commitment into plonky2's type, for the data of a circuit.
    #[must_use]
    pub fn into_batch<C, const D: usize>(self) -> PolynomialBatch<F, C, D>
    where
        F: Extendable<D>,
        C: GenericConfig<D, F = F, Hasher = H>,
    {
        let polynomials = self.coefficients();
        let leaves = (0..self.domain.len()).into_par_iter().map(|leaf| self.leaf(leaf)).collect();
        PolynomialBatch {
            polynomials,
            degree_log: self.degree_bits,
            rate_bits: self.rate_bits(),
            merkle_tree: MerkleTree { leaves, digests: self.digests.into_owned(), cap: self.cap },
            blinding: false,
        }
    }

    /// The cap of the Merkle tree.
    #[must_use]
    pub const fn cap(&self) -> &MerkleCap<F, H> {
        &self.cap
    }

    /// The digests of the Merkle tree in plonky2's layout.
    #[must_use]
    pub fn digests(&self) -> &[HashOut<F>] {
        &self.digests
    }

    /// The number of polynomials.
    #[must_use]
    pub fn num_polynomials(&self) -> usize {
        match &self.rows {
            Rows::Extended(rows) => rows.width,
            Rows::Leaves(leaves) => leaves[0].len(),
        }
    }

    /// The logarithm of the number of coefficients of each polynomial.
    #[must_use]
    pub const fn degree_bits(&self) -> usize {
        self.degree_bits
    }

    /// The logarithm of the inverse of the rate.
    #[must_use]
    pub const fn rate_bits(&self) -> usize {
        self.domain.bits() - self.degree_bits
    }

    /// The coefficients of each polynomial, lowest degree first.
    #[must_use]
    pub fn coefficients(&self) -> Vec<PolynomialCoeffs<F>> {
        let subgroup = Domain::new(self.degree_bits);
        let width = self.num_polynomials();
        let mut values = Goldilocks::zero_vec(width << self.degree_bits);
        values.par_chunks_exact_mut(width).enumerate().for_each(|(index, values)| {
            let mut scratch = Vec::new();
            values.copy_from_slice(self.row(subgroup.reverse(index), &mut scratch));
        });
        let coefficients = transform::interpolate(RowMajorMatrix::new(values, width), coset_shift());
        (0..width)
            .into_par_iter()
            .map(|k| {
                PolynomialCoeffs::new(
                    coefficients.values.iter().skip(k).step_by(width).map(|&c| from_p3(c)).collect(),
                )
            })
            .collect()
    }

    /// Replaces `out` by the values of all polynomials at some points of the extended domain, polynomial by polynomial:
    /// `out[k * indices.len() + j]` is polynomial `k` at `coset_shift * g^indices[j]`, where `g` is plonky2's root of unity
    /// of the domain's order.
    ///
    /// # Panics
    /// If an index is beyond the extended domain.
    pub fn gather(&self, indices: &[usize], out: &mut Vec<F>) {
        out.clear();
        out.resize(self.num_polynomials() * indices.len(), F::ZERO);
        match &self.rows {
            Rows::Extended(rows) => transpose(indices, out, from_p3, |index| {
                &rows.values[self.domain.row(index) * rows.width..][..rows.width]
            }),
            Rows::Leaves(leaves) => {
                transpose(indices, out, |value| value, |index| &leaves[self.domain.reverse(index)]);
            }
        }
    }

    /// The values of some polynomials at a point.
    ///
    /// # Panics
    /// If the range exceeds the polynomials.
    #[must_use]
    pub fn evaluate<const D: usize>(
        &self,
        polynomials: Range<usize>,
        point: <F as Extendable<D>>::Extension,
    ) -> Vec<<F as Extendable<D>>::Extension>
    where
        F: Extendable<D>,
    {
        let coset = Domain::new(self.degree_bits);
        let points = coset_points(coset);
        if let Some(row) = points.iter().position(|&x| point == from_p3(x).into()) {
            let mut scratch = Vec::new();
            let row = &self.row(row, &mut scratch)[polynomials];
            return row.iter().map(|&value| from_p3(value).into()).collect();
        }

        // The barycentric formula on the coset s H with n points:
        // f(z) = (z^n - s^n) / (n s^n) * sum of f(x) x / (z - x) over its points.
        let width = polynomials.len();
        let sums = points
            .par_chunks(ROWS_PER_TASK)
            .enumerate()
            .map(|(task, points)| {
                let differences: Vec<_> = points
                    .iter()
                    .map(|&x| point - <F as Extendable<D>>::Extension::from(from_p3(x)))
                    .collect();
                let inverses = <F as Extendable<D>>::Extension::batch_multiplicative_inverse(&differences);
                let mut sums: [Vec<Goldilocks>; D] = std::array::from_fn(|_| Goldilocks::zero_vec(width));
                let mut scratch = Vec::new();
                for (i, (&x, inverse)) in points.iter().zip(inverses).enumerate() {
                    let row = &self.row(task * ROWS_PER_TASK + i, &mut scratch)[polynomials.clone()];
                    for (sums, weight) in sums.iter_mut().zip(inverse.to_basefield_array()) {
                        add_scaled(sums, row, x * to_p3(weight));
                    }
                }
                sums
            })
            .reduce(
                || std::array::from_fn(|_| Goldilocks::zero_vec(width)),
                |mut left, right| {
                    for (left, right) in left.iter_mut().zip(&right) {
                        add_scaled(left, right, Goldilocks::ONE);
                    }
                    left
                },
            );
        let shift_power = F::coset_shift().exp_power_of_2(self.degree_bits);
        let scale = (point.exp_power_of_2(self.degree_bits)
            - <F as Extendable<D>>::Extension::from(shift_power))
            * <F as Extendable<D>>::Extension::from(
                (shift_power * F::from_canonical_usize(coset.len())).inverse(),
            );
        (0..width)
            .map(|k| {
                let sum = std::array::from_fn(|d| from_p3(sums[d][k]));
                <F as Extendable<D>>::Extension::from_basefield_array(sum) * scale
            })
            .collect()
    }

    /// A leaf of plonky2's tree.
    pub(crate) fn leaf(&self, leaf: usize) -> Vec<F> {
        match &self.rows {
            Rows::Extended(rows) => {
                let row = self.domain.row(self.domain.reverse(leaf));
                rows.values[row * rows.width..][..rows.width].iter().map(|&value| from_p3(value)).collect()
            }
            Rows::Leaves(leaves) => leaves[leaf].clone(),
        }
    }

    /// The path from a leaf of plonky2's tree to the cap.
    pub(crate) fn prove(&self, leaf: usize) -> MerkleProof<F, H> {
        merkle::prove(&self.digests, &self.cap, leaf)
    }

    /// A row in the order of [`Domain`].
    pub(crate) fn row<'s>(&'s self, row: usize, scratch: &'s mut Vec<Goldilocks>) -> &'s [Goldilocks] {
        match &self.rows {
            Rows::Extended(rows) => &rows.values[row * rows.width..][..rows.width],
            Rows::Leaves(leaves) => {
                scratch.clear();
                scratch.extend(leaves[self.domain.leaf(row)].iter().map(|&value| to_p3(value)));
                scratch
            }
        }
    }
}

/// The points of the coset on which a polynomial of `coset.len()` coefficients is determined by the first rows of its
/// extension, in the order of these rows.
pub(crate) fn coset_points(coset: Domain) -> Vec<Goldilocks> {
    let generator = Goldilocks::two_adic_generator(coset.bits());
    let points: Vec<_> = generator.shifted_powers(coset_shift()).take(coset.len()).collect();
    (0..coset.len()).map(|row| points[coset.reverse(row)]).collect()
}

/// The number of rows that [`transpose`] reads side by side: their elements fill a line of the cache.
const ROWS_PER_LINE: usize = 8;

/// Writes the rows with these indices as columns.
fn transpose<'r, T: Copy + 'r>(
    indices: &[usize],
    out: &mut [F],
    convert: impl Fn(T) -> F,
    row: impl Fn(usize) -> &'r [T],
) {
    let count = indices.len();
    let width = out.len() / count.max(1);
    for (group, indices) in indices.chunks(ROWS_PER_LINE).enumerate() {
        // The last group may be smaller: its last row stands in for those that are missing, which are not written.
        let rows: [&[T]; ROWS_PER_LINE] =
            std::array::from_fn(|i| &row(indices[i.min(indices.len() - 1)])[..width]);
        for k in 0..width {
            let line = rows.map(|row| convert(row[k]));
            out[k * count + group * ROWS_PER_LINE..][..indices.len()].copy_from_slice(&line[..indices.len()]);
        }
    }
}

/// Adds `scale * row` to `sums`.
fn add_scaled(sums: &mut [Goldilocks], row: &[Goldilocks], scale: Goldilocks) {
    let (packed_sums, suffix_sums) = Packed::pack_slice_with_suffix_mut(sums);
    let (packed_row, suffix_row) = Packed::pack_slice_with_suffix(row);
    let packed_scale = Packed::from(scale);
    for (sum, &value) in packed_sums.iter_mut().zip(packed_row) {
        *sum += value * packed_scale;
    }
    for (sum, &value) in suffix_sums.iter_mut().zip(suffix_row) {
        *sum += value * scale;
    }
}

/// Checks the shape of what is committed to, and returns the logarithm of the columns' length.
fn degree_bits(
    columns: &[impl AsRef<[F]>],
    rate_bits: usize,
    cap_height: usize,
) -> Result<usize, CommitmentError> {
    let expected = columns.first().ok_or(CommitmentError::NoPolynomials)?.as_ref().len();
    for (index, column) in columns.iter().enumerate() {
        let length = column.as_ref().len();
        if length != expected {
            return Err(CommitmentError::Length { index, length, expected });
        }
    }
    if !expected.is_power_of_two() {
        return Err(CommitmentError::NotPowerOfTwo { length: expected });
    }
    let degree_bits = expected.ilog2() as usize;
    let domain_bits = degree_bits.saturating_add(rate_bits);
    if domain_bits > F::TWO_ADICITY {
        return Err(CommitmentError::DomainTooLarge { degree_bits, rate_bits });
    }
    if cap_height > domain_bits {
        return Err(CommitmentError::CapTooHigh { cap_height, domain_bits });
    }
    Ok(degree_bits)
}

/// The matrix of these columns, in which row `i` has their elements at `source(i)`. Has the capacity for its extension.
fn row_major(
    columns: &[impl AsRef<[F]> + Sync],
    rate_bits: usize,
    source: impl Fn(usize) -> usize + Sync,
) -> RowMajorMatrix<Goldilocks> {
    let width = columns.len();
    let size = columns[0].as_ref().len() * width;
    let mut values = Vec::with_capacity(size << rate_bits);
    values.resize(size, Goldilocks::ZERO);
    values.par_chunks_mut(width * ROWS_PER_TASK).enumerate().for_each(|(task, rows)| {
        for (k, column) in columns.iter().enumerate() {
            for (i, value) in rows.iter_mut().skip(k).step_by(width).enumerate() {
                *value = to_p3(column.as_ref()[source(task * ROWS_PER_TASK + i)]);
            }
        }
    });
    RowMajorMatrix::new(values, width)
}

//! Commitments to batches of polynomials: plonky2's `PolynomialBatch` without the values on the extended domain.

use std::{borrow::Cow, ops::Range};

use p3_field::{PackedValue as _, PrimeCharacteristicRing as _};
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
    hash::{merkle_proofs::MerkleProof, merkle_tree::MerkleCap},
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
/// Caps, digests, leaves and paths are those of plonky2's `PolynomialBatch`. The values are not kept, which take many times
/// the memory of the coefficients: the extended domain is a union of cosets of the subgroup, and the values on one of them
/// at a time are computed from the coefficients, for the tree and whenever they are needed again ([`Cosets`]).
///
/// The lifetime is that of the batch of an existing circuit, which [`Commitment::of_batch`] borrows.
#[derive(Clone, Debug)]
pub struct Commitment<'b, H: PackedHasher> {
    /// Row `i` has the coefficients of `X^i`.
    coefficients: RowMajorMatrix<Goldilocks>,
    /// The leaves of plonky2's tree, if it exists.
    leaves: Option<&'b [Vec<F>]>,
    digests: Cow<'b, [H::Hash]>,
    cap: MerkleCap<F, H>,
    rate_bits: usize,
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
    /// Columns that are given away are freed as soon as they are copied.
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
        let values = row_major(columns.as_ref(), |row| subgroup.plonky2_index(row));
        drop(columns);
        Ok(Self::of_matrix(transform::interpolate(values), rate_bits, cap_height))
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
        degree_bits(columns.as_ref(), rate_bits, cap_height)?;
        let coefficients = row_major(columns.as_ref(), |row| row);
        drop(columns);
        Ok(Self::of_matrix(coefficients, rate_bits, cap_height))
    }

    fn of_matrix(coefficients: RowMajorMatrix<Goldilocks>, rate_bits: usize, cap_height: usize) -> Self {
        let (digests, cap) = hash::<H>(&coefficients, rate_bits, cap_height);
        Self { coefficients, leaves: None, digests: Cow::Owned(digests), cap, rate_bits }
    }

    /// The commitment that plonky2 made to `batch`. Leaves and digests are borrowed, and only coefficients are copied. The
    /// tree may lack its leaves, which take many times the memory of the rest: then they are computed whenever needed.
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
        let columns: Vec<_> = batch.polynomials.iter().map(|polynomial| &polynomial.coeffs).collect();
        Ok(Self {
            coefficients: row_major(&columns, |row| row),
            leaves: (!tree.leaves.is_empty()).then_some(&tree.leaves[..]),
            digests: Cow::Borrowed(&tree.digests),
            cap: tree.cap.clone(),
            rate_bits: batch.rate_bits,
        })
    }

    /// The digests and the cap of the Merkle tree.
    pub(crate) fn into_tree(self) -> (Vec<H::Hash>, MerkleCap<F, H>) {
        (self.digests.into_owned(), self.cap)
    }

    /// The cap of the Merkle tree.
    #[must_use]
    pub const fn cap(&self) -> &MerkleCap<F, H> {
        &self.cap
    }

    /// The digests of the Merkle tree in plonky2's layout.
    #[must_use]
    pub fn digests(&self) -> &[H::Hash] {
        &self.digests
    }

    /// The number of polynomials.
    #[must_use]
    pub const fn num_polynomials(&self) -> usize {
        self.coefficients.width
    }

    /// The logarithm of the number of coefficients of each polynomial.
    #[must_use]
    pub fn degree_bits(&self) -> usize {
        self.coefficients.height().ilog2() as usize
    }

    /// The logarithm of the inverse of the rate.
    #[must_use]
    pub const fn rate_bits(&self) -> usize {
        self.rate_bits
    }

    /// The coefficients of each polynomial, lowest degree first.
    #[must_use]
    pub fn coefficients(&self) -> Vec<PolynomialCoeffs<F>> {
        let width = self.num_polynomials();
        let column =
            |k| self.coefficients.values.iter().skip(k).step_by(width).map(|&c| from_p3(c)).collect();
        (0..width).into_par_iter().map(|k| PolynomialCoeffs::new(column(k))).collect()
    }

    /// The coefficients of `X^power` of all polynomials.
    pub(crate) fn coefficients_of(&self, power: usize) -> &[Goldilocks] {
        row_of(&self.coefficients, power)
    }

    /// The values on the cosets, of which there are none before [`Cosets::enter`].
    #[must_use]
    pub fn cosets(&self) -> Cosets<'_> {
        Cosets::new(&self.coefficients, self.rate_bits, self.leaves)
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
        let sums = self.weighted_sums(polynomials.clone(), D, |first, weights| {
            let powers = point.powers();
            let start = point.exp_u64(first as u64);
            for (weights, power) in weights.chunks_exact_mut(D).zip(powers) {
                for (weight, coordinate) in weights.iter_mut().zip((start * power).to_basefield_array()) {
                    *weight = to_p3(coordinate);
                }
            }
        });
        (0..polynomials.len())
            .map(|k| {
                let coordinates = std::array::from_fn(|d| from_p3(sums[d][k]));
                <F as Extendable<D>>::Extension::from_basefield_array(coordinates)
            })
            .collect()
    }

    /// The leaves of plonky2's tree with these indices. They are few: each costs an evaluation of all polynomials.
    pub(crate) fn leaves(&self, indices: &[usize]) -> Vec<Vec<F>> {
        if let Some(leaves) = self.leaves {
            return indices.iter().map(|&index| leaves[index].clone()).collect();
        }
        let domain_bits = self.degree_bits() + self.rate_bits;
        let domain = Domain::new(domain_bits);
        let root = to_p3(F::primitive_root_of_unity(domain_bits));
        let points: Vec<_> =
            indices.iter().map(|&index| coset_shift() * root.exp_u64(domain.reverse(index) as u64)).collect();
        let sums = self.weighted_sums(0..self.num_polynomials(), points.len(), |first, weights| {
            let mut powers: Vec<_> = points.iter().map(|point| point.exp_u64(first as u64)).collect();
            for weights in weights.chunks_exact_mut(points.len()) {
                weights.copy_from_slice(&powers);
                powers.iter_mut().zip(&points).for_each(|(power, &point)| *power *= point);
            }
        });
        sums.into_iter().map(|sums| sums.into_iter().map(from_p3).collect()).collect()
    }

    /// `count` sums of the rows of coefficients, in each of which every row has a weight of its own.
    ///
    /// `weigh` is called with the number of a row and a buffer for the weights of this row and those after it: `count` for
    /// the first one, then for the next.
    fn weighted_sums(
        &self,
        polynomials: Range<usize>,
        count: usize,
        weigh: impl Fn(usize, &mut [Goldilocks]) + Sync,
    ) -> Vec<Vec<Goldilocks>> {
        let zeros = || vec![Goldilocks::zero_vec(polynomials.len()); count];
        let width = self.num_polynomials();
        self.coefficients
            .values
            .par_chunks(width * ROWS_PER_TASK)
            .enumerate()
            .map(|(task, rows)| {
                let mut sums = zeros();
                let mut weights = Goldilocks::zero_vec(rows.len() / width * count);
                weigh(task * ROWS_PER_TASK, &mut weights);
                for (row, weights) in rows.chunks_exact(width).zip(weights.chunks_exact(count)) {
                    for (sums, &weight) in sums.iter_mut().zip(weights) {
                        add_scaled(sums, &row[polynomials.clone()], weight);
                    }
                }
                sums
            })
            .reduce(zeros, |mut left, right| {
                for (left, right) in left.iter_mut().zip(&right) {
                    add_scaled(left, right, Goldilocks::ONE);
                }
                left
            })
    }

    /// The path from a leaf of plonky2's tree to the cap.
    pub(crate) fn prove(&self, leaf: usize) -> MerkleProof<F, H> {
        merkle::prove(&self.digests, &self.cap, leaf)
    }
}

/// Hashes the tree over the values of polynomials, coset by coset: digests and cap.
fn hash<H: PackedHasher>(
    coefficients: &RowMajorMatrix<Goldilocks>,
    rate_bits: usize,
    cap_height: usize,
) -> (Vec<H::Hash>, MerkleCap<F, H>) {
    let num_rows = coefficients.height();
    let mut coset = Cosets::new(coefficients, rate_bits, None);
    let mut leaves = vec![H::Hash::default(); num_rows << rate_bits];
    for index in 0..1 << rate_bits {
        coset.enter(index);
        let first_leaf = coset.first_leaf(index);
        merkle::hash_rows::<H, _>(
            &mut leaves[first_leaf..][..num_rows],
            |leaf| coset.leaf(leaf),
            |value| value,
        );
    }
    merkle::hash_tree(leaves, cap_height)
}

/// The values of a commitment's polynomials on the cosets that make up the extended domain, one coset at a time.
///
/// With plonky2's roots of unity, `G` of the extended domain's order and `g` of the subgroup's, coset `c` has the points
/// `coset_shift * G^c * g^i`. In plonky2's tree its leaves stand side by side.
#[derive(Clone, Debug)]
pub struct Cosets<'c> {
    coefficients: &'c RowMajorMatrix<Goldilocks>,
    subgroup: Domain,
    rate_bits: usize,
    /// The leaves of plonky2's tree, if it exists: there is nothing to compute.
    all_leaves: Option<&'c [Vec<F>]>,
    /// The values on the coset, row by row in the order of [`Domain`], if they are computed. The buffer is used for every
    /// coset.
    values: RowMajorMatrix<Goldilocks>,
    /// The leaves of the coset.
    leaves: Option<&'c [Vec<F>]>,
}

impl<'c> Cosets<'c> {
    fn new(
        coefficients: &'c RowMajorMatrix<Goldilocks>,
        rate_bits: usize,
        all_leaves: Option<&'c [Vec<F>]>,
    ) -> Self {
        Self {
            coefficients,
            subgroup: Domain::new(coefficients.height().ilog2() as usize),
            rate_bits,
            all_leaves,
            values: RowMajorMatrix::new(vec![], coefficients.width),
            leaves: None,
        }
    }

    /// Goes to a coset.
    ///
    /// # Panics
    /// If there are fewer cosets.
    pub fn enter(&mut self, coset: usize) {
        if let Some(leaves) = self.all_leaves {
            self.leaves = Some(&leaves[self.first_leaf(coset)..][..self.subgroup.len()]);
            return;
        }
        let root = to_p3(F::primitive_root_of_unity(self.subgroup.bits() + self.rate_bits));
        let shift = coset_shift() * root.exp_u64(coset as u64);
        let buffer = std::mem::take(&mut self.values.values);
        self.values = transform::evaluate(self.coefficients, shift, buffer);
    }

    /// The number of the first leaf of a coset.
    fn first_leaf(&self, coset: usize) -> usize {
        Domain::new(self.rate_bits).reverse(coset) << self.subgroup.bits()
    }

    /// A leaf of the coset.
    fn leaf(&self, leaf: usize) -> &[Goldilocks] {
        row_of(&self.values, self.subgroup.row(self.subgroup.reverse(leaf)))
    }

    /// Replaces `out` by the values of all polynomials at some points of the coset, polynomial by polynomial:
    /// `out[k * indices.len() + j]` is polynomial `k` at the point with `i = indices[j]`.
    ///
    /// # Panics
    /// If an index is beyond the coset, or if none was entered.
    pub fn gather(&self, indices: &[usize], out: &mut Vec<F>) {
        out.clear();
        out.resize(self.values.width * indices.len(), F::ZERO);
        match self.leaves {
            Some(leaves) => {
                transpose(indices, out, |value| value, |index| &leaves[self.subgroup.reverse(index)]);
            }
            None => transpose(indices, out, from_p3, |index| row_of(&self.values, self.subgroup.row(index))),
        }
    }
}

fn row_of(matrix: &RowMajorMatrix<Goldilocks>, row: usize) -> &[Goldilocks] {
    &matrix.values[row * matrix.width..][..matrix.width]
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

/// The matrix of these columns, in which row `i` has their elements at `source(i)`.
fn row_major(
    columns: &[impl AsRef<[F]> + Sync],
    source: impl Fn(usize) -> usize + Sync,
) -> RowMajorMatrix<Goldilocks> {
    let width = columns.len();
    let mut values = Goldilocks::zero_vec(columns[0].as_ref().len() * width);
    values.par_chunks_mut(width * ROWS_PER_TASK).enumerate().for_each(|(task, rows)| {
        for (k, column) in columns.iter().enumerate() {
            for (i, value) in rows.iter_mut().skip(k).step_by(width).enumerate() {
                *value = to_p3(column.as_ref()[source(task * ROWS_PER_TASK + i)]);
            }
        }
    });
    RowMajorMatrix::new(values, width)
}

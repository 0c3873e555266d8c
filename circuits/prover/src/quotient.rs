//! The quotient: all constraints, combined with powers of a challenge and divided by the polynomial that vanishes on the
//! rows.
//!
//! The combination is computed on a coset of a group that is as many times larger as the quotient's degree. Every gate
//! counts at every point: the filter of a gate vanishes in rows of other gates, but not on the coset.

use p3_field::{PackedValue as _, PrimeCharacteristicRing as _};
use p3_goldilocks::Goldilocks;
use p3_maybe_rayon::prelude::*;
use plonky2::{
    field::{
        extension::Extendable,
        polynomial::{PolynomialCoeffs, PolynomialValues},
        types::Field as _,
    },
    hash::hash_types::HashOut,
    plonk::circuit_data::CommonCircuitData,
};

use crate::{
    basetypes::F,
    commitment::{Commitment, Cosets},
    coset::Coset,
    gates::{BATCH, Columns, Gates, PACKS, load},
    hasher::{Packed, PackedHasher, from_p3, to_p3},
    permutation::PermutationChallenges,
};

/// What the quotient is computed from.
pub(crate) struct Constraints<'a, H: PackedHasher, const D: usize>
where
    F: Extendable<D>,
{
    pub(crate) common: &'a CommonCircuitData<F, D>,
    pub(crate) gates: &'a Gates<'a, D>,
    pub(crate) constants_sigmas: &'a Commitment<'a, H>,
    pub(crate) wires: &'a Commitment<'a, H>,
    /// `Z` of each challenge, then the partial products.
    pub(crate) accumulators: &'a Commitment<'a, H>,
    pub(crate) public_inputs_hash: &'a HashOut<F>,
    pub(crate) permutation: &'a PermutationChallenges,
    /// What the constraints are combined with: one quotient for each.
    pub(crate) alphas: &'a [F],
}

/// The values of the oracles on one coset of the subgroup.
struct Oracles<'a> {
    constants_sigmas: Cosets<'a>,
    wires: Cosets<'a>,
    accumulators: Cosets<'a>,
}

impl Oracles<'_> {
    fn enter(&mut self, coset: usize) {
        for oracle in [&mut self.constants_sigmas, &mut self.wires, &mut self.accumulators] {
            oracle.enter(coset);
        }
    }
}

/// The buffers of one thread.
struct Buffers {
    constants_sigmas: Vec<F>,
    wires: Vec<F>,
    accumulators: Vec<F>,
    next_accumulators: Vec<F>,
    /// The terms that are combined, at the points of the batch.
    terms: Vec<Packed>,
}

impl<H: PackedHasher, const D: usize> Constraints<'_, H, D>
where
    F: Extendable<D>,
{
    /// The number of terms of the permutation argument.
    fn num_permutation_terms(&self) -> usize {
        self.alphas.len() * (2 + self.common.num_partial_products)
    }

    /// Computes the quotient for each of `alphas`. If a constraint does not hold, these are polynomials too, but not
    /// quotients: the proof does not verify.
    ///
    /// The quotient's degree must be within the commitments' rate.
    pub(crate) fn quotients(&self) -> Vec<PolynomialCoeffs<F>> {
        let coset = Coset::new(self.common.degree_bits(), self.common.quotient_degree_factor);
        let powers: Vec<Vec<Goldilocks>> = self
            .alphas
            .iter()
            .map(|alpha| {
                let num_terms = self.num_permutation_terms() + self.common.num_gate_constraints;
                alpha.powers().take(num_terms).map(to_p3).collect()
            })
            .collect();
        let mut oracles = Oracles {
            constants_sigmas: self.constants_sigmas.cosets(),
            wires: self.wires.cosets(),
            accumulators: self.accumulators.cosets(),
        };
        let mut quotients = vec![vec![F::ZERO; coset.points.len()]; self.alphas.len()];
        for number in 0..coset.num_cosets() {
            oracles.enter(number * coset.step(self.common.config.fri_config.rate_bits));
            let batches: Vec<Vec<F>> = (0..coset.num_rows())
                .into_par_iter()
                .step_by(BATCH)
                .map_init(
                    || self.buffers(),
                    |buffers, first| self.evaluate(&coset, number, &oracles, &powers, first, buffers),
                )
                .collect();
            for (alpha, quotient) in quotients.iter_mut().enumerate() {
                let values = batches.iter().flat_map(|batch| &batch[alpha * BATCH..(alpha + 1) * BATCH]);
                let places = quotient.iter_mut().skip(number).step_by(coset.num_cosets());
                places.zip(values).for_each(|(place, &value)| *place = value);
            }
        }
        drop(oracles);
        quotients
            .into_par_iter()
            .map(|values| PolynomialValues::new(values).coset_ifft(F::coset_shift()))
            .collect()
    }

    fn buffers(&self) -> Buffers {
        Buffers {
            constants_sigmas: vec![],
            wires: vec![],
            accumulators: vec![],
            next_accumulators: vec![],
            terms: vec![
                Packed::ZERO;
                PACKS * (self.num_permutation_terms() + self.common.num_gate_constraints)
            ],
        }
    }

    /// The values of the quotients at the points of a coset from `first`: [`BATCH`] for the first, then for the next.
    fn evaluate(
        &self,
        coset: &Coset,
        number: usize,
        oracles: &Oracles<'_>,
        powers: &[Vec<Goldilocks>],
        first: usize,
        buffers: &mut Buffers,
    ) -> Vec<F> {
        // Of a coset smaller than a batch, points occur twice.
        let rows = |first: usize| (first..first + BATCH).map(|row| row % coset.num_rows());
        let (here, next): (Vec<_>, Vec<_>) = (rows(first).collect(), rows(first + 1).collect());
        let Buffers { constants_sigmas, wires, accumulators, next_accumulators, terms } = buffers;
        oracles.constants_sigmas.gather(&here, constants_sigmas);
        oracles.wires.gather(&here, wires);
        oracles.accumulators.gather(&here, accumulators);
        oracles.accumulators.gather(&next, next_accumulators);
        let constants = &constants_sigmas[..self.common.num_constants * BATCH];
        let sigmas = &constants_sigmas[self.common.num_constants * BATCH..];

        terms.fill(Packed::ZERO);
        let (permutation_terms, constraints) = terms.split_at_mut(self.num_permutation_terms() * PACKS);
        let argument = Permutation { wires, sigmas, accumulators, next_accumulators };
        for pack in 0..PACKS {
            let rows = &here[pack * Packed::WIDTH..];
            let at_points =
                |elements: &[F]| Packed::from_fn(|lane| to_p3(elements[coset.index(number, rows[lane])]));
            let (point, first_row) = (at_points(&coset.points), at_points(&coset.first_row));
            self.permutation_terms(&argument, pack, point, first_row, permutation_terms);
        }
        let columns = Columns { constants, wires, public_inputs_hash: self.public_inputs_hash };
        self.gates.add_filtered(columns, constraints);

        // The same at all points of the coset.
        let inverse = coset.vanishing.eval_inverse(number);
        let mut values = vec![F::ZERO; powers.len() * BATCH];
        for (powers, values) in powers.iter().zip(values.chunks_exact_mut(BATCH)) {
            for (pack, values) in values.chunks_exact_mut(Packed::WIDTH).enumerate() {
                let sum: Packed =
                    powers.iter().enumerate().map(|(term, &power)| terms[term * PACKS + pack] * power).sum();
                for (value, &sum) in values.iter_mut().zip(sum.as_slice()) {
                    *value = from_p3(sum) * inverse;
                }
            }
        }
        values
    }

    /// For each challenge `L_0 (Z - 1)`; then for each challenge and chunk of wires
    /// `previous * numerator - next * denominator` (see [`crate::permutation`]).
    fn permutation_terms(
        &self,
        argument: &Permutation<'_>,
        pack: usize,
        point: Packed,
        first_row: Packed,
        terms: &mut [Packed],
    ) {
        let num_challenges = self.alphas.len();
        let num_partial_products = self.common.num_partial_products;
        let chunk_len = self.common.quotient_degree_factor;
        let column = |columns: &[F], index: usize| load(&columns[index * BATCH + pack * Packed::WIDTH..]);
        for (challenge, (beta, gamma)) in self.permutation.pairs().enumerate() {
            let accumulator = column(argument.accumulators, challenge);
            terms[challenge * PACKS + pack] = first_row * (accumulator - Packed::ONE);

            let mut previous = accumulator;
            for chunk in 0..=num_partial_products {
                let (mut numerator, mut denominator) = (Packed::ONE, Packed::ONE);
                let wires =
                    chunk * chunk_len..((chunk + 1) * chunk_len).min(self.common.config.num_routed_wires);
                for wire in wires {
                    let shifted = column(argument.wires, wire) + to_p3(gamma);
                    numerator *= shifted + point * to_p3(beta * self.common.k_is[wire]);
                    denominator *= shifted + column(argument.sigmas, wire) * to_p3(beta);
                }
                let next = if chunk == num_partial_products {
                    column(argument.next_accumulators, challenge)
                } else {
                    column(argument.accumulators, num_challenges + challenge * num_partial_products + chunk)
                };
                let term = num_challenges + challenge * (num_partial_products + 1) + chunk;
                terms[term * PACKS + pack] = previous * numerator - next * denominator;
                previous = next;
            }
        }
    }
}

/// The columns of the permutation argument at the points of a batch, as in [`Columns`].
struct Permutation<'a> {
    wires: &'a [F],
    sigmas: &'a [F],
    accumulators: &'a [F],
    /// The accumulators in the next row.
    next_accumulators: &'a [F],
}

//! The permutation argument: the running products that show that copies have one value.
//!
//! Each challenge has an accumulator `Z` with `Z(1) = 1`, which in each row is multiplied by the quotient of
//!
//! ```text
//! numerator   = product over the routed wires of (wire + beta * identity + gamma)
//! denominator = product over the routed wires of (wire + beta * sigma    + gamma)
//! ```
//!
//! A polynomial of such a degree would be too large, so the wires are cut into chunks: the first chunk takes `Z` to the
//! first partial product, and the last chunk takes the last partial product to `Z` in the next row.

use p3_maybe_rayon::prelude::*;
use plonky2::{
    field::{extension::Extendable, types::Field},
    plonk::{circuit_data::CircuitData, config::GenericConfig},
};

use crate::basetypes::F;

/// Rows whose denominators are inverted together.
const ROWS_PER_INVERSION: usize = 64;

/// The challenges of the permutation argument, as many of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PermutationChallenges {
    pub(crate) betas: Vec<F>,
    pub(crate) gammas: Vec<F>,
}

impl PermutationChallenges {
    /// Pairs of `beta` and `gamma`.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (F, F)> + '_ {
        self.betas.iter().copied().zip(self.gammas.iter().copied())
    }
}

/// Computes the columns of the argument: `Z` for each challenge, then the partial products of the first challenge, of the
/// second, and so on. `None` if a denominator is zero.
///
/// `wires` has the values of each wire in all rows.
pub(crate) fn accumulate<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    wires: &[Vec<F>],
    challenges: &PermutationChallenges,
) -> Option<Vec<Vec<F>>>
where
    F: Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let num_chunks = circuit.common.num_partial_products + 1;
    let mut accumulators = vec![];
    let mut partial_products = vec![];
    for (beta, gamma) in challenges.pairs() {
        let quotients = quotients(circuit, wires, beta, gamma)?;
        let mut accumulator = F::ONE;
        let values: Vec<F> = quotients
            .chunks_exact(num_chunks)
            .map(|row| {
                let value = accumulator;
                accumulator *= row[num_chunks - 1];
                value
            })
            .collect();
        let columns = (0..num_chunks - 1).into_par_iter().map(|chunk| {
            let rows = values.iter().zip(quotients.chunks_exact(num_chunks));
            rows.map(|(&value, row)| value * row[chunk]).collect::<Vec<F>>()
        });
        partial_products.extend(columns.collect::<Vec<_>>());
        accumulators.push(values);
    }
    accumulators.append(&mut partial_products);
    Some(accumulators)
}

/// For each row and each chunk, the product of `numerator / denominator` over this chunk and those before it.
fn quotients<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    wires: &[Vec<F>],
    beta: F,
    gamma: F,
) -> Option<Vec<F>>
where
    F: Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let (prover, common) = (&circuit.prover_only, &circuit.common);
    let num_chunks = common.num_partial_products + 1;
    let shifts: Vec<F> = common.k_is.iter().map(|&shift| beta * shift).collect();

    let mut quotients = vec![F::ZERO; common.degree() * num_chunks];
    quotients
        .par_chunks_mut(ROWS_PER_INVERSION * num_chunks)
        .enumerate()
        .map(|(task, quotients)| {
            let mut denominators = Vec::with_capacity(quotients.len());
            for (row, quotients) in (task * ROWS_PER_INVERSION..).zip(quotients.chunks_exact_mut(num_chunks))
            {
                let point = prover.subgroup[row];
                let sigmas = &prover.sigmas[row];
                let chunk_len = common.quotient_degree_factor;
                for (chunk, quotient) in quotients.iter_mut().enumerate() {
                    let first = chunk * chunk_len;
                    let columns = first..(first + chunk_len).min(common.config.num_routed_wires);
                    let (mut numerator, mut denominator) = (F::ONE, F::ONE);
                    for column in columns {
                        let shifted = wires[column][row] + gamma;
                        numerator *= shifted + shifts[column] * point;
                        denominator *= shifted + beta * sigmas[column];
                    }
                    *quotient = numerator;
                    denominators.push(denominator);
                }
            }
            if denominators.contains(&F::ZERO) {
                return None;
            }
            let inverses = F::batch_multiplicative_inverse(&denominators);
            for (quotients, inverses) in
                quotients.chunks_exact_mut(num_chunks).zip(inverses.chunks_exact(num_chunks))
            {
                let mut product = F::ONE;
                for (quotient, &inverse) in quotients.iter_mut().zip(inverses) {
                    product *= *quotient * inverse;
                    *quotient = product;
                }
            }
            Some(())
        })
        .collect::<Option<()>>()?;
    Some(quotients)
}

//! The quotients: for each challenge, the combined constraints divided by the polynomial that vanishes on the trace's
//! domain.
//!
//! They are computed at the points of a coset with as many times the trace's rows as the quotients have chunks, rounded up
//! to a power of two; several points at once, one in each lane.

use p3_maybe_rayon::prelude::*;
use plonky2::field::{
    extension::Extendable, packable::Packable, packed::PackedField, polynomial::PolynomialValues,
    types::Field,
};
use starky::constraint_consumer::ConstraintConsumer;

use super::{
    StarkError,
    constraints::{Constraints, Rows},
    lookups::LookupStark,
};
use crate::{
    basetypes::F,
    commitment::{Commitment, Cosets},
    coset::{self, Coset},
    hasher::PackedHasher,
};

/// The polynomials on which the constraints are evaluated.
#[derive(Clone, Copy)]
pub(super) struct Committed<'a, H: PackedHasher> {
    pub(super) trace: &'a Commitment<'a, H>,
    pub(super) auxiliary: Option<&'a Commitment<'a, H>>,
}

/// The chunks of the quotients' coefficients, each as long as the trace; chunks of the first challenge come first.
///
/// # Errors
/// [`StarkError::Constraints`] if a quotient has more coefficients than its chunks, since the trace breaks a constraint.
pub(super) fn chunks<H, S, const D: usize>(
    constraints: &Constraints<'_, S>,
    committed: &Committed<'_, H>,
    alphas: &[F],
) -> Result<Vec<Vec<F>>, StarkError>
where
    F: Extendable<D>,
    H: PackedHasher,
    S: LookupStark<D>,
{
    let factor = constraints.stark.quotient_degree_factor();
    let degree_bits = committed.trace.degree_bits();
    let coset = Coset::new(degree_bits, factor);
    let values = if coset.num_rows().is_multiple_of(<F as Packable>::Packing::WIDTH) {
        quotient_values::<<F as Packable>::Packing, H, S, D>(constraints, committed, alphas, &coset)
    } else {
        quotient_values::<F, H, S, D>(constraints, committed, alphas, &coset)
    };
    let quotients: Vec<_> = values
        .into_par_iter()
        .map(|values| PolynomialValues::new(values).coset_ifft(F::coset_shift()))
        .collect();
    coset::chunks(&quotients, degree_bits, factor).ok_or(StarkError::Constraints)
}

/// The quotients' values on the coset, one vector for each challenge.
fn quotient_values<P, H, S, const D: usize>(
    constraints: &Constraints<'_, S>,
    committed: &Committed<'_, H>,
    alphas: &[F],
    coset: &Coset,
) -> Vec<Vec<F>>
where
    F: Extendable<D>,
    P: PackedField<Scalar = F>,
    H: PackedHasher,
    S: LookupStark<D>,
{
    let last = F::primitive_root_of_unity(committed.trace.degree_bits()).inverse();
    let mut trace = committed.trace.cosets();
    let mut auxiliary = committed.auxiliary.map(Commitment::cosets);
    let mut quotients = vec![vec![F::ZERO; coset.points.len()]; alphas.len()];
    // For each group of points the values under each challenge.
    let mut grouped = vec![F::ZERO; coset.num_rows() * alphas.len()];
    for number in 0..coset.num_cosets() {
        let in_commitments = number * coset.step(committed.trace.rate_bits());
        for oracle in [&mut trace].into_iter().chain(&mut auxiliary) {
            oracle.enter(in_commitments);
        }
        // The same at all points of the coset.
        let inverse = coset.vanishing.eval_inverse(number);
        grouped.par_chunks_mut(P::WIDTH * alphas.len()).enumerate().for_each_init(
            Gathered::default,
            |gathered, (group, values)| {
                let start = group * P::WIDTH;
                let packed = |from: &[F], start: usize| {
                    let mut packed = P::ZEROS;
                    let lanes = packed.as_slice_mut().iter_mut().zip(start..);
                    lanes.for_each(|(lane, row)| *lane = from[coset.index(number, row)]);
                    packed
                };
                let mut consumer = ConstraintConsumer::new(
                    alphas.to_vec(),
                    packed(&coset.points, start) - last,
                    packed(&coset.first_row, start),
                    // The last Lagrange polynomial is the first one at the next row's point.
                    packed(&coset.first_row, start + 1),
                );
                gathered.fill::<P>(&trace, auxiliary.as_ref(), coset.num_rows(), start);
                constraints.evaluate::<F, P, D, 1>(
                    gathered.trace.rows(),
                    gathered.auxiliary.rows(),
                    constraints.public_inputs,
                    &mut consumer,
                );
                for (values, value) in values.chunks_mut(P::WIDTH).zip(consumer.accumulators()) {
                    values.copy_from_slice((value * inverse).as_slice());
                }
            },
        );
        for (challenge, quotient) in quotients.iter_mut().enumerate() {
            let values = grouped.chunks(P::WIDTH).skip(challenge).step_by(alphas.len()).flatten();
            let places = quotient.iter_mut().skip(number).step_by(coset.num_cosets());
            places.zip(values).for_each(|(place, &value)| *place = value);
        }
    }
    quotients
}

/// The columns of one oracle at a group of points and at those of the next row.
#[derive(Default)]
struct GatheredRows {
    local: Vec<F>,
    next: Vec<F>,
}

impl GatheredRows {
    fn fill(&mut self, oracle: &Cosets<'_>, local: &[usize], next: &[usize]) {
        oracle.gather(local, &mut self.local);
        oracle.gather(next, &mut self.next);
    }

    fn rows<P: PackedField<Scalar = F>>(&self) -> Rows<'_, P> {
        Rows { local: P::pack_slice(&self.local), next: P::pack_slice(&self.next) }
    }
}

/// What a thread reads at a group of points.
#[derive(Default)]
struct Gathered {
    trace: GatheredRows,
    auxiliary: GatheredRows,
    local: Vec<usize>,
    next: Vec<usize>,
}

impl Gathered {
    fn fill<P: PackedField<Scalar = F>>(
        &mut self,
        trace: &Cosets<'_>,
        auxiliary: Option<&Cosets<'_>>,
        num_rows: usize,
        start: usize,
    ) {
        let rows = |start: usize| (start..start + P::WIDTH).map(move |row| row % num_rows);
        self.local.clear();
        self.local.extend(rows(start));
        self.next.clear();
        self.next.extend(rows(start + 1));
        self.trace.fill(trace, &self.local, &self.next);
        if let Some(auxiliary) = auxiliary {
            self.auxiliary.fill(auxiliary, &self.local, &self.next);
        }
    }
}

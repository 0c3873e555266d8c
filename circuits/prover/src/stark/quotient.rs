//! The quotients: for each challenge, the combined constraints divided by the polynomial that vanishes on the trace's
//! domain.
//!
//! They are computed at the points of a coset with as many times the trace's rows as the quotients have chunks, rounded up
//! to a power of two; several points at once, one in each lane.

use p3_maybe_rayon::prelude::*;
use plonky2::{
    field::{
        extension::Extendable, packable::Packable, packed::PackedField, polynomial::PolynomialValues,
        types::Field, zero_poly_coset::ZeroPolyOnCoset,
    },
    util::log2_ceil,
};
use starky::constraint_consumer::ConstraintConsumer;

use super::{
    StarkError,
    constraints::{Constraints, Rows},
    lookups::LookupStark,
};
use crate::{basetypes::F, commitment::Commitment, hasher::PackedHasher};

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
    let coset = Coset::new(committed.trace.degree_bits(), log2_ceil(factor));
    let values = if coset.points.len().is_multiple_of(<F as Packable>::Packing::WIDTH) {
        quotient_values::<<F as Packable>::Packing, H, S, D>(constraints, committed, alphas, &coset)
    } else {
        quotient_values::<F, H, S, D>(constraints, committed, alphas, &coset)
    };
    let height = 1 << committed.trace.degree_bits();
    let quotients: Vec<Vec<F>> = values
        .into_par_iter()
        .map(|values| PolynomialValues::new(values).coset_ifft(F::coset_shift()).coeffs)
        .collect();
    let mut chunks = Vec::with_capacity(factor * alphas.len());
    for quotient in quotients {
        let (kept, excess) = quotient.split_at(factor * height);
        if excess.iter().any(Field::is_nonzero) {
            return Err(StarkError::Constraints);
        }
        chunks.extend(kept.chunks(height).map(<[F]>::to_vec));
    }
    Ok(chunks)
}

/// The coset on which quotients are computed.
struct Coset {
    /// The logarithm of its points for each row of the trace.
    expansion_bits: usize,
    points: Vec<F>,
    /// The first Lagrange polynomial of the trace's domain at each point.
    lagrange_first: Vec<F>,
    vanishing: ZeroPolyOnCoset<F>,
    /// The last point of the trace's domain.
    last: F,
}

impl Coset {
    fn new(degree_bits: usize, expansion_bits: usize) -> Self {
        let size_bits = degree_bits + expansion_bits;
        let root = F::primitive_root_of_unity(size_bits);
        let points = F::cyclic_subgroup_coset_known_order(root, F::coset_shift(), 1 << size_bits);
        let height = F::from_canonical_u64(1 << degree_bits);
        let vanishing = ZeroPolyOnCoset::new(degree_bits, expansion_bits);
        // No point is in the trace's domain, so none is 1.
        let denominators: Vec<_> = points.iter().map(|&point| height * (point - F::ONE)).collect();
        let lagrange_first = F::batch_multiplicative_inverse(&denominators)
            .into_iter()
            .enumerate()
            .map(|(i, inverse)| vanishing.eval(i) * inverse)
            .collect();
        let last = F::primitive_root_of_unity(degree_bits).inverse();
        Self { expansion_bits, points, lagrange_first, vanishing, last }
    }

    /// How many points further the point of the next row is.
    fn next_row(&self) -> usize {
        1 << self.expansion_bits
    }
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
    let size = coset.points.len();
    // For each group of points the values under each challenge.
    let mut grouped = vec![F::ZERO; size * alphas.len()];
    grouped.par_chunks_mut(P::WIDTH * alphas.len()).enumerate().for_each_init(
        Gathered::default,
        |gathered, (group, values)| {
            let start = group * P::WIDTH;
            let packed = |from: &[F], at: usize| {
                let mut packed = P::ZEROS;
                let lanes = packed.as_slice_mut().iter_mut().zip(at..);
                lanes.for_each(|(lane, i)| *lane = from[i % size]);
                packed
            };
            let mut consumer = ConstraintConsumer::new(
                alphas.to_vec(),
                packed(&coset.points, start) - coset.last,
                packed(&coset.lagrange_first, start),
                // The last Lagrange polynomial is the first one at the next row's point.
                packed(&coset.lagrange_first, start + coset.next_row()),
            );
            gathered.fill::<P, H>(committed, coset, start);
            constraints.evaluate::<F, P, D, 1>(
                gathered.trace.rows(),
                gathered.auxiliary.rows(),
                constraints.public_inputs,
                &mut consumer,
            );
            let inverse: P = coset.vanishing.eval_inverse_packed(start);
            for (values, value) in values.chunks_mut(P::WIDTH).zip(consumer.accumulators()) {
                values.copy_from_slice((value * inverse).as_slice());
            }
        },
    );
    (0..alphas.len())
        .map(|challenge| {
            grouped.chunks(P::WIDTH).skip(challenge).step_by(alphas.len()).flatten().copied().collect()
        })
        .collect()
}

/// The columns of one oracle at a group of points and at those of the next row.
#[derive(Default)]
struct GatheredRows {
    local: Vec<F>,
    next: Vec<F>,
}

impl GatheredRows {
    fn fill<H: PackedHasher>(&mut self, oracle: &Commitment<'_, H>, local: &[usize], next: &[usize]) {
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
    fn fill<P: PackedField<Scalar = F>, H: PackedHasher>(
        &mut self,
        committed: &Committed<'_, H>,
        coset: &Coset,
        start: usize,
    ) {
        let (size, step) = (coset.points.len(), 1 << (committed.trace.rate_bits() - coset.expansion_bits));
        let indices = |start: usize| (start..start + P::WIDTH).map(move |i| i % size * step);
        self.local.clear();
        self.local.extend(indices(start));
        self.next.clear();
        self.next.extend(indices(start + coset.next_row()));
        self.trace.fill(committed.trace, &self.local, &self.next);
        if let Some(auxiliary) = committed.auxiliary {
            self.auxiliary.fill(auxiliary, &self.local, &self.next);
        }
    }
}

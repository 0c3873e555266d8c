//! All constraints of a STARK, its own and those of its lookups, and the challenges that combine them.

use std::iter::successors;

use plonky2::{
    field::{
        extension::{Extendable, FieldExtension},
        packed::PackedField,
        types::Field,
    },
    util::log2_ceil,
};
use starky::{constraint_consumer::ConstraintConsumer, evaluation_frame::StarkEvaluationFrame, stark::Stark};

use super::{logup::Arguments, lookups::LookupStark};
use crate::{basetypes::F, challenger::Challenger, hasher::PackedHasher};

/// How far starky raises a challenge that simulates values: to powers of fewer bits than this.
const SIMULATED_POWER_BITS: usize = 50;

/// The columns' values in a row and in the next one.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, P> {
    pub(super) local: &'a [P],
    pub(super) next: &'a [P],
}

/// The constraints of a STARK.
pub(super) struct Constraints<'a, S> {
    pub(super) stark: &'a S,
    pub(super) arguments: &'a Arguments,
    pub(super) public_inputs: &'a [F],
}

impl<S> Constraints<'_, S> {
    /// Gives the constraints' values on a pair of rows to `consumer`, in starky's order.
    pub(super) fn evaluate<FE, P, const D: usize, const D2: usize>(
        &self,
        trace: Rows<'_, P>,
        auxiliary: Rows<'_, P>,
        public_inputs: &[FE],
        consumer: &mut ConstraintConsumer<P>,
    ) where
        F: Extendable<D>,
        S: LookupStark<D>,
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        let frame = S::EvaluationFrame::<FE, P, D2>::from_values(trace.local, trace.next, public_inputs);
        self.stark.eval_packed_generic(&frame, consumer);
        self.arguments.constrain(trace.local, auxiliary, consumer);
    }

    /// The constraints' combinations at values that the transcript gives to all polynomials, one for each of `alphas`.
    /// starky observes them, so that no constraint can be chosen after the challenges that combine them.
    pub(super) fn bind<H, const D: usize>(
        &self,
        alphas: &[F],
        degree_bits: usize,
        challenger: &mut Challenger<H>,
    ) -> Vec<<F as Extendable<D>>::Extension>
    where
        F: Extendable<D>,
        S: LookupStark<D>,
        H: PackedHasher,
    {
        let columns = <S as Stark<F, D>>::COLUMNS;
        let auxiliary = self.arguments.num_columns();
        let degree = self.stark.constraint_degree();
        let (powers, challenges) = simulated_values(2 * (columns + auxiliary), degree);
        let values: Vec<_> = challenger
            .get_n_extension_challenges::<D>(challenges)
            .into_iter()
            .flat_map(|challenge| {
                let next = |power: &<F as Extendable<D>>::Extension| Some(power.exp_u64(degree as u64 + 1));
                successors(Some(challenge), next).take(powers)
            })
            .collect();
        let zeta = challenger.get_extension_challenge::<D>();

        let (trace, rest) = values.split_at(2 * columns);
        let (local, next) = trace.split_at(columns);
        let (auxiliary_local, auxiliary_next) = rest.split_at(auxiliary);
        let (lagrange_first, lagrange_last) = lagrange_first_and_last(degree_bits, zeta);
        let last = F::primitive_root_of_unity(degree_bits).inverse();
        let mut consumer = ConstraintConsumer::new(
            alphas.iter().map(|&alpha| alpha.into()).collect(),
            zeta - last.into(),
            lagrange_first,
            lagrange_last,
        );
        let public_inputs: Vec<_> = self.public_inputs.iter().map(|&input| input.into()).collect();
        self.evaluate::<<F as Extendable<D>>::Extension, _, D, D>(
            Rows { local, next },
            Rows { local: auxiliary_local, next: auxiliary_next },
            &public_inputs,
            &mut consumer,
        );
        consumer.accumulators()
    }
}

/// How starky simulates at least `count` values of polynomials: by so many powers of each of so many challenges, the first
/// of exponent 1 and each the power `degree + 1` of the one before, which no constraint of degree `degree` reaches.
#[must_use]
pub fn simulated_values(count: usize, degree: usize) -> (usize, usize) {
    let powers = (SIMULATED_POWER_BITS / log2_ceil(degree + 1)).saturating_sub(1).max(1);
    ((powers + 1).min(count), count.div_ceil(powers))
}

/// The first and the last Lagrange polynomial of the trace's domain, at `point`.
fn lagrange_first_and_last<FE: FieldExtension<D2, BaseField = F>, const D2: usize>(
    degree_bits: usize,
    point: FE,
) -> (FE, FE) {
    let height = F::from_canonical_u64(1 << degree_bits);
    let generator = F::primitive_root_of_unity(degree_bits);
    let vanishing = point.exp_power_of_2(degree_bits) - FE::ONE;
    let first = (point - FE::ONE).scalar_mul(height);
    let last = (point.scalar_mul(generator) - FE::ONE).scalar_mul(height);
    (vanishing / first, vanishing / last)
}

//! plonky2's `CosetInterpolationGate`.

use std::ops::Range;

use p3_field::PrimeCharacteristicRing as _;
use p3_goldilocks::Goldilocks;
use plonky2::{
    field::{extension::Extendable, types::Field as _},
    gates::coset_interpolation::CosetInterpolationGate,
};

use super::{Extension, Local, add, multiply, scale, subtract};
use crate::{
    basetypes::F,
    hasher::{Packed, to_p3},
};

/// Interpolates values over a coset of a subgroup, at a point, by the barycentric formula.
///
/// The wires are: the shift of the coset, the values, the point, the value at the point, the intermediate evaluations, the
/// intermediate products, and the point divided by the shift.
pub(super) struct Interpolation {
    /// The subgroup.
    domain: Vec<Goldilocks>,
    /// The barycentric weights of the subgroup's elements.
    weights: Vec<Goldilocks>,
    /// The degree of the constraints.
    degree: usize,
}

impl Interpolation {
    pub(super) fn of<const D: usize>(gate: &CosetInterpolationGate<F, D>) -> Self
    where
        F: Extendable<D>,
    {
        Self {
            domain: F::two_adic_subgroup(gate.subgroup_bits).into_iter().map(to_p3).collect(),
            weights: gate.barycentric_weights.iter().copied().map(to_p3).collect(),
            degree: gate.degree,
        }
    }

    pub(super) fn evaluate<const D: usize>(&self, local: Local<'_>, yield_one: &mut impl FnMut(Packed))
    where
        F: Extendable<D>,
    {
        let num_points = self.domain.len();
        let num_intermediates = (num_points - 2) / (self.degree - 1);
        let point_at = 1 + num_points * D;
        let value_at = point_at + D;
        let evaluations_at = value_at + D;
        let products_at = evaluations_at + D * num_intermediates;
        let shifted_point_at = products_at + D * num_intermediates;

        let shift = local.wire(0);
        let shifted_point = local.extension::<D>(shifted_point_at);
        subtract(local.extension(point_at), scale(shifted_point, shift))
            .into_iter()
            .for_each(&mut *yield_one);

        let mut one = [Packed::ZERO; D];
        one[0] = Packed::ONE;
        let start = ([Packed::ZERO; D], one);
        let mut computed = self.interpolate::<D>(local, 0..self.degree, shifted_point, start);
        for step in 0..num_intermediates {
            let stored = (
                local.extension::<D>(evaluations_at + D * step),
                local.extension::<D>(products_at + D * step),
            );
            subtract(stored.0, computed.0).into_iter().for_each(&mut *yield_one);
            subtract(stored.1, computed.1).into_iter().for_each(&mut *yield_one);

            let first = 1 + (self.degree - 1) * (step + 1);
            let points = first..(first + self.degree - 1).min(num_points);
            computed = self.interpolate::<D>(local, points, shifted_point, stored);
        }
        subtract(local.extension(value_at), computed.0).into_iter().for_each(&mut *yield_one);
    }

    /// Carries an evaluation and a product of `point - x_i` on over some elements `x_i` of the subgroup.
    fn interpolate<const D: usize>(
        &self,
        local: Local<'_>,
        elements: Range<usize>,
        point: Extension<D>,
        start: (Extension<D>, Extension<D>),
    ) -> (Extension<D>, Extension<D>)
    where
        F: Extendable<D>,
    {
        elements.fold(start, |(evaluation, terms), element| {
            let value = local.extension::<D>(1 + D * element).map(|limb| limb * self.weights[element]);
            let mut term = point;
            term[0] -= self.domain[element];
            (add(multiply(evaluation, term), multiply(value, terms)), multiply(terms, term))
        })
    }
}

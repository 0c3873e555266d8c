//! plonky2's gates for arithmetic in the extension field. The layouts of wires are those of the gates.

use plonky2::field::extension::Extendable;

use super::{Local, add, multiply as product, scale, subtract};
use crate::{basetypes::F, hasher::Packed};

/// `ArithmeticExtensionGate`: `output = c_0 * left * right + c_1 * addend` for each operation.
pub(super) fn multiply_and_add<const D: usize>(
    num_ops: usize,
    local: Local<'_>,
    yield_one: &mut impl FnMut(Packed),
) where
    F: Extendable<D>,
{
    let (c_0, c_1) = (local.constant(0), local.constant(1));
    for first in (0..num_ops).map(|op| 4 * D * op) {
        let [left, right, addend, output] = [0, 1, 2, 3].map(|part| local.extension::<D>(first + part * D));
        let computed = add(scale(product(left, right), c_0), scale(addend, c_1));
        subtract(output, computed).into_iter().for_each(&mut *yield_one);
    }
}

/// `MulExtensionGate`: `output = c_0 * left * right` for each operation.
pub(super) fn multiply<const D: usize>(num_ops: usize, local: Local<'_>, yield_one: &mut impl FnMut(Packed))
where
    F: Extendable<D>,
{
    let c_0 = local.constant(0);
    for first in (0..num_ops).map(|op| 3 * D * op) {
        let [left, right, output] = [0, 1, 2].map(|part| local.extension::<D>(first + part * D));
        subtract(output, scale(product(left, right), c_0)).into_iter().for_each(&mut *yield_one);
    }
}

/// `ReducingGate`: Horner's rule over coefficients in the base field.
pub(super) fn reduce<const D: usize>(num_coeffs: usize, local: Local<'_>, yield_one: &mut impl FnMut(Packed))
where
    F: Extendable<D>,
{
    horner::<D>(num_coeffs, 1, local, yield_one);
}

/// `ReducingExtensionGate`: Horner's rule over coefficients in the extension field.
pub(super) fn reduce_extension<const D: usize>(
    num_coeffs: usize,
    local: Local<'_>,
    yield_one: &mut impl FnMut(Packed),
) where
    F: Extendable<D>,
{
    horner::<D>(num_coeffs, D, local, yield_one);
}

/// The wires of both gates: output, factor, first accumulator, coefficients of `coeff_len` wires each, accumulators. The
/// output is the last accumulator.
fn horner<const D: usize>(
    num_coeffs: usize,
    coeff_len: usize,
    local: Local<'_>,
    yield_one: &mut impl FnMut(Packed),
) where
    F: Extendable<D>,
{
    let (factor, mut accumulator) = (local.extension::<D>(D), local.extension::<D>(2 * D));
    let first_coeff = 3 * D;
    let first_accumulator = first_coeff + coeff_len * num_coeffs;
    for step in 0..num_coeffs {
        let mut computed = product(accumulator, factor);
        for (limb, sum) in computed[..coeff_len].iter_mut().enumerate() {
            *sum += local.wire(first_coeff + coeff_len * step + limb);
        }
        let next = if step + 1 == num_coeffs { 0 } else { first_accumulator + D * step };
        accumulator = local.extension::<D>(next);
        subtract(computed, accumulator).into_iter().for_each(&mut *yield_one);
    }
}

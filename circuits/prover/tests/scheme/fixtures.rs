//! Configurations and reproducible random elements.

use plonky2::{
    field::polynomial::PolynomialValues, fri::oracle::PolynomialBatch, hash::hash_types::RichField,
    plonk::config::GenericConfig, util::timing::TimingTree,
};
pub(crate) use plonky2::{
    field::{extension::Extendable, types::Field},
    plonk::config::PoseidonGoldilocksConfig as Quadratic,
};

pub(crate) use circuits_prover::basetypes::{C as Quartic, F};

/// A sequence of elements that its seed determines (SplitMix64). Some are not in canonical form.
pub(crate) struct Elements(pub(crate) u64);

impl Iterator for Elements {
    type Item = F;

    fn next(&mut self) -> Option<F> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        Some(F::from_noncanonical_u64(if mixed.is_multiple_of(16) { u64::MAX - mixed % 1024 } else { mixed }))
    }
}

impl Elements {
    pub(crate) fn columns(&mut self, width: usize, length: usize) -> Vec<Vec<F>> {
        (0..width).map(|_| self.by_ref().take(length).collect()).collect()
    }
}

/// plonky2's commitment to columns of values.
pub(crate) fn stock<C: GenericConfig<D, F = F>, const D: usize>(
    columns: &[Vec<F>],
    rate_bits: usize,
    cap_height: usize,
) -> PolynomialBatch<F, C, D>
where
    F: RichField + Extendable<D>,
{
    let values = columns.iter().cloned().map(PolynomialValues::new).collect();
    PolynomialBatch::from_values(values, rate_bits, false, cap_height, &mut TimingTree::default(), None)
}

//! Commitments beside plonky2's `PolynomialBatch`.

use circuits_prover::commitment::{Commitment, CommitmentError};
use plonky2::{
    field::{extension::FieldExtension as _, polynomial::PolynomialCoeffs},
    fri::oracle::PolynomialBatch,
    hash::{hash_types::RichField, poseidon::PoseidonHash},
    plonk::config::GenericConfig,
    util::timing::TimingTree,
};
use proptest::prelude::*;

use crate::fixtures::{Elements, Extendable, F, Field as _, Quadratic, Quartic, stock};

type Ours<'b> = Commitment<'b, PoseidonHash>;

/// Compares everything that a commitment tells with plonky2's.
fn assert_equal<C, const D: usize>(ours: Ours<'_>, stock: &PolynomialBatch<F, C, D>, elements: &mut Elements)
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F, Hasher = PoseidonHash>,
{
    let width = stock.polynomials.len();
    assert_eq!(ours.num_polynomials(), width);
    assert_eq!(ours.degree_bits(), stock.degree_log);
    assert_eq!(ours.rate_bits(), stock.rate_bits);
    assert_eq!(ours.cap(), &stock.merkle_tree.cap);
    assert_eq!(ours.digests(), stock.merkle_tree.digests);
    assert_eq!(ours.coefficients(), stock.polynomials);

    let indices: Vec<_> = (0..1 << stock.degree_log).rev().collect();
    let mut gathered = vec![F::TWO; 3];
    let mut cosets = ours.cosets();
    for coset in (0..1 << stock.rate_bits).rev() {
        cosets.enter(coset);
        cosets.gather(&indices, &mut gathered);
        for (j, &index) in indices.iter().enumerate() {
            let row: Vec<_> = gathered.iter().skip(j).step_by(indices.len()).copied().collect();
            assert_eq!(row, stock.get_lde_values((index << stock.rate_bits) + coset, 1));
        }
    }

    let coordinates = std::array::from_fn(|_| elements.next().unwrap_or_default());
    let on_the_coset = F::coset_shift() * F::primitive_root_of_unity(stock.degree_log);
    for point in [
        <F as Extendable<D>>::Extension::from_basefield_array(coordinates),
        <F as Extendable<D>>::Extension::from(coordinates[0]),
        <F as Extendable<D>>::Extension::from(on_the_coset),
        <F as Extendable<D>>::Extension::ZERO,
    ] {
        let range = width / 3..width;
        let expected: Vec<_> =
            stock.polynomials[range.clone()].iter().map(|p| p.to_extension::<D>().eval(point)).collect();
        assert_eq!(ours.evaluate::<D>(range, point), expected);
    }
}

fn assert_values_equal<C, const D: usize>(
    degree_bits: usize,
    width: usize,
    rate_bits: usize,
    cap_height: usize,
    seed: u64,
) where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F, Hasher = PoseidonHash>,
{
    let mut elements = Elements(seed);
    let columns = elements.columns(width, 1 << degree_bits);
    let stock = stock::<C, D>(&columns, rate_bits, cap_height);
    assert_equal(Ours::of_values(&columns, rate_bits, cap_height).unwrap(), &stock, &mut elements);
    assert_equal(Ours::of_batch(&stock).unwrap(), &stock, &mut elements);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn commitments_to_values_are_those_of_plonky2(
        degree_bits in 0_usize..8,
        width in 1_usize..=140,
        rate_bits in 0_usize..5,
        cap_height in 0_usize..5,
        seed: u64,
    ) {
        let cap_height = cap_height.min(degree_bits + rate_bits);
        assert_values_equal::<Quadratic, 2>(degree_bits, width, rate_bits, cap_height, seed);
        assert_values_equal::<Quartic, 4>(degree_bits, width, rate_bits, cap_height, seed);
    }

    #[test]
    fn commitments_to_coefficients_are_those_of_plonky2(
        degree_bits in 0_usize..8,
        width in 1_usize..30,
        rate_bits in 0_usize..5,
        seed: u64,
    ) {
        let mut elements = Elements(seed);
        let columns = elements.columns(width, 1 << degree_bits);
        let polynomials = columns.iter().cloned().map(PolynomialCoeffs::new).collect();
        let stock = PolynomialBatch::<F, Quadratic, 2>::from_coeffs(
            polynomials,
            rate_bits,
            false,
            0,
            &mut TimingTree::default(),
            None,
        );
        assert_equal(Ours::of_coefficients(&columns, rate_bits, 0).unwrap(), &stock, &mut elements);
    }
}

#[test]
fn commitments_of_every_width_are_those_of_plonky2() {
    for width in 1..=140 {
        assert_values_equal::<Quadratic, 2>(3, width, 1, 1, width as u64);
    }
}

#[test]
fn commitments_to_many_rows_are_those_of_plonky2() {
    for (degree_bits, cap_height) in [(11, 4), (13, 0)] {
        assert_values_equal::<Quadratic, 2>(degree_bits, 9, 3, cap_height, 1);
    }
}

#[test]
fn two_commitments_to_the_same_values_have_the_same_bytes() {
    let columns = Elements(1).columns(20, 1 << 8);
    let [first, second] = [(); 2].map(|()| Ours::of_values(&columns, 3, 4).unwrap());
    assert_eq!(first.digests(), second.digests());
    assert_eq!(first.cap(), second.cap());
}

#[test]
fn what_cannot_be_committed_to_is_refused() {
    let of_values = |columns: &[Vec<F>], rate_bits, cap_height| {
        let values = Ours::of_values(columns, rate_bits, cap_height).map(|_| ());
        assert_eq!(Ours::of_coefficients(columns, rate_bits, cap_height).map(|_| ()), values);
        values
    };
    let columns = Elements(1).columns(2, 8);
    assert_eq!(of_values(&columns, 1, 4), Ok(()));
    assert_eq!(of_values(&[], 1, 0), Err(CommitmentError::NoPolynomials));
    assert_eq!(
        of_values(&[columns[0].clone(), columns[1][1..].to_vec()], 1, 0),
        Err(CommitmentError::Length { index: 1, length: 7, expected: 8 })
    );
    assert_eq!(
        of_values(&[columns[0][1..].to_vec()], 1, 0),
        Err(CommitmentError::NotPowerOfTwo { length: 7 })
    );
    assert_eq!(of_values(&[vec![]], 1, 0), Err(CommitmentError::NotPowerOfTwo { length: 0 }));
    assert_eq!(
        of_values(&columns, 30, 0),
        Err(CommitmentError::DomainTooLarge { degree_bits: 3, rate_bits: 30 })
    );
    assert_eq!(of_values(&columns, 1, 5), Err(CommitmentError::CapTooHigh { cap_height: 5, domain_bits: 4 }));
}

#[test]
fn a_blinded_batch_is_refused() {
    let mut batch = stock::<Quadratic, 2>(&Elements(1).columns(2, 8), 1, 0);
    batch.blinding = true;
    assert_eq!(Ours::of_batch(&batch).map(|_| ()), Err(CommitmentError::Blinded));
    assert_eq!(
        Ours::of_batch(&PolynomialBatch::<F, Quadratic, 2>::default()).map(|_| ()),
        Err(CommitmentError::NoPolynomials)
    );
}

//! Proofs have the bytes of starky's, given its nonce, and verify.

use circuits_prover::{
    basetypes::F,
    hasher::PackedHasher,
    stark::{LookupStark, StarkProver},
};
use plonky2::{field::extension::Extendable, hash::hash_types::RichField, plonk::config::GenericConfig};
use proptest::prelude::*;
use starky::verifier::verify_stark_proof;

use crate::{
    stock::{Table, bytes, config, prove_alone},
    toy::{Quadratic, Quartic, Quintic, Toy},
};

/// Compares the proofs of a table in a system of several.
fn assert_equal<C, const D: usize>(
    stark: &Toy,
    config: &starky::config::StarkConfig,
    degree_bits: usize,
    seed: u64,
) where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
    C::Hasher: PackedHasher,
    Toy: LookupStark<D>,
{
    let (columns, public_inputs) = stark.trace(degree_bits, seed);
    let table = Table { stark, config, public_inputs: &public_inputs };
    let stock = table.stock::<C, D>(&columns);
    let ours = table.ours::<C, D>(columns, Some(stock.opening_proof.pow_witness)).unwrap();
    assert_eq!(bytes(&ours), bytes(&stock));
    table.verify(&ours).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn proofs_with_lookups_and_sums_are_those_of_starky(
        degree in 2_usize..=3,
        looking in prop::collection::vec(1_usize..6, 0..=2),
        tuples in prop::collection::vec(1_usize..5, 0..=3),
        num_challenges in 1_usize..=3,
        rate_bits in 1_usize..=3,
        arity_bits in 1_usize..=3,
        degree_bits in 3_usize..=8,
        seed: u64,
    ) {
        // A sum of one tuple needs constraints of degree 3.
        let tuples: Vec<_> = tuples.into_iter().map(|tuples| tuples.max(4 - degree)).collect();
        let stark = Toy::new(degree, &looking, &tuples);
        let config = config(num_challenges, rate_bits, arity_bits);
        assert_equal::<Quadratic, 2>(&stark, &config, degree_bits, seed);
        assert_equal::<Quartic, 4>(&stark, &config, degree_bits, seed);
    }

    #[test]
    fn proofs_of_constraints_alone_are_those_of_starky(
        degree in 2_usize..=4,
        num_challenges in 1_usize..=3,
        rate_bits in 2_usize..=3,
        degree_bits in 3_usize..=8,
        seed: u64,
    ) {
        let stark = Toy::new(degree, &[], &[]);
        let config = config(num_challenges, rate_bits, 2);
        assert_equal::<Quadratic, 2>(&stark, &config, degree_bits, seed);
        assert_equal::<Quartic, 4>(&stark, &config, degree_bits, seed);
    }

    #[test]
    fn proofs_of_tables_that_stand_alone_are_those_of_starky(
        looking in prop::collection::vec(1_usize..6, 0..=2),
        degree_bits in 3_usize..=8,
        longer_verifier: bool,
        seed: u64,
    ) {
        let stark = Toy::new(3, &looking, &[]);
        let mut config = config(2, 2, 2);
        // The final polynomial of a verifier for 2^13 rows has the largest length, 2^3.
        config.fri_config.cap_height = 4;
        let verifier_params = longer_verifier.then(|| config.fri_params(13));
        let (columns, public_inputs) = stark.trace(degree_bits, seed);
        let stock = prove_alone::<Quadratic, _, 2>(
            &stark,
            &config,
            &columns,
            &public_inputs,
            verifier_params.clone(),
        );
        let prover = StarkProver {
            verifier_params: verifier_params.clone(),
            nonce: Some(stock.proof.opening_proof.pow_witness),
            ..StarkProver::new(&stark, &config)
        };
        let ours = prover.prove::<Quadratic, 2>(columns, &public_inputs).unwrap();
        prop_assert_eq!(bytes(&ours.proof), bytes(&stock.proof));
        prop_assert_eq!(&ours.public_inputs, &public_inputs);
        verify_stark_proof(stark.clone(), ours, &config, verifier_params).unwrap();
    }
}

/// With the configuration and the grinding of production.
#[test]
fn a_proof_of_production_strength_is_that_of_starky() {
    let stark = Toy::new(3, &[4, 3], &[1, 2, 3]);
    let mut config = starky::config::StarkConfig::standard_fast_config();
    config.num_challenges = 3;
    assert_equal::<Quadratic, 2>(&stark, &config, 10, 1);
    assert_equal::<Quartic, 4>(&stark, &config, 10, 1);
}

#[test]
fn a_proof_over_the_quintic_extension_is_that_of_starky() {
    assert_equal::<Quintic, 5>(&Toy::new(3, &[2], &[1, 3]), &config(2, 2, 2), 6, 7);
    assert_equal::<Quintic, 5>(&Toy::new(4, &[], &[]), &config(2, 2, 2), 6, 7);
}

/// Stock panics on these.
#[test]
fn tables_of_fewer_rows_than_lanes_are_proved() {
    for degree_bits in 1..3 {
        let stark = Toy::new(3, &[2], &[1, 2]);
        let config = config(2, 1, 1);
        let (columns, public_inputs) = stark.trace(degree_bits, 3);
        let table = Table { stark: &stark, config: &config, public_inputs: &public_inputs };
        table.verify(&table.ours::<Quadratic, 2>(columns, None).unwrap()).unwrap();
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    let stark = Toy::new(3, &[4], &[2]);
    let config = config(2, 2, 2);
    let (columns, public_inputs) = stark.trace(7, 5);
    let table = Table { stark: &stark, config: &config, public_inputs: &public_inputs };
    let [first, second] =
        [(); 2].map(|()| bytes(&table.ours::<Quadratic, 2>(columns.clone(), None).unwrap()));
    assert_eq!(first, second);
}

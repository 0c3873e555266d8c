//! Transcripts beside plonky2's.

use circuits_prover::{basetypes::standard_config, challenger::Challenger};
use plonky2::{
    field::types::PrimeField64 as _,
    hash::{hash_types::HashOut, merkle_tree::MerkleCap, poseidon::PoseidonHash},
    iop::challenger::Challenger as Stock,
};
use proptest::{collection::vec, prelude::*};

use crate::fixtures::{Elements, Extendable, F, Field as _};

type QuarticElement = <F as Extendable<4>>::Extension;
type QuadraticElement = <F as Extendable<2>>::Extension;

/// One message of the prover or challenge of the verifier, on both transcripts.
fn step(
    ours: &mut Challenger<PoseidonHash>,
    stock: &mut Stock<F, PoseidonHash>,
    kind: u8,
    elements: &mut Elements,
) {
    let mut element = || elements.next().unwrap_or_default();
    match kind {
        0 => {
            let element = element();
            ours.observe_element(element);
            stock.observe_element(element);
        }
        1 => {
            let hash = HashOut { elements: std::array::from_fn(|_| element()) };
            ours.observe_hash(&hash);
            stock.observe_hash::<PoseidonHash>(hash);
        }
        2 => {
            let cap = MerkleCap(vec![HashOut { elements: std::array::from_fn(|_| element()) }; 4]);
            ours.observe_cap(&cap);
            stock.observe_cap::<PoseidonHash>(&cap);
        }
        3 => {
            let values = [QuarticElement::from(element()), QuarticElement::from(element())];
            ours.observe_extension_elements::<4>(&values);
            stock.observe_extension_elements::<4>(&values);
        }
        4 => {
            let value = QuadraticElement::from(element());
            ours.observe_extension_element::<2>(&value);
            stock.observe_extension_element::<2>(&value);
        }
        5 => {
            let params = standard_config().fri_config.fri_params(12, false);
            ours.observe_fri_params(&params);
            params.observe(stock);
        }
        6 => assert_eq!(ours.get_n_challenges(3), stock.get_n_challenges(3)),
        7 => assert_eq!(ours.get_n_extension_challenges::<4>(2), stock.get_n_extension_challenges::<4>(2)),
        _ => assert_eq!(ours.get_extension_challenge::<2>(), stock.get_extension_challenge::<2>()),
    }
}

/// Whether the verifier's transcript accepts `nonce`.
fn accepts(stock: &Stock<F, PoseidonHash>, nonce: F, bits: u32) -> bool {
    let mut stock = stock.clone();
    stock.observe_element(nonce);
    stock.get_challenge().to_canonical_u64().leading_zeros() >= bits
}

proptest! {
    #[test]
    fn challenges_are_those_of_plonky2(kinds in vec(0_u8..9, 0..40), seed: u64) {
        let (mut ours, mut stock) = (Challenger::new(), Stock::new());
        let mut elements = Elements(seed);
        for kind in kinds {
            step(&mut ours, &mut stock, kind, &mut elements);
        }
        prop_assert_eq!(ours.get_challenge(), stock.get_challenge());
    }

    #[test]
    fn grinding_finds_the_lowest_nonce_that_the_verifier_accepts(
        observed in 0_usize..20,
        bits in 0_u32..9,
        seed: u64,
    ) {
        let (mut ours, mut stock) = (Challenger::<PoseidonHash>::new(), Stock::new());
        for element in Elements(seed).take(observed) {
            ours.observe_element(element);
            stock.observe_element(element);
        }
        let expected = (0..).map(F::from_canonical_u64).find(|&nonce| accepts(&stock, nonce, bits));
        prop_assert_eq!(ours.grind(bits), expected);
        prop_assert!(ours.accept_nonce(expected.unwrap_or_default(), bits));
        stock.observe_element(expected.unwrap_or_default());
        stock.get_challenge();
        prop_assert_eq!(ours.get_challenge(), stock.get_challenge());
    }
}

/// A wave has 2^13 nonces. Of the nonces for 15 bits, three in four are beyond it.
#[test]
fn grinding_finds_the_lowest_nonce_beyond_the_first_wave() {
    const BITS: u32 = 15;
    const NONCES_PER_WAVE: u64 = 1 << 13;
    for observed in [0, 3, 6, 9] {
        let (mut ours, mut stock) = (Challenger::<PoseidonHash>::new(), Stock::new());
        for element in Elements(observed).take(observed as usize) {
            ours.observe_element(element);
            stock.observe_element(element);
        }
        let expected = (0..).find(|&nonce| accepts(&stock, F::from_canonical_u64(nonce), BITS)).unwrap();
        assert!(expected >= NONCES_PER_WAVE, "another seed is needed: {expected}");
        assert_eq!(ours.grind(BITS), Some(F::from_canonical_u64(expected)));
    }
}

#[test]
fn a_nonce_with_too_few_zeros_is_not_accepted() {
    let mut challenger = Challenger::<PoseidonHash>::new();
    let nonce = challenger.grind(8).unwrap();
    assert!(nonce.is_nonzero());
    assert!(!challenger.accept_nonce(nonce - F::ONE, 8));
}

#[test]
fn no_nonce_gives_more_zeros_than_an_element_has_bits() {
    assert_eq!(Challenger::<PoseidonHash>::new().grind(65), None);
}

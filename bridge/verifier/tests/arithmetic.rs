//! The contract's arithmetic and its permutation equal plonky2's.

mod parts;

use bridge_verifier::poseidon::{constants_source, round_constants_source};
use circuits_prover::{D, F};
use parts::{E, base, base_word, call, extension, word};
use plonky2::{
    field::{
        extension::{FieldExtension, algebra::ExtensionAlgebra},
        types::Field,
    },
    hash::poseidon::{Poseidon, PoseidonHash},
    plonk::config::Hasher,
};
use proptest::prelude::*;

/// Half of the vectors that the arithmetic is compared on; the permutation has as many.
const CASES: u32 = 1000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn arithmetic_of_the_extension_field_is_the_same(a in extension(), b in extension()) {
        let [b_0, ..]: [F; D] = b.to_basefield_array();
        let base: E = FieldExtension::<D>::from_basefield(b_0);
        let inverse = if a.is_zero() { E::ZERO } else { a.inverse() };
        let expected =
            [a + b, a - b, a * b, a * base + b, a * base, inverse, a.exp_power_of_2(3)];
        prop_assert_eq!(call(&parts::quarticCall { a: word(a), b: word(b) }), expected.map(word));
    }

    #[test]
    fn products_of_the_algebra_are_the_same(a in prop::array::uniform4(extension()), b in prop::array::uniform4(extension())) {
        let product = ExtensionAlgebra(a) * ExtensionAlgebra(b);
        let expected = product.to_basefield_array().map(word);
        prop_assert_eq!(call(&parts::algebraCall { a: a.map(word), b: b.map(word) }), expected);
    }

    #[test]
    fn inverses_are_the_same(x in base()) {
        prop_assume!(!x.is_zero());
        prop_assert_eq!(call(&parts::baseInverseCall { x: base_word(x) }), base_word(x.inverse()));
    }

    #[test]
    fn the_permutation_is_the_same(state in prop::array::uniform12(base())) {
        let expected = F::poseidon(state).map(base_word);
        prop_assert_eq!(call(&parts::permuteCall { state: state.map(base_word) }).result, expected);
    }

    #[test]
    fn the_hash_is_the_same(inputs in prop::collection::vec(base(), 0..42)) {
        let expected = PoseidonHash::hash_no_pad(&inputs).elements.map(base_word);
        let inputs = inputs.into_iter().map(base_word).collect();
        prop_assert_eq!(call(&parts::hashNoPadCall { inputs }).digest, expected);
    }
}

#[test]
fn constants_of_the_permutation_are_plonky2s() {
    let committed = include_str!("../../contracts/src/verifier/PoseidonConstants.sol");
    assert_eq!(committed, constants_source());
    let twins = include_str!("../../contracts/test/twins/RoundConstants.sol");
    assert_eq!(twins, round_constants_source());
}

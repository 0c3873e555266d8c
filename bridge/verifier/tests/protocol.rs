//! The contract's challenges, permutation argument and FRI equal plonky2's.

mod parts;

use circuits_prover::{D, F, keccak::KeccakHasher};
use parts::{E, base, base_word, call, extension, scaled, word};
use plonky2::{
    field::{
        extension::FieldExtension,
        interpolation::{barycentric_weights, interpolate},
        types::{Field, PrimeField64},
    },
    iop::challenger::Challenger,
};
use proptest::prelude::*;
use revm::primitives::{Bytes, U256};

/// Vectors of each part.
const CASES: u32 = 1000;
/// The most points of a coset.
const MAX_ARITY_BITS: usize = 4;
/// The wires of the permutation argument, and how many a partial product takes.
const ROUTED_WIRES: usize = 41;
const CHUNK: usize = 8;
const CHALLENGES: usize = 3;
const PARTIAL_PRODUCTS: usize = 5;

fn bytes(elements: &[F]) -> Bytes {
    elements.iter().flat_map(|element| element.to_canonical_u64().to_be_bytes()).collect::<Vec<_>>().into()
}

fn from_base(x: F) -> E {
    FieldExtension::<D>::from_basefield(x)
}

/// The first half of the inverse roots of unity of the largest coset, bit-reversed.
fn inverse_roots() -> Vec<U256> {
    let root = F::primitive_root_of_unity(MAX_ARITY_BITS).inverse();
    let bits = MAX_ARITY_BITS - 1;
    (0..1u64 << bits).map(|i| base_word(root.exp_u64(i.reverse_bits() >> (64 - bits)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn challenges_are_the_same(
        steps in prop::collection::vec((prop::collection::vec(base(), 0..40), 0usize..20), 1..5)
    ) {
        let mut challenger = Challenger::<F, KeccakHasher>::new();
        let mut expected = vec![];
        for (elements, count) in &steps {
            challenger.observe_elements(elements);
            expected.extend(challenger.get_n_challenges(*count).into_iter().map(base_word));
        }
        // Between two challenges the contract absorbs all at once, so a step that squeezes nothing joins the next one.
        let mut inputs = vec![];
        let mut counts = vec![];
        let mut pending = vec![];
        for (elements, count) in steps {
            pending.extend(elements);
            if count > 0 {
                inputs.push(bytes(&std::mem::take(&mut pending)));
                counts.push(U256::from(count));
            }
        }
        prop_assert_eq!(call(&parts::challengesCall { inputs, counts }), expected);
    }

    #[test]
    fn a_layer_of_fri_is_the_same(
        values in prop::collection::vec(extension(), 1 << MAX_ARITY_BITS),
        bits in 1..=MAX_ARITY_BITS,
        start in base(),
        beta in extension(),
    ) {
        prop_assume!(!start.is_zero());
        let values = &values[..1 << bits];
        let root = F::primitive_root_of_unity(bits);
        let place = |i: usize| (i as u64).reverse_bits() >> (64 - bits);
        let points: Vec<(E, E)> = values
            .iter()
            .enumerate()
            .map(|(i, &value)| (from_base(start * root.exp_u64(place(i))), value))
            .collect();
        let expected = interpolate(&points, beta, &barycentric_weights(&points));
        let outcome = call(&parts::foldCall {
            values: values.iter().map(|&value| word(value)).collect(),
            arityBits: U256::from(bits),
            startInverse: base_word(start.inverse()),
            beta: word(beta),
            roots: inverse_roots(),
        });
        prop_assert_eq!(outcome.value, word(expected));
    }

    #[test]
    fn combinations_of_leaves_are_the_same(values in prop::collection::vec(base(), 1..250), alpha in extension()) {
        let expected = values.iter().rev().fold(E::ZERO, |sum, &value| sum * alpha + from_base(value));
        let outcome = call(&parts::combineBaseCall { values: bytes(&values), alpha: word(alpha) });
        prop_assert_eq!(outcome.combination, word(expected));
    }

    #[test]
    fn the_permutation_argument_is_the_same(
        zeta in extension(),
        wires in prop::collection::vec(extension(), ROUTED_WIRES),
        sigmas in prop::collection::vec(extension(), ROUTED_WIRES),
        zs in prop::collection::vec(extension(), CHALLENGES),
        zs_next in prop::collection::vec(extension(), CHALLENGES),
        partial_products in prop::collection::vec(extension(), CHALLENGES * PARTIAL_PRODUCTS),
        challenges in prop::collection::vec(base(), 2 * CHALLENGES),
    ) {
        const DEGREE_BITS: usize = 13;
        let (betas, gammas) = challenges.split_at(CHALLENGES);
        let rows = F::from_canonical_u64(1 << DEGREE_BITS);
        let first = (zeta.exp_power_of_2(DEGREE_BITS) - E::ONE) / scaled(zeta - E::ONE, rows);
        let mut expected: Vec<E> = zs.iter().map(|&z| first * (z - E::ONE)).collect();
        for i in 0..CHALLENGES {
            let factors = |shifted: &dyn Fn(usize) -> E| -> Vec<E> {
                (0..ROUTED_WIRES)
                    .map(|j| wires[j] + scaled(shifted(j), betas[i]) + from_base(gammas[i]))
                    .collect()
            };
            let shift = |j: usize| F::MULTIPLICATIVE_GROUP_GENERATOR.exp_u64(j as u64);
            let numerators = factors(&|j| scaled(zeta, shift(j)));
            let denominators = factors(&|j| sigmas[j]);
            let partials = &partial_products[i * PARTIAL_PRODUCTS..(i + 1) * PARTIAL_PRODUCTS];
            // plonky2 keeps its function to itself: each product times the numerators is the next one times the denominators.
            let products: Vec<E> = [&zs[i..=i], partials, &zs_next[i..=i]].concat();
            let chunks = numerators.chunks(CHUNK).zip(denominators.chunks(CHUNK));
            expected.extend(chunks.zip(products.windows(2)).map(|((numerators, denominators), product)| {
                product[0] * numerators.iter().copied().product::<E>()
                    - product[1] * denominators.iter().copied().product::<E>()
            }));
        }
        let words = |elements: &[E]| elements.iter().map(|&x| word(x)).collect::<Vec<_>>();
        let outcome = call(&parts::permutationArgumentCall {
            sizes: [DEGREE_BITS, ROUTED_WIRES, CHUNK, CHALLENGES].map(U256::from),
            zeta: word(zeta),
            openings: [&wires, &sigmas, &zs, &zs_next, &partial_products].map(|elements| words(elements)),
            betas: betas.iter().map(|&x| base_word(x)).collect(),
            gammas: gammas.iter().map(|&x| base_word(x)).collect(),
        });
        prop_assert_eq!(outcome.terms, words(&expected));
    }
}

#[test]
fn gas_by_part() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut value = || {
        use proptest::strategy::ValueTree;
        extension().new_tree(&mut runner).unwrap().current()
    };
    let fold = call(&parts::foldCall {
        values: (0..16).map(|_| word(value())).collect(),
        arityBits: U256::from(4),
        startInverse: U256::from(5),
        beta: word(value()),
        roots: inverse_roots(),
    });
    let combination = call(&parts::combineBaseCall { values: vec![7; 8 * 224].into(), alpha: word(value()) });
    println!(
        "fold of 16: {}; combination of 224: {}; powers: {}",
        fold.gasUsed, combination.gasUsed, combination.powersGasUsed
    );
}

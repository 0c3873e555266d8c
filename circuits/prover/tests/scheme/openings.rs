//! Openings beside plonky2's.

use circuits_prover::{
    challenger::Challenger,
    commitment::Commitment,
    opening::{OpeningError, prove_openings},
};
use plonky2::{
    field::{extension::FieldExtension as _, types::PrimeField64 as _},
    fri::{
        FriConfig, FriParams,
        oracle::PolynomialBatch,
        proof::FriProof,
        reduction_strategies::FriReductionStrategy,
        structure::{FriBatchInfo, FriInstanceInfo, FriOracleInfo, FriPolynomialInfo},
    },
    hash::{hash_types::RichField, poseidon::PoseidonHash},
    iop::challenger::Challenger as StockChallenger,
    plonk::config::GenericConfig,
    util::{serialization::Write as _, timing::TimingTree},
};
use proptest::{collection::vec, prelude::*};

use crate::fixtures::{Elements, Extendable, F, Field as _, Quadratic, Quartic, stock};

/// What is committed to and how it is opened.
#[derive(Clone, Debug)]
struct Case {
    degree_bits: usize,
    rate_bits: usize,
    cap_height: usize,
    arities: Vec<usize>,
    /// The widths of the oracles, of which the last one is opened at two points.
    widths: Vec<usize>,
    final_poly_coeff_len: Option<usize>,
    max_num_query_steps: Option<usize>,
    seed: u64,
}

impl Case {
    fn params(&self) -> FriParams {
        FriParams {
            config: FriConfig {
                rate_bits: self.rate_bits,
                cap_height: self.cap_height,
                proof_of_work_bits: 4,
                reduction_strategy: FriReductionStrategy::Fixed(self.arities.clone()),
                num_query_rounds: 5,
            },
            hiding: false,
            degree_bits: self.degree_bits,
            reduction_arity_bits: self.arities.clone(),
        }
    }

    fn batches<C, const D: usize>(&self) -> Vec<PolynomialBatch<F, C, D>>
    where
        F: RichField + Extendable<D>,
        C: GenericConfig<D, F = F>,
    {
        let mut elements = Elements(self.seed);
        self.widths
            .iter()
            .map(|&width| {
                stock(&elements.columns(width, 1 << self.degree_bits), self.rate_bits, self.cap_height)
            })
            .collect()
    }

    /// Opens everything at one point, and every other polynomial of the last oracle in reverse at another one.
    fn instance<const D: usize>(&self) -> FriInstanceInfo<F, D>
    where
        F: Extendable<D>,
    {
        let mut elements = Elements(!self.seed);
        let mut point = || {
            let coordinates = std::array::from_fn(|_| elements.next().unwrap_or_default());
            <F as Extendable<D>>::Extension::from_basefield_array(coordinates)
        };
        let all: Vec<_> = self
            .widths
            .iter()
            .enumerate()
            .flat_map(|(oracle, &width)| FriPolynomialInfo::from_range(oracle, 0..width))
            .collect();
        let last = self.widths.len() - 1;
        let some = FriPolynomialInfo::from_range(last, 0..self.widths[last]).into_iter().rev().step_by(2);
        FriInstanceInfo {
            oracles: self
                .widths
                .iter()
                .map(|&num_polys| FriOracleInfo { num_polys, blinding: false })
                .collect(),
            batches: vec![
                FriBatchInfo { point: point(), polynomials: all },
                FriBatchInfo { point: point(), polynomials: some.collect() },
            ],
        }
    }

    fn assert_equal<C, const D: usize>(&self)
    where
        F: RichField + Extendable<D>,
        C: GenericConfig<D, F = F, Hasher = PoseidonHash>,
    {
        let (params, instance) = (self.params(), self.instance::<D>());
        let batches = self.batches::<C, D>();
        let mut stock_challenger = StockChallenger::new();
        let stock = PolynomialBatch::prove_openings(
            &instance,
            &batches.iter().collect::<Vec<_>>(),
            &mut stock_challenger,
            &params,
            self.final_poly_coeff_len,
            self.max_num_query_steps,
            &mut TimingTree::default(),
        );

        // The first oracle is borrowed, as constants are, and the others are our own.
        let ours: Vec<_> = batches
            .iter()
            .enumerate()
            .map(|(oracle, batch)| {
                if oracle == 0 {
                    return Commitment::of_batch(batch).unwrap();
                }
                let coefficients: Vec<_> = batch.polynomials.iter().map(|p| &p.coeffs).collect();
                Commitment::of_coefficients(&coefficients, self.rate_bits, self.cap_height).unwrap()
            })
            .collect();
        let mut challenger = Challenger::new();
        let proof = prove_openings::<C, D>(
            &instance,
            &ours.iter().collect::<Vec<_>>(),
            &mut challenger,
            &params,
            self.final_poly_coeff_len,
            self.max_num_query_steps,
            Some(stock.pow_witness),
        )
        .unwrap();
        assert_eq!(proof, stock);
        assert_eq!(bytes::<C, D>(&proof), bytes::<C, D>(&stock));
        assert_eq!(challenger.get_challenge(), stock_challenger.get_challenge());
    }
}

fn bytes<C, const D: usize>(proof: &FriProof<F, C::Hasher, D>) -> Vec<u8>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let mut bytes = Vec::new();
    bytes.write_fri_proof::<F, C, D>(proof).unwrap();
    bytes
}

fn cases() -> impl Strategy<Value = Case> {
    (
        0_usize..9,
        0_usize..4,
        0_usize..4,
        vec(1_usize..4, 0..3),
        vec(1_usize..20, 1..4),
        any::<[bool; 2]>(),
        any::<u64>(),
    )
        .prop_map(|(degree_bits, rate_bits, cap_height, mut arities, widths, [longer, more], seed)| {
            while arities.iter().sum::<usize>() > degree_bits {
                arities.pop();
            }
            let final_bits = degree_bits - arities.iter().sum::<usize>();
            Case {
                degree_bits,
                rate_bits,
                cap_height: cap_height.min(final_bits + rate_bits),
                final_poly_coeff_len: longer.then_some(2 << final_bits),
                max_num_query_steps: more.then_some(arities.len() + 2),
                arities,
                widths,
                seed,
            }
        })
}

fn example() -> Case {
    Case {
        degree_bits: 6,
        rate_bits: 3,
        cap_height: 2,
        arities: vec![2, 1],
        widths: vec![7, 12],
        final_poly_coeff_len: None,
        max_num_query_steps: None,
        seed: 1,
    }
}

/// What our prover makes of the example, with changes.
fn prove_example(
    params: &FriParams,
    instance: &FriInstanceInfo<F, 2>,
    nonce: Option<F>,
) -> Result<FriProof<F, PoseidonHash, 2>, OpeningError> {
    let case = Case { cap_height: params.config.cap_height, ..example() };
    let batches = case.batches::<Quadratic, 2>();
    let ours: Vec<_> = batches.iter().map(|batch| Commitment::of_batch(batch).unwrap()).collect();
    let oracles: Vec<_> = ours.iter().collect();
    let mut challenger = Challenger::new();
    prove_openings::<Quadratic, 2>(instance, &oracles, &mut challenger, params, None, None, nonce)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_are_those_of_plonky2(case in cases()) {
        case.assert_equal::<Quadratic, 2>();
        case.assert_equal::<Quartic, 4>();
    }
}

#[test]
fn proofs_for_many_rows_are_those_of_plonky2() {
    let case =
        Case { degree_bits: 12, arities: vec![4, 4], cap_height: 4, widths: vec![85, 135], ..example() };
    case.assert_equal::<Quadratic, 2>();
    case.assert_equal::<Quartic, 4>();
}

#[test]
fn two_proofs_of_the_same_openings_have_the_same_bytes_and_the_lowest_nonce() {
    let case = example();
    let [first, second] = [(); 2].map(|()| prove_example(&case.params(), &case.instance(), None).unwrap());
    assert_eq!(bytes::<Quadratic, 2>(&first), bytes::<Quadratic, 2>(&second));
    assert_eq!(prove_example(&case.params(), &case.instance(), Some(first.pow_witness)).unwrap(), first);
    for lower in 0..first.pow_witness.to_canonical_u64() {
        assert_eq!(
            prove_example(&case.params(), &case.instance(), Some(F::from_canonical_u64(lower))),
            Err(OpeningError::Nonce { nonce: lower, bits: case.params().config.proof_of_work_bits })
        );
    }
}

#[test]
fn more_grinding_than_an_element_has_bits_is_refused() {
    let mut params = example().params();
    params.config.proof_of_work_bits = 65;
    assert_eq!(prove_example(&params, &example().instance(), None), Err(OpeningError::NoNonce { bits: 65 }));
}

#[test]
fn hiding_parameters_are_refused() {
    let params = FriParams { hiding: true, ..example().params() };
    assert_eq!(prove_example(&params, &example().instance(), None), Err(OpeningError::Hiding));
}

#[test]
fn an_oracle_of_another_shape_is_refused() {
    let params = FriParams { degree_bits: 7, ..example().params() };
    assert_eq!(
        prove_example(&params, &example().instance(), None),
        Err(OpeningError::Shape {
            oracle: 0,
            degree_bits: 6,
            rate_bits: 3,
            expected_degree_bits: 7,
            expected_rate_bits: 3,
        })
    );
}

#[test]
fn a_polynomial_that_does_not_exist_is_refused() {
    for (oracle, polynomial) in [(1, 12), (2, 0)] {
        let mut instance = example().instance::<2>();
        instance.batches[1].polynomials[0] =
            FriPolynomialInfo { oracle_index: oracle, polynomial_index: polynomial };
        assert_eq!(
            prove_example(&example().params(), &instance, None),
            Err(OpeningError::NoSuchPolynomial { oracle, polynomial })
        );
    }
}

#[test]
fn reductions_that_do_not_fit_are_refused() {
    // The last sums wrap around to 0, and to more than all bits of an index.
    for (arities, cap_height) in
        [(vec![4, 3], 0), (vec![4, 2], 4), (vec![1 << 63, 1 << 63], 0), (vec![usize::MAX], 0)]
    {
        let case = Case { arities, cap_height, ..example() };
        assert_eq!(
            prove_example(&case.params(), &case.instance(), None),
            Err(OpeningError::Reductions { arity_bits: case.arities.clone(), degree_bits: case.degree_bits })
        );
    }
}

#[test]
fn a_cap_of_another_height_is_refused() {
    let case = example();
    let batches = case.batches::<Quadratic, 2>();
    let ours: Vec<_> = batches.iter().map(|batch| Commitment::of_batch(batch).unwrap()).collect();
    for expected in [case.cap_height + 1, usize::MAX] {
        let mut params = case.params();
        params.config.cap_height = expected;
        let refused = prove_openings::<Quadratic, 2>(
            &case.instance(),
            &ours.iter().collect::<Vec<_>>(),
            &mut Challenger::new(),
            &params,
            None,
            None,
            None,
        );
        let cap_height = case.cap_height;
        assert_eq!(refused, Err(OpeningError::CapHeight { oracle: 0, cap_height, expected }));
    }
}

#[test]
fn an_instance_that_opens_nothing_is_refused() {
    let params = example().params();
    let mut instance = example().instance();
    for batch in &mut instance.batches {
        batch.polynomials.clear();
    }
    assert_eq!(prove_example(&params, &instance, None), Err(OpeningError::NoPolynomials));
    instance.batches.clear();
    assert_eq!(prove_example(&params, &instance, None), Err(OpeningError::NoPolynomials));
}

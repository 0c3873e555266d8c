//! What has no proof, or one that does not verify.

use circuits_prover::{
    basetypes::F,
    challenger::Challenger,
    commitment::CommitmentError,
    opening::OpeningError,
    stark::{
        CommittedTrace, LookupError, LookupStark, StarkError, StarkProver,
        lookups::{CrossTableSum, Linear, Lookup},
    },
};
use plonky2::{
    field::{extension::FieldExtension, packed::PackedField, types::Field as _},
    fri::reduction_strategies::FriReductionStrategy,
    hash::poseidon::PoseidonHash,
    plonk::circuit_builder::CircuitBuilder,
};
use starky::{
    config::StarkConfig,
    constraint_consumer::{ConstraintConsumer, RecursiveConstraintConsumer},
    lookup::{GrandProductChallenge, GrandProductChallengeSet},
    proof::StarkProof,
    stark::Stark,
};

use crate::{
    stock::{Table, config},
    toy::{FREQUENCIES, PRODUCT, Quadratic, Toy, VALUES},
};

type Proof = StarkProof<F, Quadratic, 2>;

const DEGREE_BITS: usize = 5;

/// Proves an honest trace, after `change` of it and of its public inputs.
fn prove(
    stark: &Toy,
    config: &StarkConfig,
    change: impl Fn(&mut Vec<Vec<F>>, &mut Vec<F>),
) -> Result<Proof, StarkError> {
    let (mut columns, mut public_inputs) = stark.trace(DEGREE_BITS, 11);
    change(&mut columns, &mut public_inputs);
    let table = Table { stark, config, public_inputs: &public_inputs };
    let proof = table.ours::<Quadratic, 2>(columns, None)?;
    if table.verify(&proof).is_err() { Err(StarkError::Constraints) } else { Ok(proof) }
}

/// Why an honest trace has no proof.
fn refusal(stark: &Toy, config: &StarkConfig) -> StarkError {
    prove(stark, config, |_, _| ()).unwrap_err()
}

/// A trace that breaks a constraint has no proof that verifies. Only if the quotient has room for fewer coefficients
/// than its domain has points does the prover notice.
#[test]
fn a_trace_that_breaks_a_constraint_has_no_valid_proof() {
    type Change = fn(&mut Vec<Vec<F>>, &mut Vec<F>);
    let changes: [Change; 6] = [
        |columns, _| columns[0][7] += F::ONE,
        |columns, _| columns[PRODUCT][9] += F::ONE,
        |columns, _| columns[VALUES[0]][3] = F::TWO,
        |_, public_inputs| public_inputs[0] += F::ONE,
        |_, public_inputs| public_inputs[1] += F::ONE,
        |_, public_inputs| public_inputs[2] += F::ONE,
    ];
    for degree in 2..=4 {
        let stark = Toy::new(degree, &[], &[]);
        assert!(prove(&stark, &config(2, 2, 2), |_, _| ()).is_ok());
        for change in changes {
            assert_eq!(prove(&stark, &config(2, 2, 2), change).err(), Some(StarkError::Constraints));
        }
    }
    // Without help of the verifier.
    let stark = Toy::new(4, &[], &[]);
    let (mut columns, public_inputs) = stark.trace(DEGREE_BITS, 11);
    columns[PRODUCT][9] += F::ONE;
    let refused = StarkProver::new(&stark, &config(2, 2, 2)).prove::<Quadratic, 2>(columns, &public_inputs);
    assert_eq!(refused.err(), Some(StarkError::Constraints));
}

#[test]
fn a_value_outside_the_table_and_a_wrong_frequency_have_no_valid_proof() {
    for degree in 2..=3 {
        let stark = Toy::new(degree, &[4, 2], &[]);
        let config = config(2, 2, 2);
        assert!(prove(&stark, &config, |_, _| ()).is_ok());
        for frequencies in FREQUENCIES {
            let changed = prove(&stark, &config, |columns, _| columns[frequencies][0] += F::ONE);
            assert!(changed.is_err());
        }
        let outside =
            prove(&stark, &config, |columns, _| columns[VALUES[3]][0] = F::from_canonical_u64(1 << 20));
        assert!(outside.is_err());
    }
}

#[test]
fn a_degree_below_two_is_refused() {
    assert_eq!(refusal(&Toy::new(1, &[], &[]), &config(2, 2, 2)), StarkError::Degree { found: 1 });
}

#[test]
fn lookups_with_constraints_of_a_degree_above_three_are_refused() {
    for (looking, tuples) in [(&[1][..], &[][..]), (&[], &[1])] {
        let stark = Toy::new(4, looking, tuples);
        assert_eq!(refusal(&stark, &config(2, 2, 2)), StarkError::LookupDegree { found: 4 });
    }
}

#[test]
fn a_sum_of_one_tuple_with_constraints_of_degree_two_is_refused() {
    let config = config(2, 2, 2);
    assert_eq!(refusal(&Toy::new(2, &[1], &[2, 1]), &config), StarkError::SumDegree { found: 2 });
    assert!(prove(&Toy::new(2, &[1], &[2, 3]), &config, |_, _| ()).is_ok());
}

#[test]
fn a_degree_above_the_rate_is_refused() {
    let refused = refusal(&Toy::new(4, &[], &[]), &config(2, 1, 2));
    assert_eq!(refused, StarkError::Rate { degree: 4, expected: 2, found: 1 });
}

#[test]
fn reductions_into_the_cap_are_refused() {
    let mut config = config(2, 1, 2);
    config.fri_config.reduction_strategy = FriReductionStrategy::Fixed(vec![4, 2]);
    let refused = refusal(&Toy::new(2, &[], &[]), &config);
    assert_eq!(refused, StarkError::Reductions { domain: 6, reductions: vec![4, 2], cap: 1 });
}

#[test]
fn reductions_whose_sum_wraps_around_are_refused() {
    for arities in [vec![1 << 63, 1 << 63], vec![usize::MAX, 1], vec![usize::MAX]] {
        let mut config = config(2, 2, 2);
        config.fri_config.reduction_strategy = FriReductionStrategy::Fixed(arities.clone());
        let refused = refusal(&Toy::new(2, &[], &[]), &config);
        assert_eq!(refused, StarkError::Reductions { domain: 7, reductions: arities, cap: 1 });
    }
}

/// plonky2 panics on the first ones, and does not end on the last one.
#[test]
fn a_strategy_that_leaves_less_than_a_constant_or_reduces_nothing_is_refused() {
    let refused = |arity_bits, final_poly_bits| {
        let mut config = config(2, 3, 2);
        config.fri_config.cap_height = 0;
        config.fri_config.reduction_strategy =
            FriReductionStrategy::ConstantArityBits(arity_bits, final_poly_bits);
        let stark = Toy::new(3, &[], &[]);
        let (columns, public_inputs) = stark.trace(DEGREE_BITS, 11);
        let refused = StarkProver::new(&stark, &config).prove::<Quadratic, 2>(columns, &public_inputs).err();
        (refused, StarkError::Strategy { strategy: config.fri_config.reduction_strategy, degree_bits: 5 })
    };
    for (arity_bits, final_poly_bits) in [(8, 0), (4, 0), (9, 0), (usize::MAX, 2), (0, 2)] {
        let (refused, expected) = refused(arity_bits, final_poly_bits);
        assert_eq!(refused, Some(expected));
    }
    // Nothing is left to reduce.
    for (arity_bits, final_poly_bits) in [(0, 5), (8, 5), (5, 0), (4, 1)] {
        assert_eq!(refused(arity_bits, final_poly_bits).0, None);
    }
}

#[test]
fn a_configuration_without_challenges_is_refused() {
    for stark in [Toy::new(3, &[], &[]), Toy::new(3, &[1], &[1])] {
        assert_eq!(refusal(&stark, &config(0, 2, 2)), StarkError::NoChallenges);
    }
}

#[test]
fn a_trace_of_another_rate_or_cap_is_refused() {
    let (stark, own) = (Toy::new(4, &[], &[]), config(2, 2, 2));
    let (columns, public_inputs) = stark.trace(DEGREE_BITS, 11);
    for found in [[0, 1], [1, 1], [3, 1], [2, 0], [2, 3]] {
        let mut other = own.clone();
        [other.fri_config.rate_bits, other.fri_config.cap_height] = found;
        let trace = CommittedTrace::<PoseidonHash>::new(columns.clone(), &other).unwrap();
        let refused = StarkProver::new(&stark, &own).prove_committed::<Quadratic, 2>(
            trace,
            None,
            &mut Challenger::new(),
            &public_inputs,
        );
        assert_eq!(refused.err(), Some(StarkError::Trace { expected: [2, 1], found }));
    }
}

#[test]
fn a_trace_or_public_inputs_of_another_number_are_refused() {
    let (stark, config) = (Toy::new(3, &[1], &[1]), config(2, 2, 2));
    let refused = prove(&stark, &config, |columns, _| drop(columns.pop())).err();
    assert_eq!(refused, Some(StarkError::Columns { expected: 10, found: 9 }));
    let refused = prove(&stark, &config, |_, public_inputs| public_inputs.push(F::ONE)).err();
    assert_eq!(refused, Some(StarkError::PublicInputs { expected: 3, found: 4 }));
}

#[test]
fn a_trace_without_commitment_is_refused() {
    let (stark, config) = (Toy::new(3, &[1], &[1]), config(2, 2, 2));
    let refused = prove(&stark, &config, |columns, _| columns[3].truncate(31)).err();
    let length = CommitmentError::Length { index: 3, length: 31, expected: 32 };
    assert_eq!(refused, Some(StarkError::Commitment(length)));
}

#[test]
fn a_nonce_without_enough_zeros_is_refused() {
    let (stark, config) = (Toy::new(3, &[1], &[1]), config(2, 2, 2));
    let honest = prove(&stark, &config, |_, _| ()).unwrap().opening_proof.pow_witness;
    let (columns, public_inputs) = stark.trace(DEGREE_BITS, 11);
    let table = Table { stark: &stark, config: &config, public_inputs: &public_inputs };
    // The nonce is the lowest, and four bits are seldom given by the next one too.
    let refused = (1..).find_map(|step| {
        table.ours::<Quadratic, 2>(columns.clone(), Some(honest + F::from_canonical_u64(step))).err()
    });
    assert!(matches!(refused, Some(StarkError::Opening(OpeningError::Nonce { bits: 4, .. }))), "{refused:?}");
}

/// Proves with chosen challenges of lookups.
fn prove_with(stark: &Toy, challenges: Vec<GrandProductChallenge<F>>) -> Result<(), StarkError> {
    let config = config(2, 2, 2);
    let (columns, public_inputs) = stark.trace(DEGREE_BITS, 11);
    let trace = CommittedTrace::<PoseidonHash>::new(columns, &config)?;
    let set = GrandProductChallengeSet { challenges };
    let prover = StarkProver::new(stark, &config);
    let proof =
        prover.prove_committed::<Quadratic, 2>(trace, Some(&set), &mut Challenger::new(), &public_inputs);
    proof.map(drop)
}

#[test]
fn challenges_of_another_number_are_refused() {
    let challenge = GrandProductChallenge { beta: F::from_canonical_u64(1 << 40), gamma: F::TWO };
    let refused = prove_with(&Toy::new(2, &[1], &[]), vec![challenge]);
    assert_eq!(refused, Err(StarkError::Challenges { expected: 2, found: 1 }));
    assert_eq!(prove_with(&Toy::new(2, &[], &[]), vec![challenge]), Ok(()));
}

#[test]
fn a_challenge_that_meets_a_value_a_table_or_a_tuple_is_refused() {
    let good = GrandProductChallenge { beta: F::from_canonical_u64(1 << 40), gamma: F::TWO };
    // Minus an entry of the table, which is also looked up.
    let bad = GrandProductChallenge { beta: F::NEG_ONE, ..good };
    let stark = Toy::new(2, &[1], &[]);
    assert_eq!(prove_with(&stark, vec![good, good]), Ok(()));
    assert_eq!(prove_with(&stark, vec![good, bad]), Err(StarkError::ZeroDenominator));
    // Minus the first element of a tuple, combined with no power of 0.
    let stark = Toy::new(3, &[], &[1]);
    let first = stark.trace(DEGREE_BITS, 11).0[0][4];
    let bad = GrandProductChallenge { beta: F::ZERO, gamma: -first };
    assert_eq!(prove_with(&stark, vec![good, good]), Ok(()));
    assert_eq!(prove_with(&stark, vec![good, bad]), Err(StarkError::ZeroDenominator));
}

#[test]
fn a_verifier_of_another_configuration_or_final_polynomial_is_refused() {
    let (stark, mut config) = (Toy::new(2, &[1], &[]), config(2, 2, 2));
    // Final polynomials of verifiers for 2^13 rows have the largest length, 2^3.
    config.fri_config.cap_height = 4;
    let (columns, public_inputs) = stark.trace(DEGREE_BITS, 11);
    let refused = |config: &StarkConfig, params| {
        let prover = StarkProver { verifier_params: Some(params), ..StarkProver::new(&stark, config) };
        prover.prove::<Quadratic, 2>(columns.clone(), &public_inputs).map(drop)
    };
    assert_eq!(refused(&config, config.fri_params(13)), Ok(()));
    // A final polynomial of 2^2.
    assert_eq!(refused(&config, config.fri_params(12)), Err(StarkError::VerifierParams));
    let mut shorter = config.fri_params(13);
    shorter.reduction_arity_bits = vec![];
    assert_eq!(refused(&config, shorter), Err(StarkError::VerifierParams));
    let mut other = config.fri_params(13);
    other.config.num_query_rounds += 1;
    assert_eq!(refused(&config, other), Err(StarkError::VerifierParams));
    let mut fixed = config.clone();
    fixed.fri_config.reduction_strategy = FriReductionStrategy::Fixed(vec![2]);
    assert_eq!(refused(&fixed, fixed.fri_params(13)), Err(StarkError::VerifierParams));
    // Lengths that are no power of two of an index, and a sum of reductions that wraps around.
    for final_poly_bits in [62, 63, 64, usize::MAX] {
        let mut long = config.clone();
        long.fri_config.reduction_strategy = FriReductionStrategy::ConstantArityBits(2, final_poly_bits);
        assert_eq!(refused(&long, long.fri_params(13)), Err(StarkError::VerifierParams));
    }
    for degree_bits in [33, 64, usize::MAX] {
        let mut large = config.fri_params(13);
        large.degree_bits = degree_bits;
        assert_eq!(refused(&config, large), Err(StarkError::VerifierParams));
    }
    let mut wrapping = config.fri_params(13);
    wrapping.reduction_arity_bits.extend([1 << 63, 1 << 63]);
    assert_eq!(refused(&config, wrapping), Err(StarkError::VerifierParams));
}

/// A STARK that tells starky and the prover different things.
struct Liar {
    /// What the prover is told.
    toy: Toy,
    /// What starky is told.
    starky: Toy,
}

impl Stark<F, 2> for Liar {
    type EvaluationFrame<FE, P, const D2: usize>
        = <Toy as Stark<F, 2>>::EvaluationFrame<FE, P, D2>
    where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>;
    type EvaluationFrameTarget = <Toy as Stark<F, 2>>::EvaluationFrameTarget;

    fn eval_packed_generic<FE, P, const D2: usize>(
        &self,
        vars: &Self::EvaluationFrame<FE, P, D2>,
        consumer: &mut ConstraintConsumer<P>,
    ) where
        FE: FieldExtension<D2, BaseField = F>,
        P: PackedField<Scalar = FE>,
    {
        Stark::<F, 2>::eval_packed_generic(&self.starky, vars, consumer);
    }

    fn eval_ext_circuit(
        &self,
        builder: &mut CircuitBuilder<F, 2>,
        vars: &Self::EvaluationFrameTarget,
        consumer: &mut RecursiveConstraintConsumer<F, 2>,
    ) {
        self.starky.eval_ext_circuit(builder, vars, consumer);
    }

    fn constraint_degree(&self) -> usize {
        self.starky.degree
    }

    fn lookups(&self) -> Vec<starky::lookup::Lookup<F>> {
        Stark::<F, 2>::lookups(&self.starky)
    }

    fn requires_ctls(&self) -> bool {
        Stark::<F, 2>::requires_ctls(&self.starky)
    }
}

impl LookupStark<2> for Liar {
    fn table_lookups(&self) -> Vec<Lookup> {
        self.toy.lookups.clone()
    }

    fn cross_table_sums(&self) -> Vec<CrossTableSum> {
        self.toy.sums.clone()
    }
}

/// Why the prover refuses what it is told.
fn lie(toy: Toy, starky: Toy) -> Option<StarkError> {
    let (columns, public_inputs) = starky.trace(DEGREE_BITS, 11);
    let liar = Liar { toy, starky };
    StarkProver::new(&liar, &config(2, 2, 2)).prove::<Quadratic, 2>(columns, &public_inputs).err()
}

#[test]
fn lookups_that_starky_does_not_know_are_refused() {
    let toy = |looking: &[usize], tuples: &[usize]| Toy::new(3, looking, tuples);
    for (told, known) in
        [(toy(&[3], &[]), toy(&[], &[])), (toy(&[], &[]), toy(&[3], &[])), (toy(&[1], &[]), toy(&[3], &[]))]
    {
        assert!(matches!(lie(told, known), Some(StarkError::Lookups(_))));
    }
    for (told, known) in [(toy(&[], &[1]), toy(&[], &[])), (toy(&[], &[]), toy(&[], &[1]))] {
        assert!(matches!(lie(told, known), Some(StarkError::Lookups(_))));
    }
    assert_eq!(lie(toy(&[3], &[1]), toy(&[3], &[1])), None);
}

#[test]
fn lookups_of_columns_that_do_not_exist_and_empty_sums_are_refused() {
    let honest = Toy::new(3, &[3], &[2]);
    let missing = Linear::column(10);
    type Change = fn(&mut Toy, Linear);
    let changes: [Change; 7] = [
        |toy, missing| toy.lookups[0].looking[1].value = missing,
        |toy, missing| toy.lookups[0].looking[1].filter = missing,
        |toy, missing| toy.lookups[0].table = missing,
        |toy, missing| toy.lookups[0].frequencies = missing,
        |toy, missing| toy.sums[0].tuples[1].value[0] = missing,
        |toy, missing| toy.sums[0].tuples[1].filter = missing,
        |toy, _| toy.sums[0].tuples.clear(),
    ];
    for change in changes {
        let mut told = honest.clone();
        change(&mut told, missing.clone());
        assert!(matches!(lie(told, honest.clone()), Some(StarkError::Lookups(_))));
    }
}

#[test]
fn other_lookups_of_the_same_number_are_refused() {
    let known = Toy::new(3, &[3], &[2]);
    type Change = fn(&mut Toy);
    let changes: [Change; 5] = [
        |toy| toy.lookups[0].table = Linear::column(0),
        |toy| toy.lookups[0].frequencies = Linear::constant(F::ONE),
        |toy| toy.lookups[0].looking[0].value = Linear::constant(F::TWO),
        |toy| toy.lookups[0].looking[0].filter = Linear::constant(F::ZERO),
        |toy| toy.lookups[0].looking.swap(0, 1),
    ];
    for change in changes {
        let mut told = known.clone();
        change(&mut told);
        assert_eq!(lie(told, known.clone()), Some(StarkError::Lookups(LookupError::OtherLookups)));
    }
}

#[test]
fn tuples_of_different_widths_in_one_sum_are_refused() {
    let mut stark = Toy::new(3, &[], &[1, 2]);
    stark.sums[0].tuples[0].value.pop();
    // Sums may differ in width.
    assert_eq!(lie(stark.clone(), stark.clone()), None);
    stark.sums[1].tuples[1].value.pop();
    let width = LookupError::TupleWidth { sum: 1, tuple: 1, expected: 4, found: 3 };
    assert_eq!(lie(stark.clone(), stark), Some(StarkError::Lookups(width)));
}

#[test]
fn a_column_that_is_listed_twice_is_refused() {
    let honest = Toy::new(3, &[3], &[2]);
    let twice = Linear::combination([(0, F::ONE), (1, F::ONE), (0, F::TWO)]);
    type Change = fn(&mut Toy, Linear);
    let changes: [Change; 6] = [
        |toy, twice| toy.lookups[0].looking[1].value = twice,
        |toy, twice| toy.lookups[0].looking[1].filter = twice,
        |toy, twice| toy.lookups[0].table = twice,
        |toy, twice| toy.lookups[0].frequencies = twice,
        |toy, twice| toy.sums[0].tuples[1].value[0] = twice,
        |toy, twice| toy.sums[0].tuples[1].filter = twice,
    ];
    for change in changes {
        let mut told = honest.clone();
        change(&mut told, twice.clone());
        let repeated = StarkError::Lookups(LookupError::RepeatedColumn { column: 0 });
        assert_eq!(lie(told, honest.clone()), Some(repeated));
    }
}

//! The verifier circuit of tables that look nothing up in their own columns: wide tables of which starky's circuit would
//! take a third more rows. It judges the same proofs; the challenges are starky's, and FRI is plonky2's.
//!
//! | what takes rows | starky's circuit | this one |
//! |---|---|---|
//! | columns opened by a query | combined for `zeta`, and again for the next row's point | combined once |
//! | constraints | added to each combination by an operation | combined by gates of many terms |
//! | the trace's length | a target | a constant |

use std::iter::successors;

use circuits_core::{constrain::Constrain, layout::Layout as _};
use circuits_prover::{
    basetypes::{Builder, C, D, F},
    stark::{config_elements, lookups::Linear, simulated_values},
};
use plonky2::{
    field::{
        extension::{Extendable, FieldExtension},
        types::{Field, PrimeField64},
    },
    fri::{
        proof::FriChallengesTarget,
        structure::{
            FriBatchInfoTarget, FriInstanceInfoTarget, FriOpeningBatchTarget, FriOpeningsTarget,
            FriOracleInfo, FriPolynomialInfo,
        },
    },
    hash::{merkle_proofs::MerkleProofTarget, poseidon::PoseidonHash},
    iop::{challenger::RecursiveChallenger, ext_target::ExtensionTarget, target::Target},
    util::reducing::ReducingFactorTarget,
};
use starky::{
    config::StarkConfig,
    lookup::GrandProductChallengeSet,
    proof::{StarkProofChallengesTarget, StarkProofTarget},
};

use crate::table::{
    CONSTRAINT_DEGREE, Table,
    system::{Consumer, Recursive, When, bits_circuit},
};

/// An element of the extension field, in-circuit.
type Value = ExtensionTarget<D>;

/// The points at which a proof opens polynomials: `zeta`, that of the next row, and the first row.
const POINTS: usize = 3;
/// The oracles of a proof: trace, sums and quotients.
const ORACLES: usize = 3;

/// Verifies a proof of a table without lookups. `sum_challenges` are those of its sums, and `challenger` has drawn them.
pub(super) fn verify<T: Table>(
    builder: &mut Builder,
    config: &StarkConfig,
    degree_bits: usize,
    proof: &StarkProofTarget<D>,
    sum_challenges: &GrandProductChallengeSet<Target>,
    challenger: &mut RecursiveChallenger<F, PoseidonHash, D>,
) {
    let openings = Openings::new(proof);
    let challenges = challenges::<T>(builder, config, degree_bits, proof, sum_challenges, challenger);
    let zeta = challenges.stark_zeta;
    let constraints = Constraints::at::<T>(builder, degree_bits, zeta, &openings, sum_challenges);
    // Each combination of the constraints is the vanishing polynomial times a quotient.
    let chunks = openings.quotients.len() / challenges.stark_alphas.len();
    for (&alpha, quotient) in challenges.stark_alphas.iter().zip(openings.quotients.chunks(chunks)) {
        let combined = constraints.combine(builder, alpha);
        let quotient = ReducingFactorTarget::new(constraints.zeta_to_height).reduce(quotient, builder);
        let expected = builder.mul_extension(constraints.vanishing, quotient);
        for (combined, expected) in combined.0.into_iter().zip(expected.0) {
            builder.enforce_equal(combined, expected);
        }
    }
    verify_openings(builder, config, degree_bits, proof, &openings, zeta, challenges.fri_challenges);
}

/// The challenges of the proof, as starky's verifiers draw them.
fn challenges<T: Table>(
    builder: &mut Builder,
    config: &StarkConfig,
    degree_bits: usize,
    proof: &StarkProofTarget<D>,
    sum_challenges: &GrandProductChallengeSet<Target>,
    challenger: &mut RecursiveChallenger<F, PoseidonHash, D>,
) -> StarkProofChallengesTarget<D> {
    for element in config_elements(config) {
        challenger.observe_element(builder.constant(element));
    }
    proof.auxiliary_polys_cap.iter().for_each(|cap| challenger.observe_cap(cap));

    // The constraints are bound to the transcript before those challenges are drawn that combine them.
    let openings = Openings::new(proof);
    let alphas = challenger.get_n_challenges(builder, config.num_challenges);
    let (columns, sums) = (openings.row.len(), openings.sums.len());
    let (powers, challenges) = simulated_values(2 * (columns + sums), CONSTRAINT_DEGREE);
    let values: Vec<_> = challenger
        .get_n_extension_challenges(builder, challenges)
        .into_iter()
        .flat_map(|challenge| {
            let exponent = (CONSTRAINT_DEGREE + 1) as u64;
            let next = |power: &Value| Some(builder.exp_u64_extension(*power, exponent));
            successors(Some(challenge), next).take(powers).collect::<Vec<_>>()
        })
        .collect();
    let zeta = challenger.get_extension_challenge(builder);
    let (row, rest) = values.split_at(columns);
    let (next_row, rest) = rest.split_at(columns);
    let (next_sums, rest) = (&rest[sums..2 * sums], &rest[..sums]);
    let simulated = Openings { row, next_row, sums: rest, next_sums, first_sums: &[], quotients: &[] };
    let bound = Constraints::at::<T>(builder, degree_bits, zeta, &simulated, sum_challenges);
    let bound: Vec<_> = alphas.into_iter().map(|alpha| bound.combine(builder, alpha)).collect();
    challenger.observe_extension_elements(&bound);

    let stark_alphas = challenger.get_n_challenges(builder, config.num_challenges);
    proof.quotient_polys_cap.iter().for_each(|cap| challenger.observe_cap(cap));
    let stark_zeta = challenger.get_extension_challenge(builder);
    for values in openings.at_points(builder) {
        challenger.observe_extension_elements(&values);
    }
    let fri = &proof.opening_proof;
    StarkProofChallengesTarget {
        lookup_challenge_set: None,
        stark_alphas,
        stark_zeta,
        fri_challenges: challenger.fri_challenges(
            builder,
            &fri.commit_phase_merkle_caps,
            &fri.final_poly,
            fri.pow_witness,
            &config.fri_config,
        ),
    }
}

/// What a proof opens.
struct Openings<'a> {
    row: &'a [Value],
    next_row: &'a [Value],
    sums: &'a [Value],
    next_sums: &'a [Value],
    first_sums: &'a [Target],
    quotients: &'a [Value],
}

impl<'a> Openings<'a> {
    fn new(proof: &'a StarkProofTarget<D>) -> Self {
        let openings = &proof.openings;
        Self {
            row: &openings.local_values,
            next_row: &openings.next_values,
            sums: openings.auxiliary_polys.as_deref().unwrap_or_default(),
            next_sums: openings.auxiliary_polys_next.as_deref().unwrap_or_default(),
            first_sums: openings.ctl_zs_first.as_deref().unwrap_or_default(),
            quotients: openings.quotient_polys.as_deref().unwrap_or_default(),
        }
    }

    /// All values at each point, in the order in which FRI combines them.
    fn at_points(&self, builder: &mut Builder) -> [Vec<Value>; POINTS] {
        [
            [self.row, self.sums, self.quotients].concat(),
            [self.next_row, self.next_sums].concat(),
            self.first_sums.iter().map(|&sum| builder.convert_to_ext(sum)).collect(),
        ]
    }
}

/// The constraints' values at `zeta`.
struct Constraints {
    /// `zeta^n`, where `n` is the number of rows.
    zeta_to_height: Value,
    /// `zeta^n - 1`.
    vanishing: Value,
    /// The first Lagrange polynomial at `zeta`.
    first: Value,
    /// The last one.
    last: Value,
    /// `zeta` minus the point of the last row.
    not_last: Value,
    values: Vec<Value>,
}

impl Constraints {
    /// Evaluates the constraints of a table of `2^degree_bits` rows, where `openings` are the columns' values.
    fn at<T: Table>(
        builder: &mut Builder,
        degree_bits: usize,
        zeta: Value,
        openings: &Openings<'_>,
        sum_challenges: &GrandProductChallengeSet<Target>,
    ) -> Self {
        let one = builder.one_extension();
        let zeta_to_height = builder.exp_power_of_2_extension(zeta, degree_bits);
        let vanishing = builder.sub_extension(zeta_to_height, one);
        let generator = F::primitive_root_of_unity(degree_bits);
        let height = F::from_canonical_u64(1 << degree_bits);
        // (zeta^n - 1) / (n (zeta - 1)), and the same in the next row's point.
        let mut lagrange = |factor: F| {
            let denominator = builder.arithmetic_extension(height * factor, -height, zeta, one, one);
            builder.div_extension(vanishing, denominator)
        };
        let (first, last) = (lagrange(F::ONE), lagrange(generator));
        let last_point = builder.constant_extension(generator.inverse().into());
        let not_last = builder.sub_extension(zeta, last_point);
        let mut constraints = Self { zeta_to_height, vanishing, first, last, not_last, values: vec![] };
        constraints.of_rules::<T>(builder, openings);
        constraints.of_sums::<T>(builder, openings, sum_challenges);
        constraints
    }

    /// The constraints of the table's rows.
    fn of_rules<T: Table>(&mut self, builder: &mut Builder, openings: &Openings<'_>) {
        let row =
            |values: &[Value]| Box::new(T::Row::decode(values).expect("a proof opens the row's columns"));
        let (row, next) = (row(openings.row), row(openings.next_row));
        T::enforce(&mut Recursive { builder, consumer: self }, &row, &next);
    }

    /// The constraints of the running sums.
    fn of_sums<T: Table>(
        &mut self,
        builder: &mut Builder,
        openings: &Openings<'_>,
        challenges: &GrandProductChallengeSet<Target>,
    ) {
        let sums: Vec<_> = openings.sums.iter().zip(openings.next_sums).collect();
        let challenges = &challenges.challenges;
        for (side, sums) in T::sums().iter().zip(sums.chunks(challenges.len())) {
            let tuple: Vec<_> =
                side.value.iter().map(|element| evaluate(builder, element, openings.row)).collect();
            let filter = evaluate(builder, &side.filter, openings.row);
            for (challenge, &(&sum, &next_sum)) in challenges.iter().zip(sums) {
                let beta = builder.convert_to_ext(challenge.beta);
                let gamma = builder.convert_to_ext(challenge.gamma);
                let combined = ReducingFactorTarget::new(beta).reduce(&tuple, builder);
                let combined = builder.add_extension(combined, gamma);
                let end = builder.mul_sub_extension(combined, sum, filter);
                self.constraint(builder, When::Last, end);
                let step = builder.sub_extension(sum, next_sum);
                let step = builder.mul_sub_extension(combined, step, filter);
                self.constraint(builder, When::Transition, step);
            }
        }
    }

    /// The combination by powers of `alpha`, of which the last constraint has the lowest.
    fn combine(&self, builder: &mut Builder, alpha: Target) -> Value {
        let alpha = builder.convert_to_ext(alpha);
        let reversed: Vec<_> = self.values.iter().rev().copied().collect();
        ReducingFactorTarget::new(alpha).reduce(&reversed, builder)
    }
}

impl Consumer for Constraints {
    fn constraint(&mut self, builder: &mut Builder, when: When, value: Value) {
        let value = match when {
            When::Always => value,
            When::Transition => builder.mul_extension(value, self.not_last),
            When::First => builder.mul_extension(value, self.first),
            When::Last => builder.mul_extension(value, self.last),
        };
        self.values.push(value);
    }
}

/// The value of a linear combination of a row's columns.
fn evaluate(builder: &mut Builder, linear: &Linear, row: &[Value]) -> Value {
    if let Some(bits) = binary(linear) {
        return bits_circuit(builder, &bits.into_iter().map(|column| row[column]).collect::<Vec<_>>());
    }
    let constant = builder.constant_extension(linear.constant.into());
    linear
        .terms
        .iter()
        .fold(constant, |sum, &(column, factor)| builder.mul_const_add_extension(factor, row[column], sum))
}

/// The columns of a combination that is an integer in binary, the least significant bit first.
fn binary(linear: &Linear) -> Option<Vec<usize>> {
    let mut terms = linear.terms.clone();
    terms.sort_unstable_by_key(|(_, factor)| factor.to_canonical_u64());
    let powers = terms.iter().zip(F::TWO.powers()).all(|(&(_, factor), power)| factor == power);
    (terms.len() > 1 && powers && linear.constant.is_zero())
        .then(|| terms.into_iter().map(|(column, _)| column).collect())
}

/// Verifies that the committed polynomials have the opened values.
///
/// With `R_p` the combination by powers of `alpha` of what is opened at the point `p`, FRI shows that this is a polynomial:
///
/// ```text
/// alpha^(columns + 2 sums) (R_zeta(x) - R_zeta) / (x - zeta)
///     + alpha^sums (R_next(x) - R_next) / (x - next)  +  (R_first(x) - R_first) / (x - 1)
/// ```
///
/// plonky2 computes it in each query from the columns, the trace's for `zeta` and again for `next`. Here `R_zeta(x) =
/// R_next(x) + alpha^(columns + sums) quotients(x)`, and plonky2 is given the three values in place of columns: as the four
/// coefficients of each, to be combined by powers of the extension's generator `X` in place of `alpha`. It multiplies the
/// first by `X^8` and the second by `X^4`, with `X^4` a constant that is divided by before.
fn verify_openings(
    builder: &mut Builder,
    config: &StarkConfig,
    degree_bits: usize,
    proof: &StarkProofTarget<D>,
    openings: &Openings<'_>,
    zeta: Value,
    challenges: FriChallengesTarget<D>,
) {
    let alpha = challenges.fri_alpha;
    let reduce =
        |builder: &mut Builder, values: &[Value]| ReducingFactorTarget::new(alpha).reduce(values, builder);
    let reduce_base = |builder: &mut Builder, values: &[Target]| {
        ReducingFactorTarget::new(alpha).reduce_base(values, builder)
    };
    let one = builder.one_extension();

    let to_sums = builder.exp_u64_extension(alpha, openings.sums.len() as u64);
    let to_next = builder.exp_u64_extension(alpha, (openings.row.len() + openings.sums.len()) as u64);
    let inverse = <F as Extendable<D>>::W.inverse();
    let at_zeta = builder.mul_extension(to_sums, to_next);
    let at_zeta = builder.mul_const_extension(inverse * inverse, at_zeta);
    let at_next = builder.mul_const_extension(inverse, to_sums);
    let scale = |builder: &mut Builder, [zeta, next, first]: [Value; POINTS]| {
        [builder.mul_extension(at_zeta, zeta), builder.mul_extension(at_next, next), first]
    };

    let opened = openings.at_points(builder).map(|values| reduce(builder, &values));
    let opened = scale(builder, opened);

    let mut opening_proof = proof.opening_proof.clone();
    for round in &mut opening_proof.query_round_proofs {
        let trees = &mut round.initial_trees_proof.evals_proofs;
        let [(row, _), (sums, _), (quotients, _)] = &trees[..] else {
            unreachable!("the proof has been made for three oracles")
        };
        let next = reduce_base(builder, &[&row[..], sums].concat());
        let quotients = reduce_base(builder, quotients);
        let zeta = builder.mul_add_extension(to_next, quotients, next);
        let first = reduce_base(builder, sums);
        let values = scale(builder, [zeta, next, first]);
        // plonky2 verifies Merkle proofs as long as there are caps.
        let coefficients = values.into_iter().flat_map(|value| value.0).collect();
        trees.push((coefficients, MerkleProofTarget { siblings: vec![] }));
    }

    let generator = F::primitive_root_of_unity(degree_bits);
    let next = builder.mul_const_extension(generator, zeta);
    let batches = [zeta, next, one].into_iter().enumerate().map(|(i, point)| FriBatchInfoTarget {
        point,
        polynomials: FriPolynomialInfo::from_range(ORACLES, i * D..(i + 1) * D),
    });
    let oracles = [openings.row.len(), openings.sums.len(), openings.quotients.len(), POINTS * D]
        .map(|num_polys| FriOracleInfo { num_polys, blinding: false });
    let instance = FriInstanceInfoTarget { oracles: oracles.into(), batches: batches.collect() };
    let batches = opened.map(|value| FriOpeningBatchTarget { values: vec![value] });
    let mut extension_generator = [F::ZERO; D];
    extension_generator[1] = F::ONE;
    let extension_generator = <F as Extendable<D>>::Extension::from_basefield_array(extension_generator);
    let challenges =
        FriChallengesTarget { fri_alpha: builder.constant_extension(extension_generator), ..challenges };
    let caps: Vec<_> =
        [Some(&proof.trace_cap), proof.auxiliary_polys_cap.as_ref(), proof.quotient_polys_cap.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
    builder.verify_fri_proof::<C>(
        &instance,
        &FriOpeningsTarget { batches: batches.into() },
        &challenges,
        &caps,
        &opening_proof,
        &config.fri_params(degree_bits),
    );
}

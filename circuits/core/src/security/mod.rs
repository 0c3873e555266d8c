//! How many bits of security each circuit has, computed from its parameters. No document of ours claims more.
//!
//! A proof is as sound as its weakest round: the bits of a round are the negative logarithm of the probability that a
//! random challenge turns a state in which the prover is caught into one in which it may not be (round-by-round
//! soundness; <https://eprint.iacr.org/2023/1071> for FRI). Every figure but one follows from theorems, in the random
//! oracle model.
//!
//! Let a circuit have `n` rows, rate `rho = 2^-r`, `s` queries, `g` bits of grinding, `c` challenges of each argument, and
//! `N = n / rho` points of the low-degree extension, in the base field `F` of size `p` with the extension `K`. For any
//! multiplicity `m >= 3`, words that agree with the code in more than `sqrt(rho) (1 + 1/2m)` of all points are close to at
//! most `L = m / rho` tuples of codewords (the Johnson bound), and:
//!
//! - **Permutation argument**: challenges `beta`, `gamma` come from `F`; the grand product over `n k` routed wires passes
//!   falsely with probability `L (n k / p)^c`.
//! - **Lookups**: no circuit of ours has a lookup table. The signature STARK looks up limbs and operands: a false sum of
//!   fractions over `v` values, those with `w` elements combined by powers of `beta`, holds with probability
//!   `L (v w / p)^c`. It has no permutation argument.
//! - **Combination**: `t` constraints by powers of a challenge from `F`, `L (t / p)^c`.
//! - **Evaluation**: the identity of degree below `9 n` at one point of `K`, `L 9 n / |K|`.
//! - **Batching** of `b` openings by powers of a challenge from `K`
//!   (<https://eprint.iacr.org/2020/654>, theorem 6.2): `(b - 1) (m + 1/2)^7 N^2 / (3 rho^(3/2) |K|)`.
//! - **Folding** by `a`, for each layer: the same with `a` words over `N_i / a` points, and
//!   `(2m + 1) (N + 1) a / (sqrt(rho) |K|)` for the weights that earlier layers leave on points (lemma 8.2 there).
//! - **Queries**: `2^-g (sqrt(rho) (1 + 1/2m))^s`.
//!
//! The analysis may choose `m`: the one is taken that makes the weakest round strongest.
//!
//! What is not a theorem stands apart: if words could be caught up to the code's capacity, the queries had
//! `min(r s + g, log2(|K| / N))` bits. That conjecture (<https://eprint.iacr.org/2021/582>, section 5.10) is refuted in its
//! general form (<https://eprint.iacr.org/2025/2046>).

mod bounds;

use std::fmt;

use circuits_prover::basetypes::CommonData;
use plonky2::fri::FriParams;
use serde::{Deserialize, Serialize};

use self::bounds::{Fri, base_bits, extension_bits, num_terms};
use crate::circuit::AnyCompiled;

/// The largest multiplicity that is tried: beyond, queries gain less than a hundredth of a bit.
const MAX_MULTIPLICITY: u32 = 4000;

/// The security of one circuit, in bits. Everything but [`Self::capacity_conjecture`] is proven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecurityReport {
    pub name: String,
    /// The logarithm of the number of rows.
    pub degree_bits: usize,
    /// The permutation argument, which a STARK does not have.
    pub permutation: Option<f64>,
    /// The lookup argument, which a circuit without a table does not have.
    pub lookup: Option<f64>,
    /// The combination of all constraints into one.
    pub combination: f64,
    /// The evaluation of that constraint at one point.
    pub evaluation: f64,
    /// The combination of all openings into one word.
    pub batching: f64,
    /// The weakest layer of FRI.
    pub folding: f64,
    /// FRI's queries with the grinding before them.
    pub queries: f64,
    /// The queries under a conjecture that is refuted in its general form. No figure of ours rests on it; other provers are
    /// often described by theirs.
    pub capacity_conjecture: f64,
}

/// What the security of a STARK follows from.
#[derive(Clone, Debug)]
pub struct Stark {
    /// The FRI parameters, which include the number of rows.
    pub fri: FriParams,
    /// The number of evaluations that one FRI proof opens.
    pub openings: usize,
    /// The number of challenges of each interactive argument.
    pub challenges: usize,
    /// The number of constraints that one challenge combines.
    pub terms: usize,
    pub constraint_degree: usize,
    /// The number of elements that the largest lookup argument looks up in one row, both sides together.
    pub looked_up: usize,
}

/// The rounds before FRI, in bits, for one tuple of codewords.
struct Arguments {
    permutation: Option<f64>,
    lookup: Option<f64>,
    combination: f64,
    evaluation: f64,
}

impl SecurityReport {
    /// The security of a circuit called `name` with the parameters `common`.
    #[must_use]
    pub fn new(name: impl Into<String>, common: &CommonData) -> Self {
        let repetitions = common.config.num_challenges as f64;
        let routed_bits = common.degree_bits() as f64 + (common.config.num_routed_wires as f64).log2();
        let identity_degree = (common.degree() * (common.quotient_degree_factor + 1)) as f64;
        let product = repetitions * (base_bits() - routed_bits).max(0.0);
        let arguments = Arguments {
            permutation: Some(product),
            // Looked-up values are summed as fractions: as many poles as slots.
            lookup: (!common.luts.is_empty()).then_some(product),
            combination: repetitions * (base_bits() - (num_terms(common) as f64).log2()),
            evaluation: extension_bits() - identity_degree.log2(),
        };
        Self::strongest(name.into(), &Fri::of_circuit(common), &arguments)
    }

    /// The security of a STARK, which has lookups in place of a permutation argument.
    #[must_use]
    pub fn of_stark(name: impl Into<String>, stark: Stark) -> Self {
        let Stark { fri, openings, challenges, terms, constraint_degree, looked_up } = stark;
        let repetitions = challenges as f64;
        let rows = (fri.degree_bits as f64).exp2();
        let arguments = Arguments {
            permutation: None,
            lookup: Some(repetitions * (base_bits() - (rows * looked_up as f64).log2())),
            combination: repetitions * (base_bits() - (terms as f64).log2()),
            evaluation: extension_bits() - (rows * constraint_degree as f64).log2(),
        };
        let fri = Fri { params: fri, openings, extension_bits: extension_bits() };
        Self::strongest(name.into(), &fri, &arguments)
    }

    /// The security of `compiled`.
    #[must_use]
    pub fn of(compiled: &dyn AnyCompiled) -> Self {
        Self::new(compiled.name(), &compiled.circuit().common)
    }

    /// The report for the multiplicity that makes the weakest round strongest.
    fn strongest(name: String, fri: &Fri, arguments: &Arguments) -> Self {
        let first = Self::with_multiplicity(&name, fri, arguments, 3);
        (4..=MAX_MULTIPLICITY).fold(first, |best, m| {
            let next = Self::with_multiplicity(&name, fri, arguments, m);
            if next.proven() > best.proven() { next } else { best }
        })
    }

    fn with_multiplicity(name: &str, fri: &Fri, arguments: &Arguments, m: u32) -> Self {
        let m = f64::from(m);
        let list_bits = fri.list_bits(m);
        Self {
            name: name.to_owned(),
            degree_bits: fri.params.degree_bits,
            permutation: arguments.permutation.map(|bits| bits - list_bits),
            lookup: arguments.lookup.map(|bits| bits - list_bits),
            combination: arguments.combination - list_bits,
            evaluation: arguments.evaluation - list_bits,
            batching: fri.batching(m),
            folding: fri.folding(m),
            queries: fri.queries(m),
            capacity_conjecture: fri.capacity_conjecture(),
        }
    }

    /// The proven bits of the weakest round.
    #[must_use]
    pub fn proven(&self) -> f64 {
        let optional = [self.permutation, self.lookup].into_iter().flatten();
        let always = [self.combination, self.evaluation, self.batching, self.folding, self.queries];
        optional.chain(always).fold(f64::INFINITY, f64::min)
    }
}

impl fmt::Display for SecurityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.1} bits proven", self.name, self.proven())
    }
}

#[cfg(test)]
mod tests {
    use circuits_prover::basetypes::{Builder, standard_config};
    use plonky2::{fri::FriConfig, gates::noop::NoopGate, plonk::circuit_data::CircuitConfig};

    use super::*;

    fn common(config: CircuitConfig, rows: usize) -> CommonData {
        let mut builder = Builder::new(config);
        while builder.num_gates() <= rows / 2 {
            builder.add_gate(NoopGate, vec![]);
        }
        circuits_prover::proving::common_data(builder)
    }

    fn fri(config: FriConfig, degree_bits: usize, openings: usize, extension_bits: f64) -> Fri {
        let params = config.fri_params(degree_bits, false);
        Fri { params, openings, extension_bits }
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 0.05, "{found} is not {expected}");
    }

    #[test]
    fn every_round_of_the_standard_configuration_has_the_bits_computed_by_hand() {
        let common = common(standard_config(), 1 << 12);
        let report = SecurityReport::new("standard", &common);
        assert_eq!(report.degree_bits, 12);
        let arguments = Arguments {
            // 3 (64 - 12 - log2 80).
            permutation: Some(137.03),
            lookup: None,
            combination: 200.0,
            // 128 - 12 - log2 9.
            evaluation: 112.83,
        };
        // A list of 16 * 8 codewords.
        let by_hand =
            SecurityReport::with_multiplicity("standard", &Fri::of_circuit(&common), &arguments, 16);
        assert_near(by_hand.permutation.unwrap(), 130.03);
        assert_near(by_hand.evaluation, 105.83);
        // 16 + 28 (1.5 - log2 (33 / 32)).
        assert_near(by_hand.queries, 56.76);
        // 128 - log2 (b - 1) - 7 log2 16.5 - 30 - 4.5 + log2 3.
        let openings = Fri::of_circuit(&common).openings;
        assert_near(
            by_hand.batching,
            128.0 - ((openings - 1) as f64).log2() - 7.0 * 16.5_f64.log2() - 32.915,
        );
        // 15 words over 2^11 points.
        assert_near(by_hand.folding, 128.0 - 15_f64.log2() - 7.0 * 16.5_f64.log2() - 22.0 - 2.915);
        assert_near(report.evaluation - report.permutation.unwrap(), 112.83 - 137.03);
        assert_eq!(report.lookup, None);
        assert_near(report.capacity_conjecture, 100.0);
    }

    #[test]
    fn the_openings_of_a_circuit_are_those_that_its_proofs_contain() {
        let mut builder = Builder::new(standard_config());
        let target = builder.add_virtual_public_input();
        let circuit = circuits_prover::proving::build(builder);
        let mut witness = circuits_prover::Witness::new();
        plonky2::iop::witness::WitnessWrite::set_target(&mut witness, target, Default::default()).unwrap();
        let proof = circuits_prover::proving::prove(&circuit, witness).unwrap().proof;
        let opened = &proof.openings;
        let lists = [
            &opened.constants,
            &opened.plonk_sigmas,
            &opened.wires,
            &opened.plonk_zs,
            &opened.plonk_zs_next,
            &opened.partial_products,
            &opened.quotient_polys,
        ];
        let found: usize = lists.iter().map(|list| list.len()).sum();
        assert_eq!(Fri::of_circuit(&circuit.common).openings, found);
    }

    #[test]
    fn the_proven_bits_are_less_than_half_of_the_query_bits_and_the_grinding() {
        let report = SecurityReport::new("standard", &common(standard_config(), 1 << 12));
        // 28 * 1.5 + 16 = 58 is the limit for large m, which the extension field does not allow.
        assert!(report.proven() < 58.0 && report.proven() > 56.0, "{report}");
        assert_near(report.queries.min(report.batching), report.proven());
        let mut config = standard_config();
        config.fri_config.num_query_rounds = 10;
        config.fri_config.proof_of_work_bits = 0;
        config.security_bits = 30;
        // 10 * 1.5: the field allows any m.
        assert_near(SecurityReport::new("few queries", &common(config, 1 << 12)).proven(), 14.99);
    }

    #[test]
    fn queries_have_half_of_their_rate_and_all_of_the_grinding() {
        let query_bits = |rate_bits, num_query_rounds, proof_of_work_bits| {
            let config =
                FriConfig { rate_bits, num_query_rounds, proof_of_work_bits, ..standard_config().fri_config };
            fri(config, 12, 250, 256.0).queries(f64::from(MAX_MULTIPLICITY))
        };
        for (rate_bits, queries, grinding, bits) in [
            (3, 54, 20, 101.0),
            (3, 57, 16, 101.5),
            (3, 56, 16, 100.0),
            (5, 33, 20, 102.5),
            (2, 81, 20, 101.0),
        ] {
            assert_near(query_bits(rate_bits, queries, grinding), bits);
        }
    }

    #[test]
    fn two_challenges_would_cost_the_permutation_argument_a_third_of_its_bits() {
        let mut config = standard_config();
        config.num_challenges = 2;
        let report = SecurityReport::new("two", &common(config, 1 << 12));
        let three = SecurityReport::new("three", &common(standard_config(), 1 << 12));
        assert!((three.permutation.unwrap() - report.permutation.unwrap() - 45.68).abs() < 1.0);
    }

    #[test]
    fn more_rows_and_more_routed_wires_cost_bits() {
        let small = SecurityReport::new("small", &common(standard_config(), 1 << 10));
        let large = SecurityReport::new("large", &common(standard_config(), 1 << 13));
        assert!(small.evaluation > large.evaluation && small.proven() > large.proven());
        assert!(small.batching > large.batching);
        let standard = SecurityReport::new("x", &common(standard_config(), 1 << 13));
        assert!(large.permutation > standard.permutation);
    }

    #[test]
    fn a_report_names_its_circuit_and_is_read_back() {
        let report = SecurityReport::new("small", &common(standard_config(), 1 << 6));
        assert!(report.to_string().starts_with("small: 5"), "{report}");
        let json = serde_json::to_string(&report).unwrap();
        let read: SecurityReport = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&read.name, read.degree_bits, read.lookup),
            (&report.name, report.degree_bits, report.lookup)
        );
        // Text may cost the last digit of a number.
        for (read, written) in [
            (read.permutation.unwrap(), report.permutation.unwrap()),
            (read.combination, report.combination),
            (read.evaluation, report.evaluation),
            (read.batching, report.batching),
            (read.folding, report.folding),
            (read.queries, report.queries),
            (read.capacity_conjecture, report.capacity_conjecture),
        ] {
            assert!((read - written).abs() < 1e-9, "{read} was written as {written}");
        }
    }
}

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
//! The analysis may choose `m`: the one is taken that makes the weakest round strongest. Each round must then have
//! [`REQUIRED_BITS`]. With the extension of degree 2, batching could not have them, whatever the queries.
//!
//! What is not a theorem stands apart: if words could be caught up to the code's capacity, the queries had
//! `min(r s + g, log2(|K| / N))` bits. That conjecture (<https://eprint.iacr.org/2021/582>, section 5.10) is refuted in its
//! general form (<https://eprint.iacr.org/2025/2046>).

mod bounds;
mod parameters;

use std::fmt;

use circuits_prover::basetypes::CommonData;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::parameters::{Parameters, Stark};
use crate::circuit::AnyCompiled;

/// The proven bits that every circuit and every STARK must have. With 100, whoever makes 2^80 hashes finds a false proof
/// with a probability of one in a million at most; more would cost rows in every verifier.
pub const REQUIRED_BITS: f64 = 100.0;

/// The largest multiplicity that is tried. A larger one adds less than a fiftieth of a bit to the queries.
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
    /// The weakest layer of FRI. A circuit of up to 2^7 rows has none.
    pub folding: Option<f64>,
    /// FRI's queries with the grinding before them.
    pub queries: f64,
    /// The queries under a conjecture that is refuted in its general form. No figure of ours rests on it; other provers are
    /// often described by theirs.
    pub capacity_conjecture: f64,
}

/// A round of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    Permutation,
    Lookup,
    Combination,
    Evaluation,
    Batching,
    Folding,
    Queries,
}

/// The name of the field of [`SecurityReport`].
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permutation => "permutation",
            Self::Lookup => "lookup",
            Self::Combination => "combination",
            Self::Evaluation => "evaluation",
            Self::Batching => "batching",
            Self::Folding => "folding",
            Self::Queries => "queries",
        })
    }
}

/// A circuit or a STARK has fewer proven bits than are required.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{name} has {bits:.1} bits proven, in its {round}, and {REQUIRED_BITS} are required")]
pub struct TooWeak {
    pub name: String,
    /// The weakest round.
    pub round: Round,
    /// The bits of that round.
    pub bits: f64,
}

impl SecurityReport {
    /// The security of a circuit or a STARK called `name` with these parameters: the report for the multiplicity that
    /// makes the weakest round strongest.
    #[must_use]
    pub fn new(name: impl Into<String>, parameters: &Parameters) -> Self {
        let name = name.into();
        let first = Self::with_multiplicity(&name, parameters, 3);
        (4..=MAX_MULTIPLICITY).fold(first, |best, m| {
            let next = Self::with_multiplicity(&name, parameters, m);
            if next.proven() > best.proven() { next } else { best }
        })
    }

    /// The security of a circuit called `name` with the data `common`.
    #[must_use]
    pub fn of_circuit(name: impl Into<String>, common: &CommonData) -> Self {
        Self::new(name, &common.into())
    }

    /// The security of a STARK, which has lookups in place of a permutation argument.
    #[must_use]
    pub fn of_stark(name: impl Into<String>, stark: Stark) -> Self {
        Self::new(name, &stark.into())
    }

    /// The security of `compiled`.
    #[must_use]
    pub fn of(compiled: &dyn AnyCompiled) -> Self {
        Self::of_circuit(compiled.name(), &compiled.circuit().common)
    }

    fn with_multiplicity(name: &str, parameters: &Parameters, m: u32) -> Self {
        let m = f64::from(m);
        let list_bits = parameters.list_bits(m);
        Self {
            name: name.to_owned(),
            degree_bits: parameters.degree_bits,
            permutation: parameters.permutation().map(|bits| bits - list_bits),
            lookup: parameters.lookup().map(|bits| bits - list_bits),
            combination: parameters.combination() - list_bits,
            evaluation: parameters.evaluation() - list_bits,
            batching: parameters.batching(m),
            folding: parameters.folding(m),
            queries: parameters.queries(m),
            capacity_conjecture: parameters.capacity_conjecture(),
        }
    }

    /// The rounds that there are, with their bits, in the order of the proof.
    pub fn rounds(&self) -> impl Iterator<Item = (Round, f64)> {
        let rounds = [
            (Round::Permutation, self.permutation),
            (Round::Lookup, self.lookup),
            (Round::Combination, Some(self.combination)),
            (Round::Evaluation, Some(self.evaluation)),
            (Round::Batching, Some(self.batching)),
            (Round::Folding, self.folding),
            (Round::Queries, Some(self.queries)),
        ];
        rounds.into_iter().filter_map(|(round, bits)| Some((round, bits?)))
    }

    /// The weakest round, with its bits. Of equally weak ones it is the last.
    #[must_use]
    pub fn weakest(&self) -> (Round, f64) {
        // What is not a number proves nothing, and is weaker than any number.
        let stays = |best: f64, next: f64| best.is_nan() || next > best;
        let weaker = |best: (Round, f64), next: (Round, f64)| if stays(best.1, next.1) { best } else { next };
        self.rounds().fold((Round::Queries, self.queries), weaker)
    }

    /// The proven bits of the weakest round.
    #[must_use]
    pub fn proven(&self) -> f64 {
        self.weakest().1
    }

    /// Checks that the weakest round has the [required bits](REQUIRED_BITS).
    ///
    /// # Errors
    /// [`TooWeak`] if it has fewer.
    pub fn check(&self) -> Result<(), TooWeak> {
        let (round, bits) = self.weakest();
        if bits >= REQUIRED_BITS { Ok(()) } else { Err(TooWeak { name: self.name.clone(), round, bits }) }
    }
}

impl fmt::Display for SecurityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (round, bits) = self.weakest();
        write!(f, "{}: {bits:.1} bits proven, in its {round}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use circuits_prover::basetypes::{Builder, client_config, standard_config};
    use plonky2::{gates::noop::NoopGate, plonk::circuit_data::CircuitConfig};

    use super::*;
    use crate::recursion::Shape;

    /// The logarithm of the rows of the largest circuit that the block shape verifies.
    const LARGEST: usize = 16;

    fn common(config: CircuitConfig, rows: usize) -> CommonData {
        let mut builder = Builder::new(config);
        while builder.num_gates() <= rows / 2 {
            builder.add_gate(NoopGate, vec![]);
        }
        circuits_prover::proving::common_data(builder)
    }

    fn report(config: CircuitConfig, degree_bits: usize) -> SecurityReport {
        SecurityReport::of_circuit("test", &Shape::new("test", config, degree_bits, 30).common)
    }

    /// A circuit of 2^12 rows in the standard configuration.
    fn standard() -> Parameters {
        Parameters {
            degree_bits: 12,
            extension_degree: 4,
            rate_bits: 3,
            queries: 54,
            grinding_bits: 20,
            folding_bits: vec![4, 4],
            openings: 286,
            challenges: 3,
            constraints: 156,
            identity_degree: 9,
            routed_wires: 80,
            looked_up: 0,
        }
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 0.05, "{found} is not {expected}");
    }

    #[test]
    fn every_round_of_the_standard_configuration_has_the_bits_computed_by_hand() {
        let report = SecurityReport::with_multiplicity("standard", &standard(), 64);
        assert_eq!((report.degree_bits, report.lookup), (12, None));
        // A list of 64 * 8 codewords has 9 bits. 3 (64 - 12 - log2 80) - 9.
        assert_near(report.permutation.unwrap(), 128.03);
        // 3 (64 - log2 156) - 9.
        assert_near(report.combination, 161.14);
        // 256 - 12 - log2 9 - 9.
        assert_near(report.evaluation, 231.83);
        // 256 - log2 285 - 7 log2 64.5 - 2 * 15 - 4.5 + log2 3.
        assert_near(report.batching, 172.85);
        // 15 words over 2^11 points: 256 - log2 15 - 7 log2 64.5 - 2 * 11 - 4.5 + log2 3.
        assert_near(report.folding.unwrap(), 185.10);
        // 20 + 54 (1.5 - log2 (129 / 128)).
        assert_near(report.queries, 100.39);
        assert_near(report.capacity_conjecture, 182.0);
        assert_eq!(report.weakest(), (Round::Queries, report.queries));
    }

    #[test]
    fn every_round_over_the_extension_of_degree_2_has_the_bits_computed_by_hand() {
        let parameters = Parameters { extension_degree: 2, queries: 28, grinding_bits: 16, ..standard() };
        let report = SecurityReport::with_multiplicity("two", &parameters, 16);
        // A list of 16 * 8 codewords has 7 bits. The base field is the same: 3 (64 - 12 - log2 80) - 7.
        assert_near(report.permutation.unwrap(), 130.03);
        assert_near(report.combination, 163.14);
        // 128 - 12 - log2 9 - 7.
        assert_near(report.evaluation, 105.83);
        // 128 - log2 285 - 7 log2 16.5 - 2 * 15 - 4.5 + log2 3.
        assert_near(report.batching, 58.62);
        // 128 - log2 15 - 7 log2 16.5 - 2 * 11 - 4.5 + log2 3.
        assert_near(report.folding.unwrap(), 70.87);
        // 16 + 28 (1.5 - log2 (33 / 32)).
        assert_near(report.queries, 56.76);
        assert_near(report.capacity_conjecture, 100.0);
    }

    #[test]
    fn the_lookups_of_a_stark_have_the_bits_computed_by_hand() {
        let parameters = Parameters { routed_wires: 0, looked_up: 200, ..standard() };
        let report = SecurityReport::with_multiplicity("stark", &parameters, 64);
        // 3 (64 - 12 - log2 200) - 9.
        assert_eq!(report.permutation, None);
        assert_near(report.lookup.unwrap(), 124.07);
    }

    #[test]
    fn earlier_layers_weigh_on_the_folding_of_later_ones() {
        // 2^120 points: 512 - log2 129 - 120 - 120 - 1.5, since words over 2^3 points agree by chance only.
        let parameters =
            Parameters { degree_bits: 117, extension_degree: 8, folding_bits: vec![117], ..standard() };
        assert_near(parameters.folding(64.0).unwrap(), 512.0 - 7.011 - 120.0 - 117.0 - 1.5);
    }

    #[test]
    fn the_parameters_of_a_circuit_are_those_of_its_configuration_and_its_rows() {
        let common = common(standard_config(), 1 << 12);
        let parameters = Parameters::from(&common);
        let Parameters { openings, constraints, .. } = parameters;
        assert_eq!(parameters, Parameters { openings, constraints, ..standard() });
        // Nine partial products and a start for each challenge.
        assert_eq!(constraints, common.num_gate_constraints + 3 * 11);
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
        assert_eq!(Parameters::from(&circuit.common).openings, found);
    }

    #[test]
    fn both_configurations_have_the_required_bits_with_any_number_of_rows_and_none_to_spare() {
        for config in [standard_config(), client_config()] {
            for degree_bits in [6, 12, LARGEST] {
                let report = report(config.clone(), degree_bits);
                assert_eq!(report.check(), Ok(()), "{report}");
            }
            let query = config.fri_config.rate_bits as f64 / 2.0;
            let mut fewer = config;
            fewer.fri_config.num_query_rounds -= 1;
            let TooWeak { name, round, bits } = report(fewer, 12).check().unwrap_err();
            assert_eq!((name.as_str(), round), ("test", Round::Queries));
            assert!(bits < REQUIRED_BITS && bits > REQUIRED_BITS - query, "{bits}");
        }
    }

    #[test]
    fn a_report_of_too_few_queries_names_circuit_round_and_bits() {
        let weak = SecurityReport::new("kernel", &Parameters { queries: 28, ..standard() });
        let error = weak.check().unwrap_err().to_string();
        assert_eq!(error, "kernel has 62.0 bits proven, in its queries, and 100 are required");
        let none = SecurityReport::new("none", &Parameters::default());
        assert!(none.check().is_err() && none.proven() <= 0.0, "{none}");
    }

    #[test]
    fn a_round_whose_bits_are_not_a_number_proves_nothing() {
        let report = SecurityReport::new("test", &standard());
        assert_eq!(report.check(), Ok(()));
        let unknown = SecurityReport { combination: f64::NAN, ..report };
        assert_eq!(unknown.check().unwrap_err().round, Round::Combination);
        // No field of no parameters at all is infinite or unknown, so a report of them can be written and read.
        let none = SecurityReport::new("none", &Parameters::default());
        assert!(none.rounds().all(|(_, bits)| bits.is_finite()), "{none:?}");
    }

    #[test]
    fn over_the_extension_of_degree_2_no_number_of_queries_gives_the_required_bits() {
        let parameters = Parameters { extension_degree: 2, queries: 1000, ..standard() };
        let report = SecurityReport::new("two", &parameters);
        assert!(report.check().is_err() && report.proven() < 75.0, "{report}");
        assert_eq!(report.weakest().0, Round::Batching);
    }

    #[test]
    fn queries_have_half_of_their_rate_and_all_of_the_grinding() {
        for (rate_bits, queries, grinding_bits, bits) in [
            (3, 54, 20, 101.0),
            (3, 57, 16, 101.5),
            (3, 56, 16, 100.0),
            (5, 33, 20, 102.5),
            (5, 34, 16, 101.0),
            (2, 81, 20, 101.0),
        ] {
            let parameters = Parameters { rate_bits, queries, grinding_bits, ..standard() };
            assert_near(parameters.queries(f64::from(MAX_MULTIPLICITY)), bits);
        }
    }

    #[test]
    fn with_two_challenges_the_permutation_argument_is_too_weak() {
        let report = SecurityReport::new("two", &Parameters { challenges: 2, ..standard() });
        assert_eq!(report.check().unwrap_err().round, Round::Permutation);
        let permutation = |challenges| Parameters { challenges, ..standard() }.permutation().unwrap();
        assert_near(permutation(3) - permutation(2), 45.68);
    }

    #[test]
    fn more_rows_and_more_routed_wires_cost_bits() {
        let report = |degree_bits| {
            SecurityReport::with_multiplicity("x", &Parameters { degree_bits, ..standard() }, 64)
        };
        let (small, large) = (report(10), report(13));
        assert!(small.evaluation > large.evaluation && small.permutation > large.permutation);
        assert!(small.batching > large.batching && small.folding > large.folding);
        let parameters = |routed_wires| Parameters { routed_wires, ..standard() };
        assert!(parameters(60).permutation() > parameters(80).permutation());
    }

    #[test]
    fn a_report_names_its_circuit_and_is_read_back() {
        let report = SecurityReport::of_circuit("small", &common(standard_config(), 1 << 6));
        assert!(report.to_string().starts_with("small: 101.0 bits proven"), "{report}");
        let json = serde_json::to_string(&report).unwrap();
        let read: SecurityReport = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&read.name, read.degree_bits, read.lookup, read.folding),
            (&report.name, report.degree_bits, None, None)
        );
        assert_eq!(read.rounds().count(), report.rounds().count());
        // Text may cost the last digit of a number.
        let conjectures = [(read.capacity_conjecture, report.capacity_conjecture)];
        let rounds = read.rounds().zip(report.rounds()).map(|((_, read), (_, written))| (read, written));
        for (read, written) in rounds.chain(conjectures) {
            assert!((read - written).abs() < 1e-9, "{read} was written as {written}");
        }
    }
}

//! How many bits of security each circuit has, computed from its parameters. No document of ours claims more.
//!
//! With `n` rows, rate `rho = 2^-r`, `s` queries, `g` bits of grinding, `K` the extension field (`|K| = p^2`) and
//! `N = n / rho` points of the low-degree extension:
//!
//! - **FRI, conjectured**: `min(r s + g, log2(|K| / N))`. It assumes that a word farther from the code than its capacity
//!   allows is caught by each query with probability `1 - rho` (<https://eprint.iacr.org/2021/582>, section 5.10). That is
//!   an assumption, not a theorem.
//! - **FRI, proven up to the Johnson bound** (<https://eprint.iacr.org/2020/654>, theorem 8.3): for any `m >= 3` the
//!   error is at most `commit + query` where
//!   `query = 2^-g (sqrt(rho) (1 + 1/2m))^s`, so about `r s / 2 + g` bits, and
//!   `commit = (b - 1) (m + 1/2)^7 N^2 / (3 rho^(3/2) |K|) + (2m + 1) (N + 1) a / (sqrt(rho) |K|)`,
//!   with `b` polynomials batched by powers of one challenge and `a` the sum of the folding arities. The best `m` is taken.
//! - **Permutation argument**: challenges `beta`, `gamma` come from the base field; the grand product over `n k` routed
//!   wires passes falsely with probability `n k / p`, in each of `c` repetitions.
//! - **Constraints combined**: `t` terms by powers of a base field challenge, `t / p`, in each of `c` repetitions.
//! - **Evaluation**: the identity of degree below `8 n + n` at one point of `K`.
//! - **Lookups**: no circuit of ours has a lookup table. The signature STARK looks up limbs and operands: a false sum of
//!   fractions over `v` values, those with `w` elements combined by powers of `beta`, holds with probability `v w / p` in
//!   each of `c` repetitions. It has no permutation argument.

mod bounds;

use std::fmt;

use circuits_prover::basetypes::CommonData;
use plonky2::fri::FriParams;
use serde::{Deserialize, Serialize};

use self::bounds::{Fri, base_bits, extension_bits, num_terms};
use crate::circuit::AnyCompiled;

/// The security of one circuit, in bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecurityReport {
    pub name: String,
    /// The logarithm of the number of rows.
    pub degree_bits: usize,
    pub fri_conjectured: f64,
    /// Proven up to the Johnson bound.
    pub fri_proven: f64,
    /// The permutation argument, which a STARK does not have.
    pub permutation: Option<f64>,
    /// The combination of all constraints into one.
    pub combination: f64,
    /// The evaluation of that constraint at one point.
    pub evaluation: f64,
    /// The lookup argument, which a circuit without a table does not have.
    pub lookup: Option<f64>,
}

/// What the security of a STARK follows from.
#[derive(Clone, Debug)]
pub struct Stark {
    /// The FRI parameters, which include the number of rows.
    pub fri: FriParams,
    /// The number of polynomials that one FRI proof batches.
    pub polynomials: usize,
    /// The number of challenges of each interactive argument.
    pub challenges: usize,
    /// The number of constraints that one challenge combines.
    pub terms: usize,
    pub constraint_degree: usize,
    /// The number of elements that the largest lookup argument looks up in one row, both sides together.
    pub looked_up: usize,
}

impl SecurityReport {
    /// The security of a circuit called `name` with the parameters `common`.
    #[must_use]
    pub fn new(name: impl Into<String>, common: &CommonData) -> Self {
        let repetitions = common.config.num_challenges as f64;
        let degree_bits = common.degree_bits();
        let routed_bits = degree_bits as f64 + (common.config.num_routed_wires as f64).log2();
        let degree = common.degree() as f64;
        let identity_degree = degree * (common.quotient_degree_factor + 1) as f64;
        // Looked-up values are summed as fractions: as many poles as slots.
        let lookup = (!common.luts.is_empty()).then(|| repetitions * (base_bits() - routed_bits).max(0.0));
        let fri = Fri::of_circuit(common);
        Self {
            name: name.into(),
            degree_bits,
            fri_conjectured: fri.conjectured(),
            fri_proven: fri.proven(),
            permutation: Some(repetitions * (base_bits() - routed_bits).max(0.0)),
            combination: repetitions * (base_bits() - (num_terms(common) as f64).log2()),
            evaluation: extension_bits() - identity_degree.log2(),
            lookup,
        }
    }

    /// The security of a STARK, which has lookups in place of a permutation argument.
    #[must_use]
    pub fn of_stark(name: impl Into<String>, stark: Stark) -> Self {
        let Stark { fri, polynomials, challenges, terms, constraint_degree, looked_up } = stark;
        let repetitions = challenges as f64;
        let degree_bits = fri.degree_bits;
        let rows = (degree_bits as f64).exp2();
        let fri = Fri { params: fri, polynomials };
        Self {
            name: name.into(),
            degree_bits,
            fri_conjectured: fri.conjectured(),
            fri_proven: fri.proven(),
            permutation: None,
            combination: repetitions * (base_bits() - (terms as f64).log2()),
            evaluation: extension_bits() - (rows * constraint_degree as f64).log2(),
            lookup: Some(repetitions * (base_bits() - (rows * looked_up as f64).log2())),
        }
    }

    /// The security of `compiled`.
    #[must_use]
    pub fn of(compiled: &dyn AnyCompiled) -> Self {
        Self::new(compiled.name(), &compiled.circuit().common)
    }

    /// The weakest part, with FRI as conjectured.
    #[must_use]
    pub fn conjectured(&self) -> f64 {
        self.weakest(self.fri_conjectured)
    }

    /// The weakest part, with FRI as proven.
    #[must_use]
    pub fn proven(&self) -> f64 {
        self.weakest(self.fri_proven)
    }

    fn weakest(&self, fri: f64) -> f64 {
        let optional = [self.permutation, self.lookup].into_iter().flatten();
        optional.chain([self.combination, self.evaluation]).fold(fri, f64::min)
    }
}

impl fmt::Display for SecurityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (conjectured, proven) = (self.conjectured(), self.proven());
        write!(f, "{}: {conjectured:.1} bits conjectured, {proven:.1} bits proven", self.name)
    }
}

#[cfg(test)]
mod tests {
    use circuits_prover::basetypes::{Builder, kernel_config, standard_config};
    use plonky2::gates::noop::NoopGate;

    use super::*;

    fn common(config: plonky2::plonk::circuit_data::CircuitConfig, rows: usize) -> CommonData {
        let mut builder = Builder::new(config);
        while builder.num_gates() <= rows / 2 {
            builder.add_gate(NoopGate, vec![]);
        }
        circuits_prover::proving::common_data(builder)
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 0.05, "{found} is not {expected}");
    }

    #[test]
    fn the_standard_configuration_has_the_bits_computed_by_hand() {
        let report = SecurityReport::new("standard", &common(standard_config(), 1 << 12));
        assert_eq!(report.degree_bits, 12);
        // 28 queries of 3 bits and 16 bits of grinding.
        assert_near(report.fri_conjectured, 100.0);
        // 3 (64 - 12 - log2 80).
        assert_near(report.permutation.unwrap(), 137.03);
        // 128 - 12 - log2 9.
        assert_near(report.evaluation, 112.83);
        assert_eq!(report.lookup, None);
        assert_near(report.conjectured(), 100.0);
    }

    #[test]
    fn the_proven_bits_are_half_of_the_query_bits_and_the_grinding() {
        let report = SecurityReport::new("standard", &common(standard_config(), 1 << 12));
        // 28 * 1.5 + 16 = 58 is the limit for large m, which the commit phase does not allow.
        assert!(report.fri_proven < 58.0 && report.fri_proven > 56.0, "{report}");
        assert_near(report.proven(), report.fri_proven);
        // By hand, for 10 queries without grinding: any m up to 1000 costs less in the commit phase than it gains.
        let mut config = standard_config();
        config.fri_config.num_query_rounds = 10;
        config.fri_config.proof_of_work_bits = 0;
        config.security_bits = 30;
        let report = SecurityReport::new("few queries", &common(config, 1 << 12));
        assert!(report.fri_proven < 15.0, "{report}");
        assert_near(report.fri_proven, 14.99);
    }

    #[test]
    fn two_challenges_would_make_the_permutation_argument_the_weakest_part() {
        let mut config = standard_config();
        config.num_challenges = 2;
        let report = SecurityReport::new("two", &common(config, 1 << 12));
        assert_near(report.permutation.unwrap(), 91.36);
        assert_near(report.conjectured(), 91.36);
    }

    #[test]
    fn more_rows_and_more_routed_wires_cost_bits() {
        let small = SecurityReport::new("small", &common(kernel_config(), 1 << 10));
        let large = SecurityReport::new("large", &common(kernel_config(), 1 << 13));
        let permutation = |report: &SecurityReport| report.permutation.unwrap();
        assert_near(permutation(&small) - permutation(&large), 9.0);
        assert!(small.evaluation > large.evaluation && small.fri_proven > large.fri_proven);
        let standard = SecurityReport::new("x", &common(standard_config(), 1 << 13));
        assert!(permutation(&large) > permutation(&standard));
    }

    #[test]
    fn a_report_names_its_circuit_and_is_read_back() {
        let report = SecurityReport::new("small", &common(standard_config(), 1 << 6));
        assert!(report.to_string().starts_with("small: 100.0 bits conjectured"), "{report}");
        let json = serde_json::to_string(&report).unwrap();
        let read: SecurityReport = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (read.name, read.degree_bits, read.lookup),
            (report.name, report.degree_bits, report.lookup)
        );
        // Text may cost the last digit of a number.
        for (read, written) in [
            (read.fri_conjectured, report.fri_conjectured),
            (read.fri_proven, report.fri_proven),
            (read.permutation.unwrap(), report.permutation.unwrap()),
            (read.combination, report.combination),
            (read.evaluation, report.evaluation),
        ] {
            assert!((read - written).abs() < 1e-9, "{read} was written as {written}");
        }
    }
}

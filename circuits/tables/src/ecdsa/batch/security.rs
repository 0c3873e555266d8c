//! The security of signature STARKs.

use circuits_core::security::{SecurityReport, Stark};

use crate::ecdsa::{batch::BatchSize, table};

impl BatchSize {
    /// The security of the STARK of this size.
    #[must_use]
    pub fn security(self) -> SecurityReport {
        let config = self.config();
        // The range table with its limbs; both sides of the memory, whose tuples are the widest.
        let limbs = table::lookups::range_lookup().columns.len() + 1;
        let memory = 2 * (table::lookups::sides()[0].tuple.len() + 1);
        let stark = Stark {
            fri: config.fri_params(self.degree_bits()),
            polynomials: table::num_polynomials(&config),
            challenges: config.num_challenges,
            terms: table::num_constraints() + table::num_lookup_constraints(&config),
            constraint_degree: table::CONSTRAINT_DEGREE,
            looked_up: limbs.max(memory),
        };
        SecurityReport::of_stark(format!("signature-stark-{}", self.capacity()), stark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 0.05, "{found} is not {expected}");
    }

    #[test]
    fn the_signature_stark_has_100_bits_conjectured() {
        for size in BatchSize::ALL {
            let report = size.security();
            // 42 queries of 2 bits and 16 bits of grinding.
            assert_near(report.fri_conjectured, 100.0);
            assert_near(report.conjectured(), 100.0);
            assert!(report.fri_proven > 54.0 && report.fri_proven < 58.0, "{report}");
            assert_eq!(report.permutation, None);
            assert_eq!(report.to_string().len(), SecurityReport::header().len());
        }
        // 3 (64 - 16 - log2 201).
        let large = BatchSize::Large.security();
        assert_near(large.lookup.unwrap(), 121.05);
    }
}

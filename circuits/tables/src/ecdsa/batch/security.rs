//! The security of signature STARKs.

use circuits_core::security::{SecurityReport, Stark};

use crate::ecdsa::{batch::BatchSize, table};

impl BatchSize {
    /// The security of the STARK of this size.
    #[must_use]
    pub fn security(self) -> SecurityReport {
        let config = self.config();
        // The range table with its limbs; both sides of the memory, whose tuples are the widest.
        let limbs = table::lookups::range_lookup().looking.len() + 1;
        let memory = 2 * (table::lookups::sides()[0].value.len() + 1);
        let stark = Stark {
            fri: config.fri_params(self.degree_bits()),
            openings: table::num_openings(&config),
            challenges: config.num_challenges,
            terms: table::num_constraints() + table::num_lookup_constraints(&config),
            constraint_degree: table::CONSTRAINT_DEGREE,
            looked_up: limbs.max(memory),
        };
        SecurityReport::of_stark(format!("signature-stark-{}", self.capacity()), stark)
    }
}

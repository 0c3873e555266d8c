//! Table sizes.

use circuits_prover::basetypes::F;
use plonky2::{
    field::types::Field,
    fri::{FriConfig, reduction_strategies::FriReductionStrategy},
};
use starky::config::StarkConfig;

use crate::ecdsa::table::{columns::COLUMNS, rows_per_signature};

/// The number of challenges of each argument. With two, the lookups would have fewer than 100 bits of security.
pub(super) const NUM_CHALLENGES: usize = 3;

/// The size of a table. A batch takes the smallest that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BatchSize {
    /// Up to 30 signatures in 2^13 rows.
    Small,
    /// Up to 60 signatures in 2^14 rows.
    Medium,
    /// Up to 240 signatures in 2^16 rows.
    Large,
}

impl BatchSize {
    /// All sizes, ascending.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// The smallest size that holds `count` signatures.
    #[must_use]
    pub fn fitting(count: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|size| count <= size.capacity())
    }

    /// The logarithm of the number of rows.
    #[must_use]
    pub fn degree_bits(self) -> usize {
        match self {
            Self::Small => 13,
            Self::Medium => 14,
            Self::Large => 16,
        }
    }

    /// The number of signatures of a full table.
    #[must_use]
    pub fn capacity(self) -> usize {
        (1 << self.degree_bits()) / rows_per_signature()
    }

    /// The configuration of the table's proofs: 81 queries at rate 1/4 and 20 bits of grinding give 100 bits proven.
    ///
    /// At rate 1/2 the prover takes less time, but verifying twice as many queries takes a circuit of 2^16 rows.
    #[must_use]
    pub fn config(self) -> StarkConfig {
        let fri_config = FriConfig {
            rate_bits: 2,
            cap_height: 4,
            proof_of_work_bits: 20,
            reduction_strategy: FriReductionStrategy::ConstantArityBits(4, 7),
            num_query_rounds: 81,
        };
        StarkConfig::new(100, NUM_CHALLENGES, fri_config)
    }

    /// The elements that distinguish this table's transcripts from all others.
    pub(super) fn parameters(self) -> [F; 7] {
        let StarkConfig { security_bits, num_challenges, fri_config } = self.config();
        [
            COLUMNS,
            self.degree_bits(),
            security_bits,
            num_challenges,
            fri_config.rate_bits,
            fri_config.cap_height,
            fri_config.num_query_rounds,
        ]
        .map(F::from_canonical_usize)
    }
}

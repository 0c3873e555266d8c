//! The configurations of the hop's circuits. Each makes proofs that are cheaper to verify than the one before it.

use batcher_verify::hop_keys::{KECCAK_HOP_CAP_HEIGHT, POSEIDON_HOP_CAP_HEIGHT};
use circuits_prover::basetypes::standard_config;
use plonky2::{
    fri::{FriConfig, reduction_strategies::FriReductionStrategy},
    plonk::circuit_data::CircuitConfig,
};

/// The logarithm of the rows of a shrink, which hold the verifier of any superblock proof.
pub const SHRINK_DEGREE_BITS: usize = 14;
/// The logarithm of the rows of the Poseidon hop and of the Keccak hop.
pub const HOP_DEGREE_BITS: usize = 13;

/// Rate 1/32, 32 queries and 21 bits of grinding.
#[must_use]
pub fn shrink_config() -> CircuitConfig {
    let standard = standard_config();
    let fri_config = FriConfig {
        rate_bits: 5,
        num_query_rounds: 32,
        proof_of_work_bits: 21,
        ..standard.fri_config.clone()
    };
    CircuitConfig { fri_config, ..standard }
}

/// Rate 1/128, 23 queries and 20 bits of grinding.
///
/// The Keccak hop has few routed wires: it interpolates 8 evaluations in a row. Caps of 8 hashes are looked up with the gate
/// that looks up one of these evaluations, so that the Keccak hop has one gate less.
#[must_use]
pub fn poseidon_config() -> CircuitConfig {
    let standard = standard_config();
    let fri_config = FriConfig {
        rate_bits: 7,
        cap_height: POSEIDON_HOP_CAP_HEIGHT,
        num_query_rounds: 23,
        proof_of_work_bits: 20,
        reduction_strategy: FriReductionStrategy::Fixed(vec![3, 3]),
    };
    CircuitConfig { fri_config, ..standard }
}

/// Rate 1/1024, 15 queries and 26 bits of grinding: what a query costs in calldata is worth a long code and a long search.
///
/// 41 routed wires are the fewest with which a row interpolates 8 evaluations of a FRI layer. Each more would cost 8 bytes a
/// query.
#[must_use]
pub fn keccak_config() -> CircuitConfig {
    let standard = standard_config();
    let fri_config = FriConfig {
        rate_bits: 10,
        cap_height: KECCAK_HOP_CAP_HEIGHT,
        num_query_rounds: 15,
        proof_of_work_bits: 26,
        reduction_strategy: FriReductionStrategy::Fixed(vec![4, 4]),
    };
    CircuitConfig { num_routed_wires: 41, fri_config, ..standard }
}

//! The field, the proof system and its configurations, named once for the whole workspace.

use plonky2::{
    field::goldilocks_field::GoldilocksField,
    fri::{FriConfig, reduction_strategies::FriReductionStrategy},
    iop::{generator::WitnessGeneratorRef, witness::PartialWitness},
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{
            CircuitConfig, CircuitData, CommonCircuitData, VerifierCircuitData, VerifierOnlyCircuitData,
        },
        config::PoseidonGoldilocksConfig,
        proof::ProofWithPublicInputs,
    },
    util::serialization::{Buffer, IoResult},
};

/// The Goldilocks field, `p = 2^64 - 2^32 + 1`.
pub type F = GoldilocksField;
/// The configuration with Poseidon for Merkle trees and for the transcript.
pub type C = PoseidonGoldilocksConfig;
/// The degree of the extension field from which challenges are drawn.
pub const D: usize = 2;

/// A circuit under construction.
pub type Builder = CircuitBuilder<F, D>;
/// A built circuit: the prover's and the verifier's data.
pub type Circuit = CircuitData<F, C, D>;
/// What a verifier knows of a circuit apart from its key: sizes, gates, FRI parameters. It must come from our code.
pub type CommonData = CommonCircuitData<F, D>;
/// A verifier key: the cap over constants and permutation, and the circuit digest.
pub type VerifierKey = VerifierOnlyCircuitData<C, D>;
/// Everything that verifying needs: key and common data.
pub type VerifierData = VerifierCircuitData<F, C, D>;
/// A proof with its public inputs.
pub type Proof = ProofWithPublicInputs<F, C, D>;
/// The inputs of one proof.
pub type Witness = PartialWitness<F>;

/// A function that reads one serialised generator of ours.
pub type ReadGenerator = fn(&mut Buffer<'_>, &CommonData) -> IoResult<WitnessGeneratorRef<F, D>>;

/// The number of wires of a row. A Poseidon permutation fills all of them.
const NUM_WIRES: usize = 135;
/// The number of challenges of each interactive argument. With 2, the permutation argument would be the weakest part (see
/// `circuits_core::security`).
const NUM_CHALLENGES: usize = 3;

/// The configuration of every circuit whose proof is verified inside another one of ours.
///
/// Rate 1/8, 28 queries and 16 bits of grinding: 100 bits conjectured. 80 routed wires, so that a verifier of one
/// block-shape proof stays below 2^12 rows.
#[must_use]
pub fn standard_config() -> CircuitConfig {
    CircuitConfig {
        num_wires: NUM_WIRES,
        num_routed_wires: 80,
        num_constants: 2,
        use_base_arithmetic_gate: true,
        security_bits: 100,
        num_challenges: NUM_CHALLENGES,
        zero_knowledge: false,
        max_quotient_degree_factor: 8,
        fri_config: FriConfig {
            rate_bits: 3,
            cap_height: 4,
            proof_of_work_bits: 16,
            reduction_strategy: FriReductionStrategy::ConstantArityBits(4, 5),
            num_query_rounds: 28,
        },
    }
}

/// The configuration of kernels: as [`standard_config`] with 60 routed wires.
///
/// Fewer permutation columns make each opened leaf shorter, which lets the verifier of a kernel of 2^13 rows fit the
/// 2^12 rows of the block shape.
#[must_use]
pub fn kernel_config() -> CircuitConfig {
    CircuitConfig { num_routed_wires: 60, ..standard_config() }
}

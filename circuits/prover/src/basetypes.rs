//! The field, the proof system and its configurations, named once for the whole workspace.

use plonky2::{
    field::{extension::quartic::QuarticExtension, goldilocks_field::GoldilocksField},
    fri::{FriConfig, reduction_strategies::FriReductionStrategy},
    hash::poseidon::PoseidonHash,
    iop::{generator::WitnessGeneratorRef, witness::PartialWitness},
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{
            CircuitConfig, CircuitData, CommonCircuitData, VerifierCircuitData, VerifierOnlyCircuitData,
        },
        config::GenericConfig,
        proof::ProofWithPublicInputs,
    },
    util::serialization::{Buffer, IoResult},
};

use crate::keccak::KeccakHasher;

/// The Goldilocks field, `p = 2^64 - 2^32 + 1`.
pub type F = GoldilocksField;
/// The degree of the extension field from which FRI's challenges are drawn. With 2, no number of queries would give 100
/// proven bits (see `circuits_core::security`).
pub const D: usize = 4;

/// The configuration with Poseidon for Merkle trees and for the transcript.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct C;

impl GenericConfig<D> for C {
    type F = F;
    type FE = QuarticExtension<F>;
    type Hasher = PoseidonHash;
    type InnerHasher = PoseidonHash;
}

/// The configuration of proofs that L1 verifies: Keccak for Merkle trees and for the transcript. The hash of public inputs
/// stays Poseidon's, because the circuit computes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OuterC;

impl GenericConfig<D> for OuterC {
    type F = F;
    type FE = QuarticExtension<F>;
    type Hasher = KeccakHasher;
    type InnerHasher = PoseidonHash;
}

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

/// The configuration of every circuit whose proof a producer or a batcher makes.
///
/// Rate 1/8, 54 queries and 20 bits of grinding: 100 bits proven. 73 routed wires are the fewest with which a row
/// interpolates 16 evaluations of a FRI layer; with 80, five operations over the extension field fill a row.
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
            proof_of_work_bits: 20,
            reduction_strategy: FriReductionStrategy::ConstantArityBits(4, 7),
            num_query_rounds: 54,
        },
    }
}

/// The configuration of circuits whose proofs clients make: small circuits that verify no proof, and that many circuits
/// verify.
///
/// Rate 1/64, 28 queries and 17 bits of grinding: 100 bits proven. A long code costs a small circuit little, and few
/// queries save rows in the circuits that verify it. So does every column that a query need not open: 48 routed wires make
/// the small circuit a third longer, for which its power of two has room.
#[must_use]
pub fn client_config() -> CircuitConfig {
    let standard = standard_config();
    let fri_config = FriConfig {
        rate_bits: 6,
        proof_of_work_bits: 17,
        num_query_rounds: 28,
        ..standard.fri_config.clone()
    };
    CircuitConfig { num_routed_wires: 48, fri_config, ..standard }
}

//! Configurations over extensions of degree 2, 4 and 5, and both provers side by side.

use circuits_prover::{C, F, plonk};
use plonky2::{
    field::extension::{Extendable, quintic::QuinticExtension},
    fri::{FriConfig, reduction_strategies::FriReductionStrategy},
    hash::poseidon::PoseidonHash,
    iop::{
        generator::generate_partial_witness,
        witness::{PartialWitness, PartitionWitness},
    },
    plonk::{
        circuit_data::{CircuitConfig, CircuitData},
        config::{GenericConfig, PoseidonGoldilocksConfig},
        proof::ProofWithPublicInputs,
        prover::prove_with_partition_witness,
    },
    util::timing::TimingTree,
};

/// The configuration over the extension of degree 2.
pub(crate) type Quadratic = PoseidonGoldilocksConfig;

/// The configuration over the extension of degree 4, which is that of the workspace.
pub(crate) type Quartic = C;

/// The configuration over the extension of degree 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quintic;

impl GenericConfig<5> for Quintic {
    type F = F;
    type FE = QuinticExtension<F>;
    type Hasher = PoseidonHash;
    type InnerHasher = PoseidonHash;
}

/// A configuration like that of the workspace's circuits, with the grinding of production and fewer queries.
pub(crate) fn config() -> CircuitConfig {
    CircuitConfig {
        num_challenges: 3,
        security_bits: 25,
        fri_config: FriConfig {
            rate_bits: 3,
            cap_height: 2,
            proof_of_work_bits: 16,
            reduction_strategy: FriReductionStrategy::ConstantArityBits(3, 3),
            num_query_rounds: 3,
        },
        ..CircuitConfig::standard_recursion_config()
    }
}

/// The proof of plonky2 and ours from one witness, ours with the nonce of plonky2's.
pub(crate) fn both<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    inputs: PartialWitness<F>,
) -> [ProofWithPublicInputs<F, C, D>; 2]
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F, Hasher = PoseidonHash, InnerHasher = PoseidonHash>,
{
    let witness = generate_partial_witness(inputs, &circuit.prover_only, &circuit.common).unwrap();
    both_assigned(circuit, witness)
}

/// As [`both`], from the values of all copy classes.
pub(crate) fn both_assigned<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    witness: PartitionWitness<'_, F>,
) -> [ProofWithPublicInputs<F, C, D>; 2]
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F, Hasher = PoseidonHash, InnerHasher = PoseidonHash>,
{
    let stock = prove_with_partition_witness(
        &circuit.prover_only,
        &circuit.common,
        witness.clone(),
        &mut TimingTree::default(),
    )
    .unwrap();
    let nonce = stock.proof.opening_proof.pow_witness;
    let ours = plonk::prove_assigned(circuit, witness, Some(nonce)).unwrap();
    [stock, ours]
}

/// Asserts that both provers make the same proof, and that it verifies.
pub(crate) fn assert_same_proof<C, const D: usize>(circuit: &CircuitData<F, C, D>, inputs: PartialWitness<F>)
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F, Hasher = PoseidonHash, InnerHasher = PoseidonHash>,
{
    let [stock, ours] = both(circuit, inputs);
    assert_eq!(stock.to_bytes(), ours.to_bytes());
    circuit.verify(ours).unwrap();
}

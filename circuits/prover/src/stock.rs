//! plonky2's own prover, for comparisons: everything else proves with ours.
//!
//! Like those of [`crate::proving`], these functions are not generic.

use plonky2::{
    iop::{generator::generate_partial_witness, witness::PartitionWitness},
    plonk::prover::prove_with_partition_witness,
    util::timing::TimingTree,
};

use crate::{
    basetypes::{Builder, C, Circuit, F, Proof, Witness},
    panics::contained,
    plonk,
};

/// Builds the circuit.
///
/// # Panics
/// Where plonky2's `build` does.
#[must_use]
pub fn build(builder: Builder) -> Circuit {
    builder.build::<C>()
}

/// Computes the values of all copy classes from the inputs of a proof.
///
/// # Errors
/// plonky2's reason, also if it panics.
pub fn generate(circuit: &Circuit, inputs: Witness) -> Result<PartitionWitness<'_, F>, String> {
    contained(|| generate_partial_witness(inputs, &circuit.prover_only, &circuit.common))?
        .map_err(|error| error.to_string())
}

/// Makes a proof from the values of all copy classes, without verifying it.
///
/// # Errors
/// As [`generate`].
pub fn prove_assigned(circuit: &Circuit, witness: PartitionWitness<'_, F>) -> Result<Proof, String> {
    let mut timing = TimingTree::default();
    contained(|| prove_with_partition_witness(&circuit.prover_only, &circuit.common, witness, &mut timing))?
        .map_err(|error| error.to_string())
}

/// Makes two proofs from the values of all copy classes, with plonky2's prover and with ours, which takes the nonce that
/// plonky2's has found. Their bytes are the same, even if the values violate constraints.
///
/// # Errors
/// As [`generate`], or our prover's reason.
pub fn prove_with_both(circuit: &Circuit, witness: &PartitionWitness<'_, F>) -> Result<[Proof; 2], String> {
    let stock = prove_assigned(circuit, witness.clone())?;
    let nonce = stock.proof.opening_proof.pow_witness;
    let ours = contained(|| plonk::prove_assigned(circuit, witness.clone(), Some(nonce)))?
        .map_err(|error| error.to_string())?;
    Ok([stock, ours])
}

/// Makes a proof, without verifying it.
///
/// # Errors
/// As [`generate`].
pub fn prove(circuit: &Circuit, inputs: Witness) -> Result<Proof, String> {
    prove_assigned(circuit, generate(circuit, inputs)?)
}

//! The prover of batches.

use circuits_prover::{
    basetypes::{C, D, F},
    stark::{CommittedTrace, StarkProver, config_elements},
};
use rayon::prelude::*;

use super::{BatchError, BatchProof, size::BatchSize, transcript, verify::verify_batch};
use crate::ecdsa::{
    Claim, SignatureStatement, Signed,
    table::{
        SignatureStark,
        trace::{Assignment, Trace},
    },
};

/// Proves a batch of signatures in a table of the given size. The proof is verified before it is returned.
///
/// # Errors
/// [`BatchError::TooMany`], [`BatchError::Signature`] with one that does not hold, or the errors of [`prove_trace`] and
/// [`verify_batch`].
pub fn prove(size: BatchSize, signed: &[Signed]) -> Result<BatchProof, BatchError> {
    if signed.len() > size.capacity() {
        return Err(BatchError::TooMany { capacity: size.capacity(), found: signed.len() });
    }
    signed.par_iter().enumerate().try_for_each(|(index, signed)| {
        signed.verify().map_err(|source| BatchError::Signature { index, source })
    })?;
    let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
    let claims: Vec<_> = signed.iter().map(Signed::claim).collect();
    // The rows are freed before the proof begins: it needs their columns only.
    let columns = Trace::new(&assignments, size.degree_bits()).columns();
    let proof = prove_columns(size, columns, &claims, None)?;
    verify_batch(size, &claims, &proof)?;
    Ok(proof)
}

/// Proves a trace without judging it. A trace that breaks a rule gives no proof, or one that does not verify.
///
/// # Errors
/// [`BatchError::Unprovable`] if the trace does not fit the table, or if a lookup divides by zero.
pub fn prove_trace(size: BatchSize, trace: &Trace, claims: &[Claim]) -> Result<BatchProof, BatchError> {
    prove_with_nonce(size, trace, claims, None)
}

/// Proves a trace with a given nonce of the grinding, for comparisons with starky's proofs. Other callers leave it to
/// the prover, as [`prove_trace`] does.
///
/// # Errors
/// As [`prove_trace`], and if the nonce is wrong.
pub fn prove_with_nonce(
    size: BatchSize,
    trace: &Trace,
    claims: &[Claim],
    nonce: Option<F>,
) -> Result<BatchProof, BatchError> {
    prove_columns(size, trace.columns(), claims, nonce)
}

fn prove_columns(
    size: BatchSize,
    columns: Vec<Vec<F>>,
    claims: &[Claim],
    nonce: Option<F>,
) -> Result<BatchProof, BatchError> {
    let config = size.config();
    let trace = CommittedTrace::new(columns, &config)?;
    let (mut challenger, challenges) = transcript::start(size, &SignatureStatement::new(claims), trace.cap());
    // starky's verifier observes the configuration here.
    challenger.observe_elements(&config_elements(&config));
    let prover = StarkProver { nonce, ..StarkProver::new(&SignatureStark, &config) };
    let proof = prover.prove_committed::<C, D>(trace, Some(&challenges), &mut challenger, &[])?;
    Ok(proof.proof)
}

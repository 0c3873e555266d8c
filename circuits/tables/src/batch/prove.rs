//! The prover of batches.

use circuits_prover::{
    basetypes::{C, D, F},
    stark::{CommittedTrace, StarkProver, config_elements},
};

use super::{Batch, BatchError, BatchProof, transcript, verify::verify_batch};
use crate::table::TableStark;

/// Proves a batch in a table of the given size. The proof is verified before it is returned.
///
/// # Errors
/// [`BatchError::TooMany`], [`BatchError::Item`] with one that does not hold, or the errors of [`prove_trace`] and
/// [`verify_batch`].
pub fn prove<B: Batch>(size: B, evidence: &[B::Evidence]) -> Result<BatchProof, BatchError<B>> {
    if evidence.len() > size.capacity() {
        return Err(BatchError::TooMany { capacity: size.capacity(), found: evidence.len() });
    }
    B::check(evidence).map_err(|(index, source)| BatchError::Item { index, source })?;
    let items: Vec<_> = evidence.iter().map(B::item).collect();
    let proof = prove_trace(size, size.columns(evidence), &items)?;
    verify_batch(size, &items, &proof)?;
    Ok(proof)
}

/// Proves a trace, given by its columns, without judging it. A trace that breaks a rule gives no proof, or one that does
/// not verify.
///
/// # Errors
/// [`BatchError::Unprovable`] if the trace does not fit the table, or if a lookup divides by zero.
pub fn prove_trace<B: Batch>(
    size: B,
    columns: Vec<Vec<F>>,
    items: &[B::Item<F>],
) -> Result<BatchProof, BatchError<B>> {
    prove_with_nonce(size, columns, items, None)
}

/// Proves a trace with a given nonce of the grinding, for comparisons with starky's proofs. Other callers leave it to
/// the prover, as [`prove_trace`] does.
///
/// # Errors
/// As [`prove_trace`], and if the nonce is wrong.
pub fn prove_with_nonce<B: Batch>(
    size: B,
    columns: Vec<Vec<F>>,
    items: &[B::Item<F>],
    nonce: Option<F>,
) -> Result<BatchProof, BatchError<B>> {
    size.prove_columns(columns, items, nonce)
}

/// As [`prove_with_nonce`].
///
/// # Errors
/// As [`prove_with_nonce`].
pub fn prove_columns<B: Batch>(
    size: B,
    columns: Vec<Vec<F>>,
    items: &[B::Item<F>],
    nonce: Option<F>,
) -> Result<BatchProof, BatchError<B>> {
    let config = size.config();
    let trace = CommittedTrace::new(columns, &config)?;
    let (mut challenger, challenges) = transcript::start(size, &B::statement(items), trace.cap());
    // starky's verifier observes the configuration here.
    challenger.observe_elements(&config_elements(&config));
    let stark = TableStark::<B::Table>::default();
    let prover = StarkProver { nonce, ..StarkProver::new(&stark, &config) };
    let proof = prover.prove_committed::<C, D>(trace, Some(&challenges), &mut challenger, &[])?;
    Ok(proof.proof)
}

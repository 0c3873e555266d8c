//! The native verifier of batches.

use circuits_prover::{
    basetypes::F,
    panics::contained,
    stark::{LookupStark as _, lookups::starky_sums},
};
use plonky2::field::types::Field;
use starky::{
    cross_table_lookup::CtlCheckVars, lookup::GrandProductChallengeSet, stark::Stark,
    verifier::verify_stark_proof_with_challenges,
};

use super::{Batch, BatchError, BatchProof, NUM_CHALLENGES, transcript, tuple};
use crate::table::{SumError, Table, TableStark};

/// Verifies that `proof` shows all of `items`.
///
/// # Errors
/// [`BatchError::TooMany`], [`BatchError::Height`], [`BatchError::Invalid`] or [`BatchError::Sums`].
pub fn verify_batch<B: Batch>(
    size: B,
    items: &[B::Item<F>],
    proof: &BatchProof,
) -> Result<(), BatchError<B>> {
    size.verify(items, proof)
}

/// As [`verify_batch`].
///
/// # Errors
/// As [`verify_batch`].
pub fn verify_items<B: Batch>(
    size: B,
    items: &[B::Item<F>],
    proof: &BatchProof,
) -> Result<(), BatchError<B>> {
    if items.len() > size.capacity() {
        return Err(BatchError::TooMany { capacity: size.capacity(), found: items.len() });
    }
    // Malformed proofs make starky panic.
    contained(|| verify_contained(size, items, proof)).unwrap_or_else(|panic| Err(BatchError::Invalid(panic)))
}

fn verify_contained<B: Batch>(
    size: B,
    items: &[B::Item<F>],
    proof: &BatchProof,
) -> Result<(), BatchError<B>> {
    let invalid = |reason: String| BatchError::Invalid(reason);
    let config = size.config();
    let (expected, found) = (size.degree_bits(), proof.recover_degree_bits(&config));
    if found != expected {
        return Err(BatchError::Height { expected, found });
    }
    let stark = TableStark::<B::Table>::default();
    let cross_table_sums = stark.cross_table_sums();
    // starky accepts a proof without these. Without the cap, FRI would take any values for those of the quotients.
    if proof.quotient_polys_cap.is_none() {
        return Err(invalid("the cap of the quotients is missing".to_owned()));
    }
    let sums =
        proof.openings.ctl_zs_first.as_ref().ok_or_else(|| invalid("the sums are missing".to_owned()))?;
    let expected = cross_table_sums.len() * NUM_CHALLENGES;
    if sums.len() != expected {
        return Err(invalid(format!("{expected} sums were expected, found {}", sums.len())));
    }

    let statement = B::statement(items);
    let (mut challenger, challenges) = transcript::start_verifying(size, &statement, &proof.trace_cap);
    let lookups = starky_sums(&cross_table_sums);
    let helpers = stark.num_lookup_helper_columns(&config);
    let no_helpers = vec![0; lookups.len()];
    let ctl = CtlCheckVars::from_proof(0, proof, &lookups, &challenges, helpers, 0, &no_helpers);
    let stark_challenges = proof.get_challenges(
        &stark,
        &[],
        &mut challenger,
        Some(&challenges),
        Some(&ctl),
        true,
        &config,
        None,
    );
    verify_stark_proof_with_challenges(&stark, proof, &stark_challenges, Some(&ctl), &[], &config)
        .map_err(|error| invalid(error.to_string()))?;
    Ok(check_sums::<B>(sums, &challenges, items)?)
}

/// Checks that the sums that must be equal are, and that the trace's items are those of the list.
fn check_sums<B: Batch>(
    sums: &[F],
    challenges: &GrandProductChallengeSet<F>,
    items: &[B::Item<F>],
) -> Result<(), SumError> {
    let sum = |number: usize| &sums[number * NUM_CHALLENGES..][..NUM_CHALLENGES];
    for balance in B::Table::BALANCES {
        if sum(balance.left) != sum(balance.right) {
            return Err(SumError::Unbalanced(balance.otherwise));
        }
    }
    for (challenge, &in_trace) in challenges.challenges.iter().zip(sum(B::Table::LISTED)) {
        let combined: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| challenge.combine::<F, F, _, 1>(&tuple::<B>(index, item)))
            .collect();
        if combined.contains(&F::ZERO)
            || F::batch_multiplicative_inverse(&combined).into_iter().sum::<F>() != in_trace
        {
            return Err(SumError::OtherList);
        }
    }
    Ok(())
}

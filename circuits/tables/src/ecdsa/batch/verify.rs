//! The native verifier of batches.

use circuits_prover::{basetypes::F, panics::contained, stark::lookups::starky_sums};
use plonky2::field::types::Field;
use starky::{
    cross_table_lookup::CtlCheckVars, lookup::GrandProductChallengeSet, stark::Stark,
    verifier::verify_stark_proof_with_challenges,
};

use super::{
    BatchError, BatchProof,
    size::{BatchSize, NUM_CHALLENGES},
    transcript,
};
use crate::ecdsa::{
    Claim, SignatureStatement,
    table::{
        SignatureStark,
        lookups::{SUMS, claim_tuple, sums as cross_table_sums},
    },
};

/// Verifies that `proof` shows all of `claims`.
///
/// # Errors
/// [`BatchError::TooMany`], [`BatchError::Height`], [`BatchError::Invalid`], [`BatchError::Memory`] or
/// [`BatchError::Claims`].
pub fn verify_batch(size: BatchSize, claims: &[Claim], proof: &BatchProof) -> Result<(), BatchError> {
    if claims.len() > size.capacity() {
        return Err(BatchError::TooMany { capacity: size.capacity(), found: claims.len() });
    }
    // Malformed proofs make starky panic.
    contained(|| verify_contained(size, claims, proof))
        .unwrap_or_else(|panic| Err(BatchError::Invalid(panic)))
}

fn verify_contained(size: BatchSize, claims: &[Claim], proof: &BatchProof) -> Result<(), BatchError> {
    let invalid = |reason: &str| BatchError::Invalid(reason.to_owned());
    let config = size.config();
    let (expected, found) = (size.degree_bits(), proof.recover_degree_bits(&config));
    if found != expected {
        return Err(BatchError::Height { expected, found });
    }
    // starky accepts a proof without these.
    let sums = proof.openings.ctl_zs_first.as_ref().ok_or_else(|| invalid("the sums are missing"))?;
    if sums.len() != SUMS * NUM_CHALLENGES {
        return Err(invalid("there are not nine sums"));
    }

    let statement = SignatureStatement::new(claims);
    let (mut challenger, challenges) = transcript::start_verifying(size, &statement, &proof.trace_cap);
    let stark = SignatureStark;
    let lookups = starky_sums(&cross_table_sums());
    let helpers = stark.num_lookup_helper_columns(&config);
    let ctl = CtlCheckVars::from_proof(0, proof, &lookups, &challenges, helpers, 0, &[0; SUMS]);
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
        .map_err(|error| invalid(&error.to_string()))?;
    check_sums(sums, &challenges, claims)
}

/// Checks that the trace reads what it writes, and that its claims are those of the list.
fn check_sums(
    sums: &[F],
    challenges: &GrandProductChallengeSet<F>,
    claims: &[Claim],
) -> Result<(), BatchError> {
    let (read, rest) = sums.split_at(NUM_CHALLENGES);
    let (written, claimed) = rest.split_at(NUM_CHALLENGES);
    if read != written {
        return Err(BatchError::Memory);
    }
    for (challenge, &claimed) in challenges.challenges.iter().zip(claimed) {
        let combined: Vec<_> = claims
            .iter()
            .enumerate()
            .map(|(index, claim)| challenge.combine::<F, F, _, 1>(&claim_tuple(index, claim)))
            .collect();
        if combined.contains(&F::ZERO)
            || F::batch_multiplicative_inverse(&combined).into_iter().sum::<F>() != claimed
        {
            return Err(BatchError::Claims);
        }
    }
    Ok(())
}

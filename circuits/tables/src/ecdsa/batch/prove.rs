//! The prover of batches.

use circuits_core::layout::Layout;
use circuits_prover::{
    basetypes::{C, D, F},
    panics::contained,
};
use plonky2::{
    field::{polynomial::PolynomialValues, types::Field},
    fri::oracle::PolynomialBatch,
    util::timing::TimingTree,
};
use rayon::prelude::*;
use starky::{
    cross_table_lookup::{CtlData, CtlZData},
    lookup::{Column, Filter, GrandProductChallenge},
    prover::prove_with_commitment,
};

use super::{BatchError, BatchProof, size::BatchSize, transcript, verify::verify_batch};
use crate::ecdsa::{
    Claim, SignatureStatement, Signed,
    table::{
        SignatureStark,
        lookups::{Side, sides},
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
    let proof = prove_trace(size, &Trace::new(&assignments, size.degree_bits()), &claims)?;
    verify_batch(size, &claims, &proof)?;
    Ok(proof)
}

/// Proves a trace without judging it. A trace that breaks a rule gives no proof, or one that does not verify.
///
/// # Errors
/// [`BatchError::Unprovable`] if starky gives up.
pub fn prove_trace(size: BatchSize, trace: &Trace, claims: &[Claim]) -> Result<BatchProof, BatchError> {
    contained(|| prove_columns(size, trace, claims))
        .map_err(BatchError::Unprovable)?
        .map_err(|error| BatchError::Unprovable(error.to_string()))
}

fn prove_columns(size: BatchSize, trace: &Trace, claims: &[Claim]) -> anyhow::Result<BatchProof> {
    let config = size.config();
    let mut timing = TimingTree::default();
    let columns = trace.columns();
    let commitment = PolynomialBatch::<F, C, D>::from_values(
        columns.clone(),
        config.fri_config.rate_bits,
        false,
        config.fri_config.cap_height,
        &mut timing,
        None,
    );
    let statement = SignatureStatement::new(claims);
    let (mut challenger, challenges) = transcript::start(size, &statement, &commitment.merkle_tree.cap);

    let sides = sides();
    let tuples: Vec<Vec<Column<F>>> = sides.iter().map(Side::columns).collect();
    let mut data = CtlData::default();
    for (side, tuple) in sides.iter().zip(&tuples) {
        for &challenge in &challenges.challenges {
            let sums = PolynomialValues::new(running_sums(trace, side, &challenge));
            let filter = Filter::new_simple(Column::single(side.filter));
            data.zs_columns.push(CtlZData::new(vec![], sums, challenge, vec![&tuple[..]], vec![filter]));
        }
    }
    // starky's verifier observes the configuration here, its prover leaves that to us.
    config.observe(&mut challenger);
    let proof = prove_with_commitment(
        &SignatureStark,
        &config,
        &columns,
        &commitment,
        Some(&data),
        Some(&challenges),
        &mut challenger,
        &[],
        None,
        None,
        &mut timing,
    )?;
    Ok(proof.proof)
}

/// `filter / combine(tuple)` summed from each row to the last, so that the first row has the whole sum.
fn running_sums(trace: &Trace, side: &Side, challenge: &GrandProductChallenge<F>) -> Vec<F> {
    let (values, times): (Vec<_>, Vec<_>) = trace
        .rows
        .par_iter()
        .map(|row| {
            let (tuple, times) = side.of(&row.encode());
            (challenge.combine::<F, F, _, 1>(&tuple), times)
        })
        .unzip();
    let mut sum = F::ZERO;
    let inverses = F::batch_multiplicative_inverse(&values);
    let mut sums: Vec<_> = inverses
        .into_iter()
        .zip(times)
        .rev()
        .map(|(inverse, times)| {
            sum += times * inverse;
            sum
        })
        .collect();
    sums.reverse();
    sums
}

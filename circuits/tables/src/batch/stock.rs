//! starky's prover, for comparisons in tests and benchmarks.

use circuits_prover::{
    basetypes::{C, D, F},
    panics::contained,
    stark::{LookupStark as _, lookups::starky_sums},
};
use plonky2::{
    field::{polynomial::PolynomialValues, types::Field},
    fri::oracle::PolynomialBatch,
    util::timing::TimingTree,
};
use starky::{cross_table_lookup::get_ctl_data, prover::prove_with_commitment};

use super::{Batch, BatchProof, transcript};
use crate::table::{CONSTRAINT_DEGREE, TableStark};

/// Proves a trace as [`prove_trace`](super::prove_trace) does, with starky's prover and its own helper columns and sums.
/// The proofs differ in the nonce only, and in what follows from it.
///
/// # Errors
/// starky's reason, also if it panics.
pub fn prove_trace_with_starky<B: Batch>(
    size: B,
    columns: Vec<Vec<F>>,
    items: &[B::Item<F>],
) -> Result<BatchProof, String> {
    size.prove_columns_with_starky(columns, items)
}

/// As [`prove_trace_with_starky`].
///
/// # Errors
/// As [`prove_trace_with_starky`].
pub fn prove_columns<B: Batch>(
    size: B,
    columns: Vec<Vec<F>>,
    items: &[B::Item<F>],
) -> Result<BatchProof, String> {
    contained(|| prove(size, columns, items))?.map_err(|error| error.to_string())
}

fn prove<B: Batch>(size: B, columns: Vec<Vec<F>>, items: &[B::Item<F>]) -> anyhow::Result<BatchProof> {
    let stark = TableStark::<B::Table>::default();
    let config = size.config();
    let fri = &config.fri_config;
    let mut timing = TimingTree::default();
    let columns: Vec<_> = columns.into_iter().map(PolynomialValues::new).collect();
    let commitment = PolynomialBatch::<F, C, D>::from_values(
        columns.clone(),
        fri.rate_bits,
        false,
        fri.cap_height,
        &mut timing,
        None,
    );
    let statement = B::statement(items);
    let mut challenger = transcript::before_lookups(size, &statement, &commitment.merkle_tree.cap);
    let lookups = starky_sums(&stark.cross_table_sums());
    // The sums' other table does not exist. starky adds up a row of it, and the result is unused.
    let other = vec![PolynomialValues::new(vec![F::ZERO]); columns.len()];
    let tables = [columns, other];
    let (challenges, [data, _]) =
        get_ctl_data::<F, C, D, 2>(&config, &tables, &lookups, &mut challenger, CONSTRAINT_DEGREE);
    config.observe(&mut challenger);
    let proof = prove_with_commitment(
        &stark,
        &config,
        &tables[0],
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

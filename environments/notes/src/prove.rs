//! Proving blocks.

use circuits_core::CircuitError;
use circuits_keys::CircuitCache;
use environments_core::{
    block::{ProposedBlock, ProvenBlock},
    environment::ProveError,
    kernel::{Kernels as _, ProducerSecret},
};
use rayon::prelude::*;

use crate::{
    batch::BatchInput,
    block::Variant,
    circuits::{BatchCircuits, KERNELS, prove_transaction},
    kernel::{BlockInput, BlockTransactions},
    transaction::TransactionProof,
    witness::{BlockGroup, NotesBlock, Source},
};

/// Proves the transactions of a group that come without a proof.
fn prove_transactions(
    cache: &CircuitCache,
    group: &BlockGroup,
) -> Result<Vec<TransactionProof>, CircuitError> {
    let sources = group.sources.par_iter();
    sources
        .map(|source| match source {
            Source::Witness(witness) => prove_transaction(cache, witness),
            Source::Proven(proof) => Ok(proof.as_ref().clone()),
        })
        .collect()
}

/// What the prover of a group's batch must know; proves its transactions.
fn batch_input(
    cache: &CircuitCache,
    block: &NotesBlock,
    group: &BlockGroup,
    circuits: &BatchCircuits,
) -> Result<BatchInput, CircuitError> {
    Ok(BatchInput {
        key_set_root: circuits.key_set_root(),
        context: block.context,
        before: group.before,
        proofs: prove_transactions(cache, group)?,
        applications: group.applications.clone(),
    })
}

/// What the block kernel's prover must know; proves transactions and batches.
///
/// # Errors
/// If one of them cannot be proved.
pub fn kernel_input(
    cache: &CircuitCache,
    secret: ProducerSecret,
    block: &NotesBlock,
) -> Result<BlockInput, ProveError> {
    let transactions = match (block.variant(), block.groups.as_slice()) {
        (Variant::Inbox | Variant::Direct(_), [group]) => BlockTransactions::Direct {
            proofs: prove_transactions(cache, group)?,
            applications: group.applications.clone(),
        },
        (Variant::Inbox | Variant::Direct(_) | Variant::Batches(_), groups) => {
            let circuits = BatchCircuits::new(cache)?;
            let input = |group| batch_input(cache, block, group, &circuits);
            BlockTransactions::Batches(circuits.prove_all(cache, groups.iter().collect(), input)?)
        }
    };
    Ok(BlockInput {
        before: block.before,
        arrivals: block.arrivals.clone(),
        transactions,
        seal: block.seal.clone(),
        secret,
    })
}

/// Proves a block.
///
/// # Errors
/// [`ProveError::Circuit`] or [`ProveError::Block`] if it breaks a rule.
pub fn prove_block(
    cache: &CircuitCache,
    secret: ProducerSecret,
    block: &ProposedBlock<NotesBlock>,
) -> Result<ProvenBlock, ProveError> {
    let input = kernel_input(cache, secret, block.witness())?;
    KERNELS.get(cache, block.witness().variant())?.prove(cache, block, &input)
}

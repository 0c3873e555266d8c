//! Proving blocks.

use std::collections::BTreeMap;

use circuits_core::{CircuitError, Digest};
use circuits_keys::CircuitCache;
use circuits_tasks::{
    id::TaskId,
    provable::{Child, ProvableError},
};
use environments_core::{
    block::ProposedBlock,
    environment::ProveError,
    graph::{BlockGraph, BlockParts, Part, Witness, memory},
    kernel::{Kernels as _, ProducerSecret},
};
use rayon::prelude::*;

use crate::{
    batch::{BatchInput, BatchStatement, batch_shape},
    block::Variant,
    circuits::{BatchCircuits, KERNELS, prove_transaction},
    kernel::{BlockInput, BlockTransactions},
    provables::BatchTask,
    state::BlockContext,
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
    context: BlockContext,
    group: &BlockGroup,
    key_set_root: Digest,
) -> Result<BatchInput, CircuitError> {
    Ok(BatchInput {
        key_set_root,
        context,
        before: group.before,
        proofs: prove_transactions(cache, group)?,
        applications: group.applications.clone(),
    })
}

/// The batches and folds of a block whose kernel verifies batches, and those of them that it verifies.
///
/// A batch stays here with the transactions in it: proofs of transactions are made without blinding, from the secrets of accounts
/// and notes that nobody else knows. A fold sees proofs of batches only, so anybody may make it.
fn add_parts<'a>(
    cache: &'a CircuitCache,
    block: &'a NotesBlock,
) -> Result<(BlockParts<'a>, Vec<TaskId>), ProveError> {
    let mut parts = BlockParts::default();
    let Variant::Batches(_) = block.variant() else { return Ok((parts, vec![])) };
    let circuits = BatchCircuits::new(cache)?;
    let (key_set_root, context) = (circuits.key_set_root(), block.context);
    let ends = block.groups.iter().skip(1).map(|next| next.before).chain([block.moved]);
    let groups = block.groups.iter().zip(ends);
    let groups: Vec<_> = groups
        .map(|(group, after)| (group, BatchStatement { key_set_root, context, before: group.before, after }))
        .collect();
    let mut ids = BTreeMap::new();
    for leaf in circuits.leaves() {
        let of_leaf: Vec<_> =
            (0..groups.len()).filter(|&index| groups[index].0.sources.len() == leaf.transactions()).collect();
        let batches = of_leaf.iter().map(|&index| {
            let (group, statement) = &groups[index];
            let part =
                Part::new(format!("batch {index}"), statement, memory(batch_shape().common.degree_bits()));
            let witness: Witness<'a, BatchInput> = {
                let group: &'a BlockGroup = group;
                Box::new(move |_| Ok(batch_input(cache, context, group, key_set_root)?))
            };
            (part, witness)
        });
        if !of_leaf.is_empty() {
            let added = parts.staying(BatchTask { cache, leaf }, batches.collect())?;
            ids.extend(of_leaf.into_iter().zip(added));
        }
    }
    let batches: Vec<_> = ids.into_values().zip(groups.iter().map(|(_, statement)| *statement)).collect();
    let children = circuits.add_folds(cache, &mut parts, &batches)?;
    Ok((parts, children))
}

/// The input of a block's kernel, from the proofs of the batches and folds that it verifies. Proves transactions that the kernel
/// verifies itself.
fn assemble(
    cache: &CircuitCache,
    secret: ProducerSecret,
    block: &NotesBlock,
    children: &[Child<'_>],
) -> Result<BlockInput, ProvableError> {
    let transactions = match (block.variant(), block.groups.as_slice()) {
        (Variant::Inbox | Variant::Direct(_), [group]) => BlockTransactions::Direct {
            proofs: prove_transactions(cache, group)?,
            applications: group.applications.clone(),
        },
        (Variant::Inbox | Variant::Direct(_) | Variant::Batches(_), _) => {
            let circuits = BatchCircuits::new(cache)?;
            let batches = children.iter().map(|child| circuits.child(child));
            BlockTransactions::Batches(batches.collect::<Result<_, _>>()?)
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

/// What the block kernel's prover must know; proves transactions and batches, for whoever measures or attacks the kernel.
///
/// # Errors
/// If one of them cannot be proved.
pub fn kernel_input(
    cache: &CircuitCache,
    secret: ProducerSecret,
    block: &NotesBlock,
) -> Result<BlockInput, ProveError> {
    let (parts, children) = add_parts(cache, block)?;
    let input = parts.prove(&children, |children| assemble(cache, secret, block, children));
    input.map_err(|error| ProveError::Part(Box::new(error)))
}

/// The proof of a block as a graph.
///
/// # Errors
/// [`ProveError::Circuit`] if a circuit below the kernel cannot be built.
pub fn block_graph<'a>(
    cache: &'a CircuitCache,
    secret: ProducerSecret,
    block: &'a ProposedBlock<NotesBlock>,
) -> Result<BlockGraph<'a>, ProveError> {
    let witness = block.witness();
    let (parts, children) = add_parts(cache, witness)?;
    let kernel = KERNELS.get(cache, witness.variant())?;
    let input = move |children: &[Child<'_>]| assemble(cache, secret, witness, children);
    Ok(kernel.graph_above(cache, block, parts, children, input)?)
}

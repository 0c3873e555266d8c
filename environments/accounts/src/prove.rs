//! Proving blocks.

use circuits_keys::CircuitCache;
use circuits_tasks::{
    id::TaskId,
    provable::{Child, ProvableError},
};
use environments_core::{
    block::ProposedBlock,
    environment::ProveError,
    graph::{BlockGraph, BlockParts},
    kernel::{Kernels as _, ProducerSecret},
};

use crate::{
    block::{CHUNK_SLOTS, MAX_TRANSACTIONS, UNSIGNED_SLOTS, Variant, chunk_sizes},
    chunk::ChunkInput,
    circuit::SlotInput,
    circuits::{BlockKernels, ChunkCircuits},
    kernel::{BlockInput, BlockTransactions},
    provables::{add_chunks, add_hashes, add_signatures, hashes_child, signatures_child},
    state::Running,
    witness::AccountsBlock,
};

/// A message taken in or a transaction: what the block moved before it, and its slots.
type Part = (Running, Vec<SlotInput>);

/// The parts of a block, in order.
fn parts(block: &AccountsBlock) -> Vec<Part> {
    let context = &block.context;
    let arrivals = block.arrivals.iter();
    let arrivals = arrivals.map(|one| (one.before, vec![SlotInput::of_arrival(context, one)]));
    let transactions = block.transactions.iter();
    let transactions = transactions.map(|one| (one.before, SlotInput::of_transaction(context, one)));
    arrivals.chain(transactions).collect()
}

/// The slots of parts, and idle ones up to `count`.
fn slots(block: &AccountsBlock, parts: &[Part], count: usize) -> Vec<SlotInput> {
    let mut slots: Vec<_> = parts.iter().flat_map(|(_, slots)| slots.iter().cloned()).collect();
    slots.resize(count, SlotInput::idle(&block.context));
    slots
}

fn no_kernel(block: &AccountsBlock) -> ProveError {
    ProveError::NoKernel {
        environment: "accounts".to_owned(),
        transactions: block.arrivals.len() + block.transactions.len(),
        largest: MAX_TRANSACTIONS,
    }
}

/// The messages and transactions of a block for a kernel that applies them itself; nothing for other kernels.
#[must_use]
pub fn direct(block: &AccountsBlock, variant: Variant) -> BlockTransactions {
    BlockTransactions::Direct(match variant {
        Variant::Unsigned => slots(block, &parts(block), UNSIGNED_SLOTS),
        Variant::Direct { slots: count, .. } => slots(block, &parts(block), count),
        Variant::Empty | Variant::Chunks { .. } => vec![],
    })
}

/// What the prover of each chunk of a block must know, in order.
#[must_use]
pub fn chunk_inputs(block: &AccountsBlock, circuits: &ChunkCircuits) -> Vec<ChunkInput> {
    let parts = parts(block);
    let sizes: Vec<_> = parts.iter().map(|(_, slots)| slots.len()).collect();
    let mut rest = parts.as_slice();
    chunk_sizes(&sizes)
        .into_iter()
        .map(|size| {
            let (parts, later) = rest.split_at(size);
            rest = later;
            ChunkInput {
                key_set_root: circuits.key_set_root(),
                context: block.context,
                before: parts[0].0,
                slots: slots(block, parts, CHUNK_SLOTS),
            }
        })
        .collect()
}

/// The parts of a block, and those of them that its kernel verifies: signatures and hashes, then chunks and folds.
fn add_parts<'a>(
    cache: &'a CircuitCache,
    kernels: &BlockKernels,
    block: &AccountsBlock,
    variant: Variant,
) -> Result<(BlockParts<'a>, Vec<TaskId>), ProveError> {
    let (mut parts, mut children) = (BlockParts::default(), vec![]);
    if let Some(table) = variant.table() {
        children.push(add_signatures(&mut parts, cache, kernels, table, &block.signatures)?);
        let blocks = block.transactions.iter().flat_map(|one| one.blocks.iter().copied());
        let blocks: Vec<_> = blocks.collect();
        let table = kernels.hashes().table(blocks.len()).ok_or_else(|| no_kernel(block))?;
        children.push(add_hashes(&mut parts, cache, kernels, table, &blocks)?);
    }
    if let Variant::Chunks { .. } = variant {
        let circuits = ChunkCircuits::new(cache)?;
        let chunks = add_chunks(&mut parts, cache, chunk_inputs(block, &circuits), block.moved)?;
        children.extend(circuits.add_folds(cache, &mut parts, &chunks)?);
    }
    Ok((parts, children))
}

/// The input of a block's kernel, from the proofs of the parts that it verifies.
fn assemble(
    cache: &CircuitCache,
    kernels: &BlockKernels,
    secret: ProducerSecret,
    block: &AccountsBlock,
    variant: Variant,
    children: &[Child<'_>],
) -> Result<BlockInput, ProvableError> {
    let (mut signatures, mut hashes) = (None, None);
    let mut rest = children;
    if let (Some(table), [signed, hashed, others @ ..]) = (variant.table(), children) {
        signatures = Some(signatures_child(cache, kernels, table, signed)?);
        hashes = Some(hashes_child(cache, kernels, hashed)?);
        rest = others;
    }
    let transactions = match variant {
        Variant::Empty | Variant::Unsigned | Variant::Direct { .. } => direct(block, variant),
        Variant::Chunks { .. } => {
            let circuits = ChunkCircuits::new(cache)?;
            let chunks = rest.iter().map(|child| circuits.child(child));
            BlockTransactions::Chunks(chunks.collect::<Result<_, _>>()?)
        }
    };
    let (before, seal) = (block.before, block.seal.clone());
    Ok(BlockInput { before, transactions, signatures, hashes, seal, secret })
}

/// What the block kernel's prover must know; proves signatures, hashes and chunks, for whoever measures or attacks the kernel.
///
/// # Errors
/// If one of them cannot be proved.
pub fn kernel_input(
    cache: &CircuitCache,
    kernels: &BlockKernels,
    secret: ProducerSecret,
    block: &AccountsBlock,
) -> Result<(Variant, BlockInput), ProveError> {
    let variant = block.variant().ok_or_else(|| no_kernel(block))?;
    let (parts, children) = add_parts(cache, kernels, block, variant)?;
    let input = parts.prove(&children, |children| assemble(cache, kernels, secret, block, variant, children));
    Ok((variant, input.map_err(|error| ProveError::Part(Box::new(error)))?))
}

/// The proof of a block as a graph. All its parts may leave the house: a follower computes what they show from the published
/// body, but for signatures and keys, and these say nothing but that the transactions are signed.
///
/// # Errors
/// [`ProveError::NoKernel`] if the block is larger than any kernel.
pub fn block_graph<'a>(
    cache: &'a CircuitCache,
    kernels: BlockKernels,
    secret: ProducerSecret,
    block: &'a ProposedBlock<AccountsBlock>,
) -> Result<BlockGraph<'a>, ProveError> {
    let witness = block.witness();
    let variant = witness.variant().ok_or_else(|| no_kernel(witness))?;
    let (parts, children) = add_parts(cache, &kernels, witness, variant)?;
    let kernel = kernels.get(cache, variant)?;
    let input = move |children: &[Child<'_>]| assemble(cache, &kernels, secret, witness, variant, children);
    Ok(kernel.graph_above(cache, block, parts, children, input)?)
}

//! Proving blocks.

use circuits_keys::CircuitCache;
use environments_core::{
    block::{ProposedBlock, ProvenBlock},
    environment::ProveError,
    kernel::{Kernels as _, ProducerSecret},
};

use crate::{
    block::{CHUNK_SLOTS, MAX_TRANSACTIONS, UNSIGNED_SLOTS, Variant, chunk_sizes},
    chunk::ChunkInput,
    circuit::SlotInput,
    circuits::{BlockKernels, ChunkCircuits},
    kernel::{BlockInput, BlockTransactions},
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

/// What the block kernel's prover must know; proves signatures, hashes and chunks.
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
    let prove_signatures = || {
        let table = variant.table();
        table.map(|table| kernels.signatures().prove(cache, table, &block.signatures)).transpose()
    };
    let prove_hashes = || {
        let blocks = block.transactions.iter().flat_map(|one| one.blocks.iter().copied());
        let blocks: Vec<_> = blocks.collect();
        variant.table().map(|_| kernels.hashes().prove(cache, &blocks)).transpose()
    };
    let take_transactions = || match variant {
        Variant::Empty | Variant::Unsigned | Variant::Direct { .. } => Ok(direct(block, variant)),
        Variant::Chunks { .. } => {
            let circuits = ChunkCircuits::new(cache)?;
            let inputs = chunk_inputs(block, &circuits);
            circuits.prove_all(cache, inputs, Ok).map(BlockTransactions::Chunks)
        }
    };
    let ((signatures, hashes), transactions) =
        rayon::join(|| rayon::join(prove_signatures, prove_hashes), take_transactions);
    let input = BlockInput {
        before: block.before,
        transactions: transactions?,
        signatures: signatures?,
        hashes: hashes?,
        seal: block.seal.clone(),
        secret,
    };
    Ok((variant, input))
}

/// Proves a block.
///
/// # Errors
/// - [`ProveError::NoKernel`] if the block is larger than any kernel.
/// - [`ProveError::Circuit`] or [`ProveError::Block`] if it breaks a rule.
pub fn prove_block(
    cache: &CircuitCache,
    kernels: &BlockKernels,
    secret: ProducerSecret,
    block: &ProposedBlock<AccountsBlock>,
) -> Result<ProvenBlock, ProveError> {
    let (variant, input) = kernel_input(cache, kernels, secret, block.witness())?;
    kernels.get(cache, variant)?.prove(cache, block, &input)
}

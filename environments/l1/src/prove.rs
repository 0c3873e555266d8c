//! Proving blocks.

use circuits_core::F;
use circuits_keys::CircuitCache;
use circuits_protocol::l1::KeccakDigest;
use circuits_tables::keccak::{Block, blocks};
use circuits_tasks::{
    id::TaskId,
    provable::{Child, ProvableError},
};
use environments_core::{
    block::ProvenBlock,
    environment::ProveError,
    graph::{BlockGraph, BlockParts},
    kernel::Kernels as _,
};
use plonky2::field::types::Field;

use crate::{
    block::{L1Block, L1Witness},
    bytes32::{keccak256, word_fields},
    circuit::{ConsumeFields, ConsumeSlot, DepositSlot},
    circuits::L1Kernels,
    kernel::{L1Input, Variant},
    provables::{add_hashes, hashes_child},
    queue::{ENTRY_BYTES, queue_entry},
};

/// The slots of a block, and what they hash.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// One for each message.
    pub consumed: Vec<ConsumeSlot>,
    /// One for each deposit.
    pub deposits: Vec<DepositSlot>,
    /// One for each entry, in order.
    pub hashed: Vec<Block>,
}

impl Slots {
    /// The slots of a block, and idle ones up to what the variant has.
    #[must_use]
    pub fn new(block: &L1Witness, variant: Variant) -> Self {
        let L1Witness { body, outcome } = block;
        let mut slots = Self::default();
        let mut payouts = outcome.payouts.iter();
        let mut list = KeccakDigest::ZERO;
        for ((message, consumption), payout) in body.consumed.iter().zip(payouts.by_ref()) {
            let fields = ConsumeFields::new(message, *consumption, payout.recipient);
            list = slots.hash(&payout.entry(list));
            slots.consumed.push(ConsumeSlot { fields, payouts_digest: word_fields(list) });
        }
        let mut queue = body.before.queue.digest;
        for deposit in &body.deposits {
            queue = slots.hash(&queue_entry(queue, deposit));
            let mut slot = DepositSlot {
                used: F::ONE,
                deposit: deposit.fields(),
                queue_digest: word_fields(queue),
                ..DepositSlot::idle()
            };
            if deposit.verdict(body.number).is_err()
                && let Some(payout) = payouts.next()
            {
                list = slots.hash(&payout.entry(list));
                slot.payouts_digest = word_fields(list);
            }
            slots.deposits.push(slot);
        }
        slots.consumed.resize(variant.consumed, ConsumeSlot::idle(body.before.chain_id));
        slots.deposits.resize(variant.deposits, DepositSlot::idle());
        slots
    }

    fn hash(&mut self, entry: &[u8; ENTRY_BYTES]) -> KeccakDigest {
        self.hashed.extend(blocks(entry));
        keccak256(entry)
    }
}

/// The smallest variant that takes a block.
fn fitting(block: &L1Witness) -> Result<Variant, ProveError> {
    let (consumed, deposits) = (block.body.consumed.len(), block.body.deposits.len());
    Variant::fitting(consumed, deposits).ok_or_else(|| ProveError::NoKernel {
        environment: "l1".to_owned(),
        transactions: consumed + deposits,
        largest: Variant::LARGE.consumed + Variant::LARGE.deposits,
    })
}

/// The proof of a block's hashes, unless it has none.
fn add_parts<'a>(
    cache: &'a CircuitCache,
    kernels: &L1Kernels,
    block: &L1Witness,
    variant: Variant,
) -> Result<(BlockParts<'a>, Vec<TaskId>), ProveError> {
    let (mut parts, mut children) = (BlockParts::default(), vec![]);
    if let Some(size) = variant.table() {
        let Slots { hashed, .. } = Slots::new(block, variant);
        children.push(add_hashes(&mut parts, cache, kernels, size, &hashed)?);
    }
    Ok((parts, children))
}

/// The input of a block's kernel, from the proof of its hashes.
fn assemble(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    block: &L1Witness,
    variant: Variant,
    children: &[Child<'_>],
) -> Result<L1Input, ProvableError> {
    let Slots { consumed, deposits, .. } = Slots::new(block, variant);
    let hashes = variant.table().zip(children.first());
    let keccak = hashes.map(|(size, child)| hashes_child(cache, kernels, size, child)).transpose()?;
    let (before, number) = (block.body.before.fields(), F::from_canonical_u32(block.body.number));
    Ok(L1Input { before, number, consumed, deposits, keccak })
}

/// What the kernel's prover must know, and the smallest variant that takes the block; proves the hashes, for whoever measures or
/// attacks the kernel.
///
/// # Errors
/// - [`ProveError::NoKernel`] if the block is larger than any kernel.
/// - [`ProveError::Part`] if the hashes cannot be proved.
pub fn kernel_input(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    block: &L1Witness,
) -> Result<(Variant, L1Input), ProveError> {
    let variant = fitting(block)?;
    Ok((variant, input(cache, kernels, block, variant)?))
}

/// As [`kernel_input`], for a variant that takes the block.
pub(crate) fn input(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    block: &L1Witness,
    variant: Variant,
) -> Result<L1Input, ProveError> {
    let (parts, children) = add_parts(cache, kernels, block, variant)?;
    let input = parts.prove(&children, |children| assemble(cache, kernels, block, variant, children));
    input.map_err(|error| ProveError::Part(Box::new(error)))
}

/// The proof of a block by the kernel of a variant that takes it, as a graph.
///
/// # Errors
/// If a circuit below the kernel cannot be built.
pub fn block_graph<'a>(
    cache: &'a CircuitCache,
    kernels: L1Kernels,
    block: &'a L1Block,
    variant: Variant,
) -> Result<BlockGraph<'a>, ProveError> {
    let witness = block.witness();
    let (parts, children) = add_parts(cache, &kernels, witness, variant)?;
    let kernel = kernels.get(cache, variant)?;
    let input = move |children: &[Child<'_>]| assemble(cache, &kernels, witness, variant, children);
    Ok(kernel.graph_above(cache, block, parts, children, input)?)
}

/// Proves a block.
///
/// # Errors
/// - [`ProveError::NoKernel`] if the block is larger than any kernel.
/// - [`ProveError::Run`] if it breaks a rule.
pub fn prove_block(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    block: &L1Block,
) -> Result<ProvenBlock, ProveError> {
    prove_block_by(cache, kernels, block, fitting(block.witness())?)
}

/// As [`prove_block`], by the kernel of a variant that takes the block and need not be the smallest.
///
/// # Errors
/// [`ProveError::Run`] if the block breaks a rule.
pub fn prove_block_by(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    block: &L1Block,
    variant: Variant,
) -> Result<ProvenBlock, ProveError> {
    block_graph(cache, *kernels, block, variant)?.prove()
}

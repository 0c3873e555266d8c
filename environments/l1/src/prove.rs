//! Proving blocks.

use circuits_core::F;
use circuits_keys::CircuitCache;
use circuits_protocol::l1::KeccakDigest;
use circuits_tables::keccak::{Block, blocks};
use environments_core::{block::ProvenBlock, environment::ProveError, kernel::Kernels as _};
use plonky2::field::types::Field;

use crate::{
    block::{L1Block, L1Witness},
    bytes32::{keccak256, word_fields},
    circuit::{ConsumeFields, ConsumeSlot, DepositSlot},
    circuits::L1Kernels,
    kernel::{L1Input, Variant},
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

/// What the kernel's prover must know, and the smallest variant that takes the block; proves the hashes.
///
/// # Errors
/// - [`ProveError::NoKernel`] if the block is larger than any kernel.
/// - [`ProveError::Circuit`] if the hashes cannot be proved.
pub fn kernel_input(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    block: &L1Witness,
) -> Result<(Variant, L1Input), ProveError> {
    let (consumed, deposits) = (block.body.consumed.len(), block.body.deposits.len());
    let variant = Variant::fitting(consumed, deposits).ok_or_else(|| ProveError::NoKernel {
        environment: "l1".to_owned(),
        transactions: consumed + deposits,
        largest: Variant::LARGE.consumed + Variant::LARGE.deposits,
    })?;
    Ok((variant, input(cache, kernels, block, variant)?))
}

/// As [`kernel_input`], for a variant that takes the block.
pub(crate) fn input(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    block: &L1Witness,
    variant: Variant,
) -> Result<L1Input, ProveError> {
    let Slots { consumed, deposits, hashed } = Slots::new(block, variant);
    let keccak = variant.table().map(|size| kernels.hashes().prove(cache, size, &hashed)).transpose()?;
    let (before, number) = (block.body.before.fields(), F::from_canonical_u32(block.body.number));
    Ok(L1Input { before, number, consumed, deposits, keccak })
}

/// Proves a block.
///
/// # Errors
/// As [`kernel_input`], and [`ProveError::Circuit`] or [`ProveError::Block`] if the block breaks a rule.
pub fn prove_block(
    cache: &CircuitCache,
    kernels: &L1Kernels,
    block: &L1Block,
) -> Result<ProvenBlock, ProveError> {
    let (variant, input) = kernel_input(cache, kernels, block.witness())?;
    kernels.get(cache, variant)?.prove(cache, block, &input)
}

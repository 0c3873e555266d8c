//! What blocks of environment 0 did for L1, as superblock bundles tell it.

use std::fmt;

use batcher_verify::{
    bundle::{SuperblockBundle, l1_outcome},
    verify::{L1Published, Verified},
};
use circuits_protocol::l1::{L1Outcome, PAYOUT_BYTES, QueuePosition};
use environments_l1::{Payout, PayoutKind, payout::UnknownKind};
use plonky2::field::types::PrimeField64;
use serde::Serialize;
use thiserror::Error;

/// What the block of environment 0 of a superblock did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct L1Summary {
    /// The superblock.
    pub superblock: u64,
    /// The deposits that it took from the queue.
    pub deposits: usize,
    /// How many of them went back at once.
    pub bounced: usize,
    /// How much of the queue blocks of environment 0 have taken by then.
    pub queue: QueuePosition,
    /// What L1 pays.
    pub payouts: Vec<Payout>,
}

/// The bytes are no payouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("superblock {superblock}, payout {index}: {source}")]
pub struct MalformedPayouts {
    pub superblock: u64,
    /// Its position in the superblock.
    pub index: usize,
    pub source: UnknownKind,
}

/// The payouts as a bundle has them and L1's contract takes them.
#[must_use]
pub fn packed(payouts: &[Payout]) -> Vec<u8> {
    payouts.iter().flat_map(Payout::packed).collect()
}

/// The payouts of a superblock, as they were packed.
///
/// # Errors
/// [`MalformedPayouts`]
pub fn unpacked(superblock: u64, packed: &[u8]) -> Result<Vec<Payout>, MalformedPayouts> {
    let (whole, _) = packed.as_chunks::<PAYOUT_BYTES>();
    let payout = |(index, bytes)| {
        Payout::from_packed(bytes).map_err(|source| MalformedPayouts { superblock, index, source })
    };
    whole.iter().enumerate().map(payout).collect()
}

impl L1Summary {
    /// What the superblock of `bundle` did for L1; `None` if it has no block of environment 0. Nothing is verified.
    ///
    /// # Errors
    /// [`MalformedPayouts`]: never if the bundle is verified.
    pub fn of(bundle: &SuperblockBundle) -> Result<Option<Self>, MalformedPayouts> {
        let Ok(statement) = bundle.statement() else { return Ok(None) };
        let Ok(Some(outcome)) = l1_outcome(&statement) else { return Ok(None) };
        let number = statement.number.to_canonical_u64();
        Self::new(number, &outcome, &L1Published::of(bundle)).map(Some)
    }

    /// What verified superblocks did for L1, those that have a block of environment 0.
    ///
    /// # Errors
    /// [`MalformedPayouts`]: only if a kernel of environment 0 lies.
    pub fn of_verified(superblocks: &[Verified]) -> Result<Vec<Self>, MalformedPayouts> {
        let of = |one: &Verified| Some(Self::new(one.number, one.l1.as_ref()?, &one.l1_published));
        superblocks.iter().filter_map(of).collect()
    }

    fn new(superblock: u64, outcome: &L1Outcome, published: &L1Published) -> Result<Self, MalformedPayouts> {
        let payouts = unpacked(superblock, &published.payouts)?;
        let bounced = payouts.iter().filter(|payout| payout.kind == PayoutKind::Bounce).count();
        let deposits = published.emitted + bounced;
        Ok(Self { superblock, deposits, bounced, queue: outcome.queue, payouts })
    }
}

/// A line for the deposits and one for each payout.
impl fmt::Display for L1Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { superblock, deposits, bounced, payouts, .. } = self;
        write!(f, "L1 in superblock {superblock}: {deposits} deposits taken, {bounced} of them bounced")?;
        payouts.iter().try_for_each(|Payout { index, recipient, kind, asset, amount, .. }| {
            write!(f, "\n    payout {index}: {kind}, {amount} of {asset} to {recipient}")
        })
    }
}

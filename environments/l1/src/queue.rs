//! L1's queue of deposits: a running Keccak-256 digest, one permutation for each deposit.
//!
//! ```text
//! digest 0 = 32 zero bytes
//! digest n = keccak256(digest n-1, depositor, recipient, destination, asset origin, asset number, amount, lifetime)
//!            bytes      32         20         32         2            2             4             8       4
//! ```
//! All integers are big-endian.

use circuits_core::Builder;
use circuits_protocol::l1::{KeccakDigest, QueuePosition};
use circuits_tables::keccak::DIGEST_WORDS;
use plonky2::iop::target::Target;
use thiserror::Error;

use crate::{
    bytes32::keccak256,
    deposit::{Deposit, DepositFields},
    words::half_words_circuit,
};

/// Bytes of an entry, the digest before it included: of the queue and of the list of payouts. One permutation hashes it.
pub const ENTRY_BYTES: usize = 104;

/// The queue takes no more deposits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a queue holds at most {} deposits", u32::MAX)]
pub struct QueueFull;

/// The queue after one more deposit.
///
/// # Errors
/// [`QueueFull`]
pub fn append(queue: QueuePosition, deposit: &Deposit) -> Result<QueuePosition, QueueFull> {
    let length = queue.length.checked_add(1).ok_or(QueueFull)?;
    Ok(QueuePosition { digest: keccak256(&queue_entry(queue.digest, deposit)), length })
}

/// What is hashed when `deposit` is added to the queue with this digest.
#[must_use]
pub fn queue_entry(digest: KeccakDigest, deposit: &Deposit) -> [u8; ENTRY_BYTES] {
    let &Deposit { depositor, destination, recipient, asset, amount, lifetime } = deposit;
    concatenated(&[
        &digest.0,
        &depositor.0,
        &recipient.0,
        &destination.to_be_bytes(),
        &asset.origin.to_be_bytes(),
        &asset.number.to_be_bytes(),
        &amount.to_be_bytes(),
        &lifetime.to_be_bytes(),
    ])
}

/// `N` bytes from fields that have as many together.
pub(crate) fn concatenated<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let all = fields.iter().flat_map(|field| field.iter());
    bytes.iter_mut().zip(all).for_each(|(slot, &byte)| *slot = byte);
    bytes
}

/// In-circuit twin of [`queue_entry`]: the words.
pub fn queue_entry_circuit(
    builder: &mut Builder,
    queue_digest: [Target; DIGEST_WORDS],
    deposit: &DepositFields<Target>,
) -> Vec<Target> {
    let DepositFields { depositor, recipient, destination, asset_origin, asset_number, amount, lifetime } =
        deposit;
    let mut words = queue_digest.to_vec();
    words.extend(depositor.words(builder));
    words.extend(recipient);
    words.push(half_words_circuit(builder, *destination, *asset_origin));
    words.push(*asset_number);
    words.extend(amount);
    words.push(*lifetime);
    words
}

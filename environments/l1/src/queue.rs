//! L1's queue of deposits: a running Keccak-256 digest, one permutation for each deposit.
//!
//! ```text
//! digest 0 = 32 zero bytes
//! digest n = keccak256(digest n-1, depositor, recipient, destination, asset origin, asset number, amount, lifetime)
//!            bytes      32         20         32         2            2             4             8       4
//! ```
//! All integers are big-endian.

use circuits_core::Builder;
use circuits_protocol::statement::KECCAK_WORDS;
use plonky2::iop::target::Target;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    bytes32::Bytes32,
    deposit::{Deposit, DepositFields},
    words::half_words_circuit,
};

/// Bytes of an entry, the digest before it included: of the queue and of the list of payouts. One permutation hashes it.
pub const ENTRY_BYTES: usize = 104;

/// All deposits so far, as the contract keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The running digest.
    pub digest: Bytes32,
    /// How many deposits there are, which is the index of the next one.
    pub length: u32,
}

/// The queue takes no more deposits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a queue holds at most {} deposits", u32::MAX)]
pub struct QueueFull;

impl Queue {
    /// The queue of these deposits.
    ///
    /// # Errors
    /// [`QueueFull`]
    pub fn of<'d>(deposits: impl IntoIterator<Item = &'d Deposit>) -> Result<Self, QueueFull> {
        let mut queue = Self::default();
        deposits.into_iter().try_for_each(|deposit| queue.append(deposit))?;
        Ok(queue)
    }

    /// Adds a deposit.
    ///
    /// # Errors
    /// [`QueueFull`]
    pub fn append(&mut self, deposit: &Deposit) -> Result<(), QueueFull> {
        let length = self.length.checked_add(1).ok_or(QueueFull)?;
        *self = Self { digest: Bytes32::keccak256(&self.entry(deposit)), length };
        Ok(())
    }

    /// What is hashed when `deposit` is added.
    #[must_use]
    pub fn entry(&self, deposit: &Deposit) -> [u8; ENTRY_BYTES] {
        let &Deposit { depositor, destination, recipient, asset, amount, lifetime } = deposit;
        concatenated(&[
            &self.digest.0,
            &depositor.0,
            &recipient.0,
            &destination.to_be_bytes(),
            &asset.origin.to_be_bytes(),
            &asset.number.to_be_bytes(),
            &amount.to_be_bytes(),
            &lifetime.to_be_bytes(),
        ])
    }
}

/// The bytes of an entry from its fields.
pub(crate) fn concatenated(fields: &[&[u8]]) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    let bytes = fields.iter().flat_map(|field| field.iter());
    entry.iter_mut().zip(bytes).for_each(|(entry, &byte)| *entry = byte);
    entry
}

/// In-circuit twin of [`Queue::entry`]: the words.
pub fn queue_entry_circuit(
    builder: &mut Builder,
    queue_digest: [Target; KECCAK_WORDS],
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

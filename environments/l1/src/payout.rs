//! What L1 pays: claims, refunds and bounces, with a running Keccak-256 digest for each block.
//!
//! ```text
//! digest 0 = 32 zero bytes
//! digest n = keccak256(digest n-1, index, recipient, kind, asset origin, asset number, amount, name)
//!            bytes      32         4      20         2     2             4             8       32
//! ```
//! All integers are big-endian. Indices run over the whole deployment, so that one bitmap says what is paid.

use std::fmt;

use bridge_core::Consumption;
use circuits_core::Builder;
use circuits_protocol::l1::{KeccakDigest, PAYOUT_BYTES};
use circuits_tables::keccak::DIGEST_WORDS;
use environments_core::address::Address;
use plonky2::iop::target::Target;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    asset::AssetName,
    bytes32::{Bytes32, keccak256},
    queue::{ENTRY_BYTES, concatenated},
    words::{AddressPieces, half_words_circuit},
};

/// Why L1 pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayoutKind {
    /// A message to L1 arrives: a withdrawal.
    Claim = 0,
    /// A deposit that nobody claimed goes home.
    Refund = 1,
    /// A deposit goes back in the block that takes it.
    Bounce = 2,
}

impl From<Consumption> for PayoutKind {
    fn from(consumption: Consumption) -> Self {
        match consumption {
            Consumption::Claim => Self::Claim,
            Consumption::Refund => Self::Refund,
        }
    }
}

/// The integer is no kind of payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is no kind of payout: 0 is a claim, 1 a refund, 2 a bounce")]
pub struct UnknownKind(u16);

impl TryFrom<u16> for PayoutKind {
    type Error = UnknownKind;

    fn try_from(kind: u16) -> Result<Self, UnknownKind> {
        [Self::Claim, Self::Refund, Self::Bounce]
            .into_iter()
            .find(|known| *known as u16 == kind)
            .ok_or(UnknownKind(kind))
    }
}

impl fmt::Display for PayoutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "claim",
            Self::Refund => "refund",
            Self::Bounce => "bounce",
        })
    }
}

/// One payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payout {
    /// Its number among all payouts of the deployment.
    pub index: u32,
    /// Who is paid.
    pub recipient: Address,
    /// Why.
    pub kind: PayoutKind,
    /// In what. A bounce gives back what the deposit named.
    pub asset: AssetName,
    /// How much.
    pub amount: u64,
    /// What it is for: the hash of the message; for a bounce, the queue's digest after the deposit.
    pub name: Bytes32,
}

impl Payout {
    /// The payout as calldata has it: everything that is hashed but the digest before it.
    #[must_use]
    pub fn packed(&self) -> [u8; PAYOUT_BYTES] {
        let &Self { index, recipient, kind, asset, amount, name } = self;
        concatenated(&[
            &index.to_be_bytes(),
            &recipient.0,
            &(kind as u16).to_be_bytes(),
            &asset.origin.to_be_bytes(),
            &asset.number.to_be_bytes(),
            &amount.to_be_bytes(),
            &name.0,
        ])
    }

    /// Reads what [`Self::packed`] wrote.
    ///
    /// # Errors
    /// [`UnknownKind`]
    pub fn from_packed(packed: &[u8; PAYOUT_BYTES]) -> Result<Self, UnknownKind> {
        let mut rest = packed.as_slice();
        let index = u32::from_be_bytes(take(&mut rest));
        let recipient = Address(take(&mut rest));
        let kind = u16::from_be_bytes(take(&mut rest)).try_into()?;
        let origin = u16::from_be_bytes(take(&mut rest));
        let number = u32::from_be_bytes(take(&mut rest));
        let amount = u64::from_be_bytes(take(&mut rest));
        let name = Bytes32(take(&mut rest));
        Ok(Self { index, recipient, kind, asset: AssetName { origin, number }, amount, name })
    }

    /// What is hashed when the payout is added to the list with this digest.
    #[must_use]
    pub fn entry(&self, list: KeccakDigest) -> [u8; ENTRY_BYTES] {
        concatenated(&[&list.0, &self.packed()])
    }

    /// The leaf of the payout in the tree of its block's payouts, as OpenZeppelin's `StandardMerkleTree` has it:
    /// `keccak256(keccak256(abi.encode(index, recipient, kind, asset origin, asset number, amount, name)))`.
    #[must_use]
    pub fn leaf(&self) -> KeccakDigest {
        let &Self { index, recipient, kind, asset, amount, name } = self;
        let integers =
            [u64::from(index), kind as u64, u64::from(asset.origin), u64::from(asset.number), amount];
        let [index, kind, origin, number, amount] = integers.map(|integer| abi_word(&integer.to_be_bytes()));
        let encoded = [index, abi_word(&recipient.0), kind, origin, number, amount, name.0].concat();
        keccak256(&keccak256(&encoded).0)
    }
}

/// The next bytes; zeros after the last.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let (first, later) = rest.split_at(N.min(rest.len()));
    bytes[..first.len()].copy_from_slice(first);
    *rest = later;
    bytes
}

/// A value of at most 32 bytes as `abi.encode` has it: zeros before it.
fn abi_word(value: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word.iter_mut().rev().zip(value.iter().rev()).for_each(|(word, &byte)| *word = byte);
    word
}

/// The digest of a block's payouts.
#[must_use]
pub fn payouts_digest(payouts: &[Payout]) -> KeccakDigest {
    payouts.iter().fold(KeccakDigest::ZERO, |list, payout| keccak256(&payout.entry(list)))
}

circuits_core::layout! {
    /// A payout as a circuit takes it. Integers of more than 32 bits are words, the high one first.
    pub struct PayoutFields<T> {
        pub index: T,
        pub recipient: AddressPieces<T>,
        /// 0 for a claim, 1 for a refund, 2 for a bounce.
        pub kind: T,
        pub asset_origin: T,
        pub asset_number: T,
        pub amount: [T; 2],
        pub name: [T; DIGEST_WORDS],
    }
}

/// In-circuit twin of [`Payout::entry`]: the words.
pub fn payout_entry_circuit(
    builder: &mut Builder,
    list: [Target; DIGEST_WORDS],
    payout: &PayoutFields<Target>,
) -> Vec<Target> {
    let PayoutFields { index, recipient, kind, asset_origin, asset_number, amount, name } = payout;
    let mut words = list.to_vec();
    words.push(*index);
    words.extend(recipient.words(builder));
    words.push(half_words_circuit(builder, *kind, *asset_origin));
    words.push(*asset_number);
    words.extend(amount);
    words.extend(name);
    words
}

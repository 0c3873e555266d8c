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
use circuits_protocol::statement::KECCAK_WORDS;
use environments_core::address::Address;
use plonky2::iop::target::Target;
use serde::{Deserialize, Serialize};

use crate::{
    asset::AssetName,
    bytes32::Bytes32,
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
    /// What is hashed when the payout is added to the list with this digest.
    #[must_use]
    pub fn entry(&self, list: Bytes32) -> [u8; ENTRY_BYTES] {
        let &Self { index, recipient, kind, asset, amount, name } = self;
        concatenated(&[
            &list.0,
            &index.to_be_bytes(),
            &recipient.0,
            &(kind as u16).to_be_bytes(),
            &asset.origin.to_be_bytes(),
            &asset.number.to_be_bytes(),
            &amount.to_be_bytes(),
            &name.0,
        ])
    }

    /// The leaf of the payout in the tree of its block's payouts, as OpenZeppelin's `StandardMerkleTree` has it:
    /// `keccak256(keccak256(abi.encode(index, recipient, kind, asset origin, asset number, amount, name)))`.
    #[must_use]
    pub fn leaf(&self) -> Bytes32 {
        let &Self { index, recipient, kind, asset, amount, name } = self;
        let integers =
            [u64::from(index), kind as u64, u64::from(asset.origin), u64::from(asset.number), amount];
        let [index, kind, origin, number, amount] = integers.map(|integer| abi_word(&integer.to_be_bytes()));
        let encoded = [index, abi_word(&recipient.0), kind, origin, number, amount, name.0].concat();
        Bytes32::keccak256(&Bytes32::keccak256(&encoded).0)
    }
}

/// A value of at most 32 bytes as `abi.encode` has it: zeros before it.
fn abi_word(value: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word.iter_mut().rev().zip(value.iter().rev()).for_each(|(word, &byte)| *word = byte);
    word
}

/// The digest of a block's payouts.
#[must_use]
pub fn payouts_digest(payouts: &[Payout]) -> Bytes32 {
    payouts.iter().fold(Bytes32::ZERO, |list, payout| Bytes32::keccak256(&payout.entry(list)))
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
        pub name: [T; KECCAK_WORDS],
    }
}

/// In-circuit twin of [`Payout::entry`]: the words.
pub fn payout_entry_circuit(
    builder: &mut Builder,
    list: [Target; KECCAK_WORDS],
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

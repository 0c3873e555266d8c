//! Deposits, and which of them go back at once.

use bridge_core::{
    AssetError, Message,
    message::{MAX_LIFETIME, MIN_LIFETIME},
};
use circuits_core::{
    Digest,
    amount::{Amount, AmountError},
    digest::DigestError,
};
use environments_core::{address::Address, environment::EnvironmentId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{asset::AssetName, bytes32::Bytes32};

/// An entry of L1's queue: what somebody locked on L1, and who is to have it where. The contract takes any value of these
/// types, so that it needs to know no rule of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    /// Who locked it, and gets it back if it bounces or nobody claims it.
    pub depositor: Address,
    /// The environment that may claim it.
    pub destination: u16,
    /// The recipient, in the destination's terms: four big-endian integers of 64 bits.
    pub recipient: Bytes32,
    /// What is locked.
    pub asset: AssetName,
    /// How much of it.
    pub amount: u64,
    /// Superblocks from the one that takes the deposit to the last in which it may be claimed. A deposit names no deadline,
    /// so that it is never late.
    pub lifetime: u32,
}

/// Why a deposit goes back in the block that takes it from the queue: no rule of the bridge allows its message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// It moves nothing.
    #[error("the amount is 0")]
    ZeroAmount,
    /// No balance can hold it.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// There is no such asset.
    #[error(transparent)]
    Asset(#[from] AssetError),
    /// It is for L1, where it is.
    #[error("the destination is environment 0, where the deposit comes from")]
    Destination,
    /// Its deadline would be too near or too far.
    #[error("the lifetime is {0}, not {MIN_LIFETIME} to {MAX_LIFETIME} superblocks")]
    Lifetime(u32),
    /// Its deadline would have more than 32 bits.
    #[error("superblock {number} and a lifetime of {lifetime} give a deadline that is not below 2^32")]
    Deadline { number: u32, lifetime: u32 },
    /// The recipient is no digest.
    #[error("the recipient is in no environment: {0}")]
    Recipient(DigestError),
}

impl Deposit {
    /// The message that the deposit becomes in superblock `number`, if it has `index` in the queue of deployment `chain_id`.
    ///
    /// # Errors
    /// [`Broken`], the first rule broken.
    pub fn message(&self, chain_id: u64, index: u32, number: u32) -> Result<Message, Broken> {
        let &Self { depositor, destination, recipient, asset, amount, lifetime } = self;
        if amount == 0 {
            return Err(Broken::ZeroAmount);
        }
        let amount = Amount::new(amount)?;
        let asset = asset.id()?;
        if destination == EnvironmentId::L1.get() {
            return Err(Broken::Destination);
        }
        if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime) {
            return Err(Broken::Lifetime(lifetime));
        }
        let deadline = number.checked_add(lifetime).ok_or(Broken::Deadline { number, lifetime })?;
        Ok(Message {
            chain_id,
            source: EnvironmentId::L1,
            destination: EnvironmentId(destination),
            sequence: u64::from(index),
            sender: depositor.to_digest(),
            recipient: recipient.to_digest().map_err(Broken::Recipient)?,
            asset,
            amount,
            deadline,
            data: Digest::ZERO,
        })
    }

    /// Whether superblock `number` keeps the deposit. Neither the rest of the queue nor any state matters.
    ///
    /// # Errors
    /// [`Broken`], the first rule broken: the deposit bounces.
    pub fn verdict(&self, number: u32) -> Result<(), Broken> {
        self.message(0, 0, number).map(drop)
    }
}

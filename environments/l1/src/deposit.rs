//! Deposits, and which of them go back at once.

use bridge_core::{
    AssetError, Message,
    message::{MAX_LIFETIME, MIN_LIFETIME, MessageFields},
};
use circuits_core::{
    Builder, Digest, F,
    amount::{AMOUNT_BITS, Amount, AmountError},
    constrain::{Constrain, DigestOps},
    digest::DigestError,
    integer::is_less,
};
use circuits_tables::keccak::DIGEST_WORDS;
use environments_core::{address::Address, environment::EnvironmentId};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    asset::AssetName,
    bytes32::Bytes32,
    words::{
        AddressPieces, HALF_BITS, WORD_BITS, digest_circuit, element_circuit, is_noncanonical_circuit, pairs,
        shifted_sum,
    },
};

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

circuits_core::layout! {
    /// A deposit as a circuit takes it. Integers of more than 32 bits are words, the high one first.
    pub struct DepositFields<T> {
        pub depositor: AddressPieces<T>,
        pub recipient: [T; DIGEST_WORDS],
        pub destination: T,
        pub asset_origin: T,
        pub asset_number: T,
        pub amount: [T; 2],
        pub lifetime: T,
    }
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

    /// The deposit as a circuit takes it.
    #[must_use]
    pub fn fields(&self) -> DepositFields {
        let &Self { depositor, destination, recipient, asset, amount, lifetime } = self;
        DepositFields {
            depositor: AddressPieces::new(depositor),
            recipient: recipient.fields(),
            destination: F::from_canonical_u16(destination),
            asset_origin: F::from_canonical_u16(asset.origin),
            asset_number: F::from_canonical_u32(asset.number),
            amount: amount_words(amount),
            lifetime: F::from_canonical_u32(lifetime),
        }
    }
}

/// The two words of an amount.
pub(crate) fn amount_words(amount: u64) -> [F; 2] {
    [amount >> WORD_BITS, amount & u64::from(u32::MAX)].map(F::from_canonical_u64)
}

impl DepositFields<Target> {
    /// Enforces the ranges that the entry's hash does not show: of what shares a word.
    pub fn enforce_ranges(&self, builder: &mut Builder) {
        self.depositor.enforce_ranges(builder);
        builder.enforce_range(self.destination, HALF_BITS);
        builder.enforce_range(self.asset_origin, HALF_BITS);
    }

    /// In-circuit twin of [`Deposit::verdict`]: whether superblock `number` keeps the deposit. All integers are known to be
    /// words.
    pub fn verdict_circuit(&self, builder: &mut Builder, number: Target) -> BoolTarget {
        let &Self { recipient, destination, asset_number, amount, lifetime, .. } = self;
        let zero = builder.zero();

        // The amount is not 0 and below 2^58. A high word that wraps the field is not below 2^26.
        let value = element_circuit(builder, amount);
        let is_zero = builder.is_equal(value, zero);
        let high_limit = builder.constant_u64(1 << (AMOUNT_BITS - WORD_BITS));
        let in_range = is_less(builder, amount[0], high_limit, WORD_BITS);
        let too_large = builder.not(in_range);

        // The asset has a number, and the destination is not L1.
        let no_asset = builder.is_equal(asset_number, zero);
        let to_l1 = builder.is_equal(destination, zero);

        // The lifetime is neither too short nor too long, and the deadline has 32 bits.
        let (shortest, longest) =
            (builder.constant_u64(MIN_LIFETIME.into()), builder.constant_u64(MAX_LIFETIME.into()));
        let too_short = is_less(builder, lifetime, shortest, WORD_BITS);
        let too_long = is_less(builder, longest, lifetime, WORD_BITS);
        let deadline = builder.add(number, lifetime);
        let last = builder.constant_u64(u32::MAX.into());
        let too_late = is_less(builder, last, deadline, WORD_BITS + 1);

        // The recipient's elements are below the field's order.
        let noncanonical = pairs(recipient).map(|words| is_noncanonical_circuit(builder, words));

        let broken = [is_zero, too_large, no_asset, to_l1, too_short, too_long, too_late];
        let broken: Vec<_> = broken.into_iter().map(|rule| rule.target).chain(noncanonical).collect();
        let broken = builder.add_many(broken);
        builder.is_equal(broken, zero)
    }

    /// In-circuit twin of [`Deposit::message`], for a deposit that superblock `number` keeps.
    pub fn message_circuit(
        &self,
        builder: &mut Builder,
        chain_id: Target,
        index: Target,
        number: Target,
    ) -> MessageFields<Target> {
        MessageFields {
            chain_id,
            source: builder.zero(),
            destination: self.destination,
            sequence: index,
            sender: self.depositor.digest(builder),
            recipient: digest_circuit(builder, self.recipient),
            asset: shifted_sum(builder, self.asset_origin, self.asset_number, WORD_BITS),
            amount: element_circuit(builder, self.amount),
            deadline: builder.add(number, self.lifetime),
            data: builder.constant_digest(Digest::ZERO),
        }
    }
}

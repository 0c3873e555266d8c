//! Quantities of an asset, below 2^58.

use std::fmt;

use circuits_prover::basetypes::{Builder, F};
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::constrain::Constrain;

/// The number of bits of an amount. 32 amounts can be summed without wrapping the field, and a range check takes one row of
/// the standard configuration.
pub const AMOUNT_BITS: usize = 58;
/// The largest number of amounts that one constraint may sum.
pub const MAX_SUMMANDS: usize = 32;

/// A quantity of one asset, below `2^58`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

/// An amount is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// The amount is not below `2^58`.
    #[error("amount {0} is not below 2^{AMOUNT_BITS}")]
    TooLarge(u64),
    /// A difference is below zero.
    #[error("amount {from} is less than the {taken} to be taken from it")]
    Negative { from: u64, taken: u64 },
}

impl Amount {
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self((1 << AMOUNT_BITS) - 1);

    /// Checks that `value` is an amount.
    ///
    /// # Errors
    /// [`AmountError::TooLarge`] from `2^58` on.
    pub const fn new(value: u64) -> Result<Self, AmountError> {
        if value <= Self::MAX.0 { Ok(Self(value)) } else { Err(AmountError::TooLarge(value)) }
    }

    /// The integer.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The field element.
    #[must_use]
    pub fn to_field(self) -> F {
        F::from_canonical_u64(self.0)
    }

    /// `self + other`.
    ///
    /// # Errors
    /// [`AmountError::TooLarge`] from `2^58` on.
    pub const fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        Self::new(self.0 + other.0)
    }

    /// `self - other`.
    ///
    /// # Errors
    /// [`AmountError::Negative`] if `other` is larger.
    pub const fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        match self.0.checked_sub(other.0) {
            Some(value) => Ok(Self(value)),
            None => Err(AmountError::Negative { from: self.0, taken: other.0 }),
        }
    }
}

impl TryFrom<u64> for Amount {
    type Error = AmountError;

    fn try_from(value: u64) -> Result<Self, AmountError> {
        Self::new(value)
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Enforces that `target` is an amount.
#[track_caller]
pub fn enforce_amount(builder: &mut Builder, target: Target) {
    builder.enforce_range(target, AMOUNT_BITS);
}

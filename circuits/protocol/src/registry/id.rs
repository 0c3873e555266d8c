//! Identifiers of environments.

use std::{fmt, str::FromStr};

use circuits_files::text::quoted;
use circuits_prover::basetypes::F;
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The id of an environment. 0 is L1, whose kernels prove what its contract's queue and payouts do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentId(pub u16);

/// Why a number or a text does not name an environment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvironmentIdError {
    /// The number is 0, which is L1.
    #[error("environment id 0 is L1's, no other environment can have it")]
    L1,
    /// The text is not an integer of 16 bits.
    #[error("an environment id is an integer from 0 to 65535, found {0}")]
    NotANumber(String),
}

impl EnvironmentId {
    pub const L1: Self = Self(0);

    /// The id of an environment that is not L1, for state models that L1 cannot have.
    ///
    /// # Errors
    /// [`EnvironmentIdError::L1`] for 0.
    pub const fn new(id: u16) -> Result<Self, EnvironmentIdError> {
        if id == Self::L1.0 { Err(EnvironmentIdError::L1) } else { Ok(Self(id)) }
    }

    /// The integer.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The field element.
    #[must_use]
    pub fn to_field(self) -> F {
        F::from_canonical_u16(self.0)
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses the id of any environment, L1 included.
impl FromStr for EnvironmentId {
    type Err = EnvironmentIdError;

    fn from_str(text: &str) -> Result<Self, EnvironmentIdError> {
        text.parse().map(Self).map_err(|_| EnvironmentIdError::NotANumber(quoted(text)))
    }
}

//! Balances: how much of an asset stands on either side of the bridge.
//!
//! | row of | holds | emission there | claim or refund there |
//! |---|---|---|---|
//! | the asset's origin | what is outstanding | adds | takes |
//! | any other environment | what the bridge let in | takes | adds |
//!
//! Both stay in `[0, 2^58)`. An environment can therefore never send out more than came in, whatever its kernel proves, and
//! for every asset: outstanding = sum of what was let in + what is in flight.

use std::fmt;

use circuits::{Builder, Digest, DigestTarget, F, amount::Amount, registry::EnvironmentId};
use plonky2::{field::types::Field, iop::target::Target};
use serde::{Deserialize, Serialize};

/// Which row: of which environment, for which asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceKey {
    /// The environment.
    pub environment: EnvironmentId,
    /// The environment that issued the asset.
    pub asset_origin: EnvironmentId,
    /// The asset's number there.
    pub asset_local: u32,
}

impl BalanceKey {
    /// Whether the row is the origin's own.
    #[must_use]
    pub fn is_origin(self) -> bool {
        self.environment == self.asset_origin
    }

    /// The key in the tree of balances. Never zero: local numbers of assets start at 1.
    #[must_use]
    pub fn digest(self) -> Digest {
        let Self { environment, asset_origin, asset_local } = self;
        Digest([environment.to_field(), asset_origin.to_field(), F::from_canonical_u32(asset_local), F::ZERO])
    }
}

impl fmt::Display for BalanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asset {}:{} in environment {}", self.asset_origin.0, self.asset_local, self.environment.0)
    }
}

/// In-circuit twin of [`BalanceKey::digest`].
pub(crate) fn balance_key_circuit(
    builder: &mut Builder,
    environment: Target,
    asset_origin: Target,
    asset_local: Target,
) -> DigestTarget {
    Digest([environment, asset_origin, asset_local, builder.zero()])
}

/// The value of a row: never zero, so that a row that holds nothing differs from one that does not exist.
#[must_use]
pub fn balance_value(amount: Amount) -> Digest {
    Digest([amount.to_field(), F::ONE, F::ZERO, F::ZERO])
}

/// In-circuit twin of [`balance_value`].
pub(crate) fn balance_value_circuit(builder: &mut Builder, amount: Target) -> DigestTarget {
    let (zero, one) = (builder.zero(), builder.one());
    Digest([amount, one, zero, zero])
}

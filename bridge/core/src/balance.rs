//! Balances: how much of an asset is on either side of the bridge.
//!
//! | balance of | holds | emission there | claim or refund there |
//! |---|---|---|---|
//! | the asset's origin | what is outstanding | adds | takes |
//! | any other environment | what the bridge let in | takes | adds |
//!
//! Both stay in `[0, 2^58)`. An environment can therefore never send out more than came in, whatever its kernel
//! proves, and for every asset: outstanding = sum of what was let in + what is in flight.

use std::fmt;

use circuits_core::{Builder, Digest, DigestTarget, F, amount::Amount};
use circuits_protocol::registry::EnvironmentId;
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
};
use serde::{Deserialize, Serialize};

use crate::asset::AssetId;

/// Depth of the tree of balances, by (environment, asset).
pub const BALANCES_DEPTH: usize = 32;

/// Names a balance: of an environment, in an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceKey {
    pub environment: EnvironmentId,
    pub asset: AssetId,
}

impl BalanceKey {
    /// Whether the environment is the one that issued the asset.
    #[must_use]
    pub fn is_origin(self) -> bool {
        self.environment.get() == self.asset.origin()
    }

    /// The key in the tree of balances. Never zero, because no asset's name is.
    #[must_use]
    pub fn digest(self) -> Digest {
        Digest([self.environment.to_field(), self.asset.to_field(), F::ZERO, F::ZERO])
    }
}

impl fmt::Display for BalanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asset {} in environment {}", self.asset, self.environment)
    }
}

/// In-circuit twin of [`BalanceKey::digest`].
pub(crate) fn balance_key_circuit(builder: &mut Builder, environment: Target, asset: Target) -> DigestTarget {
    let zero = builder.zero();
    Digest([environment, asset, zero, zero])
}

/// The value of a balance in the tree: never zero, so that a balance of nothing differs from one that does not exist.
#[must_use]
pub fn balance_value(amount: Amount) -> Digest {
    Digest([amount.to_field(), F::ONE, F::ZERO, F::ZERO])
}

/// The value of a balance that no message has moved yet: nothing, under another tag.
#[must_use]
pub fn unused_balance_value() -> Digest {
    Digest([F::ZERO, F::TWO, F::ZERO, F::ZERO])
}

/// In-circuit twin of [`balance_value`], and of [`unused_balance_value`] if `is_unused` and the amount is 0.
pub(crate) fn balance_value_circuit(
    builder: &mut Builder,
    amount: Target,
    is_unused: BoolTarget,
) -> DigestTarget {
    let zero = builder.zero();
    let tag = builder.add_const(is_unused.target, F::ONE);
    Digest([amount, tag, zero, zero])
}

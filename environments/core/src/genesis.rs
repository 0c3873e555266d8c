//! Checks that the genesis of every economy passes, natively.

use std::collections::BTreeMap;

use bridge_core::AssetId;
use circuits_core::amount::{Amount, AmountError};
pub use circuits_core::chain_id::{ChainIdError, check_chain_id};
use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

use crate::vault::Holding;

/// A genesis issues an asset of another environment.
///
/// Foreign assets arrive by messages only, because the bridge accounts for them: an asset that the bridge does not
/// know of could be sent, but no superblock would take the block that sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the genesis of environment {environment} issues asset {asset}, which belongs to another environment"
)]
pub struct ForeignAsset {
    /// The environment of the genesis.
    pub environment: EnvironmentId,
    /// The first foreign asset.
    pub asset: AssetId,
}

/// Checks that `environment` issues only assets of its own.
///
/// # Errors
/// [`ForeignAsset`] names the first foreign one.
pub fn check_issued(
    environment: EnvironmentId,
    assets: impl IntoIterator<Item = AssetId>,
) -> Result<(), ForeignAsset> {
    match assets.into_iter().find(|asset| asset.origin() != environment.get()) {
        Some(asset) => Err(ForeignAsset { environment, asset }),
        None => Ok(()),
    }
}

/// A genesis issues more of an asset than an amount can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the genesis supply of asset {asset} is too large")]
pub struct SupplyError {
    /// The asset.
    pub asset: AssetId,
    /// The sum that is too large.
    pub source: AmountError,
}

/// Adds up holdings by asset. No asset has a supply of 2^58 or more, so no sum of balances has.
///
/// # Errors
/// [`SupplyError`]
pub fn supply(holdings: impl IntoIterator<Item = Holding>) -> Result<BTreeMap<AssetId, Amount>, SupplyError> {
    let mut supply = BTreeMap::<AssetId, Amount>::new();
    for Holding { asset, amount } in holdings {
        let total = supply.entry(asset).or_default();
        *total = total.checked_add(amount).map_err(|source| SupplyError { asset, source })?;
    }
    Ok(supply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_issues_its_own_assets_up_to_the_largest_amount() {
        let (ours, foreign) = (AssetId::new(5, 1).unwrap(), AssetId::new(6, 1).unwrap());
        let environment = EnvironmentId(5);
        assert_eq!(check_issued(environment, [ours, ours]), Ok(()));
        let refused = ForeignAsset { environment, asset: foreign };
        assert_eq!(check_issued(environment, [ours, foreign]), Err(refused));

        let holding = |amount| Holding { asset: ours, amount };
        let one = Amount::new(1).unwrap();
        assert_eq!(supply([holding(Amount::MAX)]).unwrap()[&ours], Amount::MAX);
        assert_eq!(supply([holding(Amount::MAX), holding(one)]).unwrap_err().asset, ours);
    }
}

//! What is fixed for a note-based environment: where it runs, its fee asset, its genesis.

use bridge_core::AssetId;
use circuits_core::{
    Digest, F,
    amount::{Amount, AmountError},
};
use environments_core::environment::EnvironmentId;
use plonky2::field::types::{Field, Field64};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::account::{Account, Vault};

/// What every state, transaction and block of one environment agrees on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The deployment on L1.
    pub chain_id: u64,
    /// The environment.
    pub environment: EnvironmentId,
    /// The asset that fees are paid in.
    pub fee_asset: AssetId,
    /// The account that every block's fee note pays.
    pub fee_account: Digest,
}

impl Deployment {
    /// The chain id as a field element.
    #[must_use]
    pub fn chain_id(&self) -> F {
        F::from_canonical_u64(self.chain_id)
    }
}

/// An account that exists from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Commitment to its secret or to its policy.
    pub authorisation: Digest,
    /// What distinguishes accounts of one authorisation.
    pub salt: Digest,
    /// What it holds.
    #[serde(default)]
    pub vault: Vault,
}

/// The start of a note-based environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The asset that fees are paid in.
    pub fee_asset: AssetId,
    /// The account that every block's fee note pays.
    pub fee_account: Digest,
    /// Accounts that exist from the start.
    #[serde(default)]
    pub accounts: Vec<GenesisAccount>,
}

/// Why a genesis is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GenesisError {
    /// The chain id is not below the field's order.
    #[error("chain id {0} is not below the field order {order}", order = F::ORDER)]
    ChainId(u64),
    /// Two accounts with one id.
    #[error("account {0} stands twice in the genesis")]
    DuplicateAccount(Digest),
    /// The account tree refuses an account.
    #[error(transparent)]
    Tree(#[from] circuits_core::trees::TreeError),
    /// An environment issues its own assets. Others come in by messages, as the bridge keeps account of them:
    /// what it does not know of could be sent, and no superblock would take the block.
    #[error("the genesis of environment {environment} issues asset {asset} of another one")]
    ForeignAsset {
        /// The environment.
        environment: EnvironmentId,
        /// The asset.
        asset: AssetId,
    },
    /// More of an asset than an amount can hold.
    #[error("the genesis supply of asset {asset} is too large")]
    Supply {
        /// The asset.
        asset: AssetId,
        /// How large.
        #[source]
        source: AmountError,
    },
}

impl Genesis {
    /// The accounts at height 0.
    ///
    /// # Errors
    /// - [`GenesisError::ChainId`]
    /// - [`GenesisError::DuplicateAccount`]
    /// - [`GenesisError::ForeignAsset`]
    /// - [`GenesisError::Supply`]
    pub fn accounts(&self, chain_id: u64, environment: EnvironmentId) -> Result<Vec<Account>, GenesisError> {
        if chain_id >= F::ORDER {
            return Err(GenesisError::ChainId(chain_id));
        }
        let mut supply = std::collections::BTreeMap::<AssetId, Amount>::new();
        let mut accounts: Vec<Account> = vec![];
        for GenesisAccount { authorisation, salt, vault } in &self.accounts {
            let account = Account {
                vault: vault.clone(),
                ..Account::new(chain_id, environment, *authorisation, *salt)
            };
            if accounts.iter().any(|other| other.id == account.id) {
                return Err(GenesisError::DuplicateAccount(account.id));
            }
            for holding in vault.slots().iter().flatten() {
                let asset = holding.asset;
                if asset.origin() != environment.get() {
                    return Err(GenesisError::ForeignAsset { environment, asset });
                }
                let total = supply.entry(asset).or_default();
                *total = total
                    .checked_add(holding.amount)
                    .map_err(|source| GenesisError::Supply { asset, source })?;
            }
            accounts.push(account);
        }
        Ok(accounts)
    }
}

//! The deployment and the genesis of a note-based environment.

use std::collections::BTreeSet;

use bridge_core::AssetId;
use circuits_core::{Digest, F, trees::TreeError};
use environments_core::{
    environment::EnvironmentId,
    genesis::{ChainIdError, ForeignAsset, SupplyError, check_chain_id, check_issued, supply},
};
use plonky2::field::types::Field;
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
    /// Distinguishes accounts with the same authorisation.
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
    #[error(transparent)]
    ChainId(#[from] ChainIdError),
    /// Two accounts have one id.
    #[error("account {0} is listed twice in the genesis")]
    DuplicateAccount(Digest),
    /// The genesis issues an asset of another environment.
    #[error(transparent)]
    ForeignAsset(#[from] ForeignAsset),
    /// The genesis issues more of an asset than an amount can hold.
    #[error(transparent)]
    Supply(#[from] SupplyError),
    /// The account tree refuses an account.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Genesis {
    /// The deployment of the environment that starts with this genesis.
    pub(super) const fn deployment(&self, chain_id: u64, environment: EnvironmentId) -> Deployment {
        let &Self { fee_asset, fee_account, .. } = self;
        Deployment { chain_id, environment, fee_asset, fee_account }
    }

    /// The accounts at height 0.
    pub(super) fn accounts(&self, deployment: &Deployment) -> Result<Vec<Account>, GenesisError> {
        let Deployment { chain_id, environment, .. } = *deployment;
        check_chain_id(chain_id)?;
        let holdings = self.accounts.iter().flat_map(|account| account.vault.slots()).flatten().copied();
        check_issued(environment, holdings.clone().map(|holding| holding.asset))?;
        supply(holdings)?;
        let (mut accounts, mut ids) = (vec![], BTreeSet::new());
        for GenesisAccount { authorisation, salt, vault } in &self.accounts {
            let account = Account {
                vault: vault.clone(),
                ..Account::new(chain_id, environment, *authorisation, *salt)
            };
            if !ids.insert(account.id) {
                return Err(GenesisError::DuplicateAccount(account.id));
            }
            accounts.push(account);
        }
        Ok(accounts)
    }
}

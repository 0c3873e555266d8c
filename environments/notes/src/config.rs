//! The deployment and the genesis of a note-based environment.

use std::collections::BTreeSet;

use bridge_core::AssetId;
use circuits_core::{Digest, F, amount::Amount, trees::TreeError};
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
    /// What a transaction pays at least for each note that it consumes or creates, and for the message that it sends.
    pub minimum_fee: Amount,
    /// The same for a transaction of a network account, which the block producer may have to prove.
    pub network_minimum_fee: Amount,
}

impl Deployment {
    /// What a transaction pays at least for each note and message, of a network account or of another one.
    #[must_use]
    pub const fn minimum_fee_of(&self, is_network: bool) -> Amount {
        if is_network { self.network_minimum_fee } else { self.minimum_fee }
    }

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
    /// What a transaction pays at least for each note that it consumes or creates, and for the message that it sends.
    pub minimum_fee: Amount,
    /// The same for a transaction of a network account; not less.
    pub network_minimum_fee: Amount,
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
    /// A transaction that the block producer proves would be cheaper than one that its client proves.
    #[error(
        "the minimum fee of network accounts is {network_minimum_fee}, below that of others, {minimum_fee}"
    )]
    Fees {
        /// The minimum fee.
        minimum_fee: Amount,
        /// The minimum fee of network accounts.
        network_minimum_fee: Amount,
    },
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
        let &Self { fee_asset, fee_account, minimum_fee, network_minimum_fee, .. } = self;
        Deployment { chain_id, environment, fee_asset, fee_account, minimum_fee, network_minimum_fee }
    }

    /// The accounts at height 0.
    pub(super) fn accounts(&self, deployment: &Deployment) -> Result<Vec<Account>, GenesisError> {
        let Deployment { chain_id, environment, minimum_fee, network_minimum_fee, .. } = *deployment;
        check_chain_id(chain_id)?;
        if network_minimum_fee < minimum_fee {
            return Err(GenesisError::Fees { minimum_fee, network_minimum_fee });
        }
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

//! The deployment and the genesis of an account-based environment.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use bridge_core::AssetId;
use circuits_core::{amount::Amount, trees::TreeError};
use environments_core::{
    environment::EnvironmentId,
    genesis::{ChainIdError, ForeignAsset, SupplyError, check_chain_id, check_issued, supply},
    vault::{Holding, VaultError},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    account::Account,
    address::Address,
    pool::{MINIMUM_SHARES, POOL_NUMBER_BITS, Pool, PoolError, share_asset},
    typed_data::{MAX_CHAIN_ID, Settlement, SigningDomain},
};

/// What every state, transaction and block of one environment agrees on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The deployment on L1.
    pub chain_id: u64,
    /// The environment.
    pub environment: EnvironmentId,
    /// The asset that fees are paid in.
    pub fee_asset: AssetId,
    /// The account that every block's fees go to.
    pub fee_account: Address,
    /// The least amount that creates an account, in the fee asset.
    pub minimum_deposit: Amount,
    /// What a transaction pays at least for each of its actions, in the fee asset.
    pub minimum_fee: Amount,
    /// The contract that settles, which what accounts sign names.
    pub settlement: Settlement,
}

impl Deployment {
    /// The domain of what accounts sign.
    #[must_use]
    pub const fn signing_domain(&self) -> SigningDomain {
        SigningDomain { settlement: self.settlement, environment: self.environment }
    }

    /// Whether an account that does not exist is created by what it is sent, in a transfer or a message that it claims.
    #[must_use]
    pub fn creates(&self, asset: AssetId, amount: Amount) -> bool {
        asset == self.fee_asset && amount >= self.minimum_deposit
    }
}

/// An account that exists from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Its address.
    pub address: Address,
    /// What it holds.
    #[serde(default)]
    pub holdings: Vec<Holding>,
}

/// A pool that exists from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisPool {
    /// The smaller asset.
    pub asset_a: AssetId,
    /// The larger asset.
    pub asset_b: AssetId,
    /// How much of the first asset it holds.
    pub reserve_a: Amount,
    /// How much of the second asset it holds.
    pub reserve_b: Amount,
    /// The account that gets its shares, except the locked ones.
    pub owner: Address,
}

/// The start of an account-based environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The asset that fees are paid in.
    pub fee_asset: AssetId,
    /// The account that every block's fees go to. It exists from the start.
    pub fee_account: Address,
    /// The least amount that creates an account, in the fee asset.
    pub minimum_deposit: Amount,
    /// What a transaction pays at least for each of its actions, in the fee asset. With 0, proving costs its sender nothing.
    pub minimum_fee: Amount,
    /// The contract that settles the deployment, which what accounts sign names. What is signed holds in every deployment
    /// with the same contract and environment, so no two deployments have one.
    pub settlement: Settlement,
    /// Accounts that exist from the start.
    #[serde(default)]
    pub accounts: Vec<GenesisAccount>,
    /// Pools that exist from the start.
    #[serde(default)]
    pub pools: Vec<GenesisPool>,
}

/// Why a genesis is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GenesisError {
    /// The chain id is not below the field's order.
    #[error(transparent)]
    ChainId(#[from] ChainIdError),
    /// L1's chain id is none, or one that wallets do not read exactly.
    #[error("the chain id of L1 is from 1 to {MAX_CHAIN_ID}, found {0}")]
    SettlementChain(u64),
    /// Two accounts have one address.
    #[error("account {0} is listed twice in the genesis")]
    DuplicateAccount(Address),
    /// Two pools trade one pair.
    #[error("the pool of {0} and {1} is listed twice in the genesis")]
    DuplicatePool(AssetId, AssetId),
    /// The assets of a pool are in the wrong order.
    #[error("a pool names {0} and {1}; the smaller asset comes first")]
    PairOrder(AssetId, AssetId),
    /// The asset's number is reserved for the shares of a pool.
    #[error(
        "asset {0} is reserved for the shares of a pool: assets issued here have numbers below 2^{POOL_NUMBER_BITS}"
    )]
    ShareAsset(AssetId),
    /// The genesis issues an asset of another environment.
    #[error(transparent)]
    ForeignAsset(#[from] ForeignAsset),
    /// The owner of a pool is not in the genesis.
    #[error("the shares of a pool go to {0}, which is not in the genesis")]
    NoOwner(Address),
    /// A pool cannot be made.
    #[error("a pool of the genesis cannot be made")]
    Pool(#[from] PoolError),
    /// An account cannot hold its assets.
    #[error("account {address} of the genesis cannot hold its assets")]
    Vault {
        /// The account.
        address: Address,
        /// Why.
        source: VaultError,
    },
    /// The genesis issues more of an asset than an amount can hold.
    #[error(transparent)]
    Supply(#[from] SupplyError),
    /// The tree refuses a record.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The records of a genesis, in the order in which they enter the tree: accounts, then pools.
pub(super) struct GenesisRecords {
    pub(super) accounts: Vec<(Address, Account)>,
    pub(super) pools: Vec<Pool>,
    /// How much of the fee asset they hold together.
    pub(super) fee_supply: Amount,
}

impl Genesis {
    /// The deployment of the environment that starts with this genesis.
    pub(super) const fn deployment(&self, chain_id: u64, environment: EnvironmentId) -> Deployment {
        let &Self { fee_asset, fee_account, minimum_deposit, minimum_fee, settlement, .. } = self;
        Deployment { chain_id, environment, fee_asset, fee_account, minimum_deposit, minimum_fee, settlement }
    }

    /// The records at height 0. No asset has a supply of `2^58` or more, so no sum of balances has.
    pub(super) fn records(&self, deployment: &Deployment) -> Result<GenesisRecords, GenesisError> {
        check_chain_id(deployment.chain_id)?;
        let l1 = deployment.settlement.chain_id;
        if !(1..=MAX_CHAIN_ID).contains(&l1) {
            return Err(GenesisError::SettlementChain(l1));
        }
        self.check_assets(deployment.environment)?;
        let mut accounts: Vec<(Address, Account)> = vec![];
        let mut positions = BTreeMap::new();
        for GenesisAccount { address, holdings } in &self.accounts {
            let Entry::Vacant(position) = positions.entry(*address) else {
                return Err(GenesisError::DuplicateAccount(*address));
            };
            position.insert(accounts.len());
            let mut account = Account::new(self.fee_asset);
            for holding in holdings {
                credit(*address, &mut account, holding.asset, holding.amount)?;
            }
            accounts.push((*address, account));
        }
        if let Entry::Vacant(position) = positions.entry(self.fee_account) {
            position.insert(accounts.len());
            accounts.push((self.fee_account, Account::new(self.fee_asset)));
        }
        let mut pools: Vec<Pool> = vec![];
        let mut pairs = BTreeSet::new();
        for (number, genesis) in (0..).zip(&self.pools) {
            let &GenesisPool { asset_a, asset_b, reserve_a, reserve_b, owner } = genesis;
            if asset_a >= asset_b {
                return Err(GenesisError::PairOrder(asset_a, asset_b));
            }
            if !pairs.insert((asset_a, asset_b)) {
                return Err(GenesisError::DuplicatePool(asset_a, asset_b));
            }
            let shares = Amount::new(reserve_a.get().saturating_sub(MINIMUM_SHARES)).unwrap_or(Amount::ZERO);
            pools.push(Pool::create(number, (asset_a, asset_b), shares, (reserve_a, reserve_b))?);
            let found = positions.get(&owner).and_then(|&position| accounts.get_mut(position));
            let (_, account) = found.ok_or(GenesisError::NoOwner(owner))?;
            credit(owner, account, share_asset(deployment.environment, number), shares)?;
        }
        let supply = supply(holdings(&accounts, &pools))?;
        let fee_supply = supply.get(&self.fee_asset).copied().unwrap_or_default();
        Ok(GenesisRecords { accounts, pools, fee_supply })
    }

    fn check_assets(&self, environment: EnvironmentId) -> Result<(), GenesisError> {
        let held = self.accounts.iter().flat_map(|account| &account.holdings).map(|holding| holding.asset);
        let pooled = self.pools.iter().flat_map(|pool| [pool.asset_a, pool.asset_b]);
        let issued: Vec<_> = held.chain(pooled).collect();
        check_issued(environment, issued.iter().copied())?;
        let is_share =
            |asset: &AssetId| asset.origin() == environment.get() && asset.local() >> POOL_NUMBER_BITS != 0;
        // Fees may be paid in a foreign asset.
        match issued.into_iter().chain([self.fee_asset]).find(is_share) {
            Some(asset) => Err(GenesisError::ShareAsset(asset)),
            None => Ok(()),
        }
    }
}

fn credit(
    address: Address,
    account: &mut Account,
    asset: AssetId,
    amount: Amount,
) -> Result<(), GenesisError> {
    account.balances.credit(asset, amount).map_err(|source| GenesisError::Vault { address, source })
}

/// All that accounts and pools hold.
fn holdings(accounts: &[(Address, Account)], pools: &[Pool]) -> impl Iterator<Item = Holding> {
    let held = accounts.iter().flat_map(|(_, account)| account.balances.holdings());
    let pooled = pools.iter().flat_map(|pool| {
        let (a, b) = (pool.asset_a, pool.asset_b);
        [Holding { asset: a, amount: pool.reserve_a }, Holding { asset: b, amount: pool.reserve_b }]
    });
    held.chain(pooled)
}

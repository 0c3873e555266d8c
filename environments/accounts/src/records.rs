//! The records of a state: accounts and pools with the tree of their hashes, and how a change of them is undone.

use bridge_core::AssetId;
use circuits_core::{
    amount::Amount,
    late::LateMap,
    trees::{KeyedTree, TreeError},
};

use crate::{
    account::Account,
    address::{Address, account_key, pool_key},
    config::GenesisRecords,
    pool::Pool,
    state::TREE_DEPTH,
};

/// The records of a state and the tree of their hashes. Copies share what they have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) tree: KeyedTree,
    pub(super) accounts: LateMap<Address, Account>,
    pub(super) pools: LateMap<(AssetId, AssetId), Pool>,
    pub(super) pool_count: u32,
    /// How much of the fee asset there is in all accounts, all pools and the block's fees.
    pub(super) fee_supply: u64,
}

/// What one change of the records replaced. A transaction that fails is undone change by change, so that its cost does
/// not depend on the size of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// The account before; `None` if there was none.
    Account(Address, Option<Box<Account>>),
    /// The pool before; `None` if there was none.
    Pool((AssetId, AssetId), Option<Pool>),
    /// The supply of the fee asset before.
    FeeSupply(u64),
}

impl Records {
    /// The records at height 0: accounts enter the tree before pools.
    pub(super) fn genesis(genesis: GenesisRecords) -> Result<Self, TreeError> {
        let GenesisRecords { accounts, pools, fee_supply } = genesis;
        let leaves = accounts.iter().map(|(address, account)| (*account_key(*address), account.hash()));
        let leaves =
            leaves.chain(pools.iter().map(|pool| (*pool_key(pool.asset_a, pool.asset_b), pool.hash())));
        Ok(Self {
            tree: KeyedTree::from_entries(TREE_DEPTH, leaves)?,
            pool_count: pools.last().map_or(0, |last| last.number + 1),
            accounts: accounts.into_iter().collect(),
            pools: pools.into_iter().map(|pool| ((pool.asset_a, pool.asset_b), pool)).collect(),
            fee_supply: fee_supply.get(),
        })
    }

    /// Whether accounts and pools are those of the tree, and there is as much of the fee asset as they hold.
    pub(super) fn agree(&self, fee_asset: AssetId) -> bool {
        let mut held = 0_u128;
        let mut hold = |amount: Amount| held += u128::from(amount.get());
        let accounts = self.accounts.iter().all(|(address, account)| {
            hold(account.balances.balance(fee_asset));
            self.tree.get(&account_key(*address)) == Some(account.hash())
        });
        let pools = self.pools.iter().all(|(&(asset_a, asset_b), pool)| {
            let reserves = [(asset_a, pool.reserve_a), (asset_b, pool.reserve_b)];
            reserves.iter().filter(|(asset, _)| *asset == fee_asset).for_each(|&(_, amount)| hold(amount));
            self.tree.get(&pool_key(asset_a, asset_b)) == Some(pool.hash())
        });
        // The tree has one leaf more: the sentinel.
        let count = self.accounts.len() + self.pools.len() + 1;
        accounts && pools && count == self.tree.count() && held == u128::from(self.fee_supply)
    }

    /// An account, if it exists. One that is read late has to be the one that the tree has.
    pub(super) fn account(&self, address: &Address) -> Option<&Account> {
        self.accounts.get_checked(address, |account| {
            self.tree.get(&account_key(*address)) == account.map(Account::hash)
        })
    }

    /// A pool, if it exists. One that is read late has to be the one that the tree has.
    pub(super) fn pool(&self, asset_a: AssetId, asset_b: AssetId) -> Option<&Pool> {
        self.pools.get_checked(&(asset_a, asset_b), |pool| {
            self.tree.get(&pool_key(asset_a, asset_b)) == pool.map(Pool::hash)
        })
    }

    /// Writes an account. Returns what it replaced.
    pub(super) fn set_account(&mut self, address: Address, account: Account) -> Result<Undo, TreeError> {
        let before = self.account(&address).cloned().map(Box::new);
        self.tree.set(*account_key(address), account.hash())?;
        self.accounts.insert(address, account);
        Ok(Undo::Account(address, before))
    }

    /// Writes a pool, which is counted if it is new. Returns what it replaced.
    pub(super) fn set_pool(&mut self, pool: Pool) -> Result<Undo, TreeError> {
        let pair = (pool.asset_a, pool.asset_b);
        let known = self.pool(pair.0, pair.1).copied();
        self.tree.set(*pool_key(pair.0, pair.1), pool.hash())?;
        self.pools.insert(pair, pool);
        self.pool_count += u32::from(known.is_none());
        Ok(Undo::Pool(pair, known))
    }

    /// Notes that some of the fee asset has left the environment. Returns what it replaced.
    pub(super) fn lower_fee_supply(&mut self, amount: Amount) -> Undo {
        let supply = self.fee_supply;
        self.fee_supply = supply.saturating_sub(amount.get());
        Undo::FeeSupply(supply)
    }

    /// Undoes the last changes, given in the order in which they were made.
    pub(super) fn undo(&mut self, changes: impl DoubleEndedIterator<Item = Undo>) -> Result<(), TreeError> {
        for change in changes.rev() {
            match change {
                Undo::Account(address, Some(account)) => {
                    self.set_account(address, *account)?;
                }
                Undo::Account(address, None) => {
                    self.tree.take_back(&account_key(address))?;
                    self.accounts.remove(&address);
                }
                Undo::Pool(_, Some(pool)) => {
                    self.set_pool(pool)?;
                }
                Undo::Pool(pair, None) => {
                    self.tree.take_back(&pool_key(pair.0, pair.1))?;
                    self.pools.remove(&pair);
                    self.pool_count -= 1;
                }
                Undo::FeeSupply(supply) => self.fee_supply = supply,
            }
        }
        Ok(())
    }
}

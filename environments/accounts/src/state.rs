//! The state, its commitment, and what a block's transactions move forward.

use bridge_core::AssetId;
use circuits_core::{
    Builder, Digest, DigestTarget, F,
    amount::Amount,
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
    trees::{LeafOpening, TreeError},
};
use circuits_protocol::statement::empty_list;
use circuits_tables::{ecdsa::empty_claims, keccak};
use environments_core::{environment::EnvironmentId, instance::DeployedState, vault::VaultError};
use plonky2::{field::types::Field, iop::target::Target};
use thiserror::Error;

use crate::{
    account::Account,
    address::{Address, LIMBS, account_key},
    config::{Deployment, Genesis, GenesisError},
    pool::Pool,
    records::Records,
    typed_data::DOMAIN_WORDS,
};

/// Domain of state commitments.
pub const STATE: Domain = Domain::new("a-state");
/// Levels of the tree of accounts and pools.
pub const TREE_DEPTH: usize = 32;

circuits_core::layout! {
    /// What a state commitment covers.
    pub struct StateFields<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment.
        pub environment: T,
        /// Height of the last block.
        pub height: T,
        /// Root of the tree of accounts and pools.
        pub root: Digest<T>,
        /// Leaves of that tree.
        pub count: T,
        /// Pools made so far.
        pub pool_count: T,
        /// The packed asset that fees are paid in.
        pub fee_asset: T,
        /// Limbs of the address that gets the fees.
        pub fee_account: [T; LIMBS],
        /// The least amount that creates an account, in the fee asset.
        pub minimum_deposit: T,
        /// What a transaction pays at least for each of its actions, in the fee asset.
        pub minimum_fee: T,
        /// The domain of what accounts sign, see [`SigningDomain::words`](crate::typed_data::SigningDomain::words).
        pub domain: [T; DOMAIN_WORDS],
    }
}

circuits_core::layout! {
    /// What a block checks every transaction against; the same for all of them.
    pub struct BlockContext<T> {
        /// The deployment.
        pub chain_id: T,
        /// The environment.
        pub environment: T,
        /// Height of the block.
        pub height: T,
        /// The packed asset that fees are paid in.
        pub fee_asset: T,
        /// The least amount that creates an account, in the fee asset.
        pub minimum_deposit: T,
        /// What a transaction pays at least for each of its actions, in the fee asset.
        pub minimum_fee: T,
        /// The domain of what accounts sign, see [`SigningDomain::words`](crate::typed_data::SigningDomain::words).
        pub domain: [T; DOMAIN_WORDS],
    }
}

circuits_core::layout! {
    /// The running state of a block, which its transactions move forward.
    pub struct Running<T> {
        /// Root of the tree of accounts and pools.
        pub root: Digest<T>,
        /// Leaves of that tree.
        pub count: T,
        /// Pools made so far.
        pub pool_count: T,
        /// Fees so far.
        pub fees: T,
        /// The list of signature claims so far, see [`circuits_tables::ecdsa`].
        pub claims: Digest<T>,
        /// Transactions so far.
        pub transactions: T,
        /// The list of blocks that are hashed so far, see [`circuits_tables::keccak`].
        pub hashes: Digest<T>,
        /// Blocks in that list.
        pub blocks: T,
        /// The list of messages emitted so far.
        pub outbox: Digest<T>,
        /// The list of messages consumed so far.
        pub inbox: Digest<T>,
    }
}

/// The commitment to a state.
#[must_use]
pub fn state_commitment(fields: &StateFields) -> Digest {
    hash(STATE, &fields.encode())
}

/// In-circuit twin of [`state_commitment`].
pub fn state_commitment_circuit(builder: &mut Builder, fields: &StateFields<Target>) -> DigestTarget {
    hash_circuit(builder, STATE, &fields.encode())
}

/// The state of an account-based environment, possibly in the middle of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountsState {
    pub(super) deployment: Deployment,
    pub(super) height: u32,
    pub(super) records: Records,
    pub(super) fees: Amount,
    pub(super) transactions: u64,
    pub(super) claims: Digest,
    pub(super) hashes: Digest,
    pub(super) blocks: u64,
    pub(super) outbox: Digest,
    pub(super) inbox: Digest,
}

/// What the prover must know of the state at a block's end: the account that the fees go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealWitness {
    /// The account before.
    pub account: Account,
    /// Its leaf, with `account` in it.
    pub leaf: LeafOpening,
}

// The other fields are those of the genesis at the end of a block.
environments_core::stored_state!(AccountsState {
    values: [height, records.pool_count, records.fee_supply],
    parts: [records.tree, records.accounts, records.pools],
    agrees: |state| state.records.agree(state.deployment.fee_asset),
});

impl DeployedState for AccountsState {
    type Deployment = Deployment;

    fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn chain_id(&self) -> u64 {
        self.deployment.chain_id
    }

    fn environment(&self) -> EnvironmentId {
        self.deployment.environment
    }
}

impl AccountsState {
    /// The state at height 0.
    ///
    /// # Errors
    /// [`GenesisError`]
    pub fn genesis(deployment: Deployment, genesis: &Genesis) -> Result<Self, GenesisError> {
        Ok(Self {
            deployment,
            height: 0,
            records: Records::genesis(genesis.records(&deployment)?)?,
            fees: Amount::ZERO,
            transactions: 0,
            claims: empty_claims(),
            hashes: keccak::empty_list(),
            blocks: 0,
            outbox: empty_list(),
            inbox: empty_list(),
        })
    }

    /// Height of the last block.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// An account, if it exists.
    #[must_use]
    pub fn account(&self, address: &Address) -> Option<&Account> {
        self.records.account(address)
    }

    /// A pool, if it exists; the smaller asset comes first.
    #[must_use]
    pub fn pool(&self, asset_a: AssetId, asset_b: AssetId) -> Option<&Pool> {
        self.records.pool(asset_a, asset_b)
    }

    /// All accounts, by address. Those that are stored are all read.
    pub fn accounts(&self) -> impl Iterator<Item = (&Address, &Account)> {
        self.records.accounts.iter()
    }

    /// All pools, by their assets. Those that are stored are all read.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.records.pools.values()
    }

    /// How much of the fee asset there is in all accounts, all pools and the fees of the block that is being built.
    #[must_use]
    pub fn fee_supply(&self) -> u64 {
        self.records.fee_supply
    }

    /// What the commitment covers.
    #[must_use]
    pub fn fields(&self) -> StateFields {
        let Deployment {
            chain_id, environment, fee_asset, fee_account, minimum_deposit, minimum_fee, ..
        } = self.deployment;
        StateFields {
            chain_id: F::from_canonical_u64(chain_id),
            environment: environment.to_field(),
            height: F::from_canonical_u32(self.height),
            root: self.records.tree.root(),
            count: F::from_canonical_u64(self.records.tree.count()),
            pool_count: F::from_canonical_u32(self.records.pool_count),
            fee_asset: fee_asset.to_field(),
            fee_account: fee_account.limbs(),
            minimum_deposit: minimum_deposit.to_field(),
            minimum_fee: minimum_fee.to_field(),
            domain: self.deployment.signing_domain().words(),
        }
    }

    /// The commitment. No block states the commitment of a state in the middle of a block.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        state_commitment(&self.fields())
    }

    /// The running state of the block that is being built.
    #[must_use]
    pub fn running(&self) -> Running {
        let StateFields { root, count, pool_count, .. } = self.fields();
        let transactions = F::from_canonical_u64(self.transactions);
        let blocks = F::from_canonical_u64(self.blocks);
        let &Self { claims, hashes, outbox, inbox, .. } = self;
        let fees = self.fees.to_field();
        Running { root, count, pool_count, fees, claims, transactions, hashes, blocks, outbox, inbox }
    }

    /// What the block that is being built checks transactions against.
    #[must_use]
    pub fn context(&self) -> BlockContext {
        let StateFields {
            chain_id,
            environment,
            height,
            fee_asset,
            minimum_deposit,
            minimum_fee,
            domain,
            ..
        } = self.fields();
        BlockContext {
            chain_id,
            environment,
            height: height + F::ONE,
            fee_asset,
            minimum_deposit,
            minimum_fee,
            domain,
        }
    }

    /// Ends the block: the fees go to their account.
    ///
    /// # Errors
    /// - [`SealError::Height`]
    /// - [`SealError::Vault`]: never, because the supply of the fee asset is an amount; no message that would exceed it is
    ///   taken in.
    /// - [`SealError::Tree`]: never, because the account exists.
    pub fn seal(&mut self) -> Result<SealWitness, SealError> {
        let height = self.height.checked_add(1).ok_or(SealError::Height(self.height))?;
        let address = self.deployment.fee_account;
        let leaf = self.records.tree.prove_update(&account_key(address))?;
        let account =
            self.account(&address).cloned().unwrap_or_else(|| Account::new(self.deployment.fee_asset));
        let mut after = account.clone();
        after.balances.credit(self.deployment.fee_asset, self.fees)?;
        self.records.set_account(address, after)?;
        self.height = height;
        self.fees = Amount::ZERO;
        self.transactions = 0;
        self.claims = empty_claims();
        self.hashes = keccak::empty_list();
        self.blocks = 0;
        (self.outbox, self.inbox) = (empty_list(), empty_list());
        Ok(SealWitness { account, leaf })
    }
}

/// Why a block cannot end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// Heights are exhausted.
    #[error("height {0} is the last one")]
    Height(u32),
    /// The fee account cannot take the fees.
    #[error("the fees cannot be credited")]
    Vault(#[from] VaultError),
    /// The fee account is not in the tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

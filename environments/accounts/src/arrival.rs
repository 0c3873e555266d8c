//! Messages that a block takes in, natively: each credits one account.
//!
//! The producer takes them in; nobody signs them. A message credits its beneficiary, joins the inbox, and does nothing
//! else. It neither fails nor is it dropped: a message that cannot be credited is refused here and stays with the bridge.
//!
//! What others send keeps the rules of a transfer. What its sender takes back was the sender's, so only a full vault keeps
//! it waiting, until the owner empties a slot:
//!
//! | | creates an account | opens a slot while |
//! |---|---|---|
//! | claim | if it is at least the minimum deposit of the fee asset | more than [`RESERVED_SLOTS`](crate::account::RESERVED_SLOTS) are empty |
//! | refund | whatever it is | one is empty |

use bridge_core::{AssetId, Consumption, Message, message::inbox_append};
use circuits_core::{
    Digest,
    amount::{AMOUNT_BITS, Amount},
    trees::{SetWitness, TreeError},
};
use environments_core::environment::EnvironmentId;
use thiserror::Error;

use crate::{
    account::{Account, ReceiveError},
    address::{Address, account_key},
    config::Deployment,
    state::{AccountsState, Running},
};

/// Why a message cannot be taken in. It stays with the bridge, which refunds it after its deadline.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArrivalError {
    /// The message belongs to another deployment.
    #[error("the message belongs to chain {found}, but this is chain {expected}")]
    OtherChain {
        /// This deployment.
        expected: u64,
        /// The message's.
        found: u64,
    },
    /// Another environment may take the message in.
    #[error("environment {found} may take the message in this way, not environment {expected}")]
    NotOurs {
        /// This environment.
        expected: EnvironmentId,
        /// The environment that may.
        found: EnvironmentId,
    },
    /// The beneficiary is not an address.
    #[error("beneficiary {0} is not an address: a limb is not below 2^40")]
    NoAddress(Digest),
    /// The message moves amount 0.
    #[error("the message moves amount 0")]
    ZeroAmount,
    /// Messages come first in a block.
    #[error("a block takes messages in before its {transactions} transactions")]
    AfterTransactions {
        /// Transactions of the block so far.
        transactions: u64,
    },
    /// A claim is too little to create the beneficiary's account.
    #[error(
        "account {beneficiary} does not exist, and {amount} of {asset} cannot create it: that takes {minimum} of the fee \
         asset"
    )]
    Deposit {
        /// The beneficiary.
        beneficiary: Address,
        /// The least amount that creates it.
        minimum: Amount,
        /// The message's asset.
        asset: AssetId,
        /// How much.
        amount: Amount,
    },
    /// The beneficiary's vault cannot take it.
    #[error("the vault of account {beneficiary} cannot take it")]
    Vault {
        /// The beneficiary.
        beneficiary: Address,
        /// Why.
        source: ReceiveError,
    },
    /// The supply of the fee asset would exceed an amount, and some day one account could not take a block's fees.
    #[error("with {amount} more there would be 2^{AMOUNT_BITS} or more of the fee asset")]
    FeeSupply {
        /// The message's.
        amount: Amount,
    },
    /// The tree is full.
    #[error("the state cannot grow")]
    Tree(#[from] TreeError),
}

/// One message that was taken in, as the prover needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivalWitness {
    /// The message.
    pub message: Message,
    /// Whether it is claimed or refunded.
    pub consumption: Consumption,
    /// The running state before it.
    pub before: Running,
    /// The account that is credited.
    pub beneficiary: Address,
    /// The beneficiary's account before, if it existed.
    pub account: Option<Account>,
    /// Writing the beneficiary's record.
    pub set: SetWitness,
}

impl Deployment {
    /// The account that a message credits here.
    ///
    /// # Errors
    /// - [`ArrivalError::OtherChain`]
    /// - [`ArrivalError::NotOurs`]: this environment is neither the destination of a claim nor the source of a
    ///   refund.
    /// - [`ArrivalError::NoAddress`]
    pub fn beneficiary(&self, message: &Message, consumption: Consumption) -> Result<Address, ArrivalError> {
        let (expected, found) = (self.chain_id, message.chain_id);
        if expected != found {
            return Err(ArrivalError::OtherChain { expected, found });
        }
        let (expected, found) = match consumption {
            Consumption::Claim => (self.environment, message.destination),
            Consumption::Refund => (self.environment, message.source),
        };
        if expected != found {
            return Err(ArrivalError::NotOurs { expected, found });
        }
        let beneficiary = message.beneficiary(consumption);
        Address::from_digest(beneficiary).ok_or(ArrivalError::NoAddress(beneficiary))
    }
}

impl AccountsState {
    /// Takes a message in.
    ///
    /// # Errors
    /// One variant of [`ArrivalError`] per rule; the state is then unchanged.
    pub fn arrive(
        &mut self,
        message: &Message,
        consumption: Consumption,
    ) -> Result<ArrivalWitness, ArrivalError> {
        let amount = message.amount;
        let supply = self.records.fee_supply.saturating_add(amount.get());
        if message.asset == self.deployment.fee_asset && Amount::new(supply).is_err() {
            return Err(ArrivalError::FeeSupply { amount });
        }
        self.arrive_proven(message, consumption)
    }

    /// Takes in a message of a block that is proved elsewhere.
    ///
    /// # Errors
    /// As [`Self::arrive`], except for [`ArrivalError::FeeSupply`], which only the producer checks.
    pub fn arrive_proven(
        &mut self,
        message: &Message,
        consumption: Consumption,
    ) -> Result<ArrivalWitness, ArrivalError> {
        let beneficiary = self.deployment.beneficiary(message, consumption)?;
        let (asset, amount) = (message.asset, message.amount);
        if amount == Amount::ZERO {
            return Err(ArrivalError::ZeroAmount);
        }
        if self.transactions > 0 {
            return Err(ArrivalError::AfterTransactions { transactions: self.transactions });
        }
        let account = self.account(&beneficiary).cloned();
        let Deployment { fee_asset, minimum_deposit: minimum, .. } = self.deployment;
        let creates = consumption == Consumption::Refund || self.deployment.creates(asset, amount);
        let mut after = match &account {
            Some(account) => account.clone(),
            None if creates => Account::new(fee_asset),
            None => return Err(ArrivalError::Deposit { beneficiary, minimum, asset, amount }),
        };
        let credited = match consumption {
            Consumption::Claim => after.balances.receive(asset, amount),
            Consumption::Refund => after.balances.credit(asset, amount).map_err(ReceiveError::from),
        };
        credited.map_err(|source| ArrivalError::Vault { beneficiary, source })?;

        let before = self.running();
        let set = self.records.tree.prove_set(account_key(beneficiary))?;
        self.records.set_account(beneficiary, after)?;
        if asset == self.deployment.fee_asset {
            self.records.fee_supply = self.records.fee_supply.saturating_add(amount.get());
        }
        self.inbox = inbox_append(self.inbox, message.hash(), consumption);
        let message = message.clone();
        Ok(ArrivalWitness { message, consumption, before, beneficiary, account, set })
    }
}

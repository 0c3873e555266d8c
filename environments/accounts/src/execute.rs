//! Executing transactions on the state, natively.
//!
//! A transaction that is *invalid* cannot be in a block. One that *fails* is in its block: it pays its fee and
//! its nonce, and does nothing else.

use bridge_core::{AssetId, Message, message::outbox_append};
use circuits_core::{
    Digest,
    amount::{AMOUNT_BITS, Amount},
    trees::{LeafOpening, SetWitness, TreeError},
};
use circuits_tables::{
    ecdsa::{PublicKey, append, key_commitment},
    keccak::{self, Block},
};
use environments_core::vault::VaultError;
use thiserror::Error;

use crate::{
    account::{Account, ReceiveError},
    address::{Address, account_key, pool_key},
    config::Deployment,
    key::address_of,
    pool::{POOL_NUMBER_BITS, Pool, PoolError, share_asset},
    records::{Records, Undo},
    signature::RecoveryError,
    state::{AccountsState, Running},
    transaction::{Action, Malformed, SignedTransaction, Transaction},
    typed_data::{self, claim},
};

#[cfg(test)]
mod tests;

/// Why a transaction cannot be in a block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    /// The transaction is malformed, which no state changes.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No key makes the signature.
    #[error("the signature is invalid")]
    Signature(#[from] RecoveryError),
    /// The key belongs to another account: somebody else signed, or the sender signed something else, in this domain or in
    /// another one.
    #[error(
        "who signed this transaction in the domain {domain:?} has the address {found}, but the sender is {sender}"
    )]
    OtherSigner {
        /// The name of this environment's domain.
        domain: String,
        /// The sender.
        sender: Address,
        /// The key's address.
        found: Address,
    },
    /// The account has already signed with another key of the same address.
    #[error("account {sender} is held by the key {expected}, not {found}")]
    KeyChanged {
        /// The sender.
        sender: Address,
        /// The commitment to its key.
        expected: Digest,
        /// The commitment to the transaction's key.
        found: Digest,
    },
    /// The sender does not exist.
    #[error("account {0} does not exist")]
    NoSuchAccount(Address),
    /// The transaction is not the sender's next one.
    #[error("account {sender} has nonce {expected}, but the transaction has {found}")]
    Nonce {
        /// The sender.
        sender: Address,
        /// The account's.
        expected: u32,
        /// The transaction's.
        found: u32,
    },
    /// The sender has made 2^32 - 1 transactions.
    #[error("account {0} has used its last nonce")]
    LastNonce(Address),
    /// The transaction is no longer valid.
    #[error("the transaction was valid until height {deadline}, but the block has height {height}")]
    TooLate {
        /// Last height.
        deadline: u32,
        /// The block's.
        height: u64,
    },
    /// The fee does not cover the actions.
    #[error("{actions} actions cost a fee of at least {minimum} each, but the transaction pays {fee}")]
    LowFee {
        /// Actions of the transaction.
        actions: usize,
        /// The minimum fee of each.
        minimum: Amount,
        /// The fee.
        fee: Amount,
    },
    /// The sender cannot pay the fee.
    #[error("account {sender} cannot pay a fee of {fee}")]
    Fee {
        /// The sender.
        sender: Address,
        /// The fee.
        fee: Amount,
        /// Why.
        source: VaultError,
    },
    /// The block's fees exceed an amount.
    #[error("the fees of one block stay below 2^{AMOUNT_BITS}, but this transaction adds {0}")]
    TooManyFees(Amount),
    /// An action names a pool that does not exist, and there are as many pools as there can be. The circuit gives such
    /// an action the number of the next pool, whether or not it makes one, so no block can hold it.
    #[error("there is no pool of {0} and {1}, and no number below 2^{POOL_NUMBER_BITS} is left for one")]
    NoPoolNumber(AssetId, AssetId),
    /// An action names an account or a pool that does not exist, and the tree has no slot left for one. No block can
    /// hold such an action, whether or not it would fail.
    #[error("the state cannot grow")]
    Tree(#[from] TreeError),
}

/// Why an action cannot be done, which makes its transaction fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A transfer goes from an account to itself.
    #[error("an account cannot transfer to itself")]
    ToOneself,
    /// The sender has too little, or no slot for what it gets.
    #[error("the sender's vault cannot take part")]
    Sender(#[source] VaultError),
    /// The receiver has too much, or no slot that others may open.
    #[error("the receiver's vault cannot take it")]
    Receiver(#[source] ReceiveError),
    /// The amount is too little to create the receiver's account.
    #[error(
        "account {to} does not exist, and {amount} of {asset} cannot create it: that takes {minimum} of the fee asset"
    )]
    Deposit {
        /// The receiver.
        to: Address,
        /// The least amount that creates it.
        minimum: Amount,
        /// The asset given.
        asset: AssetId,
        /// How much.
        amount: Amount,
    },
    /// The pool does not exist.
    #[error("there is no pool of {0} and {1}")]
    NoPool(AssetId, AssetId),
    /// The pool refuses the trade.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// What became of a valid transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All its actions were done.
    Done,
    /// Only fee and nonce were paid.
    Failed {
        /// The first action that could not be done.
        action: usize,
        /// Why.
        reason: Failure,
    },
}

/// A record of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An account.
    Account(Box<Account>),
    /// A pool.
    Pool(Pool),
}

impl Record {
    /// The value that the tree holds.
    #[must_use]
    pub fn hash(&self) -> Digest {
        match self {
            Self::Account(account) => account.hash(),
            Self::Pool(pool) => pool.hash(),
        }
    }
}

/// One action as the prover needs it.
///
/// Every action is tried on the working state, which those before it left; one that cannot be done leaves it as
/// it is. After the last one, the working state becomes the state if all were done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotWitness {
    /// The action.
    pub action: Action,
    /// The sender before; for the first action before fee and nonce.
    pub sender: Account,
    /// The sender's leaf before, with `sender` in it. Its path stays while the sender's record changes.
    pub sender_leaf: LeafOpening,
    /// The receiver or the pool before, if it exists. A message has neither.
    pub counterpart: Option<Record>,
    /// Writing the counterpart, on the tree with the sender's record after the action; if the action cannot be done,
    /// with its record as it was. Without a counterpart: writing the sender's record as it is there.
    pub set: SetWitness,
    /// Whether the action can be done.
    pub done: bool,
}

/// One transaction as the prover needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionWitness {
    /// The transaction.
    pub transaction: Transaction,
    /// The sender's public key.
    pub key: PublicKey,
    /// The running state before it.
    pub before: Running,
    /// The blocks of all that is hashed of it.
    pub blocks: Vec<Block>,
    /// Its actions.
    pub slots: Vec<SlotWitness>,
    /// What became of it.
    pub outcome: Outcome,
    /// The messages that it emitted; none if it failed.
    pub emitted: Vec<Message>,
}

impl TransactionWitness {
    /// Whether it is the first one that its sender signed, so that its key is shown to have the sender's address.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.slots.first().is_some_and(|slot| slot.sender.key == Digest::ZERO)
    }
}

impl SignedTransaction {
    /// Checks what no state changes: the form, the minimum fee and the signature. Returns the key that signed.
    ///
    /// # Errors
    /// [`Invalid::Malformed`], [`Invalid::LowFee`], [`Invalid::Signature`] or [`Invalid::OtherSigner`]
    pub fn check(&self, deployment: &Deployment) -> Result<PublicKey, Invalid> {
        self.transaction.check(deployment.environment)?;
        deployment.check_fee(&self.transaction)?;
        let key = self.recover(&deployment.signing_domain())?;
        deployment.check_signer(&self.transaction, &key)?;
        Ok(key)
    }
}

impl Deployment {
    /// Checks that a transaction pays for each of its actions, whether or not they can be done: each takes a slot of a
    /// proof.
    fn check_fee(&self, transaction: &Transaction) -> Result<(), Invalid> {
        let (fee, actions, minimum) = (transaction.fee, transaction.actions.len(), self.minimum_fee);
        let least = u128::from(minimum.get()) * actions as u128;
        if u128::from(fee.get()) < least {
            return Err(Invalid::LowFee { actions, minimum, fee });
        }
        Ok(())
    }

    /// Checks that who signed is the sender.
    fn check_signer(&self, transaction: &Transaction, key: &PublicKey) -> Result<(), Invalid> {
        let (sender, found) = (transaction.sender, address_of(key));
        if found == sender {
            return Ok(());
        }
        Err(Invalid::OtherSigner { domain: self.signing_domain().name(), sender, found })
    }
}

impl AccountsState {
    /// Checks everything but the signer of a transaction against the state in the middle of a block.
    fn check(&self, transaction: &Transaction) -> Result<(), Invalid> {
        transaction.check(self.deployment.environment)?;
        self.deployment.check_fee(transaction)?;
        let &Transaction { sender, nonce: found, fee, deadline, .. } = transaction;
        let height = u64::from(self.height) + 1;
        if u64::from(deadline) < height {
            return Err(Invalid::TooLate { deadline, height });
        }
        let account = self.account(&sender).ok_or(Invalid::NoSuchAccount(sender))?;
        if account.nonce != found {
            return Err(Invalid::Nonce { sender, expected: account.nonce, found });
        }
        account.nonce.checked_add(1).ok_or(Invalid::LastNonce(sender))?;
        let mut balances = account.balances.clone();
        balances.debit(self.deployment.fee_asset, fee).map_err(|source| Invalid::Fee {
            sender,
            fee,
            source,
        })?;
        self.fees.checked_add(fee).map_err(|_| Invalid::TooManyFees(fee))?;
        Ok(())
    }

    /// Checks that the sender's account is held by the key that signed, if it has one yet. Returns the key's commitment.
    fn check_key(&self, sender: Address, key: &PublicKey) -> Result<Digest, Invalid> {
        let (key_x, key_y) = key.words();
        let found = key_commitment(&key_x, &key_y);
        let expected = self.account(&sender).ok_or(Invalid::NoSuchAccount(sender))?.key;
        if expected == Digest::ZERO || expected == found {
            Ok(found)
        } else {
            Err(Invalid::KeyChanged { sender, expected, found })
        }
    }

    /// Executes a signed transaction.
    ///
    /// # Errors
    /// One variant of [`Invalid`] per rule; the state is then unchanged.
    pub fn execute(&mut self, signed: &SignedTransaction) -> Result<TransactionWitness, Invalid> {
        // What costs least comes first: a transaction is tried again as long as it may come later.
        self.check(&signed.transaction)?;
        let key = signed.recover(&self.deployment.signing_domain())?;
        self.execute_proven(&signed.transaction, key)
    }

    /// Executes a transaction whose signature is proved elsewhere.
    ///
    /// # Errors
    /// As [`Self::execute`], except for [`Invalid::Signature`]; the state is then unchanged.
    pub fn execute_proven(
        &mut self,
        transaction: &Transaction,
        key: PublicKey,
    ) -> Result<TransactionWitness, Invalid> {
        self.check(transaction)?;
        self.deployment.check_signer(transaction, &key)?;
        let commitment = self.check_key(transaction.sender, &key)?;
        let before = self.running();
        let Deployment { chain_id, environment, fee_asset, .. } = self.deployment;
        let sender = transaction.sender;

        let account = self.account(&sender).ok_or(Invalid::NoSuchAccount(sender))?.clone();
        let leaf = self.records.tree.prove_update(&account_key(sender))?;
        let nonce = account.nonce.checked_add(1).ok_or(Invalid::LastNonce(sender))?;
        let mut charged = Account { key: commitment, nonce, ..account.clone() };
        charged.balances.debit(fee_asset, transaction.fee).map_err(|source| Invalid::Fee {
            sender,
            fee: transaction.fee,
            source,
        })?;
        let fees =
            self.fees.checked_add(transaction.fee).map_err(|_| Invalid::TooManyFees(transaction.fee))?;
        let (mut slots, outcome) = self.records.transact(&self.deployment, transaction, charged)?;

        self.fees = fees;
        self.transactions += 1;
        let domain = self.deployment.signing_domain();
        let first = (account.key == Digest::ZERO).then_some(&key);
        let blocks = typed_data::blocks(&domain, transaction, first);
        self.claims = append(self.claims, &claim(&domain, transaction, &key));
        self.hashes = blocks.iter().fold(self.hashes, keccak::append);
        self.blocks += blocks.len() as u64;
        if let Some(first) = slots.first_mut() {
            (first.sender, first.sender_leaf) = (account, leaf);
        }
        let emitted = match outcome {
            Outcome::Done => transaction.messages(chain_id, environment),
            Outcome::Failed { .. } => vec![],
        };
        let append = |outbox, message: &Message| outbox_append(outbox, message.hash());
        self.outbox = emitted.iter().fold(self.outbox, append);
        let transaction = transaction.clone();
        Ok(TransactionWitness { transaction, key, before, blocks, slots, outcome, emitted })
    }
}

impl Records {
    /// Makes the sender's account `charged`, and does the actions in order: all of them, or none if one cannot be done.
    ///
    /// # Errors
    /// [`Invalid::NoPoolNumber`] or [`Invalid::Tree`]; the records are then unchanged.
    fn transact(
        &mut self,
        deployment: &Deployment,
        transaction: &Transaction,
        charged: Account,
    ) -> Result<(Vec<SlotWitness>, Outcome), Invalid> {
        let mut journal = vec![self.set_account(transaction.sender, charged)?];
        let result = self.act_in_turn(deployment, transaction, &mut journal);
        let kept = match &result {
            Ok((_, Outcome::Done)) => journal.len(),
            // Fee and nonce are charged even if an action fails.
            Ok((_, Outcome::Failed { .. })) => 1,
            Err(_) => 0,
        };
        self.undo(journal.drain(kept..))?;
        result
    }

    /// Does each action that can be done. What it changes is in the journal, also on an error.
    fn act_in_turn(
        &mut self,
        deployment: &Deployment,
        transaction: &Transaction,
        journal: &mut Vec<Undo>,
    ) -> Result<(Vec<SlotWitness>, Outcome), Invalid> {
        let (mut slots, mut outcome) = (vec![], Outcome::Done);
        for (position, action) in transaction.actions.iter().enumerate() {
            let (slot, result) = self.act(deployment, transaction.sender, action, journal)?;
            slots.push(slot);
            if let (Err(reason), Outcome::Done) = (result, outcome) {
                outcome = Outcome::Failed { action: position, reason };
            }
        }
        Ok((slots, outcome))
    }

    /// Does one action, or nothing if it cannot be done.
    fn act(
        &mut self,
        deployment: &Deployment,
        address: Address,
        action: &Action,
        journal: &mut Vec<Undo>,
    ) -> Result<(SlotWitness, Result<(), Failure>), Invalid> {
        let sender = self.account(&address).ok_or(Invalid::NoSuchAccount(address))?.clone();
        let sender_leaf = self.tree.prove_update(&account_key(address))?;
        let (key, counterpart) = match (*action, action.pair()) {
            (Action::Transfer { to, .. }, _) => {
                (account_key(to), self.account(&to).cloned().map(Box::new).map(Record::Account))
            }
            (Action::Bridge { .. }, _) => (account_key(address), None),
            (_, Some((a, b))) => (pool_key(a, b), self.pool(a, b).copied().map(Record::Pool)),
            (_, None) => unreachable!("every other action has a pool"),
        };
        if let (Some((a, b)), None) = (action.pair(), &counterpart)
            && self.pool_count >> POOL_NUMBER_BITS != 0
        {
            return Err(Invalid::NoPoolNumber(a, b));
        }
        let attempt = self.attempt(deployment, address, &sender, action);
        if let Ok((after, _)) = &attempt {
            journal.push(self.set_account(address, after.clone())?);
        }
        let set = self.tree.prove_set(key)?;
        let done = attempt.is_ok();
        let result = match attempt {
            Ok((_, record)) => {
                match (record, *action) {
                    (Some(Record::Account(receiver)), Action::Transfer { to, .. }) => {
                        journal.push(self.set_account(to, *receiver)?);
                    }
                    (Some(Record::Account(_)), _) => unreachable!("only a transfer has a receiver"),
                    (Some(Record::Pool(pool)), _) => journal.push(self.set_pool(pool)?),
                    (None, Action::Bridge { asset, amount, .. }) if asset == deployment.fee_asset => {
                        journal.push(self.lower_fee_supply(amount));
                    }
                    (None, _) => {}
                }
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        Ok((SlotWitness { action: *action, sender, sender_leaf, counterpart, set, done }, result))
    }

    /// The sender and the counterpart after an action; a message has none.
    fn attempt(
        &self,
        deployment: &Deployment,
        address: Address,
        sender: &Account,
        action: &Action,
    ) -> Result<(Account, Option<Record>), Failure> {
        let mut sender = sender.clone();
        let balances = &mut sender.balances;
        let pool = |a, b| self.pool(a, b).copied();
        let record = match *action {
            Action::Transfer { to, .. } if to == address => return Err(Failure::ToOneself),
            Action::Transfer { to, asset, amount } => {
                balances.debit(asset, amount).map_err(Failure::Sender)?;
                let mut receiver = match self.account(&to) {
                    Some(receiver) => receiver.clone(),
                    None if deployment.creates(asset, amount) => Account::new(deployment.fee_asset),
                    None => {
                        let minimum = deployment.minimum_deposit;
                        return Err(Failure::Deposit { to, minimum, asset, amount });
                    }
                };
                receiver.balances.receive(asset, amount).map_err(Failure::Receiver)?;
                Record::Account(Box::new(receiver))
            }
            Action::Bridge { asset, amount, .. } => {
                balances.debit(asset, amount).map_err(Failure::Sender)?;
                return Ok((sender, None));
            }
            Action::Swap { asset_in, asset_out, amount, minimum } => {
                let (a, b) = (asset_in.min(asset_out), asset_in.max(asset_out));
                let pool = pool(a, b).ok_or(Failure::NoPool(a, b))?;
                let (bought, pool) = pool.swap(asset_in, amount, minimum)?;
                balances.debit(asset_in, amount).map_err(Failure::Sender)?;
                balances.credit(asset_out, bought).map_err(Failure::Sender)?;
                Record::Pool(pool)
            }
            Action::AddLiquidity { asset_a, asset_b, shares, maximum_a, maximum_b } => {
                let maximum = (maximum_a, maximum_b);
                let ((paid_a, paid_b), pool) = match pool(asset_a, asset_b) {
                    Some(pool) => pool.add(shares, maximum)?,
                    None => (maximum, Pool::create(self.pool_count, (asset_a, asset_b), shares, maximum)?),
                };
                balances.debit(asset_a, paid_a).map_err(Failure::Sender)?;
                balances.debit(asset_b, paid_b).map_err(Failure::Sender)?;
                let asset = share_asset(deployment.environment, pool.number);
                balances.credit(asset, shares).map_err(Failure::Sender)?;
                Record::Pool(pool)
            }
            Action::RemoveLiquidity { asset_a, asset_b, shares, minimum_a, minimum_b } => {
                let pool = pool(asset_a, asset_b).ok_or(Failure::NoPool(asset_a, asset_b))?;
                let ((paid_a, paid_b), pool) = pool.remove(shares, (minimum_a, minimum_b))?;
                let asset = share_asset(deployment.environment, pool.number);
                balances.debit(asset, shares).map_err(Failure::Sender)?;
                balances.credit(asset_a, paid_a).map_err(Failure::Sender)?;
                balances.credit(asset_b, paid_b).map_err(Failure::Sender)?;
                Record::Pool(pool)
            }
        };
        Ok((sender, Some(record)))
    }
}

//! Transactions that are sent while somebody waits: deployments, deposits and claims. Settling has a journal instead.

use std::{
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, U256};
use thiserror::Error;

use crate::{
    attempt::{Sent, Unsigned},
    fees::{Fees, OverCap},
    job::Policy,
    journal::Attempt,
    l1::{At, Call, Event, L1, L1Error, Receipt},
    limits::Limit,
    signer::Signer,
};

/// How often L1 is asked at most.
const POLL: Duration = Duration::from_secs(2);

/// So often is a receipt asked for once a nonce is used: a node may know the account before it knows the receipt.
const GONE: usize = 5;

/// Why a transaction did not do what it is for. Each error after signing names the transaction: it may still come.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalletError {
    /// Nothing was sent.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// Nothing was sent.
    #[error(transparent)]
    Limit(#[from] Limit),
    /// Nothing was sent.
    #[error(transparent)]
    Fee(#[from] OverCap),
    /// The node is that of another network.
    #[error("the node is on the network with chain id {found}, expected {expected}")]
    Network { expected: u64, found: u64 },
    /// Nothing was sent: the node may be behind the block that created the contract.
    #[error("the node knows no contract at {0}")]
    NoCode(Address),
    /// It is in a block and did nothing.
    #[error("transaction {0} is in a block, and failed")]
    Failed(B256),
    /// It is in a block and did what it was sent for.
    #[error("transaction {0} is in a block, and the node does not tell what came of it")]
    NoEvents(B256),
    /// Another transaction of the account came first.
    #[error("another transaction of {sender} has nonce {nonce}: transaction {transaction} will not come")]
    NonceUsed { sender: Address, nonce: u64, transaction: B256 },
    /// L1 takes no such transaction.
    #[error("transaction {transaction} is not taken: {source}")]
    NotTaken { transaction: B256, source: L1Error },
    /// No block has it.
    #[error(
        "no block has transaction {transaction} with nonce {nonce} after {seconds} seconds{}{}: it may still come, so ask \
         for it before you repeat the command",
        .earlier.map(|earlier| format!(", as the account's transaction with nonce {earlier} comes first")).unwrap_or_default(),
        .last.as_ref().map(|error| format!(" ({error})")).unwrap_or_default()
    )]
    Patience {
        transaction: B256,
        nonce: u64,
        seconds: u64,
        /// The nonce that has to be used before.
        earlier: Option<u64>,
        last: Option<Box<L1Error>>,
    },
}

/// An account that sends transactions to an L1.
#[derive(Clone, Copy)]
pub struct Wallet<'a> {
    pub l1: &'a dyn L1,
    /// The network that L1 must be.
    pub chain_id: u64,
    pub signer: &'a Signer,
    pub policy: Policy,
    /// Receives the hash and the nonce of each transaction before anybody else has it: whoever is cut off afterwards can ask
    /// for it.
    pub announce: &'a dyn Fn(B256, u64),
}

/// A transaction of a wallet, in all its offers.
struct Pending {
    nonce: u64,
    fees: Fees,
    /// The last offer.
    attempt: Attempt,
    hashes: Vec<B256>,
    sent_at: Option<Instant>,
    /// The account's nonce that no block has yet, if it comes before this one.
    earlier: Option<u64>,
    /// How often in a row the nonce was used and no receipt was there.
    gone: usize,
}

impl Wallet<'_> {
    /// The account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Sends a transaction and waits for the block that has it. `to` is `None` to create a contract. Once it is signed, an L1 that
    /// does not answer is asked again until the policy's patience ends.
    ///
    /// # Errors
    /// [`WalletError`]
    pub fn send(&self, to: Option<Address>, value: U256, input: Bytes) -> Result<Receipt, WalletError> {
        let nonce = self.l1.nonces(self.address())?.pending;
        self.send_with(nonce, to, value, input)
    }

    /// [`Self::send`] with this nonce of the account: of all transactions with it, one comes.
    ///
    /// # Errors
    /// [`WalletError`]
    pub fn send_with(
        &self,
        nonce: u64,
        to: Option<Address>,
        value: U256,
        input: Bytes,
    ) -> Result<Receipt, WalletError> {
        let found = self.l1.chain_id()?;
        if found != self.chain_id {
            return Err(WalletError::Network { expected: self.chain_id, found });
        }
        let sender = self.address();
        let has_input = !input.is_empty();
        let unsigned = Unsigned::new(self.l1, Call { from: sender, to, value, input })??;
        // With the gas of a call to nobody, the call of a contract would fail in its block, and use up the nonce.
        if let Some(to) = to
            && has_input
            && !unsigned.runs_code
        {
            return Err(WalletError::NoCode(to));
        }
        let fees = self.policy.fees.first(self.base_fee()?)?;
        unsigned.check_funds(self.l1.balance(sender)?, fees)?;
        let attempt = unsigned.sign(self.signer, self.chain_id, nonce, fees)?;
        let hashes = vec![attempt.hash];
        let mut pending = Pending { nonce, fees, attempt, hashes, sent_at: None, earlier: None, gone: 0 };
        let (started, mut last) = (Instant::now(), None);
        loop {
            match self.round(&unsigned, &mut pending) {
                Ok(Some(receipt)) => return Ok(receipt),
                Ok(None) => {}
                Err(WalletError::L1(error)) => last = Some(Box::new(error)),
                Err(error) => return Err(error),
            }
            let seconds = started.elapsed().as_secs();
            if started.elapsed() >= self.policy.patience {
                let (transaction, earlier) = (pending.attempt.hash, pending.earlier);
                return Err(WalletError::Patience { transaction, nonce, seconds, earlier, last });
            }
            thread::sleep(self.policy.poll.min(POLL));
        }
    }

    /// What a transaction did in a contract: its events. A node that is behind, where another one told the receipt, is asked again.
    ///
    /// # Errors
    /// [`WalletError::NoEvents`], or [`WalletError::L1`] for what does not pass.
    pub fn events_of(&self, contract: Address, transaction: B256) -> Result<Vec<Event>, WalletError> {
        for _ in 0..GONE {
            match self.l1.events_of(contract, transaction) {
                Ok(Some(events)) => return Ok(events),
                Err(error) if !error.is_transient() => return Err(error.into()),
                Ok(None) | Err(_) => thread::sleep(self.policy.poll.min(POLL)),
            }
        }
        Err(WalletError::NoEvents(transaction))
    }

    /// Hands the transaction over if that is due, and looks what became of it. [`WalletError::L1`] passes.
    fn round(&self, unsigned: &Unsigned, pending: &mut Pending) -> Result<Option<Receipt>, WalletError> {
        if pending.sent_at.is_none_or(|at| at.elapsed() >= self.policy.raise_after) {
            // Before an earlier nonce is used, no offer is good enough.
            if pending.sent_at.is_some()
                && pending.earlier.is_none()
                && let Some(raised) = self.policy.fees.raised(pending.fees, self.base_fee()?)
            {
                pending.fees = raised;
                pending.attempt = unsigned.sign(self.signer, self.chain_id, pending.nonce, raised)?;
                pending.hashes.push(pending.attempt.hash);
            }
            let transaction = pending.attempt.transaction.clone().unwrap_or_default();
            (self.announce)(pending.attempt.hash, pending.nonce);
            match Sent::of(self.l1.send(&transaction)) {
                Sent::Taken | Sent::Underpriced(_) => pending.sent_at = Some(Instant::now()),
                Sent::Unknown(source) if !source.is_transient() => {
                    return Err(WalletError::NotTaken { transaction: pending.attempt.hash, source });
                }
                // It may have arrived: the next round asks.
                Sent::Unknown(_) => {}
            }
        }
        for &hash in &pending.hashes {
            match self.l1.receipt(hash)? {
                Some(receipt) if receipt.succeeded => return Ok(Some(receipt)),
                Some(_) => return Err(WalletError::Failed(hash)),
                None => {}
            }
        }
        let (sender, nonce) = (self.address(), pending.nonce);
        let latest = self.l1.nonces(sender)?.latest;
        pending.earlier = (latest < nonce).then_some(latest);
        pending.gone = if latest > nonce { pending.gone + 1 } else { 0 };
        if pending.gone >= GONE {
            return Err(WalletError::NonceUsed { sender, nonce, transaction: pending.attempt.hash });
        }
        Ok(None)
    }

    fn base_fee(&self) -> Result<u128, L1Error> {
        let latest = self.l1.block(At::Latest)?;
        Ok(latest.map_or(0, |block| block.base_fee))
    }
}

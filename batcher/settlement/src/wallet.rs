//! Transactions that are sent while somebody waits: deployments, deposits and claims. Settling has a journal instead.

use std::{
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, U256};
use thiserror::Error;

use crate::{
    attempt::{Sent, Unsigned},
    fees::OverCap,
    job::Policy,
    l1::{At, Call, L1, L1Error, Receipt},
    limits::Limit,
    signer::Signer,
};

/// How often L1 is asked at most.
const POLL: Duration = Duration::from_secs(2);

/// So often is a receipt asked for once a nonce is used: a node may know the account before it knows the receipt.
const GONE: usize = 5;

/// Why a transaction did not do what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalletError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Limit(#[from] Limit),
    #[error(transparent)]
    Fee(#[from] OverCap),
    /// The node is that of another network.
    #[error("the node is on the network with chain id {found}, expected {expected}")]
    Network { expected: u64, found: u64 },
    /// It is in a block and did nothing.
    #[error("transaction {0} failed")]
    Failed(B256),
    /// Another transaction of the account came first.
    #[error("another transaction of {sender} has nonce {nonce}; ask for what was done, then start again")]
    NonceUsed { sender: Address, nonce: u64 },
    /// No block has it.
    #[error("no block has transaction {transaction} after {seconds} seconds; it may still come")]
    Patience { transaction: B256, seconds: u64 },
}

/// An account that sends transactions to an L1.
#[derive(Clone, Copy)]
pub struct Wallet<'a> {
    pub l1: &'a dyn L1,
    /// The network that L1 must be.
    pub chain_id: u64,
    pub signer: &'a Signer,
    pub policy: Policy,
}

impl Wallet<'_> {
    /// The account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Sends a transaction and waits for the block that has it. `to` is `None` to create a contract.
    ///
    /// # Errors
    /// [`WalletError`]. The transaction may have been sent if the error names it.
    pub fn send(&self, to: Option<Address>, value: U256, input: Bytes) -> Result<Receipt, WalletError> {
        let found = self.l1.chain_id()?;
        if found != self.chain_id {
            return Err(WalletError::Network { expected: self.chain_id, found });
        }
        let sender = self.address();
        let call = Call { from: sender, to, value, input };
        let unsigned = Unsigned::new(self.l1, call)??;
        let mut fees = self.policy.fees.first(self.base_fee()?)?;
        unsigned.check_funds(self.l1.balance(sender)?, fees)?;
        let nonce = self.l1.nonces(sender)?.pending;
        let mut attempt = unsigned.sign(self.signer, self.chain_id, nonce, fees)?;
        let mut hashes = vec![attempt.hash];
        let started = Instant::now();
        let (mut sent_at, mut gone) = (None::<Instant>, 0);
        loop {
            if sent_at.is_none_or(|at| at.elapsed() >= self.policy.raise_after) {
                if sent_at.is_some()
                    && let Some(raised) = self.policy.fees.raised(fees, self.base_fee()?)
                {
                    fees = raised;
                    attempt = unsigned.sign(self.signer, self.chain_id, nonce, fees)?;
                    hashes.push(attempt.hash);
                }
                let transaction = attempt.transaction.clone().unwrap_or_default();
                match Sent::of(self.l1.send(&transaction)) {
                    Sent::Taken | Sent::Underpriced(_) => {}
                    Sent::Unknown(error) if error.is_transient() && sent_at.is_some() => {}
                    Sent::Unknown(error) => return Err(error.into()),
                }
                sent_at = Some(Instant::now());
            }
            for &hash in &hashes {
                match self.l1.receipt(hash)? {
                    Some(receipt) if receipt.succeeded => return Ok(receipt),
                    Some(_) => return Err(WalletError::Failed(hash)),
                    None => {}
                }
            }
            gone = if self.l1.nonces(sender)?.latest > nonce { gone + 1 } else { 0 };
            if gone >= GONE {
                return Err(WalletError::NonceUsed { sender, nonce });
            }
            let waited = started.elapsed();
            if waited >= self.policy.patience {
                return Err(WalletError::Patience { transaction: attempt.hash, seconds: waited.as_secs() });
            }
            thread::sleep(self.policy.poll.min(POLL));
        }
    }

    fn base_fee(&self) -> Result<u128, L1Error> {
        let latest = self.l1.block(At::Latest)?;
        Ok(latest.map_or(0, |block| block.base_fee))
    }
}

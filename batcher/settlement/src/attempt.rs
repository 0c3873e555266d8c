//! Transactions: checked, signed, handed over.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, transaction::Transaction as _};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, TxKind, U256, keccak256};

use crate::{
    fees::Fees,
    journal::Attempt,
    l1::{Call, L1, L1Error},
    limits::{Limit, check_length, gas_limit},
    signer::Signer,
};

/// A call that L1 would take now.
pub(crate) struct Unsigned {
    call: Call,
    gas_limit: u64,
}

impl Unsigned {
    /// Asks L1 what the call takes.
    ///
    /// # Errors
    /// [`L1Error`], [`L1Error::Reverted`] if the contract refuses. The inner result is [`Limit::Gas`] if it takes too much.
    pub(crate) fn new(l1: &dyn L1, call: Call) -> Result<Result<Self, Limit>, L1Error> {
        let estimate = l1.estimate_gas(&call)?;
        Ok(gas_limit(estimate, &call.input).map(|gas_limit| Self { call, gas_limit }))
    }

    /// Checks that the sender can pay what the transaction offers.
    ///
    /// # Errors
    /// [`Limit::Funds`]
    pub(crate) fn check_funds(&self, balance: U256, fees: Fees) -> Result<(), Limit> {
        let needed = U256::from(self.gas_limit) * U256::from(fees.max) + self.call.value;
        if needed > balance { Err(Limit::Funds { needed, balance }) } else { Ok(()) }
    }

    /// Signs the call.
    ///
    /// # Errors
    /// [`Limit::Bytes`] if the transaction is too long, and [`Limit::Signing`].
    pub(crate) fn sign(
        &self,
        signer: &Signer,
        chain_id: u64,
        nonce: u64,
        fees: Fees,
    ) -> Result<Attempt, Limit> {
        let Call { to, value, ref input, .. } = self.call;
        let transaction = TxEip1559 {
            chain_id,
            nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.priority,
            to: to.map_or(TxKind::Create, TxKind::Call),
            value,
            access_list: Default::default(),
            input: input.clone(),
        };
        let signature = signer.sign(transaction.signature_hash()).map_err(|_| Limit::Signing)?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        let encoded = signed.encoded_2718();
        check_length(encoded.len())?;
        Ok(Attempt {
            sender: signer.address(),
            nonce,
            hash: *signed.tx_hash(),
            call: keccak256(input),
            gas_limit: signed.gas_limit(),
            fees,
            transaction: Some(Bytes::from(encoded)),
            failed: false,
        })
    }
}

/// What a node says of a transaction that it is handed.
pub(crate) enum Sent {
    /// It has it.
    Taken,
    /// It wants a better offer.
    Underpriced(L1Error),
    /// It refuses it or does not answer: it may have it.
    Unknown(L1Error),
}

impl Sent {
    /// Nodes have no codes for these reasons, only words of their own.
    pub(crate) fn of(answer: Result<(), L1Error>) -> Self {
        match answer {
            Ok(()) => Self::Taken,
            Err(L1Error::Refused { method, code, message }) => {
                let words = message.to_ascii_lowercase();
                let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
                let error = L1Error::Refused { method, code, message };
                let is_known =
                    says(&["already known", "already imported", "alreadyknown", "known transaction"]);
                if is_known && !words.contains("unknown") {
                    Self::Taken
                } else if says(&["underpriced", "less than block base fee", "fee too low", "feetoolow"]) {
                    Self::Underpriced(error)
                } else {
                    Self::Unknown(error)
                }
            }
            Err(error) => Self::Unknown(error),
        }
    }
}

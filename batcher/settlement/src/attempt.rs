//! Transactions: checked, signed, handed over.

use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip4844, transaction::Transaction as _,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes, TxKind, U256, keccak256};

use crate::{
    blobs::GAS_PER_BLOB,
    fees::Fees,
    journal::Attempt,
    l1::{Call, L1, L1Error},
    limits::{Limit, MAX_GAS, check_length, floor_gas, gas_limit},
    signer::Signer,
};

/// What a contract takes to read the hash of a blob and to name it in an event, rounded up. Nodes estimate calls without blobs.
const GAS_PER_HASH: u64 = 1_000;

/// A call that L1 would take now.
pub(crate) struct Unsigned {
    call: Call,
    gas_limit: u64,
    /// The versioned hashes of the blobs that go with it.
    blobs: Vec<B256>,
    /// Whether the node says that it costs more than its calldata alone.
    pub(crate) runs_code: bool,
}

impl Unsigned {
    /// Asks L1 what the call takes.
    ///
    /// # Errors
    /// [`L1Error`], [`L1Error::Reverted`] if the contract refuses. The inner result is [`Limit::Gas`] if it takes too much.
    pub(crate) fn new(l1: &dyn L1, call: Call) -> Result<Result<Self, Limit>, L1Error> {
        let estimate = l1.estimate_gas(&call)?;
        let runs_code = estimate > floor_gas(&call.input);
        Ok(gas_limit(estimate, &call.input).map(|gas_limit| Self {
            call,
            gas_limit,
            blobs: vec![],
            runs_code,
        }))
    }

    /// The call with blobs of these versioned hashes.
    pub(crate) fn with_blobs(self, blobs: &[B256]) -> Self {
        let gas_limit = (self.gas_limit + GAS_PER_HASH * blobs.len() as u64).min(MAX_GAS);
        Self { gas_limit, blobs: blobs.to_vec(), ..self }
    }

    /// Checks that the sender can pay what the transaction offers.
    ///
    /// # Errors
    /// [`Limit::Funds`]
    pub(crate) fn check_funds(&self, balance: U256, fees: Fees) -> Result<(), Limit> {
        let blob_gas = U256::from(GAS_PER_BLOB) * U256::from(self.blobs.len());
        let needed = U256::from(self.gas_limit) * U256::from(fees.max)
            + blob_gas * U256::from(fees.blob.unwrap_or_default())
            + self.call.value;
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
        let fees = Fees { blob: fees.blob.filter(|_| !self.blobs.is_empty()), ..fees };
        let signed = match fees.blob {
            None => self.sign_plain(signer, chain_id, nonce, fees)?,
            Some(blob_fee) => self.sign_with_blobs(signer, chain_id, nonce, fees, blob_fee)?,
        };
        let encoded = signed.encoded_2718();
        check_length(encoded.len())?;
        Ok(Attempt {
            sender: signer.address(),
            nonce,
            hash: *signed.tx_hash(),
            call: keccak256(&self.call.input),
            gas_limit: signed.gas_limit(),
            fees,
            transaction: Some(Bytes::from(encoded)),
            failed: false,
        })
    }

    fn sign_plain(
        &self,
        signer: &Signer,
        chain_id: u64,
        nonce: u64,
        fees: Fees,
    ) -> Result<EthereumTxEnvelope<TxEip4844>, Limit> {
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
        Ok(EthereumTxEnvelope::Eip1559(transaction.into_signed(signature)))
    }

    fn sign_with_blobs(
        &self,
        signer: &Signer,
        chain_id: u64,
        nonce: u64,
        fees: Fees,
        blob_fee: u128,
    ) -> Result<EthereumTxEnvelope<TxEip4844>, Limit> {
        let Call { to, value, ref input, .. } = self.call;
        let transaction = TxEip4844 {
            chain_id,
            nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.priority,
            // A transaction with blobs creates no contract.
            to: to.ok_or(Limit::Signing)?,
            value,
            access_list: Default::default(),
            blob_versioned_hashes: self.blobs.clone(),
            max_fee_per_blob_gas: blob_fee,
            input: input.clone(),
        };
        let signature = signer.sign(transaction.signature_hash()).map_err(|_| Limit::Signing)?;
        Ok(EthereumTxEnvelope::Eip4844(transaction.into_signed(signature)))
    }
}

/// How nodes say that an offer is too low.
const UNDERPRICED: [&str; 6] = [
    "underpriced",
    "less than block base fee",
    "less than block blob gas fee",
    "greater than max fee per blob gas",
    "fee too low",
    "feetoolow",
];

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
                } else if says(&UNDERPRICED) {
                    Self::Underpriced(error)
                } else {
                    Self::Unknown(error)
                }
            }
            Err(error) => Self::Unknown(error),
        }
    }
}

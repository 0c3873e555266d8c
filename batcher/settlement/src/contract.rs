//! The contracts, as their compiled artefacts in `bridge/contracts/artifacts` have them, and what the job reads of the
//! settlement contract.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolEvent};
use thiserror::Error;

use crate::{
    abi::Settlement::{SuperblockSettled, progressCall, stateOfCall},
    l1::{At, Call, L1, L1Error},
};

/// There is no settlement contract at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no settlement contract at {0}, or it has no genesis yet")]
pub struct NoContract(pub Address);

/// The end of the chain of superblocks that the contract has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its number; 0 is genesis.
    pub number: u32,
    /// Its state: four big-endian integers of 64 bits.
    pub state: B256,
}

/// A settlement contract on L1.
#[derive(Clone, Copy)]
pub struct Contract<'a> {
    pub l1: &'a dyn L1,
    pub address: Address,
}

impl Contract<'_> {
    /// What a view function returns; `None` if there is no contract in that block.
    ///
    /// # Errors
    /// [`L1Error`]
    pub fn view<C: SolCall>(&self, call: &C, at: At) -> Result<Option<C::Return>, L1Error> {
        let call = Call {
            from: Address::ZERO,
            to: Some(self.address),
            value: U256::ZERO,
            input: call.abi_encode().into(),
        };
        let answer = self.l1.call(&call, at)?;
        if answer.is_empty() {
            return Ok(None);
        }
        let malformed = |_| L1Error::Malformed {
            method: "eth_call",
            expected: C::SIGNATURE,
            found: format!("{} bytes", answer.len()),
        };
        C::abi_decode_returns(&answer).map(Some).map_err(malformed)
    }

    /// The last superblock that is settled; `None` if there is no contract, or it has no genesis.
    ///
    /// # Errors
    /// [`L1Error`]
    pub fn settled(&self, at: At) -> Result<Option<Settled>, L1Error> {
        let Some(progress) = self.view(&progressCall {}, at)? else { return Ok(None) };
        let state = self.state(progress.number, at)?;
        Ok((state != B256::ZERO).then_some(Settled { number: progress.number, state }))
    }

    /// The state after superblock `number`; zeros if it is not settled.
    ///
    /// # Errors
    /// [`L1Error`]
    pub fn state(&self, number: u32, at: At) -> Result<B256, L1Error> {
        Ok(self.view(&stateOfCall { number }, at)?.unwrap_or_default())
    }

    /// Whether this transaction settled superblock `number` in this block.
    ///
    /// # Errors
    /// [`L1Error`]
    pub fn has_settled_in(&self, number: u32, block: u64, transaction: B256) -> Result<bool, L1Error> {
        let topics = [SuperblockSettled::SIGNATURE_HASH, U256::from(number).into()].map(Some);
        let events = self.l1.events(self.address, &topics, block, block)?;
        Ok(events.iter().any(|event| event.transaction == transaction))
    }

    /// A transaction's call of the contract.
    #[must_use]
    pub fn call(&self, from: Address, value: U256, call: &impl SolCall) -> Call {
        Call { from, to: Some(self.address), value, input: Bytes::from(call.abi_encode()) }
    }
}

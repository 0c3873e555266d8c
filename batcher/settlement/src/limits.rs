//! What L1 takes of a transaction, checked before anything is sent.

use alloy_primitives::{U256, utils::format_ether};
use thiserror::Error;

/// The most gas of a transaction (EIP-7825).
pub const MAX_GAS: u64 = 16_777_216;
/// The most bytes of a transaction that nodes pass on.
pub const MAX_TRANSACTION_BYTES: usize = 128 << 10;
/// What every transaction costs.
const BASE_GAS: u64 = 21_000;
/// The least that a token of calldata costs (EIP-7623): a zero byte is one, another byte is four.
const FLOOR_GAS_PER_TOKEN: u64 = 10;
const TOKENS_PER_NONZERO_BYTE: u64 = 4;
/// What is added to an estimate, in parts of it: the contract's storage may be another when the transaction runs.
const MARGIN_DIVISOR: u64 = 8;

/// Why a transaction is not sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Limit {
    /// It is too long.
    #[error("the transaction has {bytes} bytes, nodes take at most {MAX_TRANSACTION_BYTES}")]
    Bytes { bytes: usize },
    /// It needs too much gas.
    #[error("the transaction needs {gas} gas, L1 takes at most {MAX_GAS}")]
    Gas { gas: u64 },
    /// The sender cannot pay.
    #[error(
        "the sender may have to pay {} ether and has {}", format_ether(*.needed), format_ether(*.balance)
    )]
    Funds {
        /// Both in wei.
        needed: U256,
        balance: U256,
    },
    /// The key does not sign.
    #[error("the transaction cannot be signed")]
    Signing,
}

/// The least that a transaction with this calldata costs, whatever it does (EIP-7623).
#[must_use]
pub fn floor_gas(calldata: &[u8]) -> u64 {
    let tokens: u64 = calldata.iter().map(|&byte| if byte == 0 { 1 } else { TOKENS_PER_NONZERO_BYTE }).sum();
    BASE_GAS + FLOOR_GAS_PER_TOKEN * tokens
}

/// The gas that a transaction is sent with, given what a node estimates.
///
/// # Errors
/// [`Limit::Gas`] if it needs too much.
pub fn gas_limit(estimate: u64, calldata: &[u8]) -> Result<u64, Limit> {
    let gas = estimate.max(floor_gas(calldata));
    if gas > MAX_GAS {
        return Err(Limit::Gas { gas });
    }
    Ok((gas + gas / MARGIN_DIVISOR).min(MAX_GAS))
}

/// Checks the length of a signed transaction.
///
/// # Errors
/// [`Limit::Bytes`]
pub fn check_length(bytes: usize) -> Result<(), Limit> {
    if bytes > MAX_TRANSACTION_BYTES { Err(Limit::Bytes { bytes }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calldata_has_a_floor() {
        assert_eq!(floor_gas(&[]), 21_000);
        assert_eq!(floor_gas(&[0, 1, 0, 2]), 21_000 + 10 * 10);
        assert_eq!(gas_limit(8_000, &[]), Ok(21_000 + 21_000 / 8));
        // 128 KiB of calldata without zeros, which the floor alone makes dear.
        assert_eq!(floor_gas(&vec![1; MAX_TRANSACTION_BYTES]), 5_263_880);
    }

    #[test]
    fn what_is_at_a_limit_is_sent_and_what_is_above_it_is_not() {
        assert_eq!(gas_limit(MAX_GAS, &[]), Ok(MAX_GAS));
        assert_eq!(gas_limit(MAX_GAS + 1, &[]), Err(Limit::Gas { gas: MAX_GAS + 1 }));
        assert_eq!(check_length(MAX_TRANSACTION_BYTES), Ok(()));
        let bytes = MAX_TRANSACTION_BYTES + 1;
        assert_eq!(check_length(bytes), Err(Limit::Bytes { bytes }));
    }
}

//! Depositing ether and tokens of L1.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall as _, sol};
use environments_l1::{Bytes32, asset::AssetName};
use thiserror::Error;

use crate::{
    abi::Settlement::{Asset, AssetId, assetOfCall, depositCall},
    contract::{Contract, NoContract},
    l1::{At, L1Error, Receipt},
    wallet::{Wallet, WalletError},
};

sol! {
    /// What a deposit needs of a token.
    interface Token {
        function approve(address spender, uint256 tokens) external returns (bool);
        function allowance(address owner, address spender) external view returns (uint256);
    }
}

/// The contract's kinds of assets.
const UNKNOWN: u8 = 0;
const ETHER: u8 = 1;
const TOKEN: u8 = 2;

/// What is deposited, for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub asset: AssetName,
    /// In units of the bridge.
    pub amount: u64,
    /// The environment.
    pub destination: u16,
    /// In the destination's terms.
    pub recipient: Bytes32,
    /// In superblocks.
    pub lifetime: u32,
}

/// Why nothing is deposited.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DepositError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    NoContract(#[from] NoContract),
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The contract does not know the asset.
    #[error("the contract knows no asset {0}")]
    UnknownAsset(AssetName),
    /// The tokens have more than 256 bits.
    #[error("{amount} of {asset} are more tokens than there can be")]
    TooMuch { amount: u64, asset: AssetName },
}

/// Deposits. For a token, the contract is allowed to take it first.
///
/// # Errors
/// [`DepositError`], with the contract's reason if it refuses.
pub fn deposit(wallet: &Wallet<'_>, contract: Address, order: &Order) -> Result<Receipt, DepositError> {
    let &Order { asset: name, amount, destination, recipient, lifetime } = order;
    let settlement = Contract { l1: wallet.l1, address: contract };
    let asset = AssetId { origin: name.origin, number: name.number };
    let known = asset_of(&settlement, name)?;
    let (tokens, value) = tokens_of(&settlement, name, amount)?;
    if known.kind == TOKEN {
        let token = known.token;
        let of_token = Contract { l1: wallet.l1, address: token };
        let allowance = Token::allowanceCall { owner: wallet.address(), spender: contract };
        let allowed = of_token.view(&allowance, At::Latest)?.ok_or(NoContract(token))?;
        if allowed < tokens {
            let approve = Token::approveCall { spender: contract, tokens };
            wallet.send(Some(token), U256::ZERO, approve.abi_encode().into())?;
        }
    }
    let call = depositCall { asset, tokens, destination, recipient: B256::new(recipient.0), lifetime };
    Ok(wallet.send(Some(contract), value, call.abi_encode().into())?)
}

/// How many of the token's smallest parts an amount is, and how many wei of them are sent along.
///
/// # Errors
/// [`DepositError::UnknownAsset`], [`DepositError::TooMuch`], or why L1 does not answer.
pub(crate) fn tokens_of(
    settlement: &Contract<'_>,
    asset: AssetName,
    amount: u64,
) -> Result<(U256, U256), DepositError> {
    let Asset { kind, unitExponent, .. } = asset_of(settlement, asset)?;
    let unit = U256::from(10).checked_pow(U256::from(unitExponent));
    let tokens = unit.and_then(|unit| unit.checked_mul(U256::from(amount)));
    let tokens = tokens.ok_or(DepositError::TooMuch { amount, asset })?;
    Ok((tokens, if kind == ETHER { tokens } else { U256::ZERO }))
}

fn asset_of(settlement: &Contract<'_>, name: AssetName) -> Result<Asset, DepositError> {
    let call = assetOfCall { asset: AssetId { origin: name.origin, number: name.number } };
    let known = settlement.view(&call, At::Latest)?.ok_or(NoContract(settlement.address))?;
    if known.kind == UNKNOWN { Err(DepositError::UnknownAsset(name)) } else { Ok(known) }
}

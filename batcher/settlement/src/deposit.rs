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
const TOKEN: u8 = 2;
/// Ether as an asset, and wei in a unit of it. No node is asked for either: it could name a unit that costs more.
const ETHER: AssetName = AssetName { origin: 0, number: 1 };
const WEI_PER_UNIT: u64 = 10_000_000_000;

/// What is deposited, for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub asset: AssetName,
    /// In units of the bridge.
    pub amount: u64,
    /// How many of the token's smallest parts that is; not needed for ether.
    pub tokens: Option<U256>,
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
    /// The node names another number of tokens than the user.
    #[error("{amount} units of {asset} are {told} of the token's smallest parts as the contract has it, which the user must state{}", stated.map(|stated| format!(", and states as {stated}")).unwrap_or_default())]
    Tokens { amount: u64, asset: AssetName, told: U256, stated: Option<U256> },
}

/// Deposits. For a token, the contract is allowed to take it first.
///
/// # Errors
/// [`DepositError`], with the contract's reason if it refuses.
pub fn deposit(wallet: &Wallet<'_>, contract: Address, order: &Order) -> Result<Receipt, DepositError> {
    let &Order { asset: name, amount, tokens: stated, destination, recipient, lifetime } = order;
    let settlement = Contract { l1: wallet.l1, address: contract };
    let asset = AssetId { origin: name.origin, number: name.number };
    let known = asset_of(&settlement, name)?;
    let (tokens, value) = tokens_of(&known, name, amount, stated)?;
    if known.kind == TOKEN && name != ETHER {
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

/// How many of the token's smallest parts an amount is, and how many wei are sent along. What the node says of a token must be
/// what the user states.
fn tokens_of(
    known: &Asset,
    asset: AssetName,
    amount: u64,
    stated: Option<U256>,
) -> Result<(U256, U256), DepositError> {
    if asset == ETHER {
        let wei = wei_of(amount);
        return Ok((wei, wei));
    }
    let unit = U256::from(10).checked_pow(U256::from(known.unitExponent)).unwrap_or(U256::MAX);
    let told = unit.saturating_mul(U256::from(amount));
    if stated == Some(told) {
        Ok((told, U256::ZERO))
    } else {
        Err(DepositError::Tokens { amount, asset, told, stated })
    }
}

/// The wei of an amount of ether.
pub(crate) fn wei_of(amount: u64) -> U256 {
    U256::from(amount) * U256::from(WEI_PER_UNIT)
}

fn asset_of(settlement: &Contract<'_>, name: AssetName) -> Result<Asset, DepositError> {
    let call = assetOfCall { asset: AssetId { origin: name.origin, number: name.number } };
    let known = settlement.view(&call, At::Latest)?.ok_or(NoContract(settlement.address))?;
    if known.kind == UNKNOWN { Err(DepositError::UnknownAsset(name)) } else { Ok(known) }
}

//! Depositing ether and tokens of L1.

use std::{
    cell::RefCell,
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes, U256, utils::format_ether};
use alloy_sol_types::{SolCall as _, sol};
use circuits_files::{
    file::{self, FileError},
    text::{self, TextError, without_secrets},
};
use environments_l1::{Bytes32, asset::AssetName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    abi::Settlement::{Asset, AssetId, assetOfCall, depositCall, depositFeeCall},
    contract::{Contract, NoContract},
    l1::{At, Call, L1Error, Receipt},
    wallet::{Wallet, WalletError},
};

sol! {
    /// What a deposit needs of a token.
    interface Token {
        function approve(address spender, uint256 tokens) external returns (bool);
        function allowance(address owner, address spender) external view returns (uint256);
    }
}

/// Bytes of the largest record.
const RECORD_LIMIT: u64 = 64 << 10;
/// The contract's kinds of assets.
const UNKNOWN: u8 = 0;
const TOKEN: u8 = 2;
/// Ether as an asset, and wei in a unit of it. No node is asked for either: it could name a unit that costs more.
const ETHER: AssetName = AssetName { origin: 0, number: 1 };
const WEI_PER_UNIT: u64 = 10_000_000_000;

/// What is deposited, for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub asset: AssetName,
    /// In units of the bridge.
    pub amount: u64,
    /// How many of the token's smallest parts that is, and the token's contract; not needed for ether.
    pub tokens: Option<U256>,
    pub token: Option<Address>,
    /// The environment.
    pub destination: u16,
    /// In the destination's terms.
    pub recipient: Bytes32,
    /// In superblocks.
    pub lifetime: u32,
    /// The most that is paid for a place in a long queue, in units of ether. What the contract does not ask for comes back.
    pub fee: u64,
}

/// Why nothing is deposited.
#[derive(Debug, Error)]
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
    /// The node names another token than the user.
    #[error("the contract has token {told} for {asset}, which the user must state{}", stated.map(|stated| format!(", and states as {stated}")).unwrap_or_default())]
    Token { asset: AssetName, told: Address, stated: Option<Address> },
    /// The queue is long, and a place in it costs more than the user states.
    #[error("the contract asks for a fee of {} ether for a place in its queue, the user pays at most {}", format_ether(*.told), format_ether(*.stated))]
    Fee {
        /// Both in wei.
        told: U256,
        stated: U256,
    },
    /// A record cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A record cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A record cannot be locked.
    #[error("{path}: cannot lock it: {source}", path = .path.display())]
    Lock { path: PathBuf, source: io::Error },
    /// Another process has the record.
    #[error("{path}: another process deposits with this record", path = .path.display())]
    Locked { path: PathBuf },
    /// The file holds no record of a deposit.
    #[error("{path}: it is no record of a deposit: {reason}", path = .path.display())]
    NoRecord { path: PathBuf, reason: String },
    /// The record is that of another deposit.
    #[error("{path}: it is the record of another deposit, by {sender} on network {chain_id}: name another file", path = .path.display())]
    OtherDeposit { path: PathBuf, sender: Address, chain_id: u64 },
    /// The record's nonce is used, by a transaction that the node does not tell.
    #[error(
        "{path}: nonce {nonce} of {sender} is used, and the node tells no transaction that the record names: look for the deposit \
         in L1's queue, and repeat the command with another file only if it is not there",
        path = .path.display()
    )]
    NonceUsed { path: PathBuf, sender: Address, nonce: u64 },
}

/// A deposit that is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposited {
    pub receipt: Receipt,
    /// Whether an earlier call sent it.
    pub earlier: bool,
}

/// What a file keeps of a deposit: its nonce, before anything is sent, and the hashes of its transactions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    chain_id: u64,
    contract: Address,
    sender: Address,
    order: Order,
    nonce: u64,
    transactions: Vec<B256>,
}

impl Record {
    /// The record in the file; `None` if there is no file.
    fn find(path: &Path) -> Result<Option<Self>, DepositError> {
        // Whatever else keeps the file from being seen, it may be there.
        if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(None);
        }
        let text = text::read(path, RECORD_LIMIT)?;
        serde_json::from_str(&text).map(Some).map_err(|error| DepositError::NoRecord {
            path: path.to_owned(),
            reason: without_secrets(&error.to_string()),
        })
    }

    fn to_json(&self) -> Vec<u8> {
        // A record has no key that is not a text, so it always serialises.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Deposits, once for each `record`: a file that is made before anything is sent, and with which a call that was cut off goes on. For
/// a token, the contract is allowed to take it first.
///
/// # Errors
/// [`DepositError`], with the contract's reason if it refuses.
pub fn deposit_once(
    wallet: &Wallet<'_>,
    contract: Address,
    order: &Order,
    record: &Path,
) -> Result<Deposited, DepositError> {
    let (sender, chain_id) = (wallet.address(), wallet.chain_id);
    // Held to the end: of two calls with one record, one deposits.
    let _lock = lock(record)?;
    let known = Record::find(record)?;
    if let Some(known) = &known {
        if (known.chain_id, known.contract, known.sender, known.order) != (chain_id, contract, sender, *order)
        {
            let Record { sender, chain_id, .. } = *known;
            return Err(DepositError::OtherDeposit { path: record.to_owned(), sender, chain_id });
        }
        if let Some(receipt) = receipt_of(wallet, known)? {
            return Ok(Deposited { receipt, earlier: true });
        }
        if wallet.l1.nonces(sender)?.latest > known.nonce {
            // It may have come since.
            return match receipt_of(wallet, known)? {
                Some(receipt) => Ok(Deposited { receipt, earlier: true }),
                None => Err(DepositError::NonceUsed { path: record.to_owned(), sender, nonce: known.nonce }),
            };
        }
    }
    let (call, value) = prepare(wallet, contract, order)?;
    let kept = match known {
        Some(known) => known,
        None => {
            // Asking first gives the contract's reason, and leaves no record of what is refused.
            let nonce = wallet.l1.nonces(sender)?.pending;
            let asked = Call { from: sender, to: Some(contract), value, input: call.clone() };
            wallet.l1.call(&asked, At::Latest)?;
            let new = Record { chain_id, contract, sender, order: *order, nonce, transactions: vec![] };
            // It replaces nothing, however late something appears.
            file::write_new(record, &new.to_json())?;
            new
        }
    };
    let (nonce, kept) = (kept.nonce, RefCell::new(kept));
    let announce = |hash, nonce| {
        let mut kept = kept.borrow_mut();
        if !kept.transactions.contains(&hash) {
            kept.transactions.push(hash);
            // The nonce alone keeps a second deposit away; the hashes are for the answer.
            let _ = file::write_shared(record, &kept.to_json());
        }
        (wallet.announce)(hash, nonce);
    };
    let wallet = Wallet { announce: &announce, ..*wallet };
    match wallet.send_with(nonce, Some(contract), value, call) {
        Ok(receipt) => Ok(Deposited { receipt, earlier: false }),
        // An offer of an earlier call came first.
        Err(error @ WalletError::NonceUsed { .. }) => match receipt_of(&wallet, &kept.borrow())? {
            Some(receipt) => Ok(Deposited { receipt, earlier: true }),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Locks the record, by a file beside it.
fn lock(record: &Path) -> Result<File, DepositError> {
    let path = file::lock_file(record);
    let unusable = |source| DepositError::Lock { path: path.clone(), source };
    let lock = file::open_lock(&path).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DepositError::Locked { path: record.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// The receipt of a record's transaction, if one of them is in a block.
fn receipt_of(wallet: &Wallet<'_>, record: &Record) -> Result<Option<Receipt>, DepositError> {
    for &hash in &record.transactions {
        match wallet.l1.receipt(hash)? {
            Some(receipt) if receipt.succeeded => return Ok(Some(receipt)),
            Some(_) => return Err(WalletError::Failed(hash).into()),
            None => {}
        }
    }
    Ok(None)
}

/// The call that deposits, and the wei that are sent along. A token is approved first.
fn prepare(wallet: &Wallet<'_>, contract: Address, order: &Order) -> Result<(Bytes, U256), DepositError> {
    let &Order { asset: name, amount, tokens: stated, token, destination, recipient, lifetime, fee } = order;
    let settlement = Contract { l1: wallet.l1, address: contract };
    let asset = AssetId { origin: name.origin, number: name.number };
    let known = asset_of(&settlement, name)?;
    let (tokens, value) = tokens_of(&known, name, amount, stated)?;
    if name != ETHER && token != Some(known.token) {
        return Err(DepositError::Token { asset: name, told: known.token, stated: token });
    }
    if known.kind == TOKEN && name != ETHER {
        approve(wallet, contract, known.token, tokens)?;
    }
    let told = settlement.view(&depositFeeCall {}, At::Latest)?.ok_or(NoContract(contract))?;
    let stated = wei_of(fee);
    if told > stated {
        return Err(DepositError::Fee { told, stated });
    }
    let call = depositCall { asset, tokens, destination, recipient: B256::new(recipient.0), lifetime };
    Ok((call.abi_encode().into(), value.saturating_add(stated)))
}

/// Lets the contract take so much of a token. Some tokens change an allowance from nothing only.
fn approve(wallet: &Wallet<'_>, contract: Address, token: Address, tokens: U256) -> Result<(), DepositError> {
    let of_token = Contract { l1: wallet.l1, address: token };
    let allowance = Token::allowanceCall { owner: wallet.address(), spender: contract };
    let allowed = of_token.view(&allowance, At::Latest)?.ok_or(NoContract(token))?;
    if allowed >= tokens {
        return Ok(());
    }
    let amounts = if allowed == U256::ZERO { vec![tokens] } else { vec![U256::ZERO, tokens] };
    for tokens in amounts {
        let approve = Token::approveCall { spender: contract, tokens };
        wallet.send(Some(token), U256::ZERO, approve.abi_encode().into())?;
    }
    Ok(())
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

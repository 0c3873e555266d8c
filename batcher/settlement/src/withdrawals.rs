//! Deposits that no superblock takes: cutting the queue, and withdrawing what was cut.

use std::{fmt, str::FromStr};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use environments_l1::asset::AssetName;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{
    abi::Settlement::{
        AssetId, Deposit, Deposited, QueueCut, SettlementErrors, cutQueueCall, queueCall, withdrawCall,
        withdrawToCall,
    },
    contract::{Contract, NoContract},
    history::{decode, search_back_for},
    l1::{At, Call, L1Error, Receipt},
    wallet::{Wallet, WalletError},
};

/// Why a queue is not cut, or nothing is withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WithdrawError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    NoContract(#[from] NoContract),
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The node leaves out what a transaction did.
    #[error("transaction {transaction} is in block {block}, and the node tells no cut of it")]
    NoCut { transaction: B256, block: u64 },
    /// No block has a deposit with this name.
    #[error("the node tells of no deposit {0} in the blocks that were searched")]
    Unknown(DepositName),
    /// The deposit is in the queue, or a superblock took it.
    #[error("deposit {0} was not cut from the queue")]
    NotCut(DepositName),
    /// The deposit is somebody else's, and would be paid to another address.
    #[error("deposit {name} is one of {depositor}, who alone names another receiver; the signer is {signer}")]
    NotDepositor { name: DepositName, depositor: Address, signer: Address },
}

/// A deposit among all that were ever made: the generation of the queue, which is how often that had been cut, and the index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepositName {
    pub generation: u32,
    pub index: u32,
}

impl fmt::Display for DepositName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.generation, self.index)
    }
}

impl Serialize for DepositName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text names no deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a deposit is named GENERATION:INDEX, such as 0:17")]
pub struct NoDepositName;

impl FromStr for DepositName {
    type Err = NoDepositName;

    fn from_str(text: &str) -> Result<Self, NoDepositName> {
        let (generation, index) = text.split_once(':').ok_or(NoDepositName)?;
        let number = |text: &str| text.parse().map_err(|_| NoDepositName);
        Ok(Self { generation: number(generation)?, index: number(index)? })
    }
}

/// A queue that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// The generation that ended.
    pub generation: u32,
    /// The first deposit that left the queue, and the one behind the last.
    pub from: u32,
    pub to: u32,
    pub transaction: B256,
    pub gas_used: u64,
}

/// Cuts the queue, which anybody may once no superblock has taken from it for long. The depositors get back what is cut.
///
/// # Errors
/// [`WithdrawError`], with the contract's reason if there is nothing to cut or it is too early.
pub fn cut_queue(wallet: &Wallet<'_>, contract: Address) -> Result<Cut, WithdrawError> {
    let settlement = Contract { l1: wallet.l1, address: contract };
    settlement.view(&queueCall {}, At::Latest)?.ok_or(NoContract(contract))?;
    let receipt = wallet.send(Some(contract), U256::ZERO, cutQueueCall {}.abi_encode().into())?;
    let Receipt { transaction, block_number: block, gas_used, .. } = receipt;
    let events = wallet.events_of(contract, transaction)?;
    let event = events.iter().find(|event| event.topics.first() == Some(&QueueCut::SIGNATURE_HASH));
    let event = event.ok_or(WithdrawError::NoCut { transaction, block })?;
    let QueueCut { generation, from, to } = decode(event)?;
    Ok(Cut { generation, from, to, transaction, gas_used })
}

/// Which deposits are withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All that this account has made.
    Of(Address),
    /// These, whoever made them.
    Named(Vec<DepositName>),
}

/// A deposit that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Withdrawal {
    pub name: DepositName,
    pub depositor: Address,
    pub asset: AssetName,
    /// In units of the bridge.
    pub amount: u64,
    pub outcome: WithdrawalOutcome,
}

/// What became of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithdrawalOutcome {
    /// This transaction paid it.
    Paid(B256),
    /// It was withdrawn before.
    PaidEarlier,
    /// The receiver refuses, so nothing was sent. It can be withdrawn again.
    Refused,
}

/// What withdrawing did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Withdrawals {
    pub deposits: Vec<Withdrawal>,
    pub gas_used: u64,
}

/// Withdraws deposits that were cut from the queue, each in a transaction of its own: the contract pays it to its depositor, whoever
/// asks for it, or to `receiver`, which the depositor alone can name. Their events are searched in blocks from `first_block` on, the
/// newest first. What was withdrawn already is listed; deposits of [`Wanted::Of`] that were not cut are left out. What was done is added
/// to `done`.
///
/// # Errors
/// [`WithdrawError`]. Deposits before the one that fails are withdrawn, and in `done`.
pub fn withdraw(
    wallet: &Wallet<'_>,
    contract: Address,
    wanted: &Wanted,
    receiver: Option<Address>,
    first_block: u64,
    done: &mut Withdrawals,
) -> Result<(), WithdrawError> {
    let signer = wallet.address();
    let found = deposits(&Contract { l1: wallet.l1, address: contract }, wanted, first_block)?;
    if let Some(event) = found.iter().find(|event| receiver.is_some() && event.depositor != signer) {
        return Err(WithdrawError::NotDepositor { name: name_of(event), depositor: event.depositor, signer });
    }
    for event in found {
        let (name, input) = (name_of(&event), calldata(&event, receiver));
        let Deposited { depositor, origin, number, amount, .. } = event;
        let asked = Call { from: signer, to: Some(contract), value: U256::ZERO, input };
        let sent = match wallet.l1.call(&asked, At::Latest) {
            Ok(_) => wallet.send(Some(contract), U256::ZERO, asked.input),
            Err(error) => Err(error.into()),
        };
        let outcome = match sent {
            Ok(receipt) => {
                done.gas_used += receipt.gas_used;
                WithdrawalOutcome::Paid(receipt.transaction)
            }
            // Somebody may have withdrawn it in between.
            Err(WalletError::L1(L1Error::Reverted(reason))) => match reason.of_settlement() {
                Some(SettlementErrors::AlreadyWithdrawn(_)) => WithdrawalOutcome::PaidEarlier,
                Some(SettlementErrors::PaymentFailed(_)) => WithdrawalOutcome::Refused,
                Some(SettlementErrors::NotCut(_)) if matches!(wanted, Wanted::Of(_)) => continue,
                Some(SettlementErrors::NotCut(_)) => return Err(WithdrawError::NotCut(name)),
                _ => return Err(L1Error::Reverted(reason).into()),
            },
            Err(error) => return Err(error.into()),
        };
        let asset = AssetName { origin, number };
        done.deposits.push(Withdrawal { name, depositor, asset, amount, outcome });
    }
    Ok(())
}

/// The deposits that are wanted and of a generation that has ended, in order: those of the present one were not cut.
fn deposits(
    contract: &Contract<'_>,
    wanted: &Wanted,
    first_block: u64,
) -> Result<Vec<Deposited>, WithdrawError> {
    let &Contract { l1, address } = contract;
    let missing = NoContract(address);
    let queue = contract.view(&queueCall {}, At::Latest)?.ok_or(missing)?;
    let head = l1.block(At::Latest)?.ok_or(missing)?.number;
    let search = |topics: &[Option<B256>], most: usize, is_wanted: &dyn Fn(&Deposited) -> bool| {
        let mut found = vec![];
        search_back_for(l1, address, topics, (first_block, head), |deposited| {
            if is_wanted(&deposited) {
                found.push(deposited);
            }
            found.len() < most
        })?;
        Ok::<_, L1Error>(found)
    };
    let mut found = vec![];
    match wanted {
        Wanted::Of(_) if queue.generation == 0 => {}
        Wanted::Of(depositor) => {
            let topics = [None, None, Some(depositor.into_word())];
            found = search(&topics, usize::MAX, &|deposited| deposited.generation < queue.generation)?;
        }
        Wanted::Named(names) => {
            for &name in names {
                if name.generation >= queue.generation {
                    return Err(WithdrawError::NotCut(name));
                }
                let [generation, index] =
                    [name.generation, name.index].map(|number| Some(U256::from(number).into()));
                let one = search(&[generation, index], 1, &|_| true)?.pop();
                found.push(one.ok_or(WithdrawError::Unknown(name))?);
            }
        }
    }
    found.sort_by_key(name_of);
    found.dedup_by_key(|event| name_of(event));
    Ok(found)
}

fn name_of(event: &Deposited) -> DepositName {
    DepositName { generation: event.generation, index: event.index }
}

/// The call that withdraws the deposit of an event. The contract compares it with what it was given then.
fn calldata(event: &Deposited, receiver: Option<Address>) -> Bytes {
    let &Deposited { generation, index, depositor, destination, recipient, .. } = event;
    let &Deposited { origin, number, amount, lifetime, .. } = event;
    let asset = AssetId { origin, number };
    let entry = Deposit { depositor, destination, recipient, asset, amount, lifetime };
    match receiver {
        None => withdrawCall { generation, index, entry }.abi_encode().into(),
        Some(receiver) => withdrawToCall { generation, index, entry, receiver }.abi_encode().into(),
    }
}

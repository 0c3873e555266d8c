//! `superblock l1 deposit`.

use std::{fmt, path::PathBuf};

use batcher_settlement::{
    Address, B256, U256,
    deposit::{Order, deposit_once},
    l1::Receipt,
};
use environments_core::address::Address as Account;
use environments_l1::{Bytes32, asset::AssetName};
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    l1::call::CallArguments,
    l1_arguments::parse_address,
    options::Options,
};

/// Lifetime of a deposit that names none, in superblocks.
const LIFETIME: u32 = 1024;

/// Lock ether or tokens on L1 for a recipient in an environment.
///
/// A superblock takes the deposit and turns it into a message. If nobody claims that in time, it comes back. A command that was cut
/// off is repeated with the same record, and makes no second deposit.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    call: CallArguments,
    /// Keep what was sent in this file, which is made.
    ///
    /// It names the nonce before anything is sent, so that one transaction at most can come. A repeated command goes on with it;
    /// another deposit needs another file.
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
    /// Deposit this asset: 0:1 is ether, others are those that the contract lists.
    ///
    /// An asset of an environment is deposited as the token that the contract made for it.
    #[arg(long, value_name = "ORIGIN:NUMBER", default_value = "0:1")]
    asset: AssetName,
    /// Deposit so many units of it.
    ///
    /// A unit of ether is 10^10 wei.
    #[arg(long, value_name = "UNITS")]
    amount: u64,
    /// For a token: the same amount in the token's smallest parts.
    ///
    /// It must be what the contract makes of the units, so that no node can name a unit that takes more. Ether needs none.
    #[arg(long, value_name = "PARTS")]
    tokens: Option<U256>,
    /// For a token: the token's contract.
    ///
    /// It must be the one that the settlement contract has for the asset, so that no node can name another one. Ether needs none.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    token: Option<Address>,
    /// Deposit for the environment with this id.
    ///
    /// It is the id in the registry.
    #[arg(long, value_name = "ID")]
    environment: u16,
    /// Deposit for this recipient: an address, or 0x and 64 hexadecimal digits.
    ///
    /// An account has an address. Other environments have recipients of four integers of 64 bits, big-endian.
    #[arg(long, value_name = "RECIPIENT", value_parser = parse_recipient)]
    recipient: Bytes32,
    /// Let it be claimed in so many superblocks.
    ///
    /// From 64 to 1048576, counted from the one that takes the deposit.
    #[arg(long, value_name = "SUPERBLOCKS", default_value_t = LIFETIME)]
    lifetime: u32,
    /// Pay at most so many units of 10^10 wei for a place in a long queue.
    ///
    /// The contract asks for nothing while few deposits wait. What it does not ask for comes back.
    #[arg(long, value_name = "UNITS", default_value_t = 0)]
    fee: u64,
}

/// The recipient of a deposit, in its environment's terms.
fn parse_recipient(text: &str) -> Result<Bytes32, String> {
    if let Ok(address) = text.parse::<Account>() {
        return Ok(Bytes32::of_digest(address.to_digest()));
    }
    text.parse().map_err(|_| "a recipient is an address, or 0x and 64 hexadecimal digits".to_owned())
}

/// A deposit that is in the queue.
#[derive(Serialize)]
struct Deposited {
    transaction: B256,
    block: u64,
    gas_used: u64,
    /// Whether an earlier call of the command sent it.
    earlier: bool,
}

impl fmt::Display for Deposited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transaction, block, gas_used, earlier } = self;
        let word = if *earlier { "deposited earlier" } else { "deposited" };
        write!(f, "{word} by transaction {transaction} in block {block}, {gas_used} gas")
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    arguments.call.run(options, |wallet, contract| {
        let &Arguments { asset, amount, tokens, token, environment, recipient, lifetime, fee, .. } =
            arguments;
        let order =
            Order { asset, amount, tokens, token, destination: environment, recipient, lifetime, fee };
        let made = deposit_once(wallet, contract, &order, &arguments.record)?;
        let Receipt { transaction, block_number: block, gas_used, .. } = made.receipt;
        Ok(Answer::new(&Deposited { transaction, block, gas_used, earlier: made.earlier }))
    })
}

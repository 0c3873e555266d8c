//! `superblock l1 withdraw`.

use std::fmt;

use batcher_settlement::{
    Address,
    withdrawals::{DepositName, Wanted, Withdrawal, WithdrawalOutcome, Withdrawals, withdraw},
};
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    l1::call::{CallArguments, split},
    l1_arguments::{parse_address, parse_receiver},
    options::Options,
};

/// Get deposits back that were cut from L1's queue.
///
/// Without --deposit and --depositor, those of the account that signs. Anybody may withdraw for a depositor, who is paid. What was
/// withdrawn already is listed and costs nothing, and deposits that were not cut are left out: a superblock takes them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    call: CallArguments,
    /// Withdraw the deposit with this generation of the queue and this index.
    ///
    /// May be given several times. The events `Deposited` and `QueueCut` have both numbers.
    #[arg(long = "deposit", value_name = "GENERATION:INDEX")]
    deposits: Vec<DepositName>,
    /// Withdraw all deposits of this account.
    ///
    /// The account gets them, whoever signs.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, conflicts_with = "deposits")]
    depositor: Option<Address>,
    /// Pay to this address in place of the depositor.
    ///
    /// Only the depositor can say so, and has to sign. For an account that cannot receive what it deposited.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_receiver)]
    to: Option<Address>,
    /// Search for the deposits from this block of L1 on.
    ///
    /// `l1 deploy` prints the block of the deployment. Without it, no block is left out.
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from_block: u64,
}

/// What withdrawing did.
#[derive(Serialize)]
struct Withdrawn {
    #[serde(flatten)]
    withdrawals: Withdrawals,
    /// Who was paid in place of the depositor.
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<Address>,
    /// Why there are not more.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { withdrawals: Withdrawals { deposits, gas_used }, receiver, error } = self;
        write!(f, "{} deposits that were cut, {gas_used} gas", deposits.len())?;
        deposits.iter().try_for_each(|Withdrawal { name, depositor, asset, amount, outcome }| {
            write!(f, "\n    deposit {name}: {amount} of {asset} by {depositor}, ")?;
            match (outcome, receiver) {
                (WithdrawalOutcome::Paid(_), Some(receiver)) => write!(f, "paid at {receiver}"),
                (WithdrawalOutcome::Paid(_), None) => f.write_str("paid back"),
                (WithdrawalOutcome::PaidEarlier, _) => f.write_str("paid earlier"),
                (WithdrawalOutcome::Refused, _) => f.write_str("refused by the receiver"),
            }
        })?;
        error.iter().try_for_each(|error| write!(f, "\nerror after these: {error}"))
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    arguments.call.run(options, |wallet, contract| {
        let wanted = if arguments.deposits.is_empty() {
            Wanted::Of(arguments.depositor.unwrap_or_else(|| wallet.address()))
        } else {
            Wanted::Named(arguments.deposits.clone())
        };
        let mut done = Withdrawals::default();
        let ended = withdraw(wallet, contract, &wanted, arguments.to, arguments.from_block, &mut done);
        let has_refusals = done.deposits.iter().any(|one| one.outcome == WithdrawalOutcome::Refused);
        // What was paid is told with the error.
        let (code, error) = split(ended, done.deposits.is_empty())?;
        let withdrawn = Withdrawn { withdrawals: done, receiver: arguments.to, error };
        Ok(Answer::new(&withdrawn).with_refusals(has_refusals).or_else(withdrawn.error.is_none(), code))
    })
}

//! `superblock l1 claim`.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use batcher_settlement::{
    Address,
    contract::Contract as OnL1,
    payouts::{ClaimError, ClaimOutcome, Claimed, Claims, claim, claim_to, payouts_of, settled_payouts},
};
use batcher_verify::verify;
use environments_core::address::Address as Account;
use environments_l1::Payout;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    l1::call::{CallArguments, split},
    l1_arguments::parse_receiver,
    options::Options,
};

/// Claim what superblocks pay on L1.
///
/// Anybody may; the recipient is paid. Several payouts go into one transaction, in which a receiver gets a limited amount of gas.
/// One that refuses is listed, and keeps no other from its payout. What was claimed already is listed and costs nothing.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    call: CallArguments,
    /// Claim payouts of the superblock with this number.
    ///
    /// May be given several times. The list of payouts is read from the contract's event, and compared with the contract's root:
    /// nobody has to be asked for a file.
    #[arg(long = "superblock", value_name = "NUMBER", required_unless_present = "files")]
    superblocks: Vec<u32>,
    /// Claim payouts of these superblock bundles, which L1 has settled.
    ///
    /// For a node that does not tell the contract's events.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Search for those events from this block of L1 on.
    ///
    /// The newest blocks are searched first. Without it, no block is left out.
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from_block: u64,
    /// Claim the payout with this number only.
    ///
    /// May be given several times. Without it and without --recipient, all are claimed.
    #[arg(long = "payout", value_name = "NUMBER")]
    payouts: Vec<u32>,
    /// Claim only what this address gets.
    ///
    /// May be given with --payout, which narrows it further.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Account>,
    /// Pay to this address in place of the recipient.
    ///
    /// Only the recipient can say so, and has to sign: without --payout and --recipient, what the signer gets is claimed. Each payout
    /// has a transaction of its own. For an account that cannot receive what it is owed.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_receiver)]
    to: Option<Address>,
}

/// What claiming did.
#[derive(Serialize)]
struct Paid {
    #[serde(flatten)]
    claims: Claims,
    /// Who was paid in place of the recipients.
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<Address>,
    /// Why there are not more.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl fmt::Display for Paid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claims: Claims { payouts, gas_used }, receiver, error } = self;
        write!(f, "{} payouts, {gas_used} gas", payouts.len())?;
        payouts.iter().try_for_each(|Claimed { superblock, payout, outcome }| {
            let Payout { index, recipient, asset, amount, .. } = payout;
            write!(f, "\n    superblock {superblock}, payout {index}: {amount} of {asset} to {recipient}, ")?;
            match (outcome, receiver) {
                (ClaimOutcome::Paid(_), Some(receiver)) => write!(f, "paid at {receiver}"),
                (ClaimOutcome::Paid(_), None) => f.write_str("paid"),
                (ClaimOutcome::PaidEarlier, _) => f.write_str("paid earlier"),
                (ClaimOutcome::Refused(_), _) => f.write_str("refused by the receiver"),
            }
        })?;
        error.iter().try_for_each(|error| write!(f, "\nerror after these: {error}"))
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    arguments.call.run(options, |wallet, contract| {
        let recipient = match (arguments.to, arguments.recipient) {
            (Some(_), None) if arguments.payouts.is_empty() => Some(Account(wallet.address().0.0)),
            (_, recipient) => recipient,
        };
        let is_wanted = |payout: &Payout| {
            (arguments.payouts.is_empty() || arguments.payouts.contains(&payout.index))
                && recipient.is_none_or(|recipient| recipient == payout.recipient)
        };
        let mut claims = Claims::default();
        let settlement = OnL1 { l1: wallet.l1, address: contract };
        let mut listed = BTreeMap::new();
        for &superblock in &arguments.superblocks {
            listed.insert(superblock, settled_payouts(&settlement, superblock, arguments.from_block)?);
        }
        for path in &arguments.files {
            listed.extend(payouts_of(&verify::read(path)?)?);
        }
        // A number that was mistyped would look like a payout that is paid.
        let is_listed = |&index: &u32| listed.values().flatten().any(|payout| payout.index == index);
        if let Some(&index) = arguments.payouts.iter().find(|index| !is_listed(index)) {
            return Err(ClaimError::NoPayout { index }.into());
        }
        let ended = listed.iter().try_for_each(|(&superblock, payouts)| match arguments.to {
            None => claim(wallet, contract, superblock, payouts, is_wanted, &mut claims),
            Some(to) => claim_to(wallet, contract, superblock, payouts, is_wanted, to, &mut claims),
        });
        let is_refused = |claimed: &Claimed| matches!(claimed.outcome, ClaimOutcome::Refused(_));
        let has_refusals = claims.payouts.iter().any(is_refused);
        // What was paid is told with the error.
        let (code, error) = split(ended, claims.payouts.is_empty())?;
        let paid = Paid { claims, receiver: arguments.to, error };
        Ok(Answer::new(&paid).with_refusals(has_refusals).or_else(paid.error.is_none(), code))
    })
}

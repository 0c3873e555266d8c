//! The messages that a block lists, beside those that the environment names for its transactions.

use std::{collections::BTreeSet, fmt};

use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::Digest;
use thiserror::Error;

use crate::{block::ProposedBlock, environment::Environment};

/// A message of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The list ends before.
    Nothing,
    /// A message that is sent, by its hash.
    Sent(Digest),
    /// A message that is taken in, by its hash.
    TakenIn(Digest, Consumption),
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Sent(message) => message.fmt(f),
            Self::TakenIn(message, Consumption::Claim) => write!(f, "the claim of {message}"),
            Self::TakenIn(message, Consumption::Refund) => write!(f, "the refund of {message}"),
        }
    }
}

/// A block has another message than its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("message {position} of its {list} is {carried}, of its transactions {named}")]
pub struct OtherListing {
    /// `outbox` or `inbox`.
    pub list: &'static str,
    /// The place in the list, from 1.
    pub position: usize,
    /// What the block has there.
    pub carried: Listed,
    /// What the environment names there for the block's transactions.
    pub named: Listed,
}

/// Checks that `block` takes in and sends what [`Environment::messages`] names for its `transactions`, in their order,
/// without what [failed](Environment::failures) ones would have sent.
pub(crate) fn check<'t, E: Environment>(
    environment: &E,
    block: &ProposedBlock<E::BlockWitness>,
    transactions: impl Iterator<Item = &'t E::Transaction>,
) -> Result<(), OtherListing> {
    let failures = environment.failures(block.witness());
    let failed: BTreeSet<_> = failures.into_iter().map(|(position, _)| position).collect();
    let mut named = BlockMessages::none(environment.id());
    for (position, transaction) in transactions.enumerate() {
        let BlockMessages { inbox, outbox, .. } = environment.messages(transaction);
        named.inbox.extend(inbox);
        if !failed.contains(&position) {
            named.outbox.extend(outbox);
        }
    }
    let carried = block.messages();
    let taken_in =
        |(message, consumption): &(Message, Consumption)| Listed::TakenIn(message.hash(), *consumption);
    compare("inbox", &carried.inbox, &named.inbox, taken_in)?;
    compare("outbox", &carried.outbox, &named.outbox, |message| Listed::Sent(message.hash()))
}

fn compare<M: PartialEq>(
    list: &'static str,
    carried: &[M],
    named: &[M],
    listed: impl Fn(&M) -> Listed,
) -> Result<(), OtherListing> {
    let same = carried.iter().zip(named).take_while(|(carried, named)| carried == named).count();
    if same == carried.len() && same == named.len() {
        return Ok(());
    }
    let at = |list: &[M]| list.get(same).map_or(Listed::Nothing, &listed);
    Err(OtherListing { list, position: same + 1, carried: at(carried), named: at(named) })
}

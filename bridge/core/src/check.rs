//! What holds in every state of the bridge that superblocks lead to.

use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

use crate::{
    message::{Consumption, MAX_LIFETIME, MIN_LIFETIME},
    state::{BridgeState, Location, Record},
};

/// No superblock leads to this state of the bridge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidBridge {
    /// What is outstanding of some asset is not what others hold and what is in flight.
    #[error("what is outstanding is not what was let in elsewhere and what is in flight")]
    Unbalanced,
    /// A message is gone that was there.
    #[error("message {index} is gone")]
    Missing { index: usize },
    /// A message of another deployment.
    #[error("message {index} is of chain {found}, not of {expected}")]
    ChainId { index: usize, expected: u64, found: u64 },
    /// A message from an environment to itself.
    #[error("message {index} is from environment {environment} to itself")]
    SelfMessage { index: usize, environment: EnvironmentId },
    /// The superblock that is said to have emitted the message does not exist, or comes before the one that emitted the
    /// message before.
    #[error("message {index} is said to be emitted in superblock {emitted}")]
    Emitted { index: usize, emitted: u32 },
    /// The superblock that is said to have emitted the message could not: its deadline is too near or too far.
    #[error(
        "message {index} is said to be emitted in superblock {emitted}, but its deadline {deadline} is not \
         {MIN_LIFETIME} to {MAX_LIFETIME} superblocks later"
    )]
    Lifetime { index: usize, emitted: u32, deadline: u32 },
    /// The message cannot be consumed in that superblock.
    #[error(
        "message {index} with deadline {deadline} is said to be consumed in superblock {number} by {consumption:?}"
    )]
    Consumed { index: usize, consumption: Consumption, number: u32, deadline: u32 },
}

impl BridgeState {
    /// Checks that the superblocks `1..=number` of deployment `chain_id` can have led to this state.
    ///
    /// # Errors
    /// [`InvalidBridge`], one variant per rule.
    pub fn check(&self, chain_id: u64, number: u32) -> Result<(), InvalidBridge> {
        self.check_after(&Self::default(), chain_id, number)
    }

    /// [`Self::check`], if superblocks led from `before`, which was checked, to this state. It looks only at the messages in which
    /// they differ.
    ///
    /// # Errors
    /// [`InvalidBridge`], one variant per rule.
    pub fn check_after(&self, before: &Self, chain_id: u64, number: u32) -> Result<(), InvalidBridge> {
        for (index, record) in before.changed_records(self) {
            let previous = index.checked_sub(1).and_then(|previous| self.record(previous as u64));
            let first = previous.map_or(1, |previous| previous.emitted.superblock);
            let record = record.ok_or(InvalidBridge::Missing { index })?;
            check_record(index, &record, chain_id, first..=number)?;
        }
        if self.is_balanced() { Ok(()) } else { Err(InvalidBridge::Unbalanced) }
    }
}

/// Checks one record, whose superblock is one of `numbers`.
fn check_record(
    index: usize,
    record: &Record,
    chain_id: u64,
    numbers: std::ops::RangeInclusive<u32>,
) -> Result<(), InvalidBridge> {
    let Record { message, emitted: Location { superblock: emitted, .. }, consumed } = record;
    if message.chain_id != chain_id {
        return Err(InvalidBridge::ChainId { index, expected: chain_id, found: message.chain_id });
    }
    if message.destination == message.source {
        return Err(InvalidBridge::SelfMessage { index, environment: message.source });
    }
    if !numbers.contains(emitted) {
        return Err(InvalidBridge::Emitted { index, emitted: *emitted });
    }
    let lifetime = message.deadline.saturating_sub(*emitted);
    if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime) {
        return Err(InvalidBridge::Lifetime { index, emitted: *emitted, deadline: message.deadline });
    }
    if let &Some((consumption, Location { superblock: number, .. })) = consumed {
        let deadline = message.deadline;
        let in_time = match consumption {
            Consumption::Claim => number <= deadline,
            Consumption::Refund => number > deadline,
        };
        if !in_time || !(*emitted..=*numbers.end()).contains(&number) {
            return Err(InvalidBridge::Consumed { index, consumption, number, deadline });
        }
    }
    Ok(())
}

//! What holds in every state of the bridge that superblocks lead to.

use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

use crate::{
    message::Consumption,
    state::{BridgeState, Location, Record},
};

/// No superblock leads to this state of the bridge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidBridge {
    /// What is outstanding of some asset is not what others hold and what is in flight.
    #[error("what is outstanding is not what was let in elsewhere and what is in flight")]
    Unbalanced,
    /// A message of another deployment.
    #[error("message {index} is of chain {found}, not of {expected}")]
    ChainId { index: usize, expected: u64, found: u64 },
    /// Messages to L1 and from an environment to itself are never in the tree.
    #[error("message {index} from environment {source_environment} to {destination} cannot be in the tree")]
    Parties { index: usize, source_environment: EnvironmentId, destination: EnvironmentId },
    /// The superblock that is said to have emitted the message does not exist, or comes before the one that emitted the
    /// message before.
    #[error("message {index} is said to be emitted in superblock {emitted}")]
    Emitted { index: usize, emitted: u32 },
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
        let mut first = 1;
        for (index, record) in self.records().iter().enumerate() {
            first = check_record(index, record, chain_id, first..=number)?;
        }
        if self.is_balanced() { Ok(()) } else { Err(InvalidBridge::Unbalanced) }
    }
}

/// Checks one record and returns its superblock, one of `numbers`.
fn check_record(
    index: usize,
    record: &Record,
    chain_id: u64,
    numbers: std::ops::RangeInclusive<u32>,
) -> Result<u32, InvalidBridge> {
    let Record { message, emitted: Location { superblock: emitted, .. }, consumed } = record;
    if message.chain_id != chain_id {
        return Err(InvalidBridge::ChainId { index, expected: chain_id, found: message.chain_id });
    }
    let (source_environment, destination) = (message.source, message.destination);
    if destination == EnvironmentId::L1 || destination == source_environment {
        return Err(InvalidBridge::Parties { index, source_environment, destination });
    }
    if !numbers.contains(emitted) || message.deadline < *emitted {
        return Err(InvalidBridge::Emitted { index, emitted: *emitted });
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
    Ok(*emitted)
}

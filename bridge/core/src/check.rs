//! What every state of the bridge satisfies that superblocks lead to.

use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

use crate::{
    message::Consumption,
    state::{BridgeState, Location, Record},
};

/// No superblock leads to this state of the bridge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidBridge {
    /// Some asset is outstanding without being anywhere, or the other way round.
    #[error("what is outstanding is not what was let in elsewhere and what is in flight")]
    Unbalanced,
    /// A message of another deployment.
    #[error("message {index} is of chain {found}, not of {expected}")]
    ChainId {
        /// The message's index.
        index: usize,
        /// This deployment.
        expected: u64,
        /// The message's.
        found: u64,
    },
    /// Messages to L1 and from an environment to itself are never in the tree.
    #[error("message {index} from environment {source_environment} to {destination} cannot be in the tree")]
    Parties {
        /// The message's index.
        index: usize,
        /// Who emits.
        source_environment: EnvironmentId,
        /// Who may claim.
        destination: EnvironmentId,
    },
    /// The superblock of its emission is not there, or not after the one of the message before.
    #[error("message {index} is said to be emitted in superblock {emitted}")]
    Emitted {
        /// The message's index.
        index: usize,
        /// The superblock.
        emitted: u32,
    },
    /// It cannot be consumed in that superblock.
    #[error(
        "message {index} with deadline {deadline} is said to be consumed in superblock {number} by {consumption:?}"
    )]
    Consumed {
        /// The message's index.
        index: usize,
        /// What is said to have become of it.
        consumption: Consumption,
        /// In which superblock.
        number: u32,
        /// Its deadline.
        deadline: u32,
    },
}

impl BridgeState {
    /// Checks that superblocks `1..=number` of deployment `chain_id` can have led here.
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

//! Superblocks on a state of many environments or messages, planned and written as `batch` does it.

use std::{fs, path::Path};

use batcher_circuits::state::{EnvironmentHead, SuperblockState};
use batcher_job::{
    planner::{Candidate, Planner},
    states::States,
};
use bridge_core::{
    AssetId, BalanceKey, BlockMessages, BridgeState, Consumption, Message,
    state::{Location, Record},
};
use circuits_core::{Digest, F, amount::Amount};
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry},
    statement::BlockStatement,
};
use environments_core::{BlockHeader, kernel::ProducerSecret};
use plonky2::field::types::Field as _;

use super::{RUNS, Run, weighed};
use crate::{
    error::BenchError,
    figures::{median, timed},
    messages::environment_state,
};

/// Environments of a state of which the messages grow.
pub(super) const FEW: u32 = 10;
/// Blocks of the superblock that is measured. The first half send, the second half claim what they sent.
const BLOCKS: u16 = 8;
/// Messages that one block sends, or claims.
const MESSAGES: u64 = 30;
const CHAIN_ID: u64 = 1;
/// Superblocks before the measured one.
const NUMBER: u32 = 1000;
/// The secret of every producer.
const SECRET: ProducerSecret = ProducerSecret::new(Digest::ZERO);
/// The digest of the key that every block is said to be proved under. No proof is made or verified.
const KEY: Digest = Digest([F::ONE; 4]);

/// Puts the state into a directory that is not there.
pub(super) fn make(environments: u32, messages: u32, directory: &Path) -> Result<(), BenchError> {
    let state = state(environments, messages)?;
    batcher_job::states::put(directory, &state).map_err(BenchError::blocks)
}

/// Measures the state that [`make`] put into a directory.
pub(super) fn run(directory: &Path) -> Result<Run, BenchError> {
    let disk_bytes = Some(bytes(directory)?);
    let (registry, candidates) = (registry()?, candidates()?);
    let planner = Planner::default();
    // What was read is kept, so that the first superblock is the one of a restart.
    let measured = || -> Result<_, BenchError> {
        let (restart_seconds, states) =
            timed(|| States::open(directory, Some(CHAIN_ID)).map_err(BenchError::blocks))?;
        let plan = || -> Result<_, BenchError> {
            let state = states.latest();
            let selection =
                planner.select(state, &registry, &candidates, None).map_err(BenchError::blocks)?;
            Ok(planner.plan(state, &registry, Digest::ZERO, selection)?)
        };
        let (mut seconds, mut next) = (vec![], None);
        for _ in 0..RUNS {
            let (taken, plan) = timed(plan)?;
            if plan.order.len() != candidates.len() {
                return Err(BenchError::blocks(format!("left out: {:?}", plan.left_out)));
            }
            seconds.push(taken);
            next = Some(plan.transition.new_state);
        }
        let next = next.ok_or_else(|| BenchError::blocks("no superblock was planned"))?;
        Ok((restart_seconds, states, seconds, next))
    };
    let ((restart_seconds, mut states, seconds, next), memory_bytes) = weighed(measured)?;
    let (write_seconds, ()) = timed(|| states.advance(next).map(drop).map_err(BenchError::blocks))?;
    Ok(Run {
        first_block_seconds: None,
        block_seconds: median(&seconds),
        write_seconds: Some(write_seconds),
        restart_seconds,
        disk_bytes,
        memory_bytes,
    })
}

/// The bytes of all files in a directory.
fn bytes(directory: &Path) -> Result<u64, BenchError> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).map_err(BenchError::blocks)? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(BenchError::blocks)?.len();
    }
    Ok(bytes)
}

/// The state after [`NUMBER`] superblocks, with as many environments that have a block, and as many messages, the first
/// half of which were claimed.
fn state(environments: u32, messages: u32) -> Result<SuperblockState, BenchError> {
    let mut state = SuperblockState::genesis(CHAIN_ID);
    for id in 1..=environments {
        let id =
            EnvironmentId::new(u16::try_from(id).map_err(BenchError::blocks)?).map_err(BenchError::blocks)?;
        state.environments.insert(id, EnvironmentHead { height: 1, state: environment_state(id.get(), 1) });
    }
    state.number = NUMBER;
    let states: Vec<_> = (1..=NUMBER).map(|number| Digest([F::from_canonical_u32(number); 4])).collect();
    state.history = states.try_into().map_err(BenchError::blocks)?;
    state.bridge = bridge(messages)?;
    Ok(state)
}

/// The bridge after `count` messages of one unit each from environment 1 to environment 2.
fn bridge(count: u32) -> Result<BridgeState, BenchError> {
    let claimed = count / 2;
    let records = (0..count).map(|sequence| {
        let superblock = 1 + u32::try_from(u64::from(sequence) * u64::from(NUMBER) / u64::from(count))
            .map_err(BenchError::blocks)?;
        let location = Location { superblock, height: 1 };
        let consumed = (sequence < claimed).then_some((Consumption::Claim, location));
        Ok(Record { message: message(1, 2, sequence.into())?, emitted: location, consumed })
    });
    let records = records.collect::<Result<Vec<_>, BenchError>>()?;
    let asset = asset(1)?;
    let balance = |environment, value: u32| -> Result<_, BenchError> {
        let amount = Amount::new(value.into()).map_err(BenchError::blocks)?;
        Ok((BalanceKey { environment: EnvironmentId(environment), asset }, amount))
    };
    let balances = if count == 0 { vec![] } else { vec![balance(1, count)?, balance(2, claimed)?] };
    // As a file has it: to send and claim each message with its witness would take minutes.
    let bytes = postcard::to_allocvec(&(records, balances)).map_err(BenchError::blocks)?;
    postcard::from_bytes(&bytes).map_err(BenchError::blocks)
}

fn asset(origin: u16) -> Result<AssetId, BenchError> {
    AssetId::new(origin, 1).map_err(BenchError::blocks)
}

/// One unit of the source's asset on its way.
fn message(source: u16, destination: u16, sequence: u64) -> Result<Message, BenchError> {
    Ok(Message {
        chain_id: CHAIN_ID,
        source: EnvironmentId(source),
        destination: EnvironmentId(destination),
        sequence,
        sender: Digest::ZERO,
        recipient: Digest::ZERO,
        asset: asset(source)?,
        amount: Amount::new(1).map_err(BenchError::blocks)?,
        deadline: 2 * NUMBER,
        data: Digest::ZERO,
    })
}

/// Environments 1 to [`BLOCKS`], whose kernel is [`KEY`]'s.
fn registry() -> Result<Registry, BenchError> {
    let mut registry = Registry::default();
    for id in 1..=BLOCKS {
        let kernel = KernelEntry { key: KEY, valid_from: 1, valid_until: u32::MAX };
        let entry = RegistryEntry::new(environment_state(id, 0), SECRET.producer(), vec![kernel]);
        registry.insert(EnvironmentId(id), entry).map_err(BenchError::blocks)?;
    }
    Ok(registry)
}

/// The second block of each environment of the registry.
fn candidates() -> Result<Vec<Candidate>, BenchError> {
    let half = BLOCKS / 2;
    let mut blocks: Vec<_> = (1..=BLOCKS).map(|id| BlockMessages::none(EnvironmentId(id))).collect();
    for source in 1..=half {
        for sequence in 0..MESSAGES {
            // Numbers that no message before has.
            let message = message(source, source + half, (1 << 33) + sequence)?;
            blocks[usize::from(source) - 1].outbox.push(message.clone());
            blocks[usize::from(source + half) - 1].inbox.push((message, Consumption::Claim));
        }
    }
    let candidate = |messages: BlockMessages| {
        let id = messages.environment;
        let statement = BlockStatement {
            environment: id.to_field(),
            first_height: F::TWO,
            last_height: F::TWO,
            previous_state: environment_state(id.0, 1),
            new_state: environment_state(id.0, 2),
            outbox: messages.outbox_digest(),
            inbox: messages.inbox_digest(),
            body: Digest::ZERO,
            producer: SECRET.commitment(),
        };
        let header = BlockHeader { environment: id, first_height: 2, last_height: 2 };
        Candidate { statement, header, key: KEY, messages, file: [0; 32] }
    };
    Ok(blocks.into_iter().map(candidate).collect())
}

#[cfg(test)]
mod tests {
    use batcher_job::state::check;

    use super::*;

    #[test]
    fn what_is_measured_are_states_that_superblocks_lead_to() {
        for (environments, messages) in [(FEW, 0), (FEW, 100), (100, 1)] {
            assert_eq!(check(&state(environments, messages).expect("a state")), Ok(()));
        }
    }

    #[test]
    fn a_superblock_takes_every_block() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path().join("states");
        make(FEW, 1000, &directory).expect("a state");
        let run = run(&directory).expect("a run");
        assert!(run.disk_bytes > Some(0) && run.write_seconds.is_some());
    }
}

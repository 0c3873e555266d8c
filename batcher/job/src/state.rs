//! What holds in every superblock state, and a state as a file of its own, which is checked whenever it is read.
//!
//! A file is how a state goes from one directory to another: the states of a chain are in a database ([`crate::states`]).

use std::path::{Path, PathBuf};

use batcher_circuits::state::SuperblockState;
use bridge_core::InvalidBridge;
use circuits_core::{
    Digest,
    chain_id::{ChainIdError, check_chain_id},
    stored::ReadFailure,
    trees::TreeError,
};
use circuits_files::file::{self, FileError, FileKind, FormatError};
use circuits_protocol::registry::EnvironmentId;
use environments_l1::L1State;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::l1::l1_state;

/// Bytes of the largest state that is read from a file and written to one: several million messages.
const STATE_LIMIT: u64 = 1 << 30;

/// The payload of the file: the state and its commitment.
#[derive(Serialize, Deserialize)]
struct Stored {
    commitment: Digest,
    state: SuperblockState,
}

/// Why a state is not used.
#[derive(Debug, Error)]
pub enum StateError {
    /// The file cannot be read or written, or is not a superblock state.
    #[error(transparent)]
    File(#[from] FileError),
    /// The state is larger than any that is read. A kernel that emits as much as blocks can, or a long life, leads there.
    #[error(
        "{path}: the state after superblock {number} takes {found} bytes, and its file has at most {limit}; it keeps every \
         message ever emitted, {messages} of them",
        path = .path.display()
    )]
    TooLarge {
        path: PathBuf,
        number: u32,
        /// Bytes of the state.
        found: u64,
        /// Bytes of the largest one.
        limit: u64,
        /// Messages that were emitted up to it.
        messages: u64,
    },
    /// The content contradicts itself.
    #[error("{path}: {source}", path = .path.display())]
    Invalid { path: PathBuf, source: InvalidState },
}

/// What is wrong with a state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidState {
    /// The chain id is not a field element.
    #[error(transparent)]
    ChainId(#[from] ChainIdError),
    /// The history does not have one state for each number.
    #[error("superblock {number} has {number} states before it, found {found}")]
    History { number: u32, found: u64 },
    /// An environment without blocks has no head, and no block of environment 0 comes from a later superblock.
    #[error("environment {0} cannot be in a superblock state at height {1}")]
    Environment(EnvironmentId, u32),
    /// What was taken from L1's queue and paid is not what the state of environment 0 commits to.
    #[error("environment 0 is in state {expected}, the deposits taken and the payouts made give {found}")]
    L1 { expected: Digest, found: Digest },
    /// No superblock leads to these messages and balances.
    #[error(transparent)]
    Bridge(#[from] InvalidBridge),
    /// The commitment is of another state.
    #[error("the state's commitment is {found}, the file says {expected}")]
    Commitment { expected: Digest, found: Digest },
    /// The database has another state at this height.
    #[error("the database holds the state after superblock {found}, expected {expected}")]
    OtherNumber { expected: u64, found: u32 },
    /// A map of the database lacks an entry, or has one too many.
    #[error("the map {map} of the database is not that of one state")]
    Incomplete { map: &'static str },
    /// Something that was needed of the state cannot be read.
    #[error("the state cannot be read: {0}")]
    Unreadable(#[from] ReadFailure),
    /// A tree cannot be made from its leaves.
    #[error(transparent)]
    Tree(Box<TreeError>),
    /// The file that was written reads back as another state.
    #[error("the file that was written reads back as another state")]
    ReadBack,
}

/// Checks the rules that hold in every state.
///
/// # Errors
/// [`InvalidState`], one variant per rule.
pub fn check(state: &SuperblockState) -> Result<(), InvalidState> {
    check_after(&SuperblockState::genesis(state.chain_id), state)
}

/// [`check`], if superblocks led from `before`, which was checked, to `state`. It looks only at what differs.
///
/// # Errors
/// [`InvalidState`], one variant per rule.
pub fn check_after(before: &SuperblockState, state: &SuperblockState) -> Result<(), InvalidState> {
    let checked = check_rules_after(before, state);
    // What could not be read was taken for absent, so that any rule may seem broken, or none.
    before.check_reads()?;
    state.check_reads()?;
    checked
}

fn check_rules_after(before: &SuperblockState, state: &SuperblockState) -> Result<(), InvalidState> {
    check_chain_id(state.chain_id)?;
    if state.history.len() != u64::from(state.number) {
        return Err(InvalidState::History { number: state.number, found: state.history.len() });
    }
    state.bridge.check_after(&before.bridge, state.chain_id, state.number)?;
    let is_possible =
        |id: EnvironmentId, height| height > 0 && (id != EnvironmentId::L1 || height <= state.number);
    let mut moved = before.environments.moved(&state.environments);
    if let Some((id, head)) = moved.find(|&(id, head)| !is_possible(id, head.height)) {
        return Err(InvalidState::Environment(id, head.height));
    }
    let l1 = l1_state(state);
    let before_any = L1State::genesis(state.chain_id)?.commitment();
    let expected = state.environments.get(EnvironmentId::L1).map_or(before_any, |head| head.state);
    let found = l1.commitment();
    if found == expected { Ok(()) } else { Err(InvalidState::L1 { expected, found }) }
}

/// Reads a state file and checks it.
///
/// # Errors
/// [`StateError`], which names the file.
pub fn read(path: &Path) -> Result<SuperblockState, StateError> {
    let Stored { commitment, state } = file::read(FileKind::SuperblockState, path, STATE_LIMIT)?;
    let invalid = |source| StateError::Invalid { path: path.to_owned(), source };
    check(&state).map_err(invalid)?;
    let found = state.commitment();
    if found != commitment {
        return Err(invalid(InvalidState::Commitment { expected: commitment, found }));
    }
    Ok(state)
}

/// The content of the file at `path` that holds a state.
///
/// # Errors
/// [`StateError`], which names the file: [`read`] would refuse the state.
pub fn encode(path: &Path, state: &SuperblockState) -> Result<Vec<u8>, StateError> {
    encode_within(path, state, STATE_LIMIT)
}

fn encode_within(path: &Path, state: &SuperblockState, limit: u64) -> Result<Vec<u8>, StateError> {
    check(state).map_err(|source| StateError::Invalid { path: path.to_owned(), source })?;
    let stored = Stored { commitment: state.commitment(), state: state.clone() };
    let encoded = file::encode(FileKind::SuperblockState, &stored, limit);
    let path = path.to_owned();
    state
        .check_reads()
        .map_err(|failure| StateError::Invalid { path: path.clone(), source: failure.into() })?;
    encoded.map_err(|source| match source {
        FormatError::TooLarge { limit, found, .. } => {
            let messages = state.bridge.message_count();
            StateError::TooLarge { path, number: state.number, found, limit, messages }
        }
        source => FileError::Format { path, source }.into(),
    })
}

/// Writes a state to a file that is not there yet, or has this state already; reads it back and compares.
///
/// # Errors
/// [`StateError`], which names the file.
pub fn write(path: &Path, state: &SuperblockState) -> Result<(), StateError> {
    file::write_new(path, &encode(path, state)?)?;
    let invalid = |source| StateError::Invalid { path: path.to_owned(), source };
    if read(path)? == *state { Ok(()) } else { Err(invalid(InvalidState::ReadBack)) }
}

#[cfg(test)]
mod tests {
    use batcher_circuits::{
        packing::Load,
        state::{EnvironmentHead, L1Head},
        testing::{block, digest, free_registry, silent},
        transition::Transition,
    };
    use circuits_core::F;
    use plonky2::field::types::Field64;

    use super::*;
    use crate::output::state_file;

    fn example() -> SuperblockState {
        let contents = silent(&[block(1, 1), block(2, 1)]);
        let genesis = SuperblockState::genesis(5);
        Transition::new(&genesis, &free_registry(2), digest(3), &contents, &Load::default(), &[])
            .expect("valid blocks")
            .new_state
    }

    #[test]
    fn a_state_is_read_back_as_it_was_written() {
        let directory = tempfile::tempdir().expect("a directory");
        for state in [SuperblockState::genesis(5), example()] {
            let path = state_file(directory.path(), state.number);
            write(&path, &state).expect("a valid state");
            assert_eq!(read(&path).expect("just written"), state);
        }
    }

    #[test]
    fn a_changed_state_with_a_right_checksum_is_rejected() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = example();
        let path = state_file(directory.path(), state.number);
        write(&path, &state).expect("a valid state");
        let bytes = std::fs::read(&path).expect("just written");
        let payload = &bytes[file::HEADER_BYTES..];
        for position in 0..payload.len() {
            let mut changed = payload.to_vec();
            changed[position] ^= 1;
            std::fs::write(&path, file::seal(FileKind::SuperblockState, &changed)).expect("writable");
            let error = read(&path).expect_err("a changed state");
            assert!(
                error.to_string().contains("state-00000001.superblock"),
                "{error} does not name the file"
            );
        }
    }

    #[test]
    fn a_state_that_is_too_large_is_refused_with_its_size_and_its_messages() {
        let (path, state) = (Path::new("state"), example());
        let length = encode(path, &state).expect("a valid state").len() as u64 - file::HEADER_BYTES as u64;
        assert!(encode_within(path, &state, length).is_ok());
        let error = encode_within(path, &state, length - 1).expect_err("one byte too many");
        let expected = format!(
            "state: the state after superblock 1 takes {length} bytes, and its file has at most {}; it keeps every message \
             ever emitted, 0 of them",
            length - 1
        );
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_state_that_no_superblock_leads_to_is_rejected() {
        let head = EnvironmentHead { height: 1, state: digest(1) };
        let with_l1 = |height| {
            let mut state = example();
            state.environments.insert(EnvironmentId::L1, EnvironmentHead { height, ..head });
            state
        };
        let (late, other) = (with_l1(2), with_l1(1));
        let l1 = L1Head { payouts: 1, ..L1Head::default() };
        let without_block = SuperblockState { l1, ..example() };
        let mut zero = SuperblockState::genesis(5);
        zero.environments.insert(EnvironmentId(3), EnvironmentHead { height: 0, ..head });
        let history = SuperblockState { number: 2, ..SuperblockState::genesis(5) };
        let chain_id = SuperblockState::genesis(F::ORDER);
        assert_eq!(check(&late), Err(InvalidState::Environment(EnvironmentId::L1, 2)));
        let found = l1_state(&other).commitment();
        assert_eq!(check(&other), Err(InvalidState::L1 { expected: head.state, found }));
        assert!(matches!(check(&without_block), Err(InvalidState::L1 { .. })));
        assert_eq!(check(&zero), Err(InvalidState::Environment(EnvironmentId(3), 0)));
        assert_eq!(check(&history), Err(InvalidState::History { number: 2, found: 0 }));
        assert_eq!(check(&chain_id), Err(InvalidState::ChainId(ChainIdError(F::ORDER))));
    }
}

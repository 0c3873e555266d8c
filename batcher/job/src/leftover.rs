//! The bundle of a superblock that the state does not have yet. A run that is interrupted after it writes the bundle and
//! before it moves the state leaves one, and so does a rollback of the state alone.
//!
//! Somebody may have seen that superblock, so there must be no other one of its number. It is adopted if its blocks and
//! deposits are given again; bundles of other blocks may lie beside them. Otherwise it stays, and whoever calls has to
//! decide: it may be one that was rolled back. The state that it leads to follows from it alone. A run that writes to
//! another directory finds it by its [location](crate::location).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use batcher_circuits::{
    follow::{FollowError, follow},
    state::SuperblockState,
};
use batcher_verify::{
    bundle::{BlockEntry, BundleError, SUPERBLOCK_LIMIT, SuperblockBundle, l1_outcome},
    keys::PinnedKeys,
};
use circuits_core::Digest;
use circuits_files::file::{self, FileError, FileKind};
use circuits_protocol::{l1::L1Outcome, registry::EnvironmentId, statement::SuperblockStatement};
use environments_l1::{Deposit, queue::append};
use thiserror::Error;

use crate::{output::superblock_file, planner::Candidate, states::States};

/// Why a superblock is not made where there is a bundle of its number.
#[derive(Debug, Error)]
pub enum LeftoverError {
    /// The bundle, or the file that says where it goes, cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bundle lies in another directory than the one that is written to.
    #[error("{path}: superblock {number} is there; write to that directory to go on after it, or move it away if nobody has received it", path = .path.display())]
    Elsewhere { path: PathBuf, number: u32 },
    /// The bundle may lie in a directory that cannot be read.
    #[error("{path}: superblock {number} may be there, and it cannot be looked for: {source}; make the directory readable, or remove {location} if nobody has received it", path = .path.display(), location = .location.display())]
    OutOfReach { path: PathBuf, number: u32, location: PathBuf, source: io::Error },
    /// The file is not a valid superblock.
    #[error("{path}: the file is not a valid superblock: {source}; move it away to make one", path = .path.display())]
    Invalid { path: PathBuf, source: Box<BundleError> },
    /// The superblock does not lead on from the state that it continues.
    #[error("{path}: {source}; move it away to make one", path = .path.display())]
    Follow { path: PathBuf, source: Box<FollowError> },
    /// A program with other circuits made the superblock.
    #[error("{path}: a superblock of a program with other circuits is there; finish it with that program, or move it away if nobody has received it", path = .path.display())]
    OtherProgram { path: PathBuf },
    /// The superblock is of another chain, or of one that was rolled back.
    #[error("{path}: a superblock is there that continues the state {found}, and superblock {number} continues {expected}; write to another directory, or move it away", path = .path.display())]
    OtherState { path: PathBuf, number: u32, expected: Digest, found: Digest },
    /// The superblock continues the state, and was made of other input.
    #[error("{path}: superblock {number} is there, made {with}; give the same input again to go on after it, or move it away if nobody has received it", path = .path.display())]
    OtherInput { path: PathBuf, number: u32, with: OtherInput },
}

/// Which input of a superblock is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OtherInput {
    /// The registry.
    #[error("with another registry")]
    Registry,
    /// The deposits that were taken.
    #[error("with other deposits")]
    Deposits,
    /// The blocks.
    #[error("of other blocks")]
    Blocks,
}

/// Whether the entry is of this block.
fn is(entry: &BlockEntry, block: &Candidate) -> bool {
    let (header, statement) = (block.header, &block.statement);
    EnvironmentId(entry.environment) == header.environment
        && (entry.first_height, entry.last_height) == (header.first_height, header.last_height)
        && (entry.new_state, entry.body) == (statement.new_state, statement.body)
        && (entry.outbox, entry.inbox) == (statement.outbox, statement.inbox)
}

/// Checks that no other directory than `superblocks` has, or may have, the superblock that follows the latest of `states`.
///
/// # Errors
/// [`LeftoverError::Elsewhere`], [`LeftoverError::OutOfReach`] and [`LeftoverError::File`].
pub(crate) fn check_elsewhere(states: &States, superblocks: &Path) -> Result<(), LeftoverError> {
    let Some(directory) = states.location()? else { return Ok(()) };
    let number = states.latest().number.saturating_add(1);
    let path = superblock_file(&directory, number);
    // A directory that is missing may be one that is not mounted.
    let found = directory.canonicalize().and_then(|directory| match fs::symlink_metadata(&path) {
        Ok(_) => Ok(Some(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    });
    match found {
        Ok(Some(directory)) if superblocks.canonicalize().ok().as_ref() != Some(&directory) => {
            Err(LeftoverError::Elsewhere { path, number })
        }
        Ok(_) => Ok(()),
        Err(source) => Err(LeftoverError::OutOfReach {
            path: directory,
            number,
            location: states.location_file(),
            source,
        }),
    }
}

/// A valid bundle of the superblock that follows a state.
#[derive(Clone, Debug)]
pub(crate) struct Leftover {
    path: PathBuf,
    number: u32,
    bytes: Vec<u8>,
    bundle: SuperblockBundle,
    statement: SuperblockStatement,
}

impl Leftover {
    /// The bundle of the superblock after `state` in the directory `superblocks`, if there is one.
    ///
    /// # Errors
    /// [`LeftoverError`] if there is a file that is not such a bundle.
    pub(crate) fn find(
        superblocks: &Path,
        state: &SuperblockState,
        keys: &PinnedKeys,
    ) -> Result<Option<Self>, LeftoverError> {
        let number = state.number.saturating_add(1);
        let path = superblock_file(superblocks, number);
        let bytes = match file::read_bytes(FileKind::SuperblockBundle, &path, SUPERBLOCK_LIMIT) {
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let verified = SuperblockBundle::decode(&bytes)
            .and_then(|bundle| bundle.verify(keys).map(|(statement, _)| (statement, bundle)));
        let (statement, bundle) = match verified {
            Ok(verified) => verified,
            Err(BundleError::UnknownKey(_)) => return Err(LeftoverError::OtherProgram { path }),
            Err(error) => return Err(LeftoverError::Invalid { path, source: Box::new(error) }),
        };
        let (expected, found) = (state.commitment(), statement.previous_state);
        if found != expected {
            return Err(LeftoverError::OtherState { path, number, expected, found });
        }
        Ok(Some(Self { path, number, bytes, bundle, statement }))
    }

    /// The bundle as the bytes of its file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bundle.
    pub(crate) fn bundle(&self) -> &SuperblockBundle {
        &self.bundle
    }

    /// What its proof states.
    pub(crate) fn statement(&self) -> &SuperblockStatement {
        &self.statement
    }

    /// Checks that it was made of this input, beside which there may be more: with the registry, of the deposits that the
    /// queue has after those that `state` has taken, and of some of the blocks. Returns the indices of these, in the order of
    /// the superblock. Its block of environment 0 follows from them.
    ///
    /// # Errors
    /// [`LeftoverError::OtherInput`]
    pub(crate) fn check_input(
        &self,
        registry_root: Digest,
        state: &SuperblockState,
        pending: &[Deposit],
        blocks: &[Candidate],
    ) -> Result<Vec<usize>, LeftoverError> {
        let other = |with| LeftoverError::OtherInput { path: self.path.clone(), number: self.number, with };
        if self.statement.registry_root != registry_root {
            return Err(other(OtherInput::Registry));
        }
        if !self.takes_from(state, pending) {
            return Err(other(OtherInput::Deposits));
        }
        let index = |entry: &BlockEntry| blocks.iter().position(|block| is(entry, block));
        let of_producers =
            self.bundle.blocks.iter().filter(|entry| entry.environment != EnvironmentId::L1.get());
        let order: Option<_> = of_producers.map(index).collect();
        order.ok_or_else(|| other(OtherInput::Blocks))
    }

    /// Whether the deposits that it takes are the first of `pending`, which come after those that `state` has taken.
    fn takes_from(&self, state: &SuperblockState, pending: &[Deposit]) -> bool {
        let Ok(Some(L1Outcome { queue: after, .. })) = l1_outcome(&self.statement) else { return true };
        let before = state.l1.queue;
        let count = usize::try_from(after.length.saturating_sub(before.length)).unwrap_or(usize::MAX);
        let taken = pending.get(..count).unwrap_or(pending);
        taken.iter().try_fold(before, append) == Ok(after)
    }

    /// The state that it leads to from `state`, which it continues.
    ///
    /// # Errors
    /// [`LeftoverError::Follow`]
    pub(crate) fn follow(&self, state: &SuperblockState) -> Result<SuperblockState, LeftoverError> {
        let failed = |source| LeftoverError::Follow { path: self.path.clone(), source: Box::new(source) };
        follow(state, &self.bundle).map_err(failed)
    }
}

//! The states of a chain in a directory, which one process at a time moves forward or back.
//!
//! ```text
//! state/
//!   states.redb                                   the latest state, and what leads back from it to those before
//!   location-00000007.superblock                  the directory to which superblock 7 goes
//!   state.lock                                    held while a process moves the states
//!   rolled-back-1/state-00000008.superblock       the latest state before a rollback
//! ```
//!
//! Moving forward writes what a superblock changes (`stored`) in one transaction, and moving back undoes it in one; the
//! locations stay then, since the superblocks do. So the directory holds a chain of states at any moment, and a crash leaves
//! it where it was or where it was going. Reading takes no lock.

use std::{
    fs::{self, File, TryLockError},
    io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
};

use batcher_circuits::state::SuperblockState;
use circuits_database::{DatabaseError, Reader, Store, View};
use circuits_files::file::{self, FileError};
use thiserror::Error;

use crate::{
    location,
    output::{
        DirectoryError, create_directory, database_file, location_file, location_numbers, lock_file,
        state_file, superblock_file, superblock_numbers,
    },
    state::{self, InvalidState, StateError},
    stored::{self, FORMAT, Unreadable},
};

#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod tests;

/// The number of superblocks whose states are kept, unless the caller says another.
pub const KEPT: NonZeroU32 = NonZeroU32::new(32).unwrap();
/// The most rollbacks of one directory.
const MAX_ROLLBACKS: u32 = 100_000;

/// Why the states of a directory are not used.
#[derive(Debug, Error)]
pub enum StatesError {
    /// A state cannot be read or written as a file, or is invalid.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database cannot be read or written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The directory cannot be read or locked, or a file cannot be moved.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory cannot be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Another process moves the states.
    #[error("{path}: another process is working here", path = .path.display())]
    Locked { path: PathBuf },
    /// There is no state, and no chain id to begin with.
    #[error("{path}: there is no superblock state; a new chain begins with a chain id", path = .path.display())]
    Empty { path: PathBuf },
    /// The states belong to another chain than the caller means.
    #[error("{path}: the state there is of the chain {found}, expected {expected}", path = .path.display())]
    OtherChain { path: PathBuf, expected: u64, found: u64 },
    /// There are states already, where one is to be put.
    #[error("{path}: there are states already, up to superblock {latest}", path = .path.display())]
    Exists { path: PathBuf, latest: u32 },
    /// The state to go back to is not kept.
    #[error("{path}: there is no state after superblock {number}; the first one is {first}, the latest {latest}", path = .path.display())]
    NotKept { path: PathBuf, number: u32, first: u32, latest: u32 },
}

/// The states of a chain, locked: no other process moves them until this is dropped, or the process ends, however it ends.
#[derive(Debug)]
pub struct States {
    directory: PathBuf,
    latest: SuperblockState,
    /// Whether the directory has no state yet, so that `latest` is the genesis.
    is_new: bool,
    /// The database, once something was written to it.
    store: Option<Store>,
    kept: NonZeroU32,
    _lock: File,
}

/// What a rollback did.
#[derive(Debug)]
pub struct RolledBack {
    /// The state that is the latest now.
    pub latest: SuperblockState,
    /// The bundles that were moved aside: where each was, and where it is.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// The file that has the state that was the latest, unless it still is.
    pub saved: Option<PathBuf>,
}

/// The numbers of the superblocks whose states are kept in `directory`, ascending. A directory that is missing has none.
///
/// # Errors
/// [`StatesError::Database`]
pub fn numbers(directory: &Path) -> Result<Vec<u32>, StatesError> {
    match open_reader(directory)? {
        None => Ok(vec![]),
        Some(reader) => numbers_of(directory, &reader.latest()?),
    }
}

fn numbers_of(directory: &Path, view: &View) -> Result<Vec<u32>, StatesError> {
    let number = |&height| {
        let incomplete = |_| invalid(&database_file(directory), InvalidState::Incomplete { map: "heights" });
        u32::try_from(height).map_err(incomplete)
    };
    view.heights().iter().map(number).collect()
}

/// Reads the state after superblock `number` in `directory`.
///
/// # Errors
/// [`StatesError::Empty`], [`StatesError::NotKept`], or why the state cannot be read.
fn read(directory: &Path, number: u32) -> Result<SuperblockState, StatesError> {
    let reader = open_reader(directory)?.ok_or_else(|| StatesError::Empty { path: directory.to_owned() })?;
    read_at(directory, &reader, Some(number), stored::read)
}

/// Reads all of the state after superblock `number` in `directory`, or of the latest one, and checks it: every message, and
/// how each is found.
///
/// # Errors
/// [`StatesError::Empty`], [`StatesError::NotKept`], [`StatesError::State`] if something that is stored contradicts the rest,
/// or why the state cannot be read.
pub fn read_whole(directory: &Path, number: Option<u32>) -> Result<SuperblockState, StatesError> {
    let reader = open_reader(directory)?.ok_or_else(|| StatesError::Empty { path: directory.to_owned() })?;
    read_at(directory, &reader, number, stored::read_whole)
}

/// What `read` makes of the view after superblock `number`, or of the latest one.
fn read_at(
    directory: &Path,
    reader: &Reader,
    number: Option<u32>,
    read: ReadState,
) -> Result<SuperblockState, StatesError> {
    let mut view = reader.latest()?;
    if let Some(number) = number {
        check_kept(directory, &numbers_of(directory, &view)?, number)?;
        view = view.back_to(number.into())?;
    }
    read_view(directory, view, reader.chain_id(), read)
}

/// Reads every state that is kept in `directory`, by ascending number, and shows each to `visit`.
///
/// # Errors
/// [`StatesError::Empty`], or why a state cannot be read.
pub fn for_each(directory: &Path, mut visit: impl FnMut(&SuperblockState)) -> Result<(), StatesError> {
    let reader = open_reader(directory)?.ok_or_else(|| StatesError::Empty { path: directory.to_owned() })?;
    for number in numbers_of(directory, &reader.latest()?)? {
        let view = reader.latest()?.back_to(number.into())?;
        let state = read_view(directory, view, reader.chain_id(), stored::read)?;
        visit(&state);
        check_reads(directory, &state)?;
    }
    Ok(())
}

/// The database in `directory`, if there is one.
fn open_reader(directory: &Path) -> Result<Option<Reader>, StatesError> {
    match Reader::open(&database_file(directory), FORMAT) {
        Ok(reader) => Ok(Some(reader)),
        Err(DatabaseError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a state of this chain.
type ReadState = fn(&Arc<View>, u64) -> Result<SuperblockState, Unreadable>;

fn read_view(
    directory: &Path,
    view: View,
    chain_id: u64,
    read: ReadState,
) -> Result<SuperblockState, StatesError> {
    read(&Arc::new(view), chain_id).map_err(|error| unreadable(directory, error))
}

fn unreadable(directory: &Path, error: Unreadable) -> StatesError {
    match error {
        Unreadable::Database(error) => error.into(),
        Unreadable::Invalid(source) => invalid(&database_file(directory), source),
    }
}

fn invalid(path: &Path, source: InvalidState) -> StatesError {
    StateError::Invalid { path: path.to_owned(), source }.into()
}

fn check_kept(directory: &Path, numbers: &[u32], number: u32) -> Result<(), StatesError> {
    if numbers.contains(&number) {
        return Ok(());
    }
    let path = directory.to_owned();
    match (numbers.first(), numbers.last()) {
        (Some(&first), Some(&latest)) => Err(StatesError::NotKept { path, number, first, latest }),
        _ => Err(StatesError::Empty { path }),
    }
}

/// What `look` finds in the latest state in `directory`. If there is none, a chain id gives its genesis; if there is one, it is
/// of that chain.
///
/// # Errors
/// [`StatesError`]: [`Empty`](StatesError::Empty) without a state and a chain id,
/// [`OtherChain`](StatesError::OtherChain) with a state of another chain, or that something cannot be read that `look` needed.
pub fn with_latest<T>(
    directory: &Path,
    chain_id: Option<u64>,
    look: impl FnOnce(&SuperblockState) -> T,
) -> Result<T, StatesError> {
    let (state, _) = find_latest(directory, chain_id)?;
    let found = look(&state);
    check_reads(directory, &state)?;
    Ok(found)
}

/// Checks that nothing was taken for absent because it could not be read.
fn check_reads(directory: &Path, state: &SuperblockState) -> Result<(), StatesError> {
    state.check_reads().map_err(|failure| invalid(&database_file(directory), failure.into()))
}

/// The state that [`with_latest`] describes, and whether it is a genesis that is in no database.
fn find_latest(directory: &Path, chain_id: Option<u64>) -> Result<(SuperblockState, bool), StatesError> {
    let path = || directory.to_owned();
    match (open_reader(directory)?, chain_id) {
        (None, None) => Err(StatesError::Empty { path: path() }),
        (None, Some(chain_id)) => Ok((SuperblockState::genesis(chain_id), true)),
        (Some(reader), expected) => {
            let found = reader.chain_id();
            if let Some(expected) = expected.filter(|&expected| expected != found) {
                return Err(StatesError::OtherChain { path: path(), expected, found });
            }
            Ok((read_view(directory, reader.latest()?, found, stored::read)?, false))
        }
    }
}

/// Puts a state into a directory that has none, and makes the directory if it is missing: the chain goes on from there.
///
/// # Errors
/// [`StatesError::Exists`], [`StatesError::Locked`], or why the state is invalid or cannot be written.
pub fn put(directory: &Path, state: &SuperblockState) -> Result<(), StatesError> {
    state::check(state).map_err(|source| invalid(&database_file(directory), source))?;
    create_directory(directory)?;
    let _lock = lock(directory)?;
    if let Some(&latest) = numbers(directory)?.last() {
        return Err(StatesError::Exists { path: directory.to_owned(), latest });
    }
    create(directory, state)?;
    Ok(())
}

/// Makes the database of a directory with its first state.
fn create(directory: &Path, state: &SuperblockState) -> Result<Store, StatesError> {
    let changes = stored::all(state).map_err(|error| unreadable(directory, error))?;
    let path = database_file(directory);
    Ok(Store::create(&path, FORMAT, state.chain_id, state.number.into(), &changes)?)
}

/// Locks the states in `directory`, or says that another process holds the lock.
fn lock(directory: &Path) -> Result<File, StatesError> {
    let path = lock_file(directory);
    let failed = |source| FileError::Io { path: path.clone(), action: "lock it", source };
    let file = file::open_lock(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StatesError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(failed(source).into()),
    }
}

impl States {
    /// Locks the states in `directory` and reads the latest one, as [`with_latest`] does. A directory without a state is made if it is missing,
    /// and gets its first files when the chain moves forward.
    ///
    /// # Errors
    /// As [`with_latest`], and [`StatesError::Locked`].
    pub fn open(directory: &Path, chain_id: Option<u64>) -> Result<Self, StatesError> {
        // A directory with nothing to lock gets no lock.
        if chain_id.is_none() && !database_file(directory).exists() {
            return Err(StatesError::Empty { path: directory.to_owned() });
        }
        create_directory(directory)?;
        let lock = lock(directory)?;
        let (latest, is_new) = find_latest(directory, chain_id)?;
        let directory = directory.to_owned();
        Ok(Self { directory, latest, is_new, store: None, kept: KEPT, _lock: lock })
    }

    /// Keeps the states of this many superblocks instead of [`KEPT`].
    #[must_use]
    pub fn keeping(self, kept: NonZeroU32) -> Self {
        Self { kept, ..self }
    }

    /// The latest state. Before something follows from what was looked up in it, ask [`Self::check_reads`].
    #[must_use]
    pub fn latest(&self) -> &SuperblockState {
        &self.latest
    }

    /// Checks that everything could be read that was looked up in the latest state so far: what could not be was taken for absent.
    ///
    /// # Errors
    /// [`StatesError::State`]
    pub fn check_reads(&self) -> Result<(), StatesError> {
        check_reads(&self.directory, &self.latest)
    }

    /// Checks the rules of every state on `next`, which superblocks lead to from the latest one.
    ///
    /// # Errors
    /// [`StatesError::State`]: [`Self::advance`] would refuse it.
    pub fn check(&self, next: &SuperblockState) -> Result<(), StatesError> {
        state::check_after(&self.latest, next)
            .map_err(|source| invalid(&database_file(&self.directory), source))
    }

    /// The file that says where the next superblock goes, if a run began to write it.
    pub(crate) fn location_file(&self) -> PathBuf {
        location_file(&self.directory, self.next_number())
    }

    /// The directory to which the next superblock goes, if a run began to write it.
    ///
    /// # Errors
    /// [`FileError`]
    pub(crate) fn location(&self) -> Result<Option<PathBuf>, FileError> {
        location::read(&self.directory, self.next_number())
    }

    /// Remembers that the next superblock goes to the directory `superblocks`, which exists. To be called before its bundle
    /// is written.
    ///
    /// # Errors
    /// [`StatesError::File`]
    pub(crate) fn set_location(&self, superblocks: &Path) -> Result<(), StatesError> {
        Ok(location::write(&self.directory, self.next_number(), superblocks)?)
    }

    fn next_number(&self) -> u32 {
        self.latest.number.saturating_add(1)
    }

    /// Makes `next`, which superblocks lead to from the latest state, the latest one, and forgets what is too old to be kept.
    /// Returns why some locations that are too old stay; the next call tries again.
    ///
    /// # Errors
    /// [`StatesError`]; the latest state is then the old one, or the new one already.
    pub fn advance(&mut self, next: SuperblockState) -> Result<Vec<FileError>, StatesError> {
        self.check(&next)?;
        let store = match self.store.take() {
            Some(store) => store,
            None if self.is_new => create(&self.directory, &self.latest)?,
            None => Store::open(&database_file(&self.directory), FORMAT)?,
        };
        self.is_new = false;
        let store = self.store.insert(store);
        let changes =
            stored::changes(&self.latest, &next).map_err(|error| unreadable(&self.directory, error))?;
        store.commit(next.number.into(), &changes, self.kept.get() as usize)?;
        self.latest = next;
        Ok(self.remove_old().unwrap_or_else(|error| vec![error]))
    }

    /// Removes the locations of superblocks whose states are too old to be kept, and returns why some of them stay.
    fn remove_old(&self) -> Result<Vec<FileError>, FileError> {
        let last_removed = self.latest.number.checked_sub(self.kept.get());
        let is_old = |number: &u32| Some(*number) <= last_removed;
        let old = location_numbers(&self.directory)?.into_iter().filter(is_old);
        let remove = |path: PathBuf| {
            fs::remove_file(&path).err().map(|source| FileError::Io { path, action: "remove it", source })
        };
        Ok(old.map(|number| location_file(&self.directory, number)).filter_map(remove).collect())
    }
}

/// Makes the state after superblock `number` the latest one in `directory`. What was the latest is written to a file in a new
/// directory `rolled-back-N` beside it. The bundles of later superblocks in the directory `superblocks`, if it is given, are moved
/// aside in the same way. A call that was interrupted is completed by the same call.
///
/// # Errors
/// [`StatesError`]
pub fn roll_back(
    directory: &Path,
    number: u32,
    superblocks: Option<&Path>,
) -> Result<RolledBack, StatesError> {
    // A directory with nothing to lock gets no lock, and one without the state stays as it is.
    let state = read(directory, number)?;
    let _lock = lock(directory)?;
    if let Some(superblocks) = superblocks {
        // A directory that is missing is a mistake, and no empty one.
        let failed = |source| FileError::Io { path: superblocks.to_owned(), action: "open it", source };
        fs::metadata(superblocks).map_err(failed)?;
    }
    // First what may fail however often it is tried.
    let bundles =
        superblocks.map(|superblocks| later_bundles(superblocks, number)).transpose()?.unwrap_or_default();
    let aside = superblocks.filter(|_| !bundles.is_empty()).map(new_directory).transpose()?;
    let (last, _) = find_latest(directory, None)?;
    let saved = if last.number == number {
        None
    } else {
        let saved = save(directory, &last);
        Some(saved.inspect_err(|_| drop(aside.as_ref().map(fs::remove_dir)))?)
    };
    let mut moved = vec![];
    if let Some(aside) = &aside {
        for from in bundles {
            let to = file::move_into(&from, aside)?;
            moved.push((from, to));
        }
    }
    if saved.is_some() {
        Store::open(&database_file(directory), FORMAT)?.roll_back(number.into())?;
    }
    Ok(RolledBack { latest: state, moved, saved })
}

/// Writes a state to a new directory in `directory`, and returns the file.
fn save(directory: &Path, state: &SuperblockState) -> Result<PathBuf, StatesError> {
    let aside = new_directory(directory)?;
    let saved = state_file(&aside, state.number);
    state::write(&saved, state).inspect_err(|_| drop(fs::remove_dir(&aside)))?;
    Ok(saved)
}

/// The bundles in `superblocks` of those after `number`, the latest one first.
fn later_bundles(superblocks: &Path, number: u32) -> Result<Vec<PathBuf>, FileError> {
    let later = superblock_numbers(superblocks)?.into_iter().filter(|&found| found > number);
    Ok(later.rev().map(|number| superblock_file(superblocks, number)).collect())
}

/// Makes the first directory `rolled-back-N` that `directory` does not have.
fn new_directory(directory: &Path) -> Result<PathBuf, DirectoryError> {
    let mut number = 1;
    loop {
        let path = directory.join(format!("rolled-back-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists && number < MAX_ROLLBACKS => {
                number += 1;
            }
            Err(source) => return Err(DirectoryError { path, source }),
        }
    }
}

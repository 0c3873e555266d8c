//! The states of a chain in a directory, which one process at a time moves forward or back.
//!
//! ```text
//! state/
//!   state-00000006.superblock                     the state after superblock 6
//!   state-00000007.superblock                     the latest state, which superblock 8 continues
//!   location-00000007.superblock                  the directory to which superblock 7 goes
//!   state.lock                                    held while a process moves the states
//!   rolled-back-1/state-00000008.superblock       a state that a rollback moved aside
//! ```
//!
//! A state file is written once and never changed. Moving forward adds a file and then removes those that are too old;
//! moving back moves files aside, and lets the locations stay, since the superblocks do. So the directory holds a whole
//! chain of states at any moment, and a crash leaves it where it was or where it was going.

use std::{
    fs::{self, File, TryLockError},
    io,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use batcher_circuits::state::SuperblockState;
use circuits_files::file::{self, FileError};
use thiserror::Error;

use crate::{
    location,
    output::{
        DirectoryError, create_directory, location_file, location_numbers, lock_file, state_file,
        state_numbers, superblock_file, superblock_numbers,
    },
    state::{self, StateError},
};

/// The number of superblocks whose states are kept, unless the caller says another.
pub const KEPT: NonZeroU32 = NonZeroU32::new(32).unwrap();
/// The most rollbacks of one directory.
const MAX_ROLLBACKS: u32 = 100_000;

/// Why the states of a directory are not used.
#[derive(Debug, Error)]
pub enum StatesError {
    /// A state cannot be read or written, or is invalid.
    #[error(transparent)]
    State(#[from] StateError),
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
    /// A file holds another state than its name says.
    #[error("{path}: the file holds the state after superblock {found}, expected {expected}", path = .path.display())]
    OtherNumber { path: PathBuf, expected: u32, found: u32 },
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
    kept: NonZeroU32,
    _lock: File,
}

/// What a rollback did.
#[derive(Debug)]
pub struct RolledBack {
    /// The state that is the latest now.
    pub latest: SuperblockState,
    /// The files that were moved aside: where each was, and where it is.
    pub moved: Vec<(PathBuf, PathBuf)>,
}

/// Reads the state after superblock `number` in `directory`.
///
/// # Errors
/// [`StatesError::State`] or [`StatesError::OtherNumber`].
pub fn read(directory: &Path, number: u32) -> Result<SuperblockState, StatesError> {
    let path = state_file(directory, number);
    let state = state::read(&path)?;
    if state.number == number {
        Ok(state)
    } else {
        Err(StatesError::OtherNumber { path, expected: number, found: state.number })
    }
}

/// Reads the latest state in `directory`. If there is none, a chain id gives its genesis; if there is one, it is of that
/// chain.
///
/// # Errors
/// [`StatesError`]: [`Empty`](StatesError::Empty) without a state and a chain id, and
/// [`OtherChain`](StatesError::OtherChain) with a state of another chain.
pub fn latest(directory: &Path, chain_id: Option<u64>) -> Result<SuperblockState, StatesError> {
    Ok(find_latest(directory, chain_id)?.0)
}

/// The state that [`latest`] describes, and whether it is a genesis that is in no file.
fn find_latest(directory: &Path, chain_id: Option<u64>) -> Result<(SuperblockState, bool), StatesError> {
    let path = || directory.to_owned();
    match (state_numbers(directory)?.last(), chain_id) {
        (None, None) => Err(StatesError::Empty { path: path() }),
        (None, Some(chain_id)) => Ok((SuperblockState::genesis(chain_id), true)),
        (Some(&number), expected) => {
            let state = read(directory, number)?;
            match expected.filter(|&expected| expected != state.chain_id) {
                Some(expected) => {
                    Err(StatesError::OtherChain { path: path(), expected, found: state.chain_id })
                }
                None => Ok((state, false)),
            }
        }
    }
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
    /// Locks the states in `directory` and reads the [`latest`] one. A directory without a state is made if it is missing,
    /// and gets its first files when the chain moves forward.
    ///
    /// # Errors
    /// As [`latest`], and [`StatesError::Locked`].
    pub fn open(directory: &Path, chain_id: Option<u64>) -> Result<Self, StatesError> {
        // A directory with nothing to lock gets no lock.
        latest(directory, chain_id)?;
        create_directory(directory)?;
        let lock = lock(directory)?;
        let (latest, is_new) = find_latest(directory, chain_id)?;
        Ok(Self { directory: directory.to_owned(), latest, is_new, kept: KEPT, _lock: lock })
    }

    /// Keeps the states of this many superblocks instead of [`KEPT`].
    #[must_use]
    pub fn keeping(self, kept: NonZeroU32) -> Self {
        Self { kept, ..self }
    }

    /// The latest state.
    #[must_use]
    pub fn latest(&self) -> &SuperblockState {
        &self.latest
    }

    /// Checks that [`Self::advance`] can write `next`, as far as that depends on the state.
    ///
    /// # Errors
    /// [`StatesError::State`]
    pub fn check(&self, next: &SuperblockState) -> Result<(), StatesError> {
        state::encode(&state_file(&self.directory, next.number), next)?;
        Ok(())
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

    /// Makes `next` the latest state: writes it, then removes the states that are too old to be kept. Returns why some of
    /// these stay; the next call tries again.
    ///
    /// # Errors
    /// [`StatesError::State`]; the latest state is then the old one, or the new one already.
    pub fn advance(&mut self, next: SuperblockState) -> Result<Vec<FileError>, StatesError> {
        if self.is_new {
            state::write(&state_file(&self.directory, self.latest.number), &self.latest)?;
            self.is_new = false;
        }
        state::write(&state_file(&self.directory, next.number), &next)?;
        self.latest = next;
        Ok(self.remove_old().unwrap_or_else(|error| vec![error]))
    }

    /// Removes the states that are too old to be kept, with the locations of their superblocks, and returns why some of them
    /// stay.
    fn remove_old(&self) -> Result<Vec<FileError>, FileError> {
        let last_removed = self.latest.number.checked_sub(self.kept.get());
        let is_old = |number: &u32| Some(*number) <= last_removed;
        let file = |name: fn(&Path, u32) -> PathBuf| move |number| name(&self.directory, number);
        let states = state_numbers(&self.directory)?.into_iter().filter(is_old).map(file(state_file));
        let locations =
            location_numbers(&self.directory)?.into_iter().filter(is_old).map(file(location_file));
        let remove = |path: PathBuf| {
            fs::remove_file(&path).err().map(|source| FileError::Io { path, action: "remove it", source })
        };
        Ok(states.chain(locations).filter_map(remove).collect())
    }
}

/// Makes the state after superblock `number` the latest one in `directory`, by moving later ones to a new directory
/// `rolled-back-N` beside them. The bundles of later superblocks in the directory `superblocks`, if it is given, are moved
/// aside in the same way. A call that was interrupted is completed by the same call.
///
/// # Errors
/// [`StatesError`]
pub fn roll_back(
    directory: &Path,
    number: u32,
    superblocks: Option<&Path>,
) -> Result<RolledBack, StatesError> {
    let path = || directory.to_owned();
    let empty = || StatesError::Empty { path: path() };
    // A directory with nothing to lock gets no lock.
    state_numbers(directory)?.first().ok_or_else(empty)?;
    let _lock = lock(directory)?;
    let numbers = state_numbers(directory)?;
    let (&first, &latest) = numbers.first().zip(numbers.last()).ok_or_else(empty)?;
    if !numbers.contains(&number) {
        return Err(StatesError::NotKept { path: path(), number, first, latest });
    }
    let state = read(directory, number)?;
    let later = |numbers: Vec<u32>| numbers.into_iter().filter(move |&found| found > number).rev();
    let mut moved = vec![];
    if let Some(superblocks) = superblocks {
        // A directory that is missing is a mistake, and no empty one.
        let failed = |source| FileError::Io { path: superblocks.to_owned(), action: "open it", source };
        fs::metadata(superblocks).map_err(failed)?;
        let bundles = later(superblock_numbers(superblocks)?);
        moved.extend(move_aside(superblocks, bundles.map(|number| superblock_file(superblocks, number)))?);
    }
    // The latest first: what remains is a chain at any moment.
    let states = later(numbers);
    moved.extend(move_aside(directory, states.map(|number| state_file(directory, number)))?);
    Ok(RolledBack { latest: state, moved })
}

/// Moves `files`, which lie in `directory`, to a new directory in it.
fn move_aside(
    directory: &Path,
    files: impl Iterator<Item = PathBuf>,
) -> Result<Vec<(PathBuf, PathBuf)>, StatesError> {
    let mut files = files.peekable();
    let mut moved = vec![];
    if files.peek().is_some() {
        let aside = new_directory(directory)?;
        for from in files {
            let to = file::move_into(&from, &aside)?;
            moved.push((from, to));
        }
    }
    Ok(moved)
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

#[cfg(test)]
mod tests {
    use batcher_circuits::testing::digest;

    use super::*;

    const CHAIN_ID: u64 = 5;

    /// A state after `number` superblocks without messages.
    fn after(number: u32) -> SuperblockState {
        let history = vec![digest(1); number as usize].try_into().expect("not zero");
        SuperblockState { number, history, ..SuperblockState::genesis(CHAIN_ID) }
    }

    /// A directory whose chain has so many superblocks.
    fn chain(superblocks: u32, kept: u32) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        let kept = NonZeroU32::new(kept).expect("not 0");
        let mut states = States::open(directory.path(), Some(CHAIN_ID)).expect("a new chain").keeping(kept);
        for number in 1..=superblocks {
            assert!(states.advance(after(number)).expect("the next state").is_empty());
        }
        directory
    }

    fn kept(directory: &Path) -> Vec<u32> {
        state_numbers(directory).expect("readable")
    }

    #[test]
    fn a_new_chain_leaves_no_state_before_its_first_superblock() {
        let directory = chain(0, 1);
        assert!(kept(directory.path()).is_empty());
        let error = States::open(directory.path(), None).expect_err("no state and no chain id");
        assert!(matches!(error, StatesError::Empty { .. }), "{error}");
        let missing = directory.path().join("missing");
        States::open(&missing, None).expect_err("no directory");
        assert!(!missing.exists());
    }

    #[test]
    fn the_latest_state_is_current_and_old_ones_are_removed() {
        for (superblocks, number, expected) in
            [(1, 32, vec![0, 1]), (4, 1, vec![4]), (4, 3, vec![2, 3, 4]), (4, 5, vec![0, 1, 2, 3, 4])]
        {
            let directory = chain(superblocks, number);
            assert_eq!(kept(directory.path()), expected, "{number} of {superblocks}");
            let states = States::open(directory.path(), None).expect("a chain");
            assert_eq!(*states.latest(), after(superblocks));
        }
    }

    #[test]
    fn locations_are_kept_as_long_as_the_states() {
        let directory = tempfile::tempdir().expect("a directory");
        let kept = NonZeroU32::new(2).expect("not 0");
        let mut states = States::open(directory.path(), Some(CHAIN_ID)).expect("a new chain").keeping(kept);
        for number in 1..=4 {
            assert_eq!(states.location().expect("readable"), None);
            states.set_location(directory.path()).expect("writable");
            assert!(states.location().expect("readable").is_some());
            assert!(states.advance(after(number)).expect("the next state").is_empty());
        }
        assert_eq!(location_numbers(directory.path()).expect("readable"), [3, 4]);
        drop(states);
        roll_back(directory.path(), 3, None).expect("kept");
        let states = States::open(directory.path(), None).expect("a chain");
        let found = states.location().expect("readable").expect("superblock 4 stays where it is");
        let canonical = |path: &Path| path.canonicalize().expect("it exists");
        assert_eq!(canonical(&found), canonical(directory.path()));
    }

    #[test]
    fn files_with_other_names_are_no_states() {
        let directory = chain(1, 5);
        for name in ["state.superblock", "state-9.superblock", "state-+0000009.superblock", "state-00000009"]
        {
            fs::write(directory.path().join(name), b"").expect("writable");
        }
        assert_eq!(kept(directory.path()), [0, 1]);
    }

    #[test]
    fn a_state_under_another_number_is_rejected() {
        let directory = chain(1, 5);
        fs::rename(state_file(directory.path(), 1), state_file(directory.path(), 7)).expect("writable");
        let error = States::open(directory.path(), None).expect_err("superblock 7 was never made");
        assert!(matches!(error, StatesError::OtherNumber { expected: 7, found: 1, .. }), "{error}");
    }

    #[test]
    fn a_chain_of_another_id_is_rejected_by_both_numbers() {
        let directory = chain(1, 5);
        let error = States::open(directory.path(), Some(6)).expect_err("chain 5");
        assert!(matches!(error, StatesError::OtherChain { expected: 6, found: 5, .. }), "{error}");
        States::open(directory.path(), Some(CHAIN_ID)).expect("the same chain");
    }

    #[test]
    fn states_are_locked_until_they_are_dropped() {
        let directory = chain(2, 5);
        let states = States::open(directory.path(), None).expect("nobody else is here");
        let error = States::open(directory.path(), None).expect_err("locked");
        assert!(matches!(error, StatesError::Locked { .. }), "{error}");
        let error = roll_back(directory.path(), 1, None).expect_err("locked");
        assert!(matches!(error, StatesError::Locked { .. }), "{error}");
        // Reading needs no lock.
        assert_eq!(latest(directory.path(), None).expect("a chain"), after(2));
        drop(states);
        States::open(directory.path(), None).expect("nobody else is here");
    }

    #[test]
    fn a_state_is_never_replaced() {
        let directory = chain(1, 5);
        let path = state_file(directory.path(), 1);
        state::write(&path, &after(1)).expect("the same state");
        let other = SuperblockState { chain_id: CHAIN_ID + 1, ..after(1) };
        let error = state::write(&path, &other).expect_err("another state");
        assert!(matches!(error, StateError::File(FileError::Exists { .. })), "{error}");
        assert_eq!(read(directory.path(), 1).expect("still there"), after(1));
    }

    #[test]
    fn a_rollback_moves_later_states_and_bundles_aside_and_the_chain_goes_on() {
        let directory = chain(4, 3);
        let bundles = tempfile::tempdir().expect("a directory");
        for number in 1..=4 {
            fs::write(superblock_file(bundles.path(), number), number.to_string()).expect("writable");
        }
        let error = roll_back(directory.path(), 1, None).expect_err("removed");
        assert!(matches!(error, StatesError::NotKept { number: 1, first: 2, latest: 4, .. }), "{error}");

        let rolled = roll_back(directory.path(), 2, Some(bundles.path())).expect("kept");
        assert_eq!(rolled.latest, after(2));
        let expected = [
            (superblock_file(bundles.path(), 4), superblock_file(&bundles.path().join("rolled-back-1"), 4)),
            (superblock_file(bundles.path(), 3), superblock_file(&bundles.path().join("rolled-back-1"), 3)),
            (state_file(directory.path(), 4), state_file(&directory.path().join("rolled-back-1"), 4)),
            (state_file(directory.path(), 3), state_file(&directory.path().join("rolled-back-1"), 3)),
        ];
        assert_eq!(rolled.moved, expected);
        assert_eq!(kept(directory.path()), [2]);
        assert_eq!(kept(&directory.path().join("rolled-back-1")), [3, 4]);
        assert_eq!(superblock_numbers(bundles.path()).expect("readable"), [1, 2]);

        let mut states = States::open(directory.path(), None).expect("a chain");
        states.advance(after(3)).expect("the next state");
        drop(states);
        let again = roll_back(directory.path(), 2, Some(bundles.path())).expect("kept");
        let aside = directory.path().join("rolled-back-2");
        assert_eq!(again.moved, [(state_file(directory.path(), 3), state_file(&aside, 3))]);
        // Nothing is left to move.
        assert!(roll_back(directory.path(), 2, None).expect("kept").moved.is_empty());
    }

    #[test]
    fn a_rollback_with_bundles_in_a_directory_that_is_missing_changes_nothing() {
        let directory = chain(2, 5);
        let missing = directory.path().join("superblocks");
        let error = roll_back(directory.path(), 1, Some(&missing)).expect_err("no directory");
        assert!(
            matches!(&error, StatesError::File(FileError::Io { path, action: "open it", .. }) if *path == missing),
            "{error}"
        );
        assert_eq!(kept(directory.path()), [0, 1, 2]);
        assert!(!missing.exists() && !directory.path().join("rolled-back-1").exists());
    }

    #[test]
    fn a_damaged_latest_state_can_be_rolled_back() {
        let directory = chain(2, 5);
        fs::write(state_file(directory.path(), 2), b"damaged").expect("writable");
        States::open(directory.path(), None).expect_err("damaged");
        roll_back(directory.path(), 1, None).expect("the one before is whole");
        assert_eq!(*States::open(directory.path(), None).expect("a chain").latest(), after(1));
    }
}

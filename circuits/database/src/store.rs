//! A database that this process changes.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use circuits_files::file::TEMPORARY_PREFIX;
use redb::{Builder, Database, ReadableDatabase as _, TableDefinition, WriteTransaction};

use crate::{
    backend::{self, durable_step, sync_directory},
    changes::Change,
    error::DatabaseError,
    layout::{Before, Format, HEADER, HEIGHTS, heights, undo},
    view::View,
};

/// Bytes that redb keeps of a file. Its default of 1 GiB is more than a state takes.
const CACHE_BYTES: usize = 64 << 20;

/// A database that this process changes, height by height. No other process does until this is dropped, or the process ends,
/// however it ends; others can read what was committed.
pub struct Store {
    database: Arc<Database>,
    path: PathBuf,
    chain_id: u64,
}

/// Opens databases, and checks all of each: what was altered or cut off gives an error here, where redb may panic later.
pub(crate) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes the database at `path` with its first height, and opens it. It is there with all of that, or not at all.
    ///
    /// # Errors
    /// [`DatabaseError::Exists`] if there is a file, [`DatabaseError::Io`].
    pub fn create(
        path: &Path,
        format: Format,
        chain_id: u64,
        height: u64,
        changes: &[Change],
    ) -> Result<Self, DatabaseError> {
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |action| move |error| DatabaseError::new(path, action, redb::Error::Io(error));
        let unfinished = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile_in(directory)
            .map_err(failed("make a file beside it"))?;
        let database = backend::open(&builder(), unfinished.path())
            .map_err(|error| DatabaseError::new(path, "make it", error))?;
        let store = Self { database: Arc::new(database), path: path.to_owned(), chain_id };
        store.change("make it", |transaction| {
            let header = postcard::to_allocvec(&format.header(chain_id)).expect("a header encodes");
            let mut table = transaction
                .open_table(HEADER)
                .map_err(|error| DatabaseError::new(path, "open the header", error))?;
            table
                .insert([].as_slice(), header.as_slice())
                .map_err(|error| DatabaseError::new(path, "write the header", error))?;
            drop(table);
            store.apply(transaction, changes)?;
            store.set_undo(transaction, height, &[])
        })?;
        let database = Arc::into_inner(store.database);
        database
            .map_or(Ok(()), Database::close)
            .map_err(|error| DatabaseError::new(path, "close it", error))?;
        durable_step(None, &[]).map_err(failed("rename it"))?;
        unfinished.persist_noclobber(path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => DatabaseError::Exists { path: path.to_owned() },
            _ => failed("rename it")(error.error),
        })?;
        sync_directory(directory).map_err(failed("sync its directory"))?;
        Self::open(path, format)
    }

    /// Opens the database at `path`. All of the file is read and checked.
    ///
    /// # Errors
    /// [`DatabaseError`]: among others [`Missing`](DatabaseError::Missing), [`Locked`](DatabaseError::Locked),
    /// [`Damaged`](DatabaseError::Damaged), [`OtherKind`](DatabaseError::OtherKind) and
    /// [`OtherVersion`](DatabaseError::OtherVersion).
    pub fn open(path: &Path, format: Format) -> Result<Self, DatabaseError> {
        let length = fs::metadata(path).map(|metadata| metadata.len());
        let length = length.map_err(|error| DatabaseError::new(path, "open it", redb::Error::Io(error)))?;
        check_length(path, length)?;
        let database =
            backend::open(&builder(), path).map_err(|error| DatabaseError::new(path, "open it", error))?;
        let failed = |error| DatabaseError::new(path, "read the header", error);
        let transaction =
            database.begin_read().map_err(|error| DatabaseError::new(path, "read it", error))?;
        let header = format.check(path, &transaction.open_table(HEADER).map_err(failed)?)?;
        Ok(Self { database: Arc::new(database), path: path.to_owned(), chain_id: header.chain_id })
    }

    /// The chain of the states.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// What is there at the latest height.
    ///
    /// # Errors
    /// [`DatabaseError`]
    pub fn latest(&self) -> Result<View, DatabaseError> {
        View::latest(&self.path, &self.database)
    }

    /// What was there at a height that is kept.
    ///
    /// # Errors
    /// [`DatabaseError::NotKept`]
    pub fn at(&self, height: u64) -> Result<View, DatabaseError> {
        self.latest()?.back_to(height)
    }

    /// Moves on to `height`, durably and at once. The last `kept` heights can be gone back to, this one included.
    ///
    /// # Errors
    /// [`DatabaseError::NotNext`] unless the height is beyond the latest one; then, and if the file cannot be written, nothing
    /// changes.
    pub fn commit(&self, height: u64, changes: &[Change], kept: usize) -> Result<(), DatabaseError> {
        self.change("write it", |transaction| self.advance(transaction, height, changes, kept))
    }

    /// Makes `height` the latest one again: what came later is undone and forgotten.
    ///
    /// # Errors
    /// [`DatabaseError::NotKept`]; then, and if the file cannot be written, nothing changes.
    pub fn roll_back(&self, height: u64) -> Result<(), DatabaseError> {
        self.change("write it", |transaction| self.undo_to(transaction, height))
    }

    /// Notes something, durably and at once, that is no step to another height: going back does not undo it. It is kept in maps of
    /// its own, which no height changes.
    ///
    /// # Errors
    /// [`DatabaseError::Io`]; then nothing changes.
    pub fn note(&self, notes: &[Change]) -> Result<(), DatabaseError> {
        self.change("write it", |transaction| self.apply(transaction, notes).map(drop))
    }

    /// Goes back to `height` and on to those after it, each with its changes, durably and at once, and [notes](Self::note) something:
    /// [`Self::roll_back`] and [`Self::commit`] for each of `steps`, and never only some of that.
    ///
    /// # Errors
    /// As these two; then, and if the file cannot be written, nothing changes.
    pub fn replace(
        &self,
        height: u64,
        steps: &[Vec<Change>],
        notes: &[Change],
        kept: usize,
    ) -> Result<(), DatabaseError> {
        self.change("write it", |transaction| {
            self.apply(transaction, notes)?;
            self.undo_to(transaction, height)?;
            let mut latest = height;
            for changes in steps {
                latest = latest.saturating_add(1);
                self.advance(transaction, latest, changes, kept)?;
            }
            Ok(())
        })
    }

    /// Moves on to `height`, and forgets all but the last `kept` ones.
    fn advance(
        &self,
        transaction: &WriteTransaction,
        height: u64,
        changes: &[Change],
        kept: usize,
    ) -> Result<(), DatabaseError> {
        let all = self.heights(transaction)?;
        if let Some(&latest) = all.last().filter(|&&latest| latest >= height) {
            return Err(DatabaseError::NotNext { path: self.path.clone(), latest, found: height });
        }
        let before = self.apply(transaction, changes)?;
        self.set_undo(transaction, height, &before)?;
        let too_old = (all.len() + 1).saturating_sub(kept.max(1));
        let (too_old, rest) = all.split_at(too_old);
        too_old.iter().try_for_each(|&height| self.forget(transaction, height))?;
        // Nothing goes back beyond the first one.
        match rest.first() {
            Some(&first) if !too_old.is_empty() => self.set_undo(transaction, first, &[]),
            None => self.set_undo(transaction, height, &[]),
            Some(_) => Ok(()),
        }
    }

    /// Undoes and forgets what came after `height`.
    fn undo_to(&self, transaction: &WriteTransaction, height: u64) -> Result<(), DatabaseError> {
        let all = self.heights(transaction)?;
        check_kept(&self.path, &all, height)?;
        for &later in all.iter().rev().filter(|&&later| later > height) {
            let table = self.open_heights(transaction)?;
            let before = undo(&self.path, &table, later)?;
            drop(table);
            for Before { map, key, value } in before {
                self.set(transaction, &map, &key, value.as_deref())?;
            }
            self.forget(transaction, later)?;
        }
        Ok(())
    }

    /// Does `work` in one transaction.
    fn change(
        &self,
        action: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let transaction =
            self.database.begin_write().map_err(|error| DatabaseError::new(&self.path, action, error))?;
        // A transaction that is dropped changes nothing.
        work(&transaction)?;
        transaction.commit().map_err(|error| DatabaseError::new(&self.path, action, error))
    }

    fn open_heights<'t>(
        &self,
        transaction: &'t WriteTransaction,
    ) -> Result<redb::Table<'t, u64, &'static [u8]>, DatabaseError> {
        transaction
            .open_table(HEIGHTS)
            .map_err(|error| DatabaseError::new(&self.path, "open the heights", error))
    }

    fn heights(&self, transaction: &WriteTransaction) -> Result<Vec<u64>, DatabaseError> {
        heights(&self.path, &self.open_heights(transaction)?)
    }

    fn set_undo(
        &self,
        transaction: &WriteTransaction,
        height: u64,
        before: &[Before],
    ) -> Result<(), DatabaseError> {
        let value = postcard::to_allocvec(before).expect("bytes encode");
        let failed = |error| DatabaseError::new(&self.path, "write a height", error);
        self.open_heights(transaction)?.insert(height, value.as_slice()).map(drop).map_err(failed)
    }

    fn forget(&self, transaction: &WriteTransaction, height: u64) -> Result<(), DatabaseError> {
        let failed = |error| DatabaseError::new(&self.path, "remove a height", error);
        self.open_heights(transaction)?.remove(height).map(drop).map_err(failed)
    }

    /// Makes the changes, and returns what undoes them, in the order in which it does.
    fn apply(
        &self,
        transaction: &WriteTransaction,
        changes: &[Change],
    ) -> Result<Vec<Before>, DatabaseError> {
        let mut before = vec![];
        for Change { map, key, value } in changes {
            let old = self.set(transaction, map.0, key, value.as_deref())?;
            before.push(Before { map: map.0.to_owned(), key: key.clone(), value: old });
        }
        // An entry that is changed twice becomes what it was first.
        before.reverse();
        Ok(before)
    }

    /// Sets or removes an entry, and returns its value before.
    fn set(
        &self,
        transaction: &WriteTransaction,
        map: &str,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, DatabaseError> {
        let failed = |error| DatabaseError::new(&self.path, "write an entry", error);
        let definition: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(map);
        let mut table = transaction
            .open_table(definition)
            .map_err(|error| DatabaseError::new(&self.path, "open a map", error))?;
        let old = match value {
            Some(value) => table.insert(key, value),
            None => table.remove(key),
        };
        Ok(old.map_err(failed)?.map(|old| old.value().to_vec()))
    }
}

/// Checks that a file is not empty. redb would make a database of one.
pub(crate) fn check_length(path: &Path, length: u64) -> Result<(), DatabaseError> {
    if length > 0 {
        return Ok(());
    }
    Err(DatabaseError::Damaged { path: path.to_owned(), reason: "it is empty".to_owned() })
}

/// Checks that a height is one of those that are kept.
pub(crate) fn check_kept(path: &Path, heights: &[u64], height: u64) -> Result<(), DatabaseError> {
    if heights.contains(&height) {
        return Ok(());
    }
    let [first, latest] = [heights.first(), heights.last()].map(|height| height.copied().unwrap_or(0));
    Err(DatabaseError::NotKept { path: path.to_owned(), height, first, latest })
}

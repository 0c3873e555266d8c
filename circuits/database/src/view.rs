//! What is in a database at one height.

use std::{
    collections::BTreeMap,
    fs,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use redb::{
    BackendError, Database, ReadTransaction, ReadableDatabase, ReadableTable as _, StorageBackend as _,
    TableDefinition, TableError, backends::InMemoryBackend,
};
use serde::de::DeserializeOwned;

use crate::{
    changes::Map,
    error::DatabaseError,
    layout::{Before, Format, HEADER, HEIGHTS, heights, undo},
    store::{builder, check_kept, check_length},
};

/// How often a file is read that changes meanwhile. A commit takes milliseconds.
const ATTEMPTS: usize = 20;

/// A database as it was when it was opened: a copy of the file in memory. Reading it neither changes the file nor keeps others
/// from changing it.
pub struct Reader {
    database: Database,
    path: PathBuf,
    chain_id: u64,
}

/// What a database has at one height. Later changes do not show in it.
pub struct View<'d> {
    /// redb reads nothing more once the database is dropped.
    database: PhantomData<&'d ()>,
    transaction: ReadTransaction,
    path: PathBuf,
    height: u64,
    /// The heights that are kept up to this one, ascending.
    heights: Vec<u64>,
    /// Entries that were others at the height than they are at the latest one.
    before: BTreeMap<String, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl Reader {
    /// Reads the database at `path`, and checks all of it. If its process was killed, it is at the last height that was
    /// committed.
    ///
    /// # Errors
    /// As [`Store::open`](crate::Store::open), but for [`DatabaseError::Locked`].
    pub fn open(path: &Path, format: Format) -> Result<Self, DatabaseError> {
        let mut bytes = read(path)?;
        for _ in 0..ATTEMPTS {
            let error = match Self::copy(path, &bytes, format) {
                Err(error @ DatabaseError::Damaged { .. }) => error,
                opened => return opened,
            };
            // Half of a commit looks like damage.
            let again = read(path)?;
            if again == bytes {
                return Err(error);
            }
            bytes = again;
        }
        Err(DatabaseError::Busy { path: path.to_owned(), attempts: ATTEMPTS })
    }

    /// The database that `bytes`, read from the file at `path`, are.
    fn copy(path: &Path, bytes: &[u8], format: Format) -> Result<Self, DatabaseError> {
        check_length(path, bytes.len() as u64)?;
        let copy = InMemoryBackend::new();
        let copied = copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, bytes));
        copied.map_err(|error| {
            DatabaseError::new(path, "copy it", redb::Error::from(BackendError::from(error)))
        })?;
        let database = builder()
            .create_with_backend(copy)
            .map_err(|error| DatabaseError::new(path, "read it", error))?;
        let transaction =
            database.begin_read().map_err(|error| DatabaseError::new(path, "read it", error))?;
        let table = transaction.open_table(HEADER);
        let table = table.map_err(|error| DatabaseError::new(path, "read the header", error))?;
        let chain_id = format.check(path, &table)?.chain_id;
        drop((table, transaction));
        Ok(Self { database, path: path.to_owned(), chain_id })
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
    pub fn latest(&self) -> Result<View<'_>, DatabaseError> {
        View::latest(&self.path, &self.database)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DatabaseError> {
    fs::read(path).map_err(|error| DatabaseError::new(path, "read it", redb::Error::Io(error)))
}

impl<'d> View<'d> {
    pub(crate) fn latest(path: &Path, database: &'d impl ReadableDatabase) -> Result<Self, DatabaseError> {
        let transaction =
            database.begin_read().map_err(|error| DatabaseError::new(path, "read it", error))?;
        let table = transaction.open_table(HEIGHTS);
        let table = table.map_err(|error| DatabaseError::new(path, "open the heights", error))?;
        let heights = heights(path, &table)?;
        let height = heights.last().copied().unwrap_or(0);
        let (path, before) = (path.to_owned(), BTreeMap::new());
        Ok(Self { database: PhantomData, transaction, path, height, heights, before })
    }

    /// What was there at an earlier height, if it is kept.
    ///
    /// # Errors
    /// [`DatabaseError::NotKept`]
    pub fn back_to(mut self, height: u64) -> Result<Self, DatabaseError> {
        check_kept(&self.path, &self.heights, height)?;
        let table = self.transaction.open_table(HEIGHTS);
        let table = table.map_err(|error| DatabaseError::new(&self.path, "open the heights", error))?;
        while let Some(later) = self.heights.pop_if(|last| *last > height) {
            for Before { map, key, value } in undo(&self.path, &table, later)? {
                self.before.entry(map).or_default().insert(key, value);
            }
        }
        self.height = height;
        Ok(self)
    }

    /// The height.
    #[must_use]
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// The heights that are kept up to this one, ascending.
    #[must_use]
    pub fn heights(&self) -> &[u64] {
        &self.heights
    }

    /// The entries of a map, in the order of their keys, decoded. A map that was never written is empty.
    ///
    /// # Errors
    /// [`DatabaseError::Decode`] for a value of another type.
    pub fn entries<T: DeserializeOwned>(&self, map: Map) -> Result<Vec<(Vec<u8>, T)>, DatabaseError> {
        let failed = |error| DatabaseError::new(&self.path, "read a map", error);
        let decode = |value: &[u8]| {
            let failed = |source| DatabaseError::Decode { path: self.path.clone(), map, source };
            Map::decode(value).map_err(failed)
        };
        let nothing = BTreeMap::new();
        let mut before = self.before.get(map.0).unwrap_or(&nothing).iter().peekable();
        let mut entries = vec![];
        let definition: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(map.0);
        let table = match self.transaction.open_table(definition) {
            Ok(table) => Some(table),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(DatabaseError::new(&self.path, "open a map", error)),
        };
        let latest = table.as_ref().map(|table| table.iter()).transpose().map_err(failed)?;
        for entry in latest.into_iter().flatten() {
            let (key, value) = entry.map_err(failed)?;
            let key = key.value();
            while let Some((gone, value)) = before.next_if(|(changed, _)| changed.as_slice() < key) {
                if let Some(value) = value {
                    entries.push((gone.clone(), decode(value)?));
                }
            }
            match before.next_if(|(changed, _)| changed.as_slice() == key) {
                Some((_, None)) => {}
                Some((_, Some(earlier))) => entries.push((key.to_vec(), decode(earlier)?)),
                None => entries.push((key.to_vec(), decode(value.value())?)),
            }
        }
        for (gone, value) in before {
            if let Some(value) = value {
                entries.push((gone.clone(), decode(value)?));
            }
        }
        Ok(entries)
    }
}

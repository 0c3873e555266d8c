//! What is in a database at one height.

use std::{
    collections::BTreeMap,
    fmt, fs,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{
    BackendError, Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, StorageBackend as _,
    TableDefinition, TableError, backends::InMemoryBackend,
};
use serde::de::DeserializeOwned;

use crate::{
    changes::{Change, Map},
    error::DatabaseError,
    layout::{Before, Format, HEADER, HEIGHTS, heights, undo},
    store::{builder, check_kept, check_length},
};

/// How often a file is read that changes meanwhile. A commit takes milliseconds.
const ATTEMPTS: usize = 20;

/// A database as it was when it was opened: a copy of the file in memory. Reading it neither changes the file nor keeps others
/// from changing it.
pub struct Reader {
    database: Arc<Database>,
    path: PathBuf,
    chain_id: u64,
}

/// What a database has at one height. Later changes do not show in it. A view of a [`Store`](crate::Store) keeps the file locked
/// until it is dropped too; one of a [`Reader`] locks nothing.
pub struct View {
    /// redb reads nothing more once the database is dropped.
    _database: Arc<Database>,
    transaction: ReadTransaction,
    path: PathBuf,
    height: u64,
    /// The heights that are kept up to this one, ascending.
    heights: Vec<u64>,
    /// Entries that were others at the height than they are at the latest one.
    before: BTreeMap<String, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

/// A side of a range.
#[derive(Clone, Copy)]
enum Edge {
    First,
    Last,
}

/// One table of a database: the latest entries of a map.
type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("path", &self.path).field("height", &self.height).finish_non_exhaustive()
    }
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
        Ok(Self { database: Arc::new(database), path: path.to_owned(), chain_id })
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
}

fn read(path: &Path) -> Result<Vec<u8>, DatabaseError> {
    fs::read(path).map_err(|error| DatabaseError::new(path, "read it", redb::Error::Io(error)))
}

impl View {
    pub(crate) fn latest(path: &Path, database: &Arc<Database>) -> Result<Self, DatabaseError> {
        let transaction =
            database.begin_read().map_err(|error| DatabaseError::new(path, "read it", error))?;
        let table = transaction.open_table(HEIGHTS);
        let table = table.map_err(|error| DatabaseError::new(path, "open the heights", error))?;
        let heights = heights(path, &table)?;
        let height = heights.last().copied().unwrap_or(0);
        let (path, before) = (path.to_owned(), BTreeMap::new());
        Ok(Self { _database: database.clone(), transaction, path, height, heights, before })
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
        self.range(map, &[], None)
    }

    /// The entries of a map from the key `first` on, and before `end` if it is given, in the order of their keys, decoded. No others
    /// are read.
    ///
    /// # Errors
    /// [`DatabaseError::Decode`] for a value of another type.
    pub fn range<T: DeserializeOwned>(
        &self,
        map: Map,
        first: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Vec<(Vec<u8>, T)>, DatabaseError> {
        let mut entries = vec![];
        self.visit(map, first, end, |key, value| {
            entries.push((key.to_vec(), self.decode(map, value)?));
            Ok(())
        })?;
        Ok(entries)
    }

    /// The first entry of a map from the key `first` on, and before `end`, decoded.
    ///
    /// # Errors
    /// [`DatabaseError::Decode`] for a value of another type.
    pub fn first<T: DeserializeOwned>(
        &self,
        map: Map,
        first: &[u8],
        end: &[u8],
    ) -> Result<Option<(Vec<u8>, T)>, DatabaseError> {
        self.edge(map, first, end, Edge::First)
    }

    /// The last entry of a map from the key `first` on, and before `end`, decoded.
    ///
    /// # Errors
    /// [`DatabaseError::Decode`] for a value of another type.
    pub fn last<T: DeserializeOwned>(
        &self,
        map: Map,
        first: &[u8],
        end: &[u8],
    ) -> Result<Option<(Vec<u8>, T)>, DatabaseError> {
        self.edge(map, first, end, Edge::Last)
    }

    fn edge<T: DeserializeOwned>(
        &self,
        map: Map,
        first: &[u8],
        end: &[u8],
        edge: Edge,
    ) -> Result<Option<(Vec<u8>, T)>, DatabaseError> {
        if end <= first {
            return Ok(None);
        }
        let failed = |error| DatabaseError::new(&self.path, "read a map", error);
        let bounds = (Bound::Included(first), Bound::Excluded(end));
        let before = self.before.get(map.0);
        let earlier = before.into_iter().flat_map(|map| map.range::<[u8], _>(bounds));
        let mut earlier = earlier.filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        let earlier = match edge {
            Edge::First => earlier.next(),
            Edge::Last => earlier.next_back(),
        };
        let mut latest = None;
        if let Some(table) = self.table(map)? {
            let mut entries = table.range::<&[u8]>(bounds).map_err(failed)?;
            while let Some(entry) = match edge {
                Edge::First => entries.next(),
                Edge::Last => entries.next_back(),
            } {
                let (key, value) = entry.map_err(failed)?;
                if before.is_none_or(|before| !before.contains_key(key.value())) {
                    latest = Some((key.value().to_vec(), value.value().to_vec()));
                    break;
                }
            }
        }
        let both = earlier.into_iter().chain(latest);
        let found = match edge {
            Edge::First => both.min(),
            Edge::Last => both.max(),
        };
        found.map(|(key, value)| Ok((key, self.decode(map, &value)?))).transpose()
    }

    /// The first map that has other entries than these changes give to an empty database. They change no entry twice.
    ///
    /// # Errors
    /// [`DatabaseError`]
    pub fn other_than(&self, changes: &[Change]) -> Result<Option<Map>, DatabaseError> {
        let mut maps: BTreeMap<Map, BTreeMap<&[u8], &[u8]>> = BTreeMap::new();
        for Change { map, key, value } in changes {
            let entries = maps.entry(*map).or_default();
            entries.extend(value.as_ref().map(|value| (key.as_slice(), value.as_slice())));
        }
        for (map, entries) in maps {
            let (mut expected, mut is_same) = (entries.into_iter(), true);
            self.visit(map, &[], None, |key, value| {
                is_same &= expected.next() == Some((key, value));
                Ok(())
            })?;
            if !is_same || expected.next().is_some() {
                return Ok(Some(map));
            }
        }
        Ok(None)
    }

    /// Shows the entries of [`Self::range`], not decoded.
    fn visit(
        &self,
        map: Map,
        first: &[u8],
        end: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        if end.is_some_and(|end| end <= first) {
            return Ok(());
        }
        let failed = |error| DatabaseError::new(&self.path, "read a map", error);
        let bounds = (Bound::Included(first), end.map_or(Bound::Unbounded, Bound::Excluded));
        let earlier = self.before.get(map.0).into_iter();
        let mut before = earlier.flat_map(|map| map.range::<[u8], _>(bounds)).peekable();
        let table = self.table(map)?;
        let latest = table.as_ref().map(|table| table.range::<&[u8]>(bounds)).transpose().map_err(failed)?;
        for entry in latest.into_iter().flatten() {
            let (key, value) = entry.map_err(failed)?;
            let key = key.value();
            while let Some((gone, value)) = before.next_if(|(changed, _)| changed.as_slice() < key) {
                value.iter().try_for_each(|value| visit(gone, value))?;
            }
            match before.next_if(|(changed, _)| changed.as_slice() == key) {
                Some((_, earlier)) => earlier.iter().try_for_each(|value| visit(key, value))?,
                None => visit(key, value.value())?,
            }
        }
        before.try_for_each(|(gone, value)| value.iter().try_for_each(|value| visit(gone, value)))
    }

    /// The value of one key of a map, decoded, if there is one.
    ///
    /// # Errors
    /// [`DatabaseError::Decode`] for a value of another type.
    pub fn get<T: DeserializeOwned>(&self, map: Map, key: &[u8]) -> Result<Option<T>, DatabaseError> {
        if let Some(earlier) = self.before.get(map.0).and_then(|map| map.get(key)) {
            return earlier.as_deref().map(|value| self.decode(map, value)).transpose();
        }
        let Some(table) = self.table(map)? else { return Ok(None) };
        let value = table.get(key).map_err(|error| DatabaseError::new(&self.path, "read a map", error))?;
        value.map(|value| self.decode(map, value.value())).transpose()
    }

    /// The table of a map, if it was ever written.
    fn table(&self, map: Map) -> Result<Option<Table>, DatabaseError> {
        let definition: TableDefinition<'_, &'static [u8], &'static [u8]> = TableDefinition::new(map.0);
        match self.transaction.open_table(definition) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(DatabaseError::new(&self.path, "open a map", error)),
        }
    }

    fn decode<T: DeserializeOwned>(&self, map: Map, value: &[u8]) -> Result<T, DatabaseError> {
        Map::decode(value).map_err(|source| DatabaseError::Decode { path: self.path.clone(), map, source })
    }
}

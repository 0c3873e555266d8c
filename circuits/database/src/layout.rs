//! The tables that every database has, beside its maps.

use std::path::Path;

use redb::{ReadableTable, TableDefinition, TableHandle as _};
use serde::{Deserialize, Serialize};

use crate::{changes::Map, error::DatabaseError};

/// One entry, under the empty key: the [`Header`].
pub(crate) const HEADER: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("header");
/// By height, each one kept: what undoes it.
pub(crate) const HEIGHTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("heights");

/// What a program keeps in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What the database is of, in a few words.
    pub kind: &'static str,
    /// Grows whenever maps, keys or values get another meaning.
    pub version: u32,
}

/// Says what a database is of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    kind: String,
    version: u32,
    pub(crate) chain_id: u64,
}

/// One entry as it was before a height changed it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Before {
    pub(crate) map: String,
    pub(crate) key: Vec<u8>,
    /// `None` if there was no entry.
    pub(crate) value: Option<Vec<u8>>,
}

impl Format {
    pub(crate) fn header(self, chain_id: u64) -> Header {
        Header { kind: self.kind.to_owned(), version: self.version, chain_id }
    }

    /// Reads the header, and checks that it has this format.
    pub(crate) fn check(
        self,
        path: &Path,
        table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    ) -> Result<Header, DatabaseError> {
        let value =
            table.get([].as_slice()).map_err(|error| DatabaseError::new(path, "read the header", error))?;
        let reason = "it has no header".to_owned();
        let value = value.ok_or_else(|| DatabaseError::Damaged { path: path.to_owned(), reason })?;
        let header: Header = decode(path, HEADER.name(), value.value())?;
        if header.kind != self.kind {
            let (path, found) = (path.to_owned(), header.kind);
            return Err(DatabaseError::OtherKind { path, expected: self.kind, found });
        }
        if header.version != self.version {
            let (path, found) = (path.to_owned(), header.version);
            return Err(DatabaseError::OtherVersion { path, expected: self.version, found });
        }
        Ok(header)
    }
}

/// Decodes a value of one of these tables.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(
    path: &Path,
    table: &str,
    value: &[u8],
) -> Result<T, DatabaseError> {
    Map::decode(value).map_err(|error| DatabaseError::Damaged {
        path: path.to_owned(),
        reason: format!("an entry of {table} cannot be read: {error}"),
    })
}

/// The heights that are kept, ascending.
pub(crate) fn heights(
    path: &Path,
    table: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<Vec<u64>, DatabaseError> {
    let failed = |error| DatabaseError::new(path, "read the heights", error);
    let keys = table.iter().map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.0.value()));
    let heights = keys.collect::<Result<Vec<_>, _>>()?;
    if heights.is_empty() {
        let reason = "it has no height".to_owned();
        return Err(DatabaseError::Damaged { path: path.to_owned(), reason });
    }
    Ok(heights)
}

/// What undoes a height.
pub(crate) fn undo(
    path: &Path,
    table: &impl ReadableTable<u64, &'static [u8]>,
    height: u64,
) -> Result<Vec<Before>, DatabaseError> {
    let failed = |error| DatabaseError::new(path, "read the heights", error);
    let value = table.get(height).map_err(failed)?;
    value.map_or_else(|| Ok(vec![]), |value| decode(path, HEIGHTS.name(), value.value()))
}

//! The state of an environment in a file of kind [`FileKind::EnvironmentState`], from which a follower starts without the blocks
//! that led to it.
//!
//! It proves nothing: whoever takes one knows the state's commitment from somewhere else, such as a superblock.

use circuits_core::Digest;
use circuits_files::file::{self, FileKind, FormatError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::stored::{Change, Map, StoredError};

/// The limit of the file, in payload bytes: a million accounts take a quarter of it.
pub const SNAPSHOT_LIMIT: u64 = 1 << 30;

/// The state of an environment, entry by entry as databases have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The deployment.
    pub chain_id: u64,
    /// The environment's id.
    pub environment: u16,
    /// Height of the last block.
    pub height: u32,
    /// Commitment of the state after it.
    pub commitment: Digest,
    entries: Vec<Entry>,
}

/// An entry of a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    map: String,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Why no follower starts from a snapshot.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// It is the state of another environment.
    #[error("the snapshot is of environment {environment} of chain {chain_id}")]
    Elsewhere { chain_id: u64, environment: u16 },
    /// It is another state than the one that is wanted.
    #[error("the snapshot is of the state {found} at height {height}, expected {expected}")]
    OtherState { height: u32, expected: Digest, found: Digest },
    /// It has an entry that states of this kind do not have.
    #[error("the snapshot has a map {name:?}, which states of this kind do not have")]
    UnknownMap { name: String },
    /// Its entries are no state, or another one than it says.
    #[error("the snapshot is no state of the environment: {0}")]
    Stored(#[source] Box<StoredError>),
}

impl Snapshot {
    /// The snapshot of a state that these changes lead to from nothing.
    pub(crate) fn new(
        (chain_id, environment): (u64, u16),
        (height, commitment): (u32, Digest),
        changes: Vec<Change>,
    ) -> Self {
        let entries = changes.into_iter().filter_map(|Change { map, key, value }| {
            Some(Entry { map: map.0.to_owned(), key, value: value? })
        });
        Self { chain_id, environment, height, commitment, entries: entries.collect() }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none, which is no state of an environment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The changes that lead from nothing to the state, in these maps.
    pub(crate) fn changes(&self, maps: &[Map]) -> Result<Vec<Change>, SnapshotError> {
        let change = |entry: &Entry| {
            let map = maps.iter().find(|map| map.0 == entry.map);
            let map = *map.ok_or_else(|| SnapshotError::UnknownMap { name: entry.map.clone() })?;
            Ok(Change { map, key: entry.key.clone(), value: Some(entry.value.clone()) })
        };
        self.entries.iter().map(change).collect()
    }

    /// Encodes the snapshot as a file.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`]
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        file::encode(FileKind::EnvironmentState, self, SNAPSHOT_LIMIT)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`FormatError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        file::decode(FileKind::EnvironmentState, bytes, SNAPSHOT_LIMIT)
    }
}

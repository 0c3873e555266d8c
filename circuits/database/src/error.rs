//! Why a database is not used.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::changes::Map;

/// Why a database is not used.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The file cannot be read or written.
    #[error("{path}: cannot {action}", path = .path.display())]
    Io {
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        #[source]
        source: Box<redb::Error>,
    },
    /// There is no file.
    #[error("{path}: there is no database", path = .path.display())]
    Missing { path: PathBuf },
    /// There is a file already, where a database is to be made.
    #[error("{path}: there is a file already", path = .path.display())]
    Exists { path: PathBuf },
    /// Another process changes the database.
    #[error("{path}: another process has the database open", path = .path.display())]
    Locked { path: PathBuf },
    /// The file changed each time while it was read.
    #[error("{path}: the file changed while it was read, {attempts} times", path = .path.display())]
    Busy { path: PathBuf, attempts: usize },
    /// The file is damaged, or is no database.
    #[error("{path}: the file is damaged, or is no database: {reason}", path = .path.display())]
    Damaged { path: PathBuf, reason: String },
    /// The database is of something else.
    #[error("{path}: the database is of {found}, expected {expected}", path = .path.display())]
    OtherKind { path: PathBuf, expected: &'static str, found: String },
    /// The database is of another version of the program.
    #[error("{path}: the database has version {found}, this program reads version {expected}", path = .path.display())]
    OtherVersion { path: PathBuf, expected: u32, found: u32 },
    /// Heights only grow, unless the database is rolled back.
    #[error("{path}: height {found} does not come after height {latest}", path = .path.display())]
    NotNext { path: PathBuf, latest: u64, found: u64 },
    /// What was there at this height is not kept, or never was.
    #[error("{path}: height {height} is not kept; the first one is {first}, the latest {latest}", path = .path.display())]
    NotKept { path: PathBuf, height: u64, first: u64, latest: u64 },
    /// A value cannot be encoded.
    #[error("a value of {map:?} cannot be encoded")]
    Encode { map: Map, source: postcard::Error },
    /// A value is not what its map holds.
    #[error("{path}: an entry of {map:?} cannot be read", path = .path.display())]
    Decode { path: PathBuf, map: Map, source: postcard::Error },
}

impl DatabaseError {
    /// The error of redb while it tries `action` on the file at `path`.
    pub(crate) fn new(path: &Path, action: &'static str, error: impl Into<redb::Error>) -> Self {
        let path = path.to_owned();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Locked { path },
            redb::Error::Corrupted(reason) => Self::Damaged { path, reason },
            redb::Error::UpgradeRequired(version) => {
                Self::Damaged { path, reason: format!("it has file format {version} of redb") }
            }
            error @ (redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)) => Self::Damaged { path, reason: error.to_string() },
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::NotFound => Self::Missing { path },
            // What redb says of a file that does not begin as its files do.
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Self::Damaged { path, reason: error.to_string() }
            }
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Damaged { path, reason: "it is cut off".to_owned() }
            }
            source => Self::Io { path, action, source: Box::new(source) },
        }
    }
}

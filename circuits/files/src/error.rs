//! Why a file is not read or written.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::format::FormatError;

/// Why a file could not be read or written.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("{path}: cannot {action}: {source}", path = .path.display())]
    Io {
        path: PathBuf,
        /// What was tried, as it follows "cannot".
        action: &'static str,
        source: io::Error,
    },
    /// There is a file, and it is not to be replaced.
    #[error("{path}: the file exists, and it is not replaced", path = .path.display())]
    Exists { path: PathBuf },
    /// The content of the file was refused.
    #[error("{path}: {source}", path = .path.display())]
    Format { path: PathBuf, source: FormatError },
}

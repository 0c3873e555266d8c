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
    /// The content of the file was refused.
    #[error("{path}: {source}", path = .path.display())]
    Format { path: PathBuf, source: FormatError },
}

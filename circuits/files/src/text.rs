//! Text files that users write: read whole, and only if they are not too large.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a text file is not read.
#[derive(Debug, Error)]
pub enum TextError {
    /// The operating system refused, it is no regular file, or it is not UTF-8.
    #[error("{path}: cannot read it: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too large.
    #[error("{path}: at most {limit} bytes are read, found {found}", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// Its size.
        found: u64,
    },
}

/// The text of a file of at most `limit` bytes.
///
/// # Errors
/// [`TextError`], which names the file.
pub fn read(path: &Path, limit: u64) -> Result<String, TextError> {
    let error = |source| TextError::Read { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(error)?;
    if !metadata.is_file() {
        return Err(error(io::Error::other("it is not a regular file")));
    }
    let too_large = |found| TextError::TooLarge { path: path.to_owned(), limit, found };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = vec![];
    // It may have grown since.
    let file = fs::File::open(path).map_err(error)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    String::from_utf8(bytes)
        .map_err(|reason| error(io::Error::new(io::ErrorKind::InvalidData, reason.utf8_error())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_a_directory_never() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), "four");
        let message = read(&path, 3).unwrap_err().to_string();
        assert!(message.ends_with("at most 3 bytes are read, found 4"), "{message}");
        let message = read(directory.path(), 4).unwrap_err().to_string();
        assert!(message.contains("not a regular file"), "{message}");
    }
}

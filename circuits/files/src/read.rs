//! Reading within limits: a size is checked before anything is allocated for it.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    str::Utf8Error,
};

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    error::FileError,
    format::{FileKind, FormatError, HEADER_BYTES, decode},
};

/// Reads a file whose payload has at most `limit` bytes. A larger file is not read.
///
/// # Errors
/// [`FileError`] if the file cannot be read or is larger. Its content is not checked.
pub fn read_bytes(kind: FileKind, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let limited = read_limited(path, limit.saturating_add(HEADER_BYTES as u64));
    limited.map_err(|refusal| match refusal {
        Refusal::Io { action, source } => FileError::Io { path: path.to_owned(), action, source },
        Refusal::TooLarge { found } => {
            FileError::Format { path: path.to_owned(), source: FormatError::TooLarge { kind, limit, found } }
        }
    })
}

/// Reads and decodes a file whose payload has at most `limit` bytes.
///
/// # Errors
/// [`FileError`], which names the file.
pub fn read<T: Serialize + DeserializeOwned>(
    kind: FileKind,
    path: &Path,
    limit: u64,
) -> Result<T, FileError> {
    decode(kind, &read_bytes(kind, path, limit)?, limit)
        .map_err(|source| FileError::Format { path: path.to_owned(), source })
}

/// Why a text file is not read.
#[derive(Debug, Error)]
pub enum TextError {
    /// The operating system refused, the path is not a regular file, or the content is not UTF-8.
    #[error("{path}: cannot read it: {source}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The file is larger than the limit, both in bytes.
    #[error("{path}: at most {limit} bytes are read, found {found}", path = .path.display())]
    TooLarge { path: PathBuf, limit: u64, found: u64 },
}

/// Reads a text file of at most `limit` bytes, such as one that a user wrote.
///
/// # Errors
/// [`TextError`], which names the file.
pub fn read_text(path: &Path, limit: u64) -> Result<String, TextError> {
    String::from_utf8(read_text_bytes(path, limit)?).map_err(|error| {
        let source = io::Error::new(io::ErrorKind::InvalidData, error.utf8_error());
        TextError::Read { path: path.to_owned(), source }
    })
}

/// Reads the lines of a text file of at most `limit` bytes. A line that is not UTF-8 spoils no other.
///
/// # Errors
/// [`TextError`], which names the file.
pub fn read_lines(path: &Path, limit: u64) -> Result<Vec<Result<String, Utf8Error>>, TextError> {
    let bytes = read_text_bytes(path, limit)?;
    let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|&byte| byte == b'\n');
    let line = |line: &[u8]| str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).map(str::to_owned);
    Ok(lines.map(line).collect())
}

fn read_text_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, TextError> {
    read_limited(path, limit).map_err(|refusal| match refusal {
        Refusal::Io { source, .. } => TextError::Read { path: path.to_owned(), source },
        Refusal::TooLarge { found } => TextError::TooLarge { path: path.to_owned(), limit, found },
    })
}

/// Why [`read_limited`] returns no bytes.
enum Refusal {
    Io { action: &'static str, source: io::Error },
    TooLarge { found: u64 },
}

/// Reads a regular file of at most `limit` bytes.
fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    let failed = |action| move |source| Refusal::Io { action, source };
    // The kind of the file is checked before it is opened: opening a pipe would wait for its other end.
    let metadata = fs::metadata(path).map_err(failed("open it"))?;
    if !metadata.is_file() {
        return Err(failed("read it")(io::Error::other("it is not a regular file")));
    }
    if metadata.len() > limit {
        return Err(Refusal::TooLarge { found: metadata.len() });
    }
    let file = fs::File::open(path).map_err(failed("open it"))?;
    let mut bytes = vec![];
    // The file may have grown since its size was read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read it"))?;
    let found = bytes.len() as u64;
    if found > limit { Err(Refusal::TooLarge { found }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_above_its_limit_is_rejected_unread() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("large");
        fs::write(&path, vec![0; 1000]).expect("writable");
        let error = read_bytes(FileKind::Registry, &path, 100).expect_err("too large");
        assert!(error.to_string().contains("at most 100 bytes, found 1000"), "{error}");
    }

    #[test]
    fn a_directory_is_not_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(matches!(read_bytes(FileKind::Registry, directory.path(), 100), Err(FileError::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_without_waiting_for_its_other_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
        assert!(made.success());
        let error = read_bytes(FileKind::Registry, &path, 100).expect_err("not a file");
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }

    #[test]
    fn a_line_that_is_not_utf_8_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        fs::write(&path, b"one\r\n\xfftwo\n\nfour\n").unwrap();
        let lines = read_lines(&path, 100).unwrap();
        let texts: Vec<_> = lines.iter().map(|line| line.as_deref().ok()).collect();
        assert_eq!(texts, [Some("one"), None, Some(""), Some("four")]);
    }

    #[test]
    fn a_text_is_read_up_to_its_limit_and_a_directory_never() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        let message = read_text(&path, 3).unwrap_err().to_string();
        assert!(message.ends_with("at most 3 bytes are read, found 4"), "{message}");
        let message = read_text(directory.path(), 4).unwrap_err().to_string();
        assert!(message.contains("not a regular file"), "{message}");
    }
}

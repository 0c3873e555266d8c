//! Key files that are listed one by one, under any names.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use circuits_keys::{Header, KeyFileError, KeyKind, KeyStore, START_LIMIT, StoreError, parse_header};
use thiserror::Error;

/// Why a file is not the key file that it should be.
#[derive(Debug, Error)]
pub enum ListedError {
    /// The file cannot be read.
    #[error("{path}: cannot read it: {source}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The file is not a key file.
    #[error("{path}: {source}", path = .path.display())]
    Malformed { path: PathBuf, source: KeyFileError },
    /// The file is a key file of another kind.
    #[error("{path}: expected a file of kind {expected}, found {found}", path = .path.display())]
    Kind { path: PathBuf, expected: KeyKind, found: KeyKind },
}

/// A store of key files under any names. It reads them and never changes them.
#[derive(Clone, Debug, Default)]
pub struct ListedFiles {
    files: BTreeMap<String, PathBuf>,
}

/// Reads the header of a key file, which may have any name.
///
/// # Errors
/// [`ListedError`]
pub fn header_of(path: &Path) -> Result<Header, ListedError> {
    let start = START_LIMIT as u64;
    let bytes =
        read(path, |_| Ok(start)).map_err(|source| ListedError::Read { path: path.to_owned(), source })?;
    let header = parse_header(&bytes);
    header
        .map(|(header, _)| header)
        .map_err(|source| ListedError::Malformed { path: path.to_owned(), source })
}

/// Reads the first bytes of a file. `wanted` receives the file's size and returns how many bytes to read, or an error.
fn read(path: &Path, wanted: impl FnOnce(u64) -> io::Result<u64>) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let wanted = wanted(metadata.len())?;
    let mut bytes = vec![];
    File::open(path)?.take(wanted).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl ListedFiles {
    /// Adds the key file at `path`.
    ///
    /// # Errors
    /// [`ListedError`] if it is not a key file of this kind.
    pub fn add(&mut self, kind: KeyKind, path: &Path) -> Result<(), ListedError> {
        let header = header_of(path)?;
        let found = header.kind.kind;
        if found != kind {
            return Err(ListedError::Kind { path: path.to_owned(), expected: kind, found });
        }
        self.files.insert(header.file_name(), path.to_owned());
        Ok(())
    }

    fn read_with(
        &self,
        name: &str,
        wanted: impl FnOnce(u64) -> io::Result<u64>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(path) = self.files.get(name) else { return Ok(None) };
        let error = |source| StoreError { location: path.display().to_string(), action: "read it", source };
        match read(path, wanted) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some).map_err(error),
        }
    }

    fn read_only(&self, name: &str, action: &'static str) -> StoreError {
        let location = match self.files.get(name) {
            Some(path) => path.display().to_string(),
            None => self.location(),
        };
        let source = io::Error::new(
            io::ErrorKind::ReadOnlyFilesystem,
            "files that are listed one by one are never changed",
        );
        StoreError { location, action, source }
    }
}

impl KeyStore for ListedFiles {
    fn location(&self) -> String {
        "files of the configuration".to_owned()
    }

    fn list(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.files.iter().filter(|(_, path)| path.is_file()).map(|(name, _)| name.clone()).collect())
    }

    fn read_start(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_with(name, |_| Ok(limit as u64))
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_with(name, |size| {
            if size > limit {
                let text = format!("it has {size} bytes, at most {limit} are allowed");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            Ok(size)
        })
    }

    fn write(&self, name: &str, _: &[u8]) -> Result<(), StoreError> {
        Err(self.read_only(name, "write it"))
    }

    fn set_aside(&self, name: &str, _: &str) -> Result<(), StoreError> {
        Err(self.read_only(name, "set it aside"))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        Err(self.read_only(name, "remove it"))
    }
}

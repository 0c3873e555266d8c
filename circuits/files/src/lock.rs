//! Lock files, which processes that change one file agree on.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crate::error::FileError;

/// The lock file of the file at `path`, beside it.
#[must_use]
pub fn lock_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Waits until no other process changes the file at `path`, and keeps others waiting until the lock is dropped.
///
/// # Errors
/// [`FileError::Io`]
pub fn lock(path: &Path) -> Result<File, FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), action: "lock it", source };
    open_lock(&lock_file(path)).and_then(|lock| lock.lock().map(|()| lock)).map_err(failed)
}

/// Opens a lock file, and creates it if it does not exist. A link is not followed, because that could create a file
/// anywhere.
///
/// # Errors
/// [`io::Error`], also if there is something else than a regular file.
pub fn open_lock(path: &Path) -> io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    match OpenOptions::new().write(true).open(path) {
        // The file is another user's. A file that is open for reading can be locked too.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

//! The files that a follower looks at.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use circuits_files::file::TEMPORARY_PREFIX;

use super::FollowerDirectoryError;

/// A file's length, and when it was written: a file that was not whole yet is looked at again.
pub(super) type Seen = (u64, Option<SystemTime>);

/// The files in a directory, by name. Those that are being written are left out.
pub(super) fn list(directory: &Path) -> Result<BTreeMap<PathBuf, Seen>, FollowerDirectoryError> {
    let failed =
        |source| FollowerDirectoryError::Directory { path: directory.to_owned(), action: "list", source };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
            continue;
        }
        // A file that is gone since is none.
        if let Ok(metadata) = entry.metadata() {
            files.insert(entry.path(), (metadata.len(), metadata.modified().ok()));
        }
    }
    Ok(files)
}

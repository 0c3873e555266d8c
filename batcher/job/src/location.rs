//! Where the bundle of a superblock goes, remembered beside the states before the bundle is written.
//!
//! A run that is interrupted after it writes the bundle and before it moves the state leaves a superblock that only this
//! file leads to. So the next run finds it whatever directory it writes to itself. What lies in one directory with the
//! states is remembered relative to them, and can be moved together with them.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use circuits_files::file::{self, FileError, FileKind, SMALL_LIMIT};
use serde::{Deserialize, Serialize};

use crate::output::location_file;

/// The directory of a superblock's bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Its canonical path, or the path from the directory of the states.
    directory: OsString,
}

impl Location {
    /// The location `superblocks` for states in the directory `states`; both exist.
    fn new(states: &Path, superblocks: &Path) -> Result<Self, FileError> {
        let (states, superblocks) = (canonical(states)?, canonical(superblocks)?);
        let below = |directory: &Path, way: &str| {
            superblocks.strip_prefix(directory).ok().map(|rest| Path::new(way).join(rest))
        };
        let near = below(&states, ".").or_else(|| below(states.parent()?, ".."));
        Ok(Self { directory: near.unwrap_or(superblocks).into_os_string() })
    }

    /// The path as it is written in the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(&self.directory)
    }
}

fn canonical(path: &Path) -> Result<PathBuf, FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), action: "find its canonical path", source };
    path.canonicalize().map_err(failed)
}

/// Remembers that the bundle of superblock `number` goes to the directory `superblocks`, for the states in the directory
/// `states`. Both exist.
///
/// # Errors
/// [`FileError`]
pub(crate) fn write(states: &Path, number: u32, superblocks: &Path) -> Result<(), FileError> {
    let location = Location::new(states, superblocks)?;
    let path = location_file(states, number);
    file::write(FileKind::SuperblockLocation, &path, &location, SMALL_LIMIT)
}

/// The directory to which the bundle of superblock `number` goes, if that is remembered beside the states in the directory
/// `states`.
///
/// # Errors
/// [`FileError`]
pub(crate) fn read(states: &Path, number: u32) -> Result<Option<PathBuf>, FileError> {
    let path = location_file(states, number);
    match file::read::<Location>(FileKind::SuperblockLocation, &path, SMALL_LIMIT) {
        Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        // Canonical, so that `..` is the directory above also where a link leads to the states.
        Ok(location) => Ok(Some(canonical(states)?.join(location.path()))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(states: &Path, superblocks: &Path) -> (PathBuf, PathBuf) {
        for directory in [states, superblocks] {
            fs::create_dir_all(directory).expect("writable");
        }
        write(states, 3, superblocks).expect("writable");
        let location: Location =
            file::read(FileKind::SuperblockLocation, &location_file(states, 3), SMALL_LIMIT)
                .expect("written");
        (location.path().to_owned(), read(states, 3).expect("written").expect("remembered"))
    }

    #[test]
    fn a_location_is_found_again_and_moves_with_the_states_if_it_is_near_them() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("it exists");
        let states = root.join("chain/state");
        assert_eq!(read(&states, 3).expect("nothing is there"), None);
        let away = root.join("away/superblocks");
        for (superblocks, path) in [
            (states.clone(), Path::new("./")),
            (root.join("chain"), Path::new("../")),
            (root.join("chain/superblocks"), Path::new("../superblocks")),
            (away.clone(), &*away),
        ] {
            let (written, found) = written(&states, &superblocks);
            assert_eq!((&*written, found.canonicalize().expect("it exists")), (path, superblocks));
        }
        assert_eq!(read(&states, 4).expect("nothing is there"), None);

        let superblocks = root.join("chain/superblocks");
        written(&states, &superblocks);
        fs::rename(root.join("chain"), root.join("moved")).expect("ours");
        let found = read(&root.join("moved/state"), 3).expect("readable").expect("remembered");
        assert_eq!(found.canonicalize().expect("it exists"), root.join("moved/superblocks"));
    }

    #[cfg(unix)]
    #[test]
    fn a_location_is_the_same_through_a_link() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("it exists");
        let states = root.join("chain/state");
        fs::create_dir_all(&states).expect("writable");
        std::os::unix::fs::symlink(&states, root.join("link")).expect("writable");
        let (_, found) = written(&root.join("link"), &root.join("chain/superblocks"));
        assert_eq!(found.canonicalize().expect("it exists"), root.join("chain/superblocks"));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_text_is_remembered() {
        use std::os::unix::ffi::OsStringExt as _;

        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("it exists");
        let superblocks = root.join(OsString::from_vec(vec![b'a', 0xff]));
        let (_, found) = written(&root.join("chain/state"), &superblocks);
        assert_eq!(found, superblocks);
    }
}

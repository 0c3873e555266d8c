//! Followers that start from a snapshot instead of the genesis.

use std::{fs, path::Path};

use circuits_core::Digest;
use circuits_database::{Reader, Store};
use circuits_files::file::TEMPORARY_PREFIX;
use environments_core::{
    follower::DynFollower,
    snapshot::{Snapshot, SnapshotError},
};

use super::{
    FollowerDirectory, FollowerDirectoryError,
    layout::{DATABASE, FORMAT, START},
    stored,
};

impl FollowerDirectory {
    /// All of the state after the last block of the follower in a directory, from which another one starts. `follower` is one of
    /// the same environment. It takes no lock.
    ///
    /// # Errors
    /// [`FollowerDirectoryError`]
    pub fn export(directory: &Path, follower: &dyn DynFollower) -> Result<Snapshot, FollowerDirectoryError> {
        let path = directory.join(DATABASE);
        let view = Reader::open(&path, FORMAT)?.latest()?;
        let follower = follower.at(view).map_err(|source| stored(&path, source))?;
        follower.snapshot().map_err(|source| stored(&path, source))
    }

    /// Makes the directory of a follower that starts from a snapshot. `follower` is at genesis, and `expected` is the state that
    /// the caller wants. All of the snapshot is checked before anything of it is in the directory.
    ///
    /// # Errors
    /// [`FollowerDirectoryError`]: among others that there is a follower already, or that the snapshot is no such state.
    pub fn import(
        directory: &Path,
        follower: &dyn DynFollower,
        snapshot: &Snapshot,
        expected: Digest,
    ) -> Result<(), FollowerDirectoryError> {
        let &Snapshot { height, commitment, .. } = snapshot;
        let other = |found| SnapshotError::OtherState { height, expected, found };
        if commitment != expected {
            return Err(other(commitment).into());
        }
        let mut changes = follower.entries_of(snapshot)?;
        changes.push(START.change([], Some(&(height, commitment)))?);
        let made =
            |source| FollowerDirectoryError::Directory { path: directory.to_owned(), action: "make", source };
        fs::create_dir_all(directory).map_err(made)?;
        let path = directory.join(DATABASE);
        let create = |path: &Path| Store::create(path, FORMAT, follower.chain_id(), 0, &changes);

        let trial = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir_in(directory).map_err(made)?;
        let store = create(&trial.path().join(DATABASE))?;
        let in_snapshot = |source| FollowerDirectoryError::from(SnapshotError::Stored(Box::new(source)));
        let imported = follower.at(store.latest()?).map_err(in_snapshot)?;
        imported.check_whole().map_err(in_snapshot)?;
        if (imported.height(), imported.commitment()) != (height, commitment) {
            return Err(other(imported.commitment()).into());
        }
        create(&path)?;
        Ok(())
    }
}

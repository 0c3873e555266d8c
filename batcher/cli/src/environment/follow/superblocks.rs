//! What superblocks have taken of an environment, read again only when there may be something new.

use std::{
    fs,
    io::ErrorKind,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use batcher_job::{
    output::database_file,
    states::{self, StatesError},
};
use circuits_files::file::FileError;
use circuits_protocol::registry::EnvironmentId;
use environments_directories::Batched;

/// What the latest superblock has of an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The superblock's number; 0 is genesis.
    pub(super) number: u32,
    pub(super) batched: Option<Batched>,
}

/// The states of superblocks in a directory. One without a state yet is that of a chain without a superblock.
#[derive(Debug)]
pub(super) struct Superblocks {
    pub(super) directory: PathBuf,
    /// Whether there were superblocks that have blocks of the environment.
    has_batched: bool,
    /// As of the last time that they were read.
    taken: Taken,
    /// The database as it was then.
    seen: Option<Seen>,
    /// When it was first so.
    since: Instant,
    /// Whether it was read when it had been so for [`SETTLES_IN`].
    is_settled: bool,
}

/// How long pages of a commit may be on their way without changing the file's length and time, of which some file systems keep seconds.
const SETTLES_IN: Duration = Duration::from_secs(2);

/// A database file's length, and when it was written.
type Seen = (u64, SystemTime);

impl Superblocks {
    pub(super) fn new(directory: PathBuf, has_batched: bool) -> Self {
        Self {
            directory,
            has_batched,
            taken: Taken::default(),
            seen: None,
            since: Instant::now(),
            is_settled: false,
        }
    }

    /// What they had taken when they could be read last.
    pub(super) const fn taken(&self) -> Taken {
        self.taken
    }

    /// Reads what they have taken of environment `id`, if it may have changed.
    ///
    /// # Errors
    /// [`StatesError`], also if states were there that are gone.
    pub(super) fn look(&mut self, expected: u64, id: EnvironmentId) -> Result<(), StatesError> {
        let metadata = fs::metadata(database_file(&self.directory));
        if metadata.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
            && self.seen.is_none()
            && !self.has_batched
        {
            return self.check_is_there();
        }
        // What else is wrong, reading says.
        let now = metadata.and_then(|metadata| Ok((metadata.len(), metadata.modified()?))).ok();
        let is_same = now.is_some() && now == self.seen;
        if is_same && self.is_settled {
            return Ok(());
        }
        let since = if is_same { self.since } else { Instant::now() };
        let is_settled = since.elapsed() >= SETTLES_IN;
        let (found, taken) = states::with_latest(&self.directory, None, |state| {
            let head = state.environments.get(id);
            let batched = head.map(|head| Batched { height: head.height, state: head.state });
            (state.chain_id, Taken { number: state.number, batched })
        })?;
        if found != expected {
            return Err(StatesError::OtherChain { path: self.directory.clone(), expected, found });
        }
        (self.taken, self.seen, self.since, self.is_settled) = (taken, now, since, is_settled);
        Ok(())
    }

    /// Checks that the directory can be listed. One that is empty is that of a chain without a superblock.
    fn check_is_there(&self) -> Result<(), StatesError> {
        let failed = |source| FileError::Io { path: self.directory.clone(), action: "list it", source };
        fs::read_dir(&self.directory).map_err(failed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        path::Path,
        thread::sleep,
    };

    use batcher_circuits::state::{EnvironmentHead, SuperblockState};
    use batcher_job::states;
    use circuits_core::Digest;

    use super::*;

    const CHAIN_ID: u64 = 5;
    const ID: EnvironmentId = EnvironmentId(1);

    fn put(directory: &Path) {
        let mut state = SuperblockState::genesis(CHAIN_ID);
        state.environments.insert(ID, EnvironmentHead { height: 3, state: Digest::ZERO });
        states::put(directory, &state).expect("a new one");
    }

    #[test]
    fn what_superblocks_have_is_read_when_there_is_something_new_and_not_before() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("states");
        let mut superblocks = Superblocks::new(directory.clone(), false);
        let error = superblocks.look(CHAIN_ID, ID).expect_err("a name that is wrong");
        assert!(matches!(error, StatesError::File(_)), "{error}");
        fs::create_dir(&directory).expect("writable");
        superblocks.look(CHAIN_ID, ID).expect("a chain without superblocks");
        let error =
            Superblocks::new(directory.clone(), true).look(CHAIN_ID, ID).expect_err("there were some");
        assert!(matches!(error, StatesError::Empty { .. }), "{error}");
        assert_eq!(superblocks.taken(), Taken::default());
        put(&directory);
        superblocks.look(CHAIN_ID, ID).expect("readable");
        let batched = Some(Batched { height: 3, state: Digest::ZERO });
        assert_eq!(superblocks.taken(), Taken { number: 0, batched });
        // A part of a commit comes late, at the same time as the rest for the file system: whoever reads again sees it.
        let path = database_file(&directory);
        let whole = fs::read(&path).expect("readable");
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
        let write = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("writable");
            File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_modified(written))
                .expect("a file");
        };
        let mut damaged = whole.clone();
        damaged[4096..].fill(0);
        write(&damaged);
        superblocks.look(CHAIN_ID, ID).expect_err("it is read again");
        write(&whole);
        sleep(SETTLES_IN);
        superblocks.look(CHAIN_ID, ID).expect("readable");
        // Nothing comes at that time any more.
        write(&damaged);
        superblocks.look(CHAIN_ID, ID).expect("nothing new");
        assert!(Superblocks::new(directory.clone(), false).look(CHAIN_ID, ID).is_err());
        // What is gone stays as it was.
        fs::remove_dir_all(&directory).expect("writable");
        let error = superblocks.look(CHAIN_ID, ID).expect_err("it was there");
        assert!(matches!(error, StatesError::Empty { .. }), "{error}");
        assert_eq!(superblocks.taken(), Taken { number: 0, batched });
        put(&directory);
        let error = Superblocks::new(directory, false).look(CHAIN_ID + 1, ID).expect_err("another chain");
        assert!(matches!(error, StatesError::OtherChain { .. }), "{error}");
    }
}

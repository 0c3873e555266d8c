//! What superblocks have taken of an environment, read again only when there is something new.

use std::path::PathBuf;

use batcher_job::states::{self, StatesError};
use circuits_database::LastCommit;
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
    /// As of the last commit that was read.
    taken: Taken,
    read: Option<LastCommit>,
}

impl Superblocks {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, taken: Taken::default(), read: None }
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
        let last = states::last_commit(&self.directory)?;
        if last == self.read {
            return Ok(());
        }
        let (found, taken) = states::with_latest(&self.directory, None, |state| {
            let head = state.environments.get(id);
            let batched = head.map(|head| Batched { height: head.height, state: head.state });
            (state.chain_id, Taken { number: state.number, batched })
        })?;
        if found != expected {
            return Err(StatesError::OtherChain { path: self.directory.clone(), expected, found });
        }
        (self.taken, self.read) = (taken, last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use batcher_circuits::state::{EnvironmentHead, SuperblockState};
    use batcher_job::{output::database_file, states};
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
        let mut superblocks = Superblocks::new(directory.clone());
        superblocks.look(CHAIN_ID, ID).expect("a chain without superblocks");
        assert_eq!(superblocks.taken(), Taken::default());
        put(&directory);
        superblocks.look(CHAIN_ID, ID).expect("readable");
        let batched = Some(Batched { height: 3, state: Digest::ZERO });
        assert_eq!(superblocks.taken(), Taken { number: 0, batched });
        // Whoever reads more than the last commit sees the damage.
        let path = database_file(&directory);
        let mut bytes = fs::read(&path).expect("readable");
        bytes[4096..].fill(0);
        fs::write(&path, bytes).expect("writable");
        superblocks.look(CHAIN_ID, ID).expect("nothing new");
        assert!(Superblocks::new(directory.clone()).look(CHAIN_ID, ID).is_err());
        // What is gone stays as it was.
        fs::remove_dir_all(&directory).expect("writable");
        let error = superblocks.look(CHAIN_ID, ID).expect_err("it was there");
        assert!(matches!(error, StatesError::Empty { .. }), "{error}");
        assert_eq!(superblocks.taken(), Taken { number: 0, batched });
        put(&directory);
        let error = Superblocks::new(directory).look(CHAIN_ID + 1, ID).expect_err("another chain");
        assert!(matches!(error, StatesError::OtherChain { .. }), "{error}");
    }
}

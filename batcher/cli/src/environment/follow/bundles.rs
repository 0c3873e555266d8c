//! Which blocks of an environment are proven, by the bundles in a directory.

use std::{
    collections::{BTreeSet, HashSet},
    fs, mem,
    ops::Bound,
    path::{Path, PathBuf},
    time::SystemTime,
};

use batcher_circuits::state::{EnvironmentHead, SuperblockState};
use batcher_job::intake::{Intake, IntakeError, Reader, Refusal, Refused, files};
use circuits_protocol::registry::Registry;
use environments_directories::FollowerDirectory;

use super::superblocks::Taken;
use crate::answer::Failure;

/// The most files that one look judges: blocks are followed in between, and their proofs are in memory together.
const LOOK: usize = 256;

/// A file's name, length and time.
type Listed = (PathBuf, u64, Option<SystemTime>);

/// The files that there are.
pub(super) type Listing = BTreeSet<Listed>;

/// The bundles that were judged. A judgement stands until the file changes.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    judged: Listing,
    /// Those that the registry does not allow in the next superblock. It may in a later one.
    disallowed: Listing,
    /// What superblocks had when they were judged.
    taken: Option<Taken>,
    /// The last file of a look that left others to the next one, which goes on from there.
    last: Option<Listed>,
}

/// The files of a directory that may be bundles.
///
/// # Errors
/// [`IntakeError`] if it cannot be listed.
pub(super) fn list(directory: &Path) -> Result<Listing, IntakeError> {
    let listed = files(directory)?.into_iter().filter_map(|path| {
        // A file that is gone since is none.
        let metadata = fs::metadata(&path).ok()?;
        Some((path, metadata.len(), metadata.modified().ok()))
    });
    Ok(listed.collect())
}

impl Bundles {
    /// Notes the blocks that bundles prove which are new or have changed, as far as one look goes. Returns whether others may be left.
    ///
    /// # Errors
    /// What is noted cannot be stored. A bad bundle is none.
    pub(super) fn look(
        &mut self,
        listing: &Listing,
        registry: &Registry,
        taken: Option<Taken>,
        directory: &mut FollowerDirectory,
    ) -> Result<bool, Failure> {
        let states = states(registry, taken, directory)?;
        if taken != self.taken {
            self.disallowed.clear();
        }
        let number = |taken: Option<Taken>| taken.map_or(0, |taken| taken.number);
        let height =
            |taken: Option<Taken>| taken.and_then(|taken| taken.batched).map_or(0, |batched| batched.height);
        let is_back = number(taken) <= number(self.taken) || height(taken) < height(self.taken);
        if taken != self.taken && is_back {
            // Superblocks went back, so that blocks are wanted again which they had.
            (self.judged, self.last) = (Listing::new(), None);
        }
        self.taken = taken;
        self.judged.retain(|file| listing.contains(file));
        self.disallowed.retain(|file| listing.contains(file));

        let after = self.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = listing.range((after, Bound::Unbounded));
        let new = rest.filter(|file| !self.judged.contains(file) && !self.disallowed.contains(file));
        let new: Vec<_> = new.take(LOOK).cloned().collect();
        let is_left = new.len() == LOOK;
        if is_left {
            self.last = new.last().cloned();
        }

        let mut disallowed: Vec<_> = new.iter().map(|(path, ..)| path.clone()).collect();
        let mut unread = HashSet::new();
        for state in &states {
            let reader = Reader {
                state,
                registry,
                wanted: &|statement| directory.wants_proof(statement),
                refusal: &|_| None,
                max_verified: usize::MAX,
            };
            let Intake { blocks, refused, .. } = reader.read_files(mem::take(&mut disallowed));
            for block in blocks {
                directory.note_proven(&block.candidate.statement)?;
            }
            for Refused { path, reason, .. } in refused {
                match reason {
                    Refusal::Registry(_) => disallowed.push(path),
                    Refusal::File(_) => drop(unread.insert(path)),
                    Refusal::Bundle(_) | Refusal::OfL1 | Refusal::Recorded { .. } => {}
                }
            }
        }
        let disallowed: HashSet<_> = disallowed.into_iter().collect();
        for file in new {
            if disallowed.contains(&file.0) {
                self.disallowed.insert(file);
            } else if !unread.contains(&file.0) {
                self.judged.insert(file);
            }
        }
        Ok(is_left)
    }
}

/// The states by which bundles are judged: the latest one, as far as it matters here. Where nobody knows it, a block is proven if any
/// superblock may take it, so there is one for each superblock from which the registry allows more.
fn states(
    registry: &Registry,
    taken: Option<Taken>,
    directory: &FollowerDirectory,
) -> Result<Vec<SuperblockState>, Failure> {
    let at = |number| SuperblockState { number, ..SuperblockState::genesis(directory.chain_id()) };
    if let Some(Taken { number, batched }) = taken {
        let mut state = at(number);
        if let Some(batched) = batched {
            let head = EnvironmentHead { height: batched.height, state: batched.state };
            state.environments.insert(directory.id(), head);
        }
        return Ok(vec![state]);
    }
    let entry = registry.entry(directory.id())?;
    let kernels = entry.kernels.iter().map(|kernel| kernel.valid_from);
    let numbers: BTreeSet<_> = kernels.chain(entry.producers.iter().map(|one| one.valid_from)).collect();
    Ok(numbers.into_iter().map(|first| at(first.saturating_sub(1))).collect())
}

#[cfg(test)]
mod tests {
    use batcher_circuits::testing::{block, digest, free_key, free_proof, free_registry, producer};
    use bridge_core::BlockMessages;
    use circuits_core::proof;
    use circuits_protocol::{registry::EnvironmentId, statement::BlockStatement};
    use environments_core::BlockBundle;
    use environments_kinds::KINDS;
    use tempfile::TempDir;

    use super::*;

    const CHAIN_ID: u64 = 5;
    const ID: EnvironmentId = EnvironmentId(1);

    /// Bundles in a directory, and a follower of [`ID`].
    struct Place {
        files: TempDir,
        _state: TempDir,
        directory: FollowerDirectory,
        bundles: Bundles,
    }

    impl Place {
        fn new() -> Self {
            let [files, state] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
            let counter = KINDS.into_iter().find(|kind| kind.name() == "counter").expect("a kind");
            let follower = counter.follow(CHAIN_ID, ID, "{\"start\": 100}").expect("a genesis");
            let directory = FollowerDirectory::open(state.path(), follower, vec![]).expect("a new one");
            Self { files, _state: state, directory, bundles: Bundles::default() }
        }

        fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.files.path().join(name);
            fs::write(&path, bytes).expect("writable");
            path
        }

        fn look(&mut self, registry: &Registry, taken: Option<Taken>) -> bool {
            let listing = list(self.files.path()).expect("a directory");
            self.bundles.look(&listing, registry, taken, &mut self.directory).expect("writable")
        }

        fn is_noted(&self, statement: &BlockStatement) -> bool {
            !self.directory.wants_proof(statement)
        }
    }

    fn bundle(statement: BlockStatement) -> BlockBundle {
        BlockBundle {
            statement,
            proof: proof::encode(&free_proof(&statement)),
            key: proof::encode_key(free_key()),
            messages: BlockMessages::none(ID),
            body: b"body".to_vec(),
        }
    }

    fn encoded(statement: BlockStatement) -> Vec<u8> {
        bundle(statement).encode().expect("serialisable")
    }

    fn set_time(path: &Path, time: SystemTime) {
        fs::File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_modified(time))
            .expect("writable");
    }

    #[test]
    fn a_bundle_is_judged_once_until_its_file_changes() {
        let (mut place, registry) = (Place::new(), free_registry(2));
        let mut junk = bundle(block(1, 1));
        junk.proof[1000] ^= 1;
        let path = place.write("1.block", &junk.encode().expect("serialisable"));
        set_time(&path, SystemTime::UNIX_EPOCH);
        place.look(&registry, None);
        assert!(!place.is_noted(&block(1, 1)));
        // Whoever looks at its bytes again finds a good one.
        place.write("1.block", &encoded(block(1, 1)));
        set_time(&path, SystemTime::UNIX_EPOCH);
        place.write("2.block", &encoded(block(1, 2)));
        place.look(&registry, None);
        assert_eq!([1, 2].map(|height| place.is_noted(&block(1, height))), [false, true]);
        set_time(&path, SystemTime::now());
        place.look(&registry, None);
        assert!(place.is_noted(&block(1, 1)));
    }

    #[test]
    fn every_valid_bundle_is_noted_however_many_files_there_are() {
        let (mut place, registry) = (Place::new(), free_registry(2));
        for file in 0..LOOK {
            place.write(&format!("{file:04}.block"), b"noise");
        }
        place.write("z.block", &encoded(block(1, 1)));
        assert!(place.look(&registry, None) && !place.is_noted(&block(1, 1)));
        assert!(!place.look(&registry, None) && place.is_noted(&block(1, 1)));
    }

    #[test]
    fn a_bundle_is_noted_when_the_next_superblock_may_take_it() {
        let statement = BlockStatement { producer: digest(8), ..block(1, 1) };
        let mut registry = free_registry(2);
        registry.rotate_producer(ID, producer(8), 2, false).expect("a new producer");
        let mut place = Place::new();
        place.write("1.block", &encoded(statement));
        let after = |number| Some(Taken { number, batched: None });
        for (taken, is_noted) in [(after(0), false), (after(0), false), (after(1), true)] {
            place.look(&registry, taken);
            assert_eq!(place.is_noted(&statement), is_noted, "{taken:?}");
        }
        // Nobody knows which one is next.
        let mut place = Place::new();
        place.write("1.block", &encoded(statement));
        place.look(&registry, None);
        assert!(place.is_noted(&statement));
    }

    #[test]
    fn a_bundle_that_superblocks_had_is_noted_when_they_have_gone_back() {
        let (mut place, registry) = (Place::new(), free_registry(2));
        place.write("1.block", &encoded(block(1, 1)));
        let batched = environments_directories::Batched { height: 1, state: block(1, 1).new_state };
        place.look(&registry, Some(Taken { number: 1, batched: Some(batched) }));
        assert!(!place.is_noted(&block(1, 1)));
        place.look(&registry, Some(Taken::default()));
        assert!(place.is_noted(&block(1, 1)));
    }
}

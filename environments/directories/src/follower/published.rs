//! The blocks that were found in directories of published ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use circuits_core::Digest;
use circuits_files::file::{self, BUNDLE_LIMIT, FileError, FileKind};
use circuits_protocol::registry::Producer;
use environments_core::{
    EnvironmentId,
    follower::{DynFollower, FollowError},
    published::{PublishedBlock, SignatureError},
    stored::ReadFailure,
};

use super::{
    FollowerDirectoryError, Refusal, RefusedFile,
    chain::Link,
    files::{Seen, list},
    layout::{Followed, Rival},
};

/// The blocks that a producer of the environment signed, and the files that have them.
pub(super) struct Published {
    chain_id: u64,
    environment: EnvironmentId,
    producers: Vec<Producer>,
    /// Whatever becomes of one file, another one still has the block. A block without a file cannot be followed, and is signed all
    /// the same. Each file is one of `seen`.
    blocks: BTreeMap<Link, BTreeSet<PathBuf>>,
    /// Files that were looked at, as they were then.
    seen: BTreeMap<PathBuf, Seen>,
    /// Whether this process has looked before.
    has_looked: bool,
}

impl Published {
    pub(super) const fn new(chain_id: u64, environment: EnvironmentId, producers: Vec<Producer>) -> Self {
        Self {
            chain_id,
            environment,
            producers,
            blocks: BTreeMap::new(),
            seen: BTreeMap::new(),
            has_looked: false,
        }
    }

    /// Looks at the files in `directory` that are new, and forgets those that are gone. What `named` knows by a file's name is not
    /// read in the first look, which would otherwise read all that there ever was; later a file may have been replaced. Returns what is refused.
    ///
    /// # Errors
    /// [`FollowerDirectoryError::Directory`]
    pub(super) fn look(
        &mut self,
        directory: &Path,
        named: impl Fn(&Path) -> Option<Link>,
    ) -> Result<Vec<RefusedFile>, FollowerDirectoryError> {
        let listed = list(directory)?;
        // Another directory's files are as they were.
        self.seen.retain(|path, seen| path.parent() != Some(directory) || listed.get(path) == Some(&*seen));
        for files in self.blocks.values_mut() {
            files.retain(|path| self.seen.contains_key(path));
        }
        let mut refused = vec![];
        for (path, now) in listed {
            if self.seen.contains_key(&path) {
                continue;
            }
            let link = match named(&path).filter(|_| !self.has_looked) {
                Some(link) => Ok(link),
                None => self.read(&path).map(|block| Link::of(&block)),
            };
            match link {
                Ok(link) => {
                    self.blocks.entry(link).or_default().insert(path.clone());
                }
                // A file that is gone since is none.
                Err(Refusal::File(FileError::Io { source, .. }))
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    continue;
                }
                Err(reason) => refused.push(RefusedFile { path: path.clone(), reason }),
            }
            self.seen.insert(path, now);
        }
        self.has_looked = true;
        Ok(refused)
    }

    /// The blocks that can be followed.
    pub(super) fn links(&self) -> BTreeSet<Link> {
        self.blocks.iter().filter(|(_, files)| !files.is_empty()).map(|(link, _)| *link).collect()
    }

    /// Remembers that a block is signed, whether or not there is a file.
    pub(super) fn remember(&mut self, link: Link) {
        self.blocks.entry(link).or_default();
    }

    /// The blocks beside a chain whose producers signed another block of their height: the chain's, or another one beside it.
    pub(super) fn rivals(&self, chain: &BTreeMap<u32, Followed>) -> BTreeSet<Rival> {
        let mut beside: BTreeMap<(u32, Digest), Vec<Rival>> = BTreeMap::new();
        for &Link { height, id, producer, .. } in self.blocks.keys() {
            if chain.get(&height).is_some_and(|followed| followed.id != id) {
                beside.entry((height, producer)).or_default().push(Rival { height, id, producer });
            }
        }
        let is_in_chain = |(height, producer): &(u32, Digest)| {
            chain.get(height).is_some_and(|followed| followed.producer == *producer)
        };
        let signed_twice = beside.into_iter().filter(|(of, rivals)| rivals.len() > 1 || is_in_chain(of));
        signed_twice.flat_map(|(_, rivals)| rivals).collect()
    }

    /// Reads a file that somebody published.
    fn read(&self, path: &Path) -> Result<PublishedBlock, Refusal> {
        let bytes = file::read_bytes(FileKind::ProposedBlock, path, BUNDLE_LIMIT)?;
        let block = PublishedBlock::decode(&bytes)?;
        let (chain_id, environment) = (block.chain_id(), block.header().environment);
        if (chain_id, environment) != (self.chain_id, self.environment) {
            return Err(Refusal::Elsewhere { chain_id, environment });
        }
        let mut refusal = Refusal::NoProducer;
        for producer in &self.producers {
            match block.check_signature(producer) {
                Ok(()) => return Ok(block),
                // What the block's own producer says counts.
                Err(error @ SignatureError::Signature(_)) => return Err(error.into()),
                Err(error) => refusal = error.into(),
            }
        }
        Err(refusal)
    }

    /// Applies a block to `follower`, from the first of its files that has it. Files that are refused are listed and forgotten.
    /// Returns false if no file has a block that applies.
    ///
    /// # Errors
    /// [`ReadFailure`] if a part of the state cannot be read, which says nothing of the files.
    pub(super) fn apply(
        &mut self,
        wanted: &Link,
        follower: &mut dyn DynFollower,
        refused: &mut Vec<RefusedFile>,
    ) -> Result<bool, ReadFailure> {
        while let Some(path) = self.blocks.get_mut(wanted).and_then(BTreeSet::pop_first) {
            let applied = self.read(&path).and_then(|block| {
                if Link::of(&block) != *wanted {
                    return Err(Refusal::Replaced);
                }
                Ok(follower.apply(block.statement(), block.body())?)
            });
            let reason = match applied {
                Ok(()) => {
                    self.blocks.entry(*wanted).or_default().insert(path);
                    return Ok(true);
                }
                Err(Refusal::Follow(FollowError::Read(failure))) => return Err(failure),
                Err(reason) => reason,
            };
            // Only what was read whole is known: any other file may have a block when it is looked at again.
            if !matches!(reason, Refusal::Follow(_)) {
                self.seen.remove(&path);
            }
            refused.push(RefusedFile { path, reason });
        }
        Ok(false)
    }
}

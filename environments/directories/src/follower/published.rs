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

/// The most blocks of one producer and height that are remembered without a file, and that are noted as rivals. A producer can sign
/// any number of them, and two are evidence enough.
pub(super) const MAX_RIVALS: usize = 16;

/// The blocks that a producer of the environment signed, and the files that have them.
pub(super) struct Published {
    chain_id: u64,
    environment: EnvironmentId,
    producers: Vec<Producer>,
    /// Whatever becomes of one file, another one still has the block. A block without a file cannot be followed, and is signed all
    /// the same. Each file is one of `seen`.
    blocks: BTreeMap<Link, BTreeSet<PathBuf>>,
    /// Blocks that do not apply to the state that they continue, whatever files have them.
    failed: BTreeSet<Digest>,
    /// Files that were looked at, as they were then.
    seen: BTreeMap<PathBuf, Seen>,
    /// Files that could not be read, and are read again in every look.
    unread: BTreeSet<PathBuf>,
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
            unread: BTreeSet::new(),
            failed: BTreeSet::new(),
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
        follower: &dyn DynFollower,
        named: impl Fn(&Path) -> Option<Link>,
    ) -> Result<Vec<RefusedFile>, FollowerDirectoryError> {
        let listed = list(directory)?;
        // Another directory's files are as they were.
        self.seen.retain(|path, seen| path.parent() != Some(directory) || listed.get(path) == Some(&*seen));
        for files in self.blocks.values_mut() {
            files.retain(|path| self.seen.contains_key(path));
        }
        let (mut refused, mut unread) = (vec![], BTreeSet::new());
        for (path, now) in listed {
            if self.seen.contains_key(&path) {
                continue;
            }
            let link = match named(&path).filter(|_| !self.has_looked) {
                Some(link) => Ok(link),
                None => self.read(&path).and_then(|block| {
                    let link = Link::of(&block);
                    // With whatever body, it is signed.
                    self.remember(link);
                    follower.check_body(block.statement(), block.body())?;
                    Ok(link)
                }),
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
                // It may be readable later without having changed.
                Err(reason @ Refusal::File(FileError::Io { .. })) => {
                    unread.insert(path.clone());
                    if !self.unread.contains(&path) {
                        refused.push(RefusedFile { path, reason });
                    }
                    continue;
                }
                Err(reason) => refused.push(RefusedFile { path: path.clone(), reason }),
            }
            self.seen.insert(path, now);
        }
        self.unread = unread;
        self.has_looked = true;
        self.forget();
        Ok(refused)
    }

    /// Forgets blocks without files of which there are more than are needed as evidence.
    fn forget(&mut self) {
        let mut remembered: BTreeMap<_, usize> = BTreeMap::new();
        self.blocks.retain(|link, files| {
            let count = remembered.entry((link.height, link.producer)).or_default();
            *count += usize::from(files.is_empty());
            !files.is_empty() || *count <= MAX_RIVALS
        });
    }

    /// The blocks that can be followed: none that did not apply.
    pub(super) fn links(&self) -> BTreeSet<Link> {
        let blocks = self.blocks.iter().filter(|(_, files)| !files.is_empty()).map(|(link, _)| *link);
        blocks.filter(|link| !self.failed.contains(&link.id)).collect()
    }

    /// Remembers that a block is signed, whether or not there is a file.
    pub(super) fn remember(&mut self, link: Link) {
        self.blocks.entry(link).or_default();
    }

    /// The blocks beside a chain whose producers signed another block of their height: the chain's, or another one beside it.
    pub(super) fn rivals(&self, chain: &BTreeMap<u32, Followed>) -> BTreeSet<Rival> {
        let (signed_twice, _) = self.beside(chain);
        signed_twice.iter().map(|&Link { height, id, producer, .. }| Rival { height, id, producer }).collect()
    }

    /// One block of each height and producer that is no rival yet, because the chain has no block of that height or another producer's.
    pub(super) fn signed(&self, chain: &BTreeMap<u32, Followed>) -> BTreeMap<(u32, Digest), Link> {
        let (_, others) = self.beside(chain);
        others.into_iter().rev().map(|link| ((link.height, link.producer), link)).collect()
    }

    /// The blocks that are not the chain's: those whose producers signed another one of their height, if the chain has that height, and
    /// all others.
    fn beside(&self, chain: &BTreeMap<u32, Followed>) -> (Vec<Link>, Vec<Link>) {
        let mut beside: BTreeMap<(u32, Digest), Vec<Link>> = BTreeMap::new();
        for link in self.blocks.keys() {
            if chain.get(&link.height).is_none_or(|followed| followed.id != link.id) {
                beside.entry((link.height, link.producer)).or_default().push(*link);
            }
        }
        let (mut signed_twice, mut others) = (vec![], vec![]);
        for ((height, producer), links) in beside {
            let is_evidence =
                chain.get(&height).is_some_and(|followed| links.len() > 1 || followed.producer == producer);
            if is_evidence { &mut signed_twice } else { &mut others }.extend(links);
        }
        (signed_twice, others)
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
                follower.check_body(block.statement(), block.body()).map_err(|_| Refusal::Replaced)?;
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
            // The body is the one that the statement states, so no other file does better.
            let has_failed =
                matches!(reason, Refusal::Follow(FollowError::Body { .. } | FollowError::OtherState { .. }));
            refused.push(RefusedFile { path, reason });
            if has_failed {
                self.failed.insert(wanted.id);
                break;
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use circuits_core::F;
    use plonky2::field::types::Field as _;

    use super::*;

    #[test]
    fn blocks_without_files_are_forgotten_beyond_those_that_are_needed() {
        let mut published = Published::new(1, EnvironmentId(1), vec![]);
        let digest = |n: u64| Digest([F::from_canonical_u64(n); 4]);
        let link = |height, n| {
            let (previous_state, new_state) = (digest(0), digest(n));
            Link { height, previous_state, new_state, id: digest(n), producer: digest(7) }
        };
        let with_file = link(1, 99);
        for n in 0..40 {
            published.remember(link(1, n));
            published.remember(link(2, n));
        }
        published.blocks.entry(with_file).or_default().insert(PathBuf::from("file"));
        published.forget();
        assert_eq!(published.blocks.len(), 2 * MAX_RIVALS + 1);
        assert!(published.blocks.contains_key(&with_file));
    }
}

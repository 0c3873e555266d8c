//! The bodies of blocks, as block producers publish them, compared with what the blocks state.
//!
//! No proof of a block is looked at, because the superblock's proof has verified one: a body is the block's if it has the digest that
//! the block states. So it does not matter who wrote a file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use batcher_verify::bundle::{BlockEntry, SuperblockBundle};
use circuits_core::Digest;
use circuits_files::file::{self, BUNDLE_LIMIT, FileError, FileKind};
use circuits_protocol::registry::EnvironmentId;
use environments_core::{
    BlockBundle, BundleError,
    kind::{Kind, SettledEnvironment},
};
use plonky2::field::types::PrimeField64 as _;
use thiserror::Error;

use crate::{data::has_body, watch::account};

/// The extension of block bundles.
const EXTENSION: &str = "block";

/// Why a file gives no body.
#[derive(Debug, Error)]
pub enum BodyError {
    #[error(transparent)]
    File(#[from] FileError),
    /// A link may lead to a file that whoever made it cannot read, and parts of that would be printed.
    #[error("{path}: it is a link", path = .path.display())]
    Link { path: PathBuf },
    /// The file is no block.
    #[error("{path}: {source}", path = .path.display())]
    Block { path: PathBuf, source: BundleError },
    #[error("{path}: {source}", path = .path.display())]
    OtherBody { path: PathBuf, source: OtherBody },
}

/// The body in a bundle is not that of the block, or the program does not know the environment's state model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "its body is not that of block {height} of environment {environment}: by none of the state models {kinds} it has the digest \
     {digest}"
)]
pub struct OtherBody {
    pub environment: u64,
    pub height: u64,
    /// What the block states.
    pub digest: Digest,
    /// The state models that the program knows.
    pub kinds: String,
}

/// What a program compares bodies with.
#[derive(Clone, Copy)]
pub struct KnownKinds<'a> {
    /// The state models that it knows. An environment has any of them.
    pub kinds: &'a [&'a dyn Kind],
    /// The chain id of L1.
    pub l1_chain_id: u64,
    /// The contract that settles. Accounts sign for it, so their bodies' digests have it.
    pub contract: Address,
}

impl KnownKinds<'_> {
    /// Whether a block of the environment that states `digest` has this body. State models have domains of their own, so a digest of
    /// another one does no harm.
    #[must_use]
    pub fn is_body(&self, environment: EnvironmentId, digest: Digest, body: &[u8]) -> bool {
        let &Self { kinds, l1_chain_id, contract } = self;
        let environment = SettledEnvironment { id: environment, l1_chain_id, contract: account(contract) };
        kinds.iter().any(|kind| kind.body_digest(&environment, body).is_ok_and(|found| found == digest))
    }

    fn names(&self) -> String {
        self.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
    }
}

/// The bodies of the blocks of some superblocks, by environment and digest. `None` for one that was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bodies(BTreeMap<(u16, Digest), Option<Vec<u8>>>);

impl Bodies {
    /// No body of the blocks of these superblocks yet. Nothing else is kept, whatever a directory holds.
    #[must_use]
    pub fn of<'a>(superblocks: impl IntoIterator<Item = &'a SuperblockBundle>) -> Self {
        let blocks = superblocks.into_iter().flat_map(|superblock| &superblock.blocks).filter(has_body);
        Self(blocks.map(|block| (key(block), None)).collect())
    }

    /// Adds the bodies that are in the block bundles of a directory. A file that gives none is `skipped`, because anybody may have
    /// put it there.
    ///
    /// # Errors
    /// [`FileError`] if the directory cannot be read.
    pub fn read(
        &mut self,
        directory: &Path,
        known: &KnownKinds<'_>,
        skipped: &mut dyn FnMut(&BodyError),
    ) -> Result<(), FileError> {
        let failed = |source| FileError::Io { path: directory.to_owned(), action: "read it", source };
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let read = if is_link { Err(BodyError::Link { path }) } else { self.read_file(&path, known) };
            if let Err(error) = read {
                skipped(&error);
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path, known: &KnownKinds<'_>) -> Result<(), BodyError> {
        let bytes = file::read_bytes(FileKind::BlockBundle, path, BUNDLE_LIMIT)?;
        let bundle = BlockBundle::decode(&bytes)
            .map_err(|source| BodyError::Block { path: path.to_owned(), source })?;
        self.add(&bundle, known).map_err(|source| BodyError::OtherBody { path: path.to_owned(), source })
    }

    /// Adds the body of a block, if the block is in one of the superblocks.
    ///
    /// # Errors
    /// [`OtherBody`] if the block is, and the body is not the block's.
    pub fn add(&mut self, bundle: &BlockBundle, known: &KnownKinds<'_>) -> Result<(), OtherBody> {
        let (body, digest) = (&bundle.body, bundle.statement.body);
        let [environment, height] =
            [bundle.statement.environment, bundle.statement.last_height].map(|one| one.to_canonical_u64());
        // A bundle that decodes has it in range, and no body of L1 is looked for.
        let id = EnvironmentId(u16::try_from(environment).unwrap_or_default());
        let Some(found) = self.0.get_mut(&(id.get(), digest)) else { return Ok(()) };
        if found.as_ref() == Some(body) {
            return Ok(());
        }
        if !known.is_body(id, digest, body) {
            return Err(OtherBody { environment, height, digest, kinds: known.names() });
        }
        *found = Some(body.clone());
        Ok(())
    }

    /// The body of a block, if it was found.
    pub(crate) fn get(&self, block: &BlockEntry) -> Option<&[u8]> {
        self.0.get(&key(block))?.as_deref()
    }
}

const fn key(block: &BlockEntry) -> (u16, Digest) {
    (block.environment, block.body)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use batcher_circuits::testing::block_with;
    use bridge_core::BlockMessages;
    use circuits_protocol::statement::BlockStatement;
    use environments_kinds::KINDS;

    use super::*;

    const KNOWN: KnownKinds<'static> = KnownKinds { kinds: &KINDS, l1_chain_id: 1, contract: Address::ZERO };
    const ENVIRONMENT: EnvironmentId = EnvironmentId(1);

    /// The body of a counter's block that adds this much: eight words.
    fn counter_body(add: u8) -> Vec<u8> {
        let mut body = vec![0; 64];
        body[0] = add;
        body
    }

    fn digest_of(body: &[u8]) -> Digest {
        let contract = account(Address::ZERO);
        let environment = SettledEnvironment { id: ENVIRONMENT, l1_chain_id: 1, contract };
        KINDS[0].body_digest(&environment, body).expect("a counter's body")
    }

    /// A file of a block that states the digest of one body and has another one.
    fn file(stated: &[u8], body: Vec<u8>) -> Vec<u8> {
        let messages = BlockMessages::none(ENVIRONMENT);
        let statement = BlockStatement { body: digest_of(stated), ..block_with(1, &messages) };
        let bundle = BlockBundle { statement, proof: vec![], key: vec![], messages, body };
        bundle.encode().expect("in range")
    }

    /// What is found in a directory of files for a block that states the digest of `body`, and the names of the files that are skipped.
    fn read(body: &[u8], files: &[(&str, Vec<u8>)]) -> (Option<Vec<u8>>, BTreeSet<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, content) in files {
            fs::write(directory.path().join(name), content).expect("writable");
        }
        fs::create_dir(directory.path().join("directory.block")).expect("writable");
        #[cfg(unix)]
        std::os::unix::fs::symlink(
            directory.path().join("honest.block"),
            directory.path().join("link.block"),
        )
        .expect("writable");
        let key = (ENVIRONMENT.get(), digest_of(body));
        let (mut bodies, mut skipped) = (Bodies(BTreeMap::from([(key, None)])), BTreeSet::new());
        let skip = &mut |error: &BodyError| {
            let text = error.to_string();
            let rest = text.strip_prefix(&format!("{}/", directory.path().display())).expect("the file");
            skipped.insert(rest.split_once(".block: ").expect("a name").0.to_owned());
        };
        bodies.read(directory.path(), &KNOWN, skip).expect("a directory");
        (bodies.0.remove(&key).flatten(), skipped)
    }

    #[test]
    fn case_75_junk_with_an_honest_blocks_statement_does_not_block_the_honest_body() {
        let honest = counter_body(5);
        let files = [
            ("first.block", file(&honest, counter_body(6))),
            ("honest.block", file(&honest, honest.clone())),
            ("last.block", file(&honest, vec![0xaa; 900])),
            ("text.block", b"hello".to_vec()),
            ("empty.block", vec![]),
            // Of another superblock, and no block at all.
            ("other.block", file(&counter_body(7), counter_body(7))),
            ("readme.txt", b"hello".to_vec()),
        ];
        let mut skipped: BTreeSet<_> =
            ["first", "last", "text", "empty", "directory"].map(str::to_owned).into();
        if cfg!(unix) {
            skipped.insert("link".to_owned());
        }
        let expected = (Some(honest.clone()), skipped);
        assert_eq!(read(&honest, &files), expected);
        // Whatever order a file system has.
        let mut renamed = files.clone();
        (renamed[0].0, renamed[1].0, renamed[2].0) = ("honest.block", "first.block", "a.block");
        assert_eq!(read(&honest, &renamed).0, expected.0);
    }

    #[test]
    fn a_body_that_only_junk_has_is_missing() {
        let honest = counter_body(5);
        let (found, skipped) = read(&honest, &[("junk.block", file(&honest, counter_body(6)))]);
        assert_eq!((found, skipped.contains("junk")), (None, true));
    }
}

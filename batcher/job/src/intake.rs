//! Block bundles from a directory: each is judged on its own, and a bad one never touches another.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use batcher_circuits::state::SuperblockState;
use circuits_core::{Digest, Proof, VerifierKey, recursion::key_digest};
use circuits_files::file::{self, BUNDLE_LIMIT, FileError, FileKind};
use circuits_protocol::{
    registry::{EnvironmentId, Registry, RegistryError},
    statement::statement_digest,
    wrap::block_shape,
};
use environments_core::{
    block::check_statement,
    bundle::{BlockBundle, BundleError},
};
use rayon::prelude::*;
use thiserror::Error;

use crate::planner::Candidate;

/// The most files that one directory of bundles may have.
pub const MAX_FILES: usize = 4096;

/// A bundle whose proof is valid and whose kernel the registry allows in the next superblock.
#[derive(Clone, Debug)]
pub struct CheckedBlock {
    pub path: PathBuf,
    /// What the planner needs.
    pub candidate: Candidate,
    pub proof: Proof,
    pub key: VerifierKey,
}

/// Why a bundle is refused.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The file cannot be read, or is too large.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a proven block.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The registry does not allow the kernel.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The block is not of the environment's producer.
    #[error("environment {environment} has the producer {expected}, but the block is of {found}")]
    Producer { environment: EnvironmentId, expected: Digest, found: Digest },
}

/// A refused bundle.
#[derive(Debug)]
pub struct Refused {
    pub path: PathBuf,
    /// SHA3-256 of its bytes, unless they could not be read.
    pub sha3: Option<[u8; 32]>,
    pub reason: Refusal,
}

/// A bundle of a block that a superblock has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    pub path: PathBuf,
    pub environment: EnvironmentId,
    /// The environment's height, which is past the block's.
    pub height: u32,
}

/// What a directory of bundles holds.
#[derive(Debug, Default)]
pub struct Intake {
    /// Valid blocks, by file name.
    pub blocks: Vec<CheckedBlock>,
    /// Refused bundles, by file name.
    pub refused: Vec<Refused>,
    /// Bundles of blocks that earlier superblocks have, by file name; they are not verified again.
    pub stale: Vec<Stale>,
}

/// Why a directory is not read at all.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// The directory cannot be listed.
    #[error("{path}: cannot read the directory: {source}", path = .path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    /// The directory has too many files.
    #[error("{path}: a directory of bundles has at most {MAX_FILES} files", path = .path.display())]
    TooManyFiles { path: PathBuf },
}

enum Judged {
    Block(Box<CheckedBlock>),
    Refused(Refused),
    Stale(Stale),
}

/// The files of `directory` by name, without hidden ones and directories.
fn files(directory: &Path) -> Result<Vec<PathBuf>, IntakeError> {
    let error = |source| IntakeError::Directory { path: directory.to_owned(), source };
    let mut paths = vec![];
    for entry in fs::read_dir(directory).map_err(error)? {
        let entry = entry.map_err(error)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if hidden || entry.file_type().map_err(error)?.is_dir() {
            continue;
        }
        if paths.len() == MAX_FILES {
            return Err(IntakeError::TooManyFiles { path: directory.to_owned() });
        }
        paths.push(entry.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Reads every bundle of `directory` and judges it against the next superblock of `state`, in parallel.
///
/// # Errors
/// [`IntakeError`] if the directory cannot be listed. A bad bundle is not an error: it is in [`Intake::refused`].
pub fn read(directory: &Path, state: &SuperblockState, registry: &Registry) -> Result<Intake, IntakeError> {
    let judged: Vec<_> = files(directory)?.into_par_iter().map(|path| judge(path, state, registry)).collect();
    let mut intake = Intake::default();
    for one in judged {
        match one {
            Judged::Block(block) => intake.blocks.push(*block),
            Judged::Refused(refused) => intake.refused.push(refused),
            Judged::Stale(stale) => intake.stale.push(stale),
        }
    }
    Ok(intake)
}

fn judge(path: PathBuf, state: &SuperblockState, registry: &Registry) -> Judged {
    let bytes = match file::read_bytes(FileKind::BlockBundle, &path, BUNDLE_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => return Judged::Refused(Refused { path, sha3: None, reason: error.into() }),
    };
    let sha3 = file::sha3(&bytes);
    let refused = |path, reason| Judged::Refused(Refused { path, sha3: Some(sha3), reason });
    let bundle = match BlockBundle::decode(&bytes) {
        Ok(bundle) => bundle,
        Err(error) => return refused(path, error.into()),
    };
    let header = match check_statement(&bundle.statement) {
        Ok(header) => header,
        Err(error) => return refused(path, BundleError::from(error).into()),
    };
    let environment = header.environment;
    if let Some(head) = state.environments.get(&environment)
        && header.first_height <= head.height
    {
        return Judged::Stale(Stale { path, environment, height: head.height });
    }
    match check(&bundle, environment, state.number.saturating_add(1), registry) {
        Ok((proof, key, digest)) => {
            let BlockBundle { statement, messages, .. } = bundle;
            let candidate = Candidate { statement, header, key: digest, messages, file: sha3 };
            Judged::Block(Box::new(CheckedBlock { path, candidate, proof, key }))
        }
        Err(reason) => refused(path, reason),
    }
}

/// Checks a decoded bundle of `environment` against the registry in superblock `number`, then its proof: cheap checks
/// first.
fn check(
    bundle: &BlockBundle,
    environment: EnvironmentId,
    number: u32,
    registry: &Registry,
) -> Result<(Proof, VerifierKey, Digest), Refusal> {
    let statement = &bundle.statement;
    let common = &block_shape().common;
    let key = circuits_core::proof::decode_key(&bundle.key, common).map_err(BundleError::Proof)?;
    let membership = registry.membership(environment, key_digest(&key), number)?;
    if statement.producer != membership.producer {
        return Err(Refusal::Producer {
            environment,
            expected: membership.producer,
            found: statement.producer,
        });
    }
    Ok(bundle.open(common)?)
}

impl Intake {
    /// Keeps one of several valid files that state the same under the same key, and returns the paths of the others. They
    /// would otherwise be left out as duplicates, although nobody needs to know.
    pub fn drop_copies(&mut self) -> Vec<PathBuf> {
        let mut seen = BTreeSet::new();
        let mut copies = vec![];
        self.blocks.retain(|block| {
            let new = seen.insert((statement_digest(&block.candidate.statement), block.candidate.key));
            if !new {
                copies.push(block.path.clone());
            }
            new
        });
        copies
    }
}

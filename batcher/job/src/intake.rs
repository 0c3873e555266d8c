//! Block bundles from a directory: each is judged on its own, and a bad one never touches another.
//!
//! Anybody may be able to put files into the directory, and nothing removes them. So whatever is cheap to judge is judged
//! in every call: what is no bundle, what the registry does not allow, blocks that earlier superblocks have, copies, and
//! bundles whose proof was refused before. Proofs are verified within limits, by height, then by file name, and each
//! environment has a limit of its own: neither old nor hostile files keep a new bundle of another environment waiting.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use batcher_circuits::state::SuperblockState;
use circuits_core::{Digest, Proof, VerifierKey, recursion::key_digest};
use circuits_files::file::{self, BUNDLE_LIMIT, FileError, FileKind};
use circuits_protocol::{
    registry::{EnvironmentId, Registry, RegistryError},
    statement::{BlockStatement, statement_digest},
    wrap::block_shape,
};
use environments_core::{
    block::check_statement,
    bundle::{BlockBundle, BundleError},
};
use rayon::prelude::*;
use thiserror::Error;

use crate::planner::Candidate;

/// The most bundles whose proofs one call verifies, unless the caller says less. Environments have equal shares.
pub const MAX_VERIFIED: usize = 4096;
/// Files that are judged in parallel, before what they use up of the shares is counted.
const TOGETHER: usize = 64;

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
    /// The registry does not allow the kernel or the producer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The block is environment 0's, which the batch makes itself of L1's queue.
    #[error("a block of environment 0 is made by the batch itself")]
    OfL1,
    /// An earlier call refused the same bytes, and nothing changes its answer.
    #[error("{reason} (refused before)")]
    Recorded {
        /// The reason on record.
        reason: String,
    },
}

impl Refusal {
    /// Whether the reason follows from the bytes of the bundle, whatever the state and the registry are.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Bundle(_) | Self::OfL1 | Self::Recorded { .. } => true,
            Self::File(_) | Self::Registry(_) => false,
        }
    }
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

/// What a directory of bundles holds. All lists are ordered by file name.
#[derive(Debug, Default)]
pub struct Intake {
    /// Valid blocks. No two of them state the same under the same key.
    pub blocks: Vec<CheckedBlock>,
    /// Refused bundles.
    pub refused: Vec<Refused>,
    /// Bundles of blocks that earlier superblocks have. They are not verified again.
    pub stale: Vec<Stale>,
    /// Further files that state the same as one of the blocks, under the same key. Nobody needs to verify or include them.
    pub copies: Vec<PathBuf>,
    /// Bundles that wait for the next call, because their environment's share of this one is used up.
    pub waiting: Vec<PathBuf>,
}

/// Why a directory is not read at all.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// The directory cannot be listed.
    #[error("{path}: cannot read the directory: {source}", path = .path.display())]
    Directory { path: PathBuf, source: std::io::Error },
}

enum Judged {
    Block(Box<CheckedBlock>),
    Refused(Refused),
    Stale(Stale),
    Copy(PathBuf),
    Waiting(PathBuf),
    Unwanted,
}

/// A judgement, and the environment whose share it used up, if a proof was verified.
type Judgement = (Judged, Option<EnvironmentId>);

/// Names what two bundles share that state the same under the same key.
type BlockId = (Digest, Digest);

/// What a call has done so far.
#[derive(Default)]
struct Progress {
    /// The valid blocks.
    blocks: BTreeSet<BlockId>,
    /// How many proofs were verified for each environment.
    verified: BTreeMap<EnvironmentId, usize>,
    /// How many valid blocks each environment has.
    accepted: BTreeMap<EnvironmentId, usize>,
}

/// Reads bundles and judges them against the next superblock of a state.
pub struct Reader<'a> {
    pub state: &'a SuperblockState,
    pub registry: &'a Registry,
    /// Says whether the caller wants the block of a statement. Others are in no list of [`Intake`], and their proofs are not verified.
    pub wanted: &'a (dyn Fn(&BlockStatement) -> bool + Sync),
    /// Says why an earlier call refused the bundle with this SHA3-256, if the refusal [is final](Refusal::is_final).
    pub refusal: &'a (dyn Fn(&[u8; 32]) -> Option<String> + Sync),
    /// The most bundles whose proofs are verified. Every environment of the registry has an equal share, and at least one:
    /// none can keep the others waiting.
    pub max_verified: usize,
}

/// The files of `directory` by name, without hidden ones and directories.
///
/// # Errors
/// [`IntakeError`] if the directory cannot be listed.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>, IntakeError> {
    let error = |source| IntakeError::Directory { path: directory.to_owned(), source };
    let mut paths = vec![];
    for entry in fs::read_dir(directory).map_err(error)? {
        let entry = entry.map_err(error)?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        // What vanishes meanwhile is refused when it is read.
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_hidden && !is_directory {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// The first height that a bundle claims to cover.
fn first_height(path: &Path) -> Option<u32> {
    let bytes = file::read_bytes(FileKind::BlockBundle, path, BUNDLE_LIMIT).ok()?;
    Some(check_statement(&BlockBundle::decode(&bytes).ok()?.statement).ok()?.first_height)
}

impl Reader<'_> {
    /// Reads the bundles of `directory` by height, then by name, and judges each, several at a time. Only regular files are
    /// opened. A call verifies at most [`Self::max_verified`] proofs, apart from a few that are judged at the same time;
    /// bundles that are cheap to judge are not limited. So the next call gets on with bundles that wait, although none is
    /// removed: what this one included is stale then, and what it refused is on record.
    ///
    /// # Errors
    /// [`IntakeError`] if the directory cannot be listed. A bad bundle is not an error: it is in [`Intake::refused`].
    pub fn read(&self, directory: &Path) -> Result<Intake, IntakeError> {
        Ok(self.read_files(files(directory)?))
    }

    /// Reads these bundles as [`Self::read`] reads those of a directory.
    #[must_use]
    pub fn read_files(&self, files: Vec<PathBuf>) -> Intake {
        let share = self.share();
        let (mut intake, mut progress) = (Intake::default(), Progress::default());
        // Low heights first: what comes next never waits for what comes later.
        let mut paths: Vec<(u32, PathBuf)> =
            files.into_par_iter().map(|path| (first_height(&path).unwrap_or(0), path)).collect();
        paths.sort_unstable();
        for paths in paths.chunks(TOGETHER) {
            let judged: Vec<Judgement> =
                paths.par_iter().map(|(_, path)| self.judge(path, share, &progress)).collect();
            for (judged, verified) in judged {
                if let Some(environment) = verified {
                    *progress.verified.entry(environment).or_default() += 1;
                }
                match judged {
                    Judged::Block(block) => intake.add(*block, share, &mut progress),
                    Judged::Refused(refused) => intake.refused.push(refused),
                    Judged::Stale(stale) => intake.stale.push(stale),
                    Judged::Copy(path) => intake.copies.push(path),
                    Judged::Waiting(path) => intake.waiting.push(path),
                    Judged::Unwanted => {}
                }
            }
        }
        intake.sort();
        intake
    }

    /// How many proofs are verified for each environment.
    pub(crate) fn share(&self) -> usize {
        (self.max_verified / self.registry.entries().count().max(1)).max(1)
    }

    /// Judges one file: cheap checks first, then its proof, if the environment's `share` is not used up.
    fn judge(&self, path: &Path, share: usize, progress: &Progress) -> Judgement {
        let path = path.to_owned();
        let bytes = match file::read_bytes(FileKind::BlockBundle, &path, BUNDLE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                return (Judged::Refused(Refused { path, sha3: None, reason: error.into() }), None);
            }
        };
        let sha3 = file::sha3(&bytes);
        let refused = |path, reason| Judged::Refused(Refused { path, sha3: Some(sha3), reason });
        let bundle = match BlockBundle::decode(&bytes) {
            Ok(bundle) => bundle,
            Err(error) => return (refused(path, error.into()), None),
        };
        let header = match check_statement(&bundle.statement) {
            Ok(header) => header,
            Err(error) => return (refused(path, BundleError::from(error).into()), None),
        };
        let environment = header.environment;
        if environment == EnvironmentId::L1 {
            return (refused(path, Refusal::OfL1), None);
        }
        if !(self.wanted)(&bundle.statement) {
            return (Judged::Unwanted, None);
        }
        if let Some(head) = self.state.environments.get(environment)
            && header.first_height <= head.height
        {
            return (Judged::Stale(Stale { path, environment, height: head.height }), None);
        }
        let key = match self.check_key(&bundle, environment) {
            Ok(key) => key,
            Err(reason) => return (refused(path, reason), None),
        };
        if progress.blocks.contains(&(statement_digest(&bundle.statement), key)) {
            return (Judged::Copy(path), None);
        }
        if let Some(reason) = (self.refusal)(&sha3) {
            return (refused(path, Refusal::Recorded { reason }), None);
        }
        if progress.verified.get(&environment).is_some_and(|&count| count >= share) {
            return (Judged::Waiting(path), None);
        }
        let judged = match bundle.open(&block_shape().common) {
            Ok((proof, key, digest)) => {
                let BlockBundle { statement, messages, .. } = bundle;
                let candidate = Candidate { statement, header, key: digest, messages, file: sha3 };
                Judged::Block(Box::new(CheckedBlock { path, candidate, proof, key }))
            }
            Err(error) => refused(path, error.into()),
        };
        (judged, Some(environment))
    }

    /// Checks kernel and producer of a bundle of `environment` against the registry in the next superblock, and returns the
    /// digest of its key.
    fn check_key(&self, bundle: &BlockBundle, environment: EnvironmentId) -> Result<Digest, Refusal> {
        let key = circuits_core::proof::decode_key(&bundle.key, &block_shape().common);
        let key = key_digest(&key.map_err(BundleError::Proof)?);
        let number = self.state.number.saturating_add(1);
        self.registry.membership(environment, key, bundle.statement.producer, number)?;
        Ok(key)
    }
}

impl Intake {
    fn sort(&mut self) {
        self.blocks.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.refused.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.stale.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.copies.sort_unstable();
        self.waiting.sort_unstable();
    }

    /// Adds a valid block, unless it is a copy or was judged together with the last ones of its environment's `share`.
    fn add(&mut self, block: CheckedBlock, share: usize, progress: &mut Progress) {
        let candidate = &block.candidate;
        let id = (statement_digest(&candidate.statement), candidate.key);
        let accepted = progress.accepted.entry(candidate.header.environment).or_default();
        if progress.blocks.contains(&id) {
            self.copies.push(block.path);
        } else if *accepted >= share {
            self.waiting.push(block.path);
        } else {
            *accepted += 1;
            progress.blocks.insert(id);
            self.blocks.push(block);
        }
    }
}

//! The files below an output directory: every path that a job reads or writes is spelled here.
//!
//! ```text
//! out/
//!   blocks/000001/environment-00001-block-000001.block    a block bundle of superblock 1
//!   superblocks/superblock-000001.superblock              a superblock bundle
//!   state/state.superblock                                the state that the next superblock continues
//!   registry.superblock                                   environments and their kernels
//!   trust.toml                                            what a verifier trusts
//!   proofs/<task>.proof                                   a finished proof
//!   quarantine/<SHA3-256>.record                          why a bundle was refused
//!   lock                                                  held while a process works here
//! ```
//!
//! A command may keep the state or the superblocks in a directory of its own: [`state_file`] and [`superblock_file`]
//! name the files there.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

/// A directory cannot be made or locked.
#[derive(Debug, Error)]
#[error("{path}: cannot {action}: {source}", path = .path.display())]
pub struct DirectoryError {
    /// The directory, or the lock file in it.
    pub path: PathBuf,
    pub action: &'static str,
    pub source: io::Error,
}

/// Where a job's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputDirectory {
    root: PathBuf,
}

impl OutputDirectory {
    /// The output directory at `root`, which need not exist.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the block bundles of superblock `number`.
    #[must_use]
    pub fn blocks(&self, number: u32) -> PathBuf {
        self.root.join("blocks").join(format!("{number:06}"))
    }

    /// The bundle of an environment's block at `height`, for superblock `number`.
    #[must_use]
    pub fn block_file(&self, number: u32, environment: EnvironmentId, height: u32) -> PathBuf {
        let environment = environment.get();
        self.blocks(number).join(format!("environment-{environment:05}-block-{height:06}.block"))
    }

    /// The directory of superblock bundles.
    #[must_use]
    pub fn superblocks(&self) -> PathBuf {
        self.root.join("superblocks")
    }

    /// The bundle of superblock `number`.
    #[must_use]
    pub fn superblock_file(&self, number: u32) -> PathBuf {
        superblock_file(&self.superblocks(), number)
    }

    /// The directory of the superblock state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The superblock state.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        state_file(&self.state())
    }

    /// The registry.
    #[must_use]
    pub fn registry_file(&self) -> PathBuf {
        self.root.join("registry.superblock")
    }

    /// The trust file.
    #[must_use]
    pub fn trust_file(&self) -> PathBuf {
        self.root.join("trust.toml")
    }

    /// The directory of finished proofs.
    #[must_use]
    pub fn proofs(&self) -> PathBuf {
        self.root.join("proofs")
    }

    /// The finished proof of the task with this hash.
    #[must_use]
    pub fn proof_file(&self, task: &[u8; 32]) -> PathBuf {
        self.proofs().join(format!("{}.proof", hex::encode(task)))
    }

    /// The directory of records of refused bundles.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// The record of a refused bundle, by the SHA3-256 of its bytes.
    #[must_use]
    pub fn quarantine_file(&self, sha3: &[u8; 32]) -> PathBuf {
        self.quarantine().join(format!("{}.record", hex::encode(sha3)))
    }

    /// The file that a process locks while it works in the directory.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }
}

/// The superblock state in `directory`.
#[must_use]
pub fn state_file(directory: &Path) -> PathBuf {
    directory.join("state.superblock")
}

/// The bundle of superblock `number` in `directory`.
#[must_use]
pub fn superblock_file(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("superblock-{number:06}.superblock"))
}

/// Makes a directory and those above it, unless they exist.
///
/// # Errors
/// [`DirectoryError`]
pub fn create_directory(path: &Path) -> Result<(), DirectoryError> {
    fs::create_dir_all(path).map_err(|source| DirectoryError {
        path: path.to_owned(),
        action: "create it",
        source,
    })
}

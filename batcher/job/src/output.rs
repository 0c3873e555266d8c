//! The files below an output directory: every path that a job reads or writes is spelled here, but for those of finished
//! proofs, which [`FolderStore`](circuits_tasks::folder::FolderStore) spells.
//!
//! ```text
//! out/
//!   blocks/000001/environment-00001-block-000001.block    a block bundle of superblock 1
//!   superblocks/superblock-000001.superblock              a superblock bundle
//!   state/states.redb                                     the latest state, and what leads back from it
//!   state/location-00000001.superblock                    the directory to which superblock 1 goes
//!   state/state.lock                                      held while a process moves the state forward
//!   registry.superblock                                   environments and their kernels
//!   trust.toml                                            what a verifier trusts
//!   proofs/<task>.proof                                   a finished proof
//!   proofs/<task>.block                                   a proven block of environment 0
//!   quarantine/<SHA3-256>.record                          why a bundle was refused
//! ```
//!
//! A command may keep the states or the superblocks in a directory of its own: [`database_file`], [`location_file`],
//! [`lock_file`] and [`superblock_file`] name the files there.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use circuits_files::file::FileError;
use circuits_protocol::registry::EnvironmentId;
use circuits_tasks::id::TaskId;
use thiserror::Error;

/// A directory cannot be made.
#[derive(Debug, Error)]
#[error("{path}: cannot create it: {source}", path = .path.display())]
pub struct DirectoryError {
    pub path: PathBuf,
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

    /// The directory of the superblock states.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
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

    /// The bundle of a block of environment 0, which this task proves.
    #[must_use]
    pub fn l1_block_file(&self, task: TaskId) -> PathBuf {
        self.proofs().join(format!("{task}.block"))
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
}

/// The database of the states in `directory`.
#[must_use]
pub fn database_file(directory: &Path) -> PathBuf {
    directory.join("states.redb")
}

/// The state after superblock `number`, if it lies in `directory` as a file of its own.
#[must_use]
pub fn state_file(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("state-{number:08}.superblock"))
}

/// The file in the directory of states that says where superblock `number` goes.
#[must_use]
pub fn location_file(directory: &Path, number: u32) -> PathBuf {
    directory.join(location_name(number))
}

fn location_name(number: u32) -> String {
    format!("location-{number:08}.superblock")
}

/// The file that a process locks while it moves the states in `directory` forward or back.
#[must_use]
pub fn lock_file(directory: &Path) -> PathBuf {
    directory.join("state.lock")
}

/// The bundle of superblock `number` in `directory`.
#[must_use]
pub fn superblock_file(directory: &Path, number: u32) -> PathBuf {
    directory.join(superblock_name(number))
}

fn superblock_name(number: u32) -> String {
    format!("superblock-{number:06}.superblock")
}

/// The numbers of the superblocks of which `directory` says where they go, ascending. A directory that is missing has none.
///
/// # Errors
/// [`FileError::Io`]
pub fn location_numbers(directory: &Path) -> Result<Vec<u32>, FileError> {
    numbers(directory, "location-", location_name)
}

/// The numbers of the superblock bundles in `directory`, ascending. A directory that is missing has none.
///
/// # Errors
/// [`FileError::Io`]
pub fn superblock_numbers(directory: &Path) -> Result<Vec<u32>, FileError> {
    numbers(directory, "superblock-", superblock_name)
}

/// The numbers for which `directory` has a file that is named by `name`, which begins with `prefix`.
fn numbers(directory: &Path, prefix: &str, name: fn(u32) -> String) -> Result<Vec<u32>, FileError> {
    let failed = |source| FileError::Io { path: directory.to_owned(), action: "read it", source };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(failed)?,
    };
    let mut numbers = vec![];
    for entry in entries {
        let found = entry.map_err(failed)?.file_name();
        let digits = found.to_str().and_then(|found| found.strip_prefix(prefix)?.strip_suffix(".superblock"));
        let number = digits.and_then(|digits| digits.parse().ok());
        // A number has one spelling.
        numbers.extend(number.filter(|&number| found.to_str() == Some(name(number).as_str())));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes a directory and those above it, unless they exist.
///
/// # Errors
/// [`DirectoryError`]
pub fn create_directory(path: &Path) -> Result<(), DirectoryError> {
    fs::create_dir_all(path).map_err(|source| DirectoryError { path: path.to_owned(), source })
}

//! Finished proofs and refused bundles, on disk.
//!
//! A proof is stored under the hash of what it was asked to prove, verified when it is loaded, and never made
//! twice. A damaged file is treated like a missing one. Several processes may share a store: files appear whole, and two
//! proofs of one task are equally good.

use std::path::PathBuf;

use circuits_files::file::{self, FileError, FileKind, SMALL_LIMIT};
use circuits_tasks::{folder::FolderStore, id::TaskId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::output::{DirectoryError, OutputDirectory, create_directory};

/// The proofs and quarantine records of an output directory.
#[derive(Clone, Debug)]
pub struct Store {
    output: OutputDirectory,
    proofs: FolderStore,
}

/// Why a bundle was refused, by the SHA3-256 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// SHA3-256 of the bundle's bytes, hexadecimal.
    pub sha3: String,
    /// Name of the file when it was refused.
    pub file: String,
    pub reason: String,
    /// The program that refused it, if any superblock state and any registry leads it to the same answer.
    pub program: Option<String>,
}

/// Why the store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file of the store cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A directory cannot be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl Store {
    /// The store of an output directory. Directories that are missing are made.
    ///
    /// # Errors
    /// [`StoreError::Directory`].
    pub fn open(output: &OutputDirectory) -> Result<Self, StoreError> {
        for directory in [output.root(), &output.proofs(), &output.quarantine()] {
            create_directory(directory)?;
        }
        Ok(Self { output: output.clone(), proofs: FolderStore::new(output.root()) })
    }

    /// The finished proofs.
    #[must_use]
    pub const fn proofs(&self) -> &FolderStore {
        &self.proofs
    }

    /// The path of the proven block of environment 0 that this task makes.
    #[must_use]
    pub fn l1_block_path(&self, id: TaskId) -> PathBuf {
        self.output.l1_block_file(id)
    }

    /// Records that a bundle was refused. The bundle itself stays where it is. A later run judges it anew, unless `program`
    /// says that it is the program that refused the bundle whatever the state and the registry are.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn quarantine(
        &self,
        sha3: &[u8; 32],
        file: &str,
        reason: &str,
        program: Option<&str>,
    ) -> Result<(), StoreError> {
        let record = QuarantineRecord {
            sha3: hex::encode(sha3),
            file: file.chars().take(255).collect(),
            reason: reason.chars().take(2000).collect(),
            program: program.map(str::to_owned),
        };
        Ok(file::write(FileKind::QuarantineRecord, &self.output.quarantine_file(sha3), &record, SMALL_LIMIT)?)
    }

    /// Why `program` refused a bundle whatever the state and the registry are, if that is on record. A record that cannot be
    /// read is none: the bundle is judged anew.
    #[must_use]
    pub fn refusal(&self, sha3: &[u8; 32], program: &str) -> Option<String> {
        let path = self.output.quarantine_file(sha3);
        let record: QuarantineRecord = file::read(FileKind::QuarantineRecord, &path, SMALL_LIMIT).ok()?;
        let is_this = record.sha3 == hex::encode(sha3) && record.program.as_deref() == Some(program);
        is_this.then_some(record.reason)
    }
}

//! Finished proofs and refused bundles, on disk.
//!
//! A proof is stored under the hash of what it was asked to prove, verified when it is loaded, and never made
//! twice. A damaged file is treated like a missing one. Several processes may share a store: files appear whole, and two
//! proofs of one task are equally good.

use std::path::PathBuf;

use circuits_core::{
    CommonData, Digest, Proof, VerifierKey,
    layout::{self, Layout},
    proof::{self, ProofError},
    recursion::key_digest,
};
use circuits_files::file::{self, FileError, FileKind, SMALL_LIMIT};
use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Sha3_256};
use thiserror::Error;

use crate::output::{DirectoryError, OutputDirectory, create_directory};

/// Separates task hashes from other hashes.
const TASK_TAG: &[u8] = b"superblock task v1";

/// The proofs and quarantine records of an output directory.
#[derive(Clone, Debug)]
pub struct Store {
    output: OutputDirectory,
}

/// The hash of what a proof is asked to prove, which names its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId([u8; 32]);

impl TaskId {
    /// The proof of `statement` under `key` from the given children.
    #[must_use]
    pub fn new<S: Layout<circuits_core::F>>(key: Digest, statement: &S, children: &[Self]) -> Self {
        let statement = layout::to_bytes(statement);
        let mut hasher = Sha3_256::new();
        hasher.update(TASK_TAG);
        hasher.update(key.to_bytes());
        hasher.update((statement.len() as u64).to_le_bytes());
        hasher.update(statement);
        hasher.update((children.len() as u64).to_le_bytes());
        for child in children {
            hasher.update(child.0);
        }
        Self(hasher.finalize().into())
    }

    /// The proof of a block, which came as a file.
    #[must_use]
    pub fn of_block<S: Layout<circuits_core::F>>(key: Digest, statement: &S) -> Self {
        Self::new(key, statement, &[])
    }
}

/// A finished proof.
#[derive(Serialize, Deserialize)]
struct StoredProof {
    task: String,
    key: Digest,
    statement: Vec<u8>,
    proof: Vec<u8>,
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

/// Why the store cannot be used, or a stored proof is not.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file of the store cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A directory cannot be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A finished proof has another statement than its task.
    #[error("{path}: the stored proof is of another task", path = .path.display())]
    OtherTask { path: PathBuf },
    /// A finished proof does not verify.
    #[error("{path}: {source}", path = .path.display())]
    Proof { path: PathBuf, source: ProofError },
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
        Ok(Self { output: output.clone() })
    }

    /// The path of a task's proof, once it is finished.
    #[must_use]
    pub fn proof_path(&self, id: TaskId) -> PathBuf {
        self.output.proof_file(&id.0)
    }

    /// The path of the proven block of environment 0 that this task makes.
    #[must_use]
    pub fn l1_block_path(&self, id: TaskId) -> PathBuf {
        self.output.l1_block_file(&id.0)
    }

    /// The finished proof of a task, verified; `None` if it is not finished.
    ///
    /// # Errors
    /// [`StoreError`] if there is a file that is not a valid proof of the task. A new proof can replace it.
    pub fn load<S: Layout<circuits_core::F>>(
        &self,
        id: TaskId,
        statement: &S,
        key: &VerifierKey,
        common: &CommonData,
    ) -> Result<Option<Proof>, StoreError> {
        let path = self.proof_path(id);
        if !path.exists() {
            return Ok(None);
        }
        let stored: StoredProof = file::read(FileKind::TaskProof, &path, SMALL_LIMIT)?;
        let other = || StoreError::OtherTask { path: path.clone() };
        let invalid = |source| StoreError::Proof { path: path.clone(), source };
        if stored.key != key_digest(key) || stored.statement != layout::to_bytes(statement) {
            return Err(other());
        }
        let proof = proof::decode(&stored.proof, common).map_err(invalid)?;
        if proof.public_inputs != statement.encode() {
            return Err(other());
        }
        proof::verify(&proof, key, common).map_err(invalid)?;
        Ok(Some(proof))
    }

    /// Stores a finished proof.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn save<S: Layout<circuits_core::F>>(
        &self,
        id: TaskId,
        task: &str,
        statement: &S,
        key: &VerifierKey,
        proof: &Proof,
    ) -> Result<(), StoreError> {
        let stored = StoredProof {
            task: task.to_owned(),
            key: key_digest(key),
            statement: layout::to_bytes(statement),
            proof: proof::encode(proof),
        };
        Ok(file::write(FileKind::TaskProof, &self.proof_path(id), &stored, SMALL_LIMIT)?)
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

/// The name of the task of a finished proof, the digest of its key, and its size in bytes, for people who look at a file.
///
/// # Errors
/// [`file::FormatError`] if the bytes are not a finished proof.
pub fn describe(bytes: &[u8]) -> Result<(String, Digest, usize), file::FormatError> {
    let stored: StoredProof = file::decode(FileKind::TaskProof, bytes, SMALL_LIMIT)?;
    Ok((stored.task, stored.key, stored.proof.len()))
}

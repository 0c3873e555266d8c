//! A proof as a store keeps it: with what it proves, so that a file of it explains itself.

use circuits_files::file::{self, FileKind, FormatError, SMALL_LIMIT};
use serde::{Deserialize, Serialize};

use crate::{graph::Task, id::KeyBytes};

/// The proof of a task, with what it is said to prove. Whoever uses the proof verifies it against the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredProof {
    /// The label of the task.
    pub label: String,
    /// The key of the task.
    pub key: KeyBytes,
    /// The statement of the task.
    pub statement: Vec<u8>,
    /// The proof, in the encoding of the task's provable.
    pub proof: Vec<u8>,
}

impl StoredProof {
    /// The proof of `task`.
    #[must_use]
    pub fn new(task: &Task, proof: Vec<u8>) -> Self {
        Self { label: task.label.clone(), key: task.key, statement: task.statement.clone(), proof }
    }

    /// Whether the proof is said to be of `task`.
    #[must_use]
    pub fn is_of(&self, task: &Task) -> bool {
        self.key == task.key && self.statement == task.statement
    }

    /// The bytes in a store.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`]
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        file::encode(FileKind::TaskProof, self, SMALL_LIMIT)
    }

    /// Reads what [`Self::encode`] wrote; nothing is verified yet.
    ///
    /// # Errors
    /// [`FormatError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        file::decode(FileKind::TaskProof, bytes, SMALL_LIMIT)
    }
}

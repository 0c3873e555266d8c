//! What a task is called: the hash of what it proves.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Sha3_256};
use thiserror::Error;

/// Separates task hashes from other hashes.
const TASK_TAG: &[u8] = b"superblock task v1";

/// The bytes of a task's id, and of the digest of a key.
pub const ID_BYTES: usize = 32;

/// The digest of a verifier key, as bytes: keys of several hash functions have one.
pub type KeyBytes = [u8; ID_BYTES];

/// The hash of what a proof is asked to prove: under which key, which statement, from which children. It says nothing of a
/// witness, so it can be shown to anybody. As text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId([u8; ID_BYTES]);

/// The text is not the id of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the id of a task is {} lower-case hexadecimal digits, found {found} characters", 2 * ID_BYTES)]
pub struct TaskIdError {
    pub found: usize,
}

impl TaskId {
    /// The proof of `statement` under `key` from the given children, whose order counts.
    #[must_use]
    pub fn new(key: &KeyBytes, statement: &[u8], children: &[Self]) -> Self {
        let mut hasher = Sha3_256::new();
        hasher.update(TASK_TAG);
        hasher.update(key);
        hasher.update((statement.len() as u64).to_le_bytes());
        hasher.update(statement);
        hasher.update((children.len() as u64).to_le_bytes());
        for child in children {
            hasher.update(child.0);
        }
        Self(hasher.finalize().into())
    }

    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; ID_BYTES] {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, TaskIdError> {
        let error = TaskIdError { found: text.chars().count() };
        let mut bytes = [0; ID_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| error)?;
        // Upper-case digits would give an id a second name.
        if text.bytes().any(|digit| digit.is_ascii_uppercase()) { Err(error) } else { Ok(Self(bytes)) }
    }
}

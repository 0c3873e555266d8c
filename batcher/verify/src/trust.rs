//! What a verifier trusts. The answer of [`crate::verify`] is worth as much as this.

use std::path::{Path, PathBuf};

use circuits_core::{Digest, chain_id::check_chain_id};
use circuits_files::{
    file::{self, FileError},
    text::{self, TextError},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bytes of the largest trust file.
const TRUST_LIMIT: u64 = 1 << 20;

/// The end of a chain of superblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The number; 0 is genesis.
    pub number: u32,
    /// The state commitment, which covers the L1 deposits consumed so far.
    pub state: Digest,
}

/// The registry root from a superblock number on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryFrom {
    /// The first superblock with this root.
    pub from: u32,
    pub root: Digest,
}

/// What L1 fixes, in a TOML file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    pub chain_id: u64,
    /// Digests of the superblock keys that L1 accepts.
    pub keys: Vec<Digest>,
    /// The state that the first superblock must continue.
    pub start: Checkpoint,
    /// Digest of the deposits that the last of the superblocks that are verified together has consumed, as L1 computes it
    /// from its queue; without it, deposits are not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1_inbox: Option<Digest>,
    /// The registry's root over time, by ascending number.
    pub registry: Vec<RegistryFrom>,
}

/// Why a trust file is not used.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a trust file.
    #[error("{path}: {reason}", path = .path.display())]
    Malformed { path: PathBuf, reason: String },
}

impl Trust {
    /// The registry root of superblock `number`, if the schedule covers it.
    #[must_use]
    pub fn registry_root(&self, number: u32) -> Option<Digest> {
        self.registry.iter().rev().find(|entry| entry.from <= number).map(|entry| entry.root)
    }

    /// Reads a trust file from text.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trust: Self = text::parse_toml(text)?;
        check_chain_id(trust.chain_id).map_err(|error| error.to_string())?;
        match trust.registry.windows(2).find(|pair| pair[0].from >= pair[1].from) {
            Some(pair) => Err(format!(
                "the registry schedule ascends, but {} is followed by {}",
                pair[0].from, pair[1].from
            )),
            None => Ok(trust),
        }
    }

    /// Reads a trust file.
    ///
    /// # Errors
    /// [`TrustError`], which names the file.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let malformed = |reason| TrustError::Malformed { path: path.to_owned(), reason };
        let text = text::read(path, TRUST_LIMIT)?;
        Self::parse(&text).map_err(malformed)
    }

    /// Writes a trust file.
    ///
    /// # Errors
    /// [`TrustError`], which names the file.
    pub fn write(&self, path: &Path) -> Result<(), TrustError> {
        let malformed = |reason| TrustError::Malformed { path: path.to_owned(), reason };
        let text = toml::to_string(self).map_err(|error| malformed(error.to_string()))?;
        if text.len() as u64 > TRUST_LIMIT {
            return Err(malformed(format!(
                "a trust file has at most {TRUST_LIMIT} bytes, found {}",
                text.len()
            )));
        }
        Ok(file::write_atomic(path, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use circuits_core::F;
    use plonky2::field::types::Field;

    use super::*;

    fn digest(value: u64) -> Digest {
        Digest([F::from_canonical_u64(value); 4])
    }

    fn example() -> Trust {
        Trust {
            chain_id: 5,
            keys: vec![Digest::ZERO],
            start: Checkpoint { number: 0, state: Digest::ZERO },
            l1_inbox: Some(digest(9)),
            registry: [1, 10].map(|from| RegistryFrom { from, root: Digest::ZERO }).into(),
        }
    }

    #[test]
    fn a_trust_file_is_read_back() {
        let text = toml::to_string(&example()).expect("serialisable");
        assert_eq!(Trust::parse(&text), Ok(example()));
    }

    #[test]
    fn the_registry_root_of_a_number_is_the_latest_one_before_it() {
        let mut trust = example();
        trust.registry[1].root = digest(1);
        assert_eq!(trust.registry_root(0), None);
        assert_eq!(trust.registry_root(9), Some(Digest::ZERO));
        assert_eq!(trust.registry_root(10), Some(digest(1)));
    }

    #[test]
    fn a_schedule_that_does_not_ascend_is_rejected() {
        let mut trust = example();
        trust.registry[1].from = 1;
        let text = toml::to_string(&trust).expect("serialisable");
        assert!(Trust::parse(&text).is_err());
    }
}

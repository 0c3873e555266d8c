//! What a verifier trusts. The answer of [`crate::verify`] is worth as much as this.

use std::path::{Path, PathBuf};

use circuits_core::{Digest, chain_id::check_chain_id};
use circuits_files::{
    file::{self, FileError},
    text::{self, TextError},
};
use circuits_protocol::l1::QueuePosition;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::older_key::OlderKey;

/// Bytes of the largest trust file.
const TRUST_LIMIT: u64 = 1 << 20;

/// The end of a chain of superblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The number; 0 is genesis.
    pub number: u32,
    /// The state commitment.
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
    /// Digests of the superblock keys that L1 accepts in every superblock. The keys themselves are the program's.
    pub keys: Vec<Digest>,
    /// The state that the first superblock must continue.
    pub start: Checkpoint,
    /// How much of L1's queue the superblocks that are verified together have taken, as L1 records it; without it, deposits
    /// are not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1_queue: Option<QueuePosition>,
    /// The registry's root over time, by ascending number.
    pub registry: Vec<RegistryFrom>,
    /// Keys that L1 accepted before a change of the circuits, for programs that embed the newer ones.
    #[serde(default, rename = "older_key", skip_serializing_if = "Vec::is_empty")]
    pub older_keys: Vec<OlderKey>,
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

    /// The older key with this digest.
    #[must_use]
    pub fn older_key(&self, digest: Digest) -> Option<&OlderKey> {
        self.older_keys.iter().find(|older| older.digest == digest)
    }

    /// Reads a trust file from text.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trust: Self = text::parse_toml(text)?;
        check_chain_id(trust.chain_id).map_err(|error| error.to_string())?;
        if let Some(pair) = trust.registry.windows(2).find(|pair| pair[0].from >= pair[1].from) {
            return Err(format!(
                "the registry schedule ascends, but {} is followed by {}",
                pair[0].from, pair[1].from
            ));
        }
        for (index, older) in trust.older_keys.iter().enumerate() {
            let refused = |reason: String| format!("older_key {}: {reason}", index + 1);
            older.open().map_err(|error| refused(error.to_string()))?;
            let digest = older.digest;
            if trust.keys.contains(&digest) {
                return Err(refused(format!("digest: {digest} is in keys too, where it has no end")));
            }
            if trust.older_keys[..index].iter().any(|earlier| earlier.digest == digest) {
                return Err(refused(format!("digest: {digest} is listed twice")));
            }
        }
        Ok(trust)
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

    /// Writes a trust file where there is none, or this one already.
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
        Ok(file::write_new(path, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use circuits_core::F;
    use circuits_protocol::l1::KeccakDigest;
    use plonky2::field::types::Field;

    use super::*;
    use crate::{circuit::SuperblockCircuit, keys::PinnedKeys};

    fn digest(value: u64) -> Digest {
        Digest([F::from_canonical_u64(value); 4])
    }

    fn example() -> Trust {
        Trust {
            chain_id: 5,
            keys: vec![Digest::ZERO],
            start: Checkpoint { number: 0, state: Digest::ZERO },
            l1_queue: Some(QueuePosition { digest: KeccakDigest([9; 32]), length: 3 }),
            registry: [1, 10].map(|from| RegistryFrom { from, root: Digest::ZERO }).into(),
            older_keys: vec![
                older_key(SuperblockCircuit::Segments(6)),
                older_key(SuperblockCircuit::Blocks(1)),
            ],
        }
    }

    fn older_key(circuit: SuperblockCircuit) -> OlderKey {
        OlderKey::new(circuit, PinnedKeys::embedded().superblock(circuit).expect("embedded"), 41)
    }

    fn to_text(trust: &Trust) -> String {
        toml::to_string(trust).expect("serialisable")
    }

    #[test]
    fn a_trust_file_is_read_back() {
        assert_eq!(Trust::parse(&to_text(&example())), Ok(example()));
        let none = Trust { older_keys: vec![], ..example() };
        let text = to_text(&none);
        assert!(!text.contains("older_key"), "{text}");
        assert_eq!(Trust::parse(&text), Ok(none));
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
        assert!(Trust::parse(&to_text(&trust)).is_err());
    }

    #[test]
    fn an_older_key_is_accepted_once_and_has_an_end() {
        let [first, second] = [SuperblockCircuit::Blocks(1), SuperblockCircuit::Blocks(3)].map(older_key);
        let with = |keys: &[Digest], older_keys: &[&OlderKey]| Trust {
            keys: keys.to_vec(),
            older_keys: older_keys.iter().copied().cloned().collect(),
            ..example()
        };
        let parsed = |trust: &Trust| Trust::parse(&to_text(trust));
        assert!(parsed(&with(&[digest(1)], &[&first, &second])).is_ok());
        let error = parsed(&with(&[digest(1), second.digest], &[&first, &second])).unwrap_err();
        assert_eq!(
            error,
            format!("older_key 2: digest: {} is in keys too, where it has no end", second.digest)
        );
        let later = OlderKey { valid_until: 99, ..first.clone() };
        let error = parsed(&with(&[], &[&first, &second, &later])).unwrap_err();
        assert_eq!(error, format!("older_key 3: digest: {} is listed twice", first.digest));
        let text = to_text(&with(&[], &[&first])).replace("valid_until = 41\n", "");
        assert!(Trust::parse(&text).unwrap_err().contains("valid_until"));
    }

    #[test]
    fn whatever_is_changed_in_an_older_key_it_is_refused_and_the_field_is_named() {
        let older = older_key(SuperblockCircuit::Blocks(1));
        let digests: Vec<Digest> = older.key.clone().into();
        let text = to_text(&Trust { older_keys: vec![older.clone()], ..example() });
        let last = digests[digests.len() - 1];
        let [last, own] = [last, older.digest].map(|digest| digest.to_string());
        let sum = older.common_data.to_string();
        let quoted = |text: &str| format!("\"{text}\"");
        for (from, to, field) in [
            (last.clone(), digits_changed(&last), "digest: "),
            (own.clone(), digits_changed(&own), "digest: "),
            (last.clone(), last[2..].to_owned(), "key: "),
            (last.clone(), format!("ffffffffffffffff{}", &last[16..]), "key: "),
            (format!(", {}", quoted(&last)), String::new(), "key: a verifier key is 65 digests, found 64"),
            (quoted(&last), format!("{}, {}", quoted(&last), quoted(&last)), "65 digests, found 66"),
            (sum.clone(), digits_changed(&sum), "common_data: "),
            (sum.clone(), sum.to_uppercase(), "common_data: "),
            (quoted("superblock-blocks-1"), quoted("superblock-blocks-3"), "common_data: "),
            (quoted("superblock-blocks-1"), quoted("superblock"), "circuit: "),
            ("valid_until = 41".to_owned(), "valid_until = -1".to_owned(), "valid_until: "),
        ] {
            assert_eq!(text.matches(&from).count(), 1, "{from}");
            let error = Trust::parse(&text.replace(&from, &to)).unwrap_err();
            assert!(error.contains(field), "{to}: {error}");
        }
    }

    /// Hexadecimal digits of which the first is another one.
    fn digits_changed(digits: &str) -> String {
        let first = if digits.starts_with('0') { '1' } else { '0' };
        format!("{first}{}", &digits[1..])
    }
}

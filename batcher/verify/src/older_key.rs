//! Keys of older superblock circuits, which this program does not embed and a trust file gives.
//!
//! A key does not say which circuit it is of. plonky2's circuit digest covers the cap over constants and permutation, a
//! separator and the number of rows. It covers neither the gates nor their order, selectors and parameters, nor the
//! configuration: all of these are common data, and a proof verified with other common data than its circuit's proves
//! nothing. So the trust file names the circuit and says what its common data hash to. The data themselves are always
//! this program's, and the key is used only if they are the ones that the older circuit had. A bundle chooses a digest
//! and nothing else.

use circuits_core::{Digest, VerifierKey, recursion::key_digest};
use circuits_files::{file::Checksum, text::quoted};
use circuits_prover::encoding::encode_common;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    circuit::{SuperblockCircuit, superblock_shape},
    keys::KeyText,
};

/// The key of an older superblock circuit, as a trust file gives it. Nothing in it holds before [`Self::open`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OlderKey {
    /// The digest by which bundles name the key.
    pub digest: Digest,
    /// The name of the circuit.
    pub circuit: String,
    /// The SHA3-256 of the circuit's common data, as in the pins.
    pub common_data: Checksum,
    /// The number of the last superblock that may have the key.
    pub valid_until: u32,
    /// The key itself.
    pub key: KeyText,
}

/// Why a key of a trust file is not used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OlderKeyError {
    /// This program does not know what proofs of the circuit look like.
    #[error("circuit: no superblock circuit of this program is called {}", quoted(.0))]
    Circuit(String),
    /// The circuit of that name is another one in this program.
    #[error("common_data: it is {found}, and {circuit} has {expected} in this program")]
    CommonData { circuit: String, expected: Checksum, found: Checksum },
    /// The key is not the one that the digest names.
    #[error("digest: it is {found}, and the key has {expected}")]
    Digest { expected: Digest, found: Digest },
}

/// The checksum of a superblock circuit's common data.
fn common_data(circuit: SuperblockCircuit) -> Checksum {
    let encoded = encode_common(&superblock_shape(circuit).common);
    Checksum::of(&encoded.expect("superblock circuits have plonky2's gates only"))
}

impl OlderKey {
    /// A key of this program's, for the trust files of later programs.
    #[must_use]
    pub fn new(circuit: SuperblockCircuit, key: &VerifierKey, valid_until: u32) -> Self {
        Self {
            digest: key_digest(key),
            circuit: circuit.name(),
            common_data: common_data(circuit),
            valid_until,
            key: KeyText::new(key.clone()),
        }
    }

    /// The circuit and its key.
    ///
    /// # Errors
    /// [`OlderKeyError`], which begins with the name of the field that is wrong.
    pub fn open(&self) -> Result<(SuperblockCircuit, &VerifierKey), OlderKeyError> {
        let named = SuperblockCircuit::all().find(|circuit| circuit.name() == self.circuit);
        let circuit = named.ok_or_else(|| OlderKeyError::Circuit(self.circuit.clone()))?;
        let (expected, found) = (common_data(circuit), self.common_data);
        if expected != found {
            return Err(OlderKeyError::CommonData { circuit: self.circuit.clone(), expected, found });
        }
        let key = self.key.get();
        let (expected, found) = (key_digest(key), self.digest);
        if expected != found {
            return Err(OlderKeyError::Digest { expected, found });
        }
        Ok((circuit, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PinnedKeys;

    const CIRCUIT: SuperblockCircuit = SuperblockCircuit::Blocks(2);

    fn key_of(circuit: SuperblockCircuit) -> &'static VerifierKey {
        PinnedKeys::embedded().superblock(circuit).expect("embedded")
    }

    fn example() -> OlderKey {
        OlderKey::new(CIRCUIT, key_of(CIRCUIT), 41)
    }

    #[test]
    fn a_key_of_this_program_opens_as_itself() {
        assert_eq!(example().open(), Ok((CIRCUIT, key_of(CIRCUIT))));
    }

    #[test]
    fn a_key_is_used_under_its_own_digest_only() {
        let other = OlderKey { key: KeyText::new(key_of(SuperblockCircuit::Blocks(1)).clone()), ..example() };
        assert!(matches!(other.open(), Err(OlderKeyError::Digest { found, .. }) if found == other.digest));
        let other = OlderKey { digest: Digest::ZERO, ..example() };
        assert!(matches!(other.open(), Err(OlderKeyError::Digest { found, .. }) if found == Digest::ZERO));
    }

    #[test]
    fn a_circuit_of_another_name_or_other_common_data_is_refused() {
        let unknown = OlderKey { circuit: "superblock-blocks-9".to_owned(), ..example() };
        let error = unknown.open().unwrap_err();
        assert_eq!(
            error.to_string(),
            "circuit: no superblock circuit of this program is called \"superblock-blocks-9\""
        );
        // More rows, the same gates.
        let larger = SuperblockCircuit::Blocks(4);
        let other = OlderKey { circuit: larger.name(), ..example() };
        assert!(
            matches!(other.open(), Err(OlderKeyError::CommonData { circuit, .. }) if circuit == larger.name())
        );
        let other = OlderKey { common_data: Checksum::of(b"other"), ..example() };
        assert!(matches!(other.open(), Err(OlderKeyError::CommonData { .. })));
    }
}

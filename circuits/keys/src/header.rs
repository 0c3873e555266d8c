//! The header of a key file. It describes the key, so that files are listed, matched and judged without their payload.

use std::{collections::BTreeMap, fmt};

use circuits_core::digest::Digest;
pub use circuits_files::file::Checksum;
use serde::{Deserialize, Serialize};

/// The version of headers that this program writes and reads.
pub const HEADER_VERSION: u32 = 1;

/// The part of a circuit that a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// The data that makes proofs.
    ProverKey,
    /// The cap over constants and permutation, and the circuit digest.
    VerifierKey,
    /// Configuration, sizes and gates.
    CommonData,
}

impl KeyKind {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::ProverKey, Self::VerifierKey, Self::CommonData];
}

/// The spelling in headers and file names.
impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProverKey => "prover_key",
            Self::VerifierKey => "verifier_key",
            Self::CommonData => "common_data",
        })
    }
}

/// The part that a file holds, and the circuit that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    #[serde(rename = "type")]
    pub kind: KeyKind,
    pub identifier: String,
}

/// The length and the checksum of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    pub bytes: u64,
    pub sha3: Checksum,
}

impl Payload {
    /// Describes `payload`.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        Self { bytes: payload.len() as u64, sha3: Checksum::of(payload) }
    }
}

/// The version of plonky2 whose prover data key files hold.
pub const PLONKY2_VERSION: &str = "1.1.0";
/// The version of starky that signature circuits are built with.
pub const STARKY_VERSION: &str = "1.1.0";

/// The code that a key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The version of this program.
    pub superblock: String,
    pub plonky2: String,
    pub starky: String,
    /// The checksum of the source files that circuits are made from.
    pub source: Checksum,
    /// The date of the sources, not of the key's generation, so that generating the key again gives the same file.
    pub date: String,
}

/// The header of a key file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`HEADER_VERSION`].
    pub header_version: u32,
    pub kind: Kind,
    /// The circuit's sizes, capacities and security configuration.
    pub parameters: BTreeMap<String, u64>,
    pub origin: Origin,
    /// plonky2's circuit digest.
    pub circuit: Digest,
    /// The digest of the verifier key, as key sets and registries contain it.
    pub verifier_key: Digest,
    /// The logarithm of the number of rows.
    pub degree_bits: usize,
    /// The number of rows in use before padding.
    pub gates: usize,
    pub public_inputs: usize,
    /// The digests that the circuit has as constants: of the circuits that it verifies, or of sets of them.
    pub depends_on: BTreeMap<String, Digest>,
    pub payload: Payload,
    /// The SHA3-256 of this header with zeros in this field.
    pub identifying_hash: Checksum,
}

impl Header {
    /// The same header with its identifying hash computed.
    #[must_use]
    pub fn identified(self) -> Self {
        Self { identifying_hash: self.computed_hash(), ..self }
    }

    /// The identifying hash that the header should have.
    #[must_use]
    pub fn computed_hash(&self) -> Checksum {
        Checksum::of(Self { identifying_hash: Checksum::default(), ..self.clone() }.to_json().as_bytes())
    }

    /// The header as one line of JSON, without spaces and without a line break.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a header has string keys only")
    }

    /// The name of the file with this header.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.{}.{}.key", self.kind.identifier, self.kind.kind, self.identifying_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_that_the_workspace_is_locked_to() {
        let lock: String = std::fs::read_to_string(circuits_sources::lock_file()).unwrap();
        for (name, version) in [("plonky2", PLONKY2_VERSION), ("starky", STARKY_VERSION)] {
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name}");
        }
    }
}

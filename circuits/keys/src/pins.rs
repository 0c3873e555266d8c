//! Pins: what each circuit is, in numbers that change with the circuit. They are kept in a checked-in file, so that
//! changing a circuit is a step of its own.

use std::{collections::BTreeMap, fmt};

use circuits_core::{
    circuit::AnyCompiled,
    digest::Digest,
    proof::encoded_len,
    recursion::key_digest,
    security::{Parameters, SecurityReport},
};
use serde::{Deserialize, Serialize};

use crate::header::Payload;

/// What one circuit is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    pub name: String,
    /// plonky2's circuit digest.
    pub digest: Digest,
    /// The digest of the verifier key, as key sets contain it.
    pub key: Digest,
    /// The number of rows in use before padding.
    pub gates: usize,
    /// The logarithm of the number of rows.
    pub degree_bits: usize,
    pub public_inputs: usize,
    /// The size of a proof.
    pub proof_bytes: usize,
    /// Sizes, capacities and configuration; see [`Definition::parameters`](circuits_core::Definition::parameters).
    pub parameters: BTreeMap<String, u64>,
    /// The digests that the circuit has as constants; see [`Definition::depends_on`](circuits_core::Definition::depends_on).
    pub depends_on: BTreeMap<String, Digest>,
    /// What its security follows from. Pins that do not say it have no security.
    #[serde(default)]
    pub security: Parameters,
    /// The payloads of the key files; `None` if the circuit has generators or gates that cannot be serialised.
    pub files: Option<FilePins>,
}

/// The payloads of a circuit's key files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePins {
    pub prover_key: Payload,
    pub verifier_key: Payload,
    pub common_data: Payload,
}

impl Pin {
    pub(crate) fn with_files(compiled: &dyn AnyCompiled, files: Option<FilePins>) -> Self {
        let circuit = compiled.circuit();
        let common = &circuit.common;
        Self {
            name: compiled.name(),
            digest: circuit.verifier_only.circuit_digest.into(),
            key: key_digest(&circuit.verifier_only),
            gates: compiled.gates(),
            degree_bits: common.degree_bits(),
            public_inputs: common.num_public_inputs,
            proof_bytes: encoded_len(common),
            parameters: compiled.parameters(),
            depends_on: compiled.depends_on(),
            security: common.into(),
            files,
        }
    }

    /// The security of the circuit.
    #[must_use]
    pub fn security(&self) -> SecurityReport {
        SecurityReport::new(&self.name, &self.security)
    }

    fn fields(&self) -> [(&'static str, String); 10] {
        [
            ("digest", self.digest.to_string()),
            ("key", self.key.to_string()),
            ("gates", self.gates.to_string()),
            ("degree_bits", self.degree_bits.to_string()),
            ("public_inputs", self.public_inputs.to_string()),
            ("proof_bytes", self.proof_bytes.to_string()),
            ("parameters", format!("{:?}", self.parameters)),
            ("depends_on", format!("{:?}", self.depends_on)),
            ("security", format!("{:?}", self.security)),
            ("files", format!("{:?}", self.files)),
        ]
    }
}

/// The pins of a set of circuits, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The day of the sources that the circuits are built from, as YYYY-MM-DD. Empty for pins that were just learned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub date: String,
    /// The pins, ascending by name, each name once.
    pub circuit: Vec<Pin>,
}

impl Pins {
    /// The pins of `circuits`, sorted.
    #[must_use]
    pub fn new(circuits: impl IntoIterator<Item = Pin>) -> Self {
        let mut circuit: Vec<_> = circuits.into_iter().collect();
        circuit.sort_by(|a, b| a.name.cmp(&b.name));
        Self { date: String::new(), circuit }
    }

    /// The pin called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Pin> {
        self.circuit.iter().find(|pin| pin.name == name)
    }

    /// How `built` differs from these pins. Empty if it does not.
    #[must_use]
    pub fn differences(&self, built: &Self) -> Vec<Difference> {
        let mut differences = vec![];
        for pinned in &self.circuit {
            match built.get(&pinned.name) {
                None => differences.push(Difference::Gone { name: pinned.name.clone() }),
                Some(built) => {
                    for ((field, pinned_value), (_, built_value)) in
                        pinned.fields().into_iter().zip(built.fields())
                    {
                        if pinned_value != built_value {
                            differences.push(Difference::Changed {
                                name: pinned.name.clone(),
                                field,
                                pinned: pinned_value,
                                built: built_value,
                            });
                        }
                    }
                }
            }
        }
        for built in &built.circuit {
            if self.get(&built.name).is_none() {
                differences.push(Difference::Unpinned { name: built.name.clone() });
            }
        }
        differences
    }
}

/// A difference between a circuit and its pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The circuit is pinned, but was not built.
    Gone { name: String },
    /// The circuit was built, but is not pinned.
    Unpinned { name: String },
    /// A field of the pin differs from the built circuit.
    Changed { name: String, field: &'static str, pinned: String, built: String },
}

impl Difference {
    /// The name of the circuit.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Gone { name } | Self::Unpinned { name } | Self::Changed { name, .. } => name,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { name } => write!(f, "circuit {name} is pinned but does not exist"),
            Self::Unpinned { name } => write!(f, "circuit {name} is not pinned"),
            Self::Changed { name, field, pinned, built } => {
                write!(f, "circuit {name}: {field} is pinned as {pinned} but is {built}")
            }
        }
    }
}

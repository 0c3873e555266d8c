//! What the Keccak hop is. It has no [`Pin`](circuits_keys::pins::Pin): its digests are of Keccak-256, and its keys are in no files.

use std::collections::BTreeMap;

use batcher_hop::{calldata::calldata_len, circuits::KeccakHop, keys::outer_digest};
use circuits_core::{
    CommonData, Definition as _, Digest,
    circuit::all_parameters,
    security::{Parameters, SecurityReport},
};
use circuits_keys::pins::Difference;
use circuits_prover::outer::OuterKey;
use serde::{Deserialize, Serialize};

/// The pin of the circuit whose proofs L1 verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OuterPin {
    pub name: String,
    /// plonky2's circuit digest, 25 bytes in hexadecimal.
    pub digest: String,
    /// The name by which contracts know the circuit, 32 bytes in hexadecimal. It follows from the whole key.
    pub outer_digest: String,
    /// The number of rows in use before padding.
    pub gates: usize,
    /// The logarithm of the number of rows.
    pub degree_bits: usize,
    pub public_inputs: usize,
    /// The size of a proof as calldata.
    pub proof_bytes: usize,
    /// The configuration.
    pub parameters: BTreeMap<String, u64>,
    /// The key digest of the Poseidon hop, which the circuit has as a constant.
    pub depends_on: BTreeMap<String, Digest>,
    /// What its security follows from.
    pub security: Parameters,
}

impl OuterPin {
    /// The pin of a circuit with this key, form and number of rows in use.
    #[must_use]
    pub fn new(definition: &KeccakHop, key: &OuterKey, common: &CommonData, gates: usize) -> Self {
        Self {
            name: definition.name(),
            digest: hex::encode(key.circuit_digest.0),
            outer_digest: hex::encode(outer_digest(key, common)),
            gates,
            degree_bits: common.degree_bits(),
            public_inputs: common.num_public_inputs,
            proof_bytes: calldata_len(common),
            parameters: all_parameters(definition),
            depends_on: definition.depends_on(),
            security: common.into(),
        }
    }

    /// The security of the circuit.
    #[must_use]
    pub fn security(&self) -> SecurityReport {
        SecurityReport::new(&self.name, &self.security)
    }

    fn fields(&self) -> [(&'static str, String); 9] {
        [
            ("digest", self.digest.clone()),
            ("outer_digest", self.outer_digest.clone()),
            ("gates", self.gates.to_string()),
            ("degree_bits", self.degree_bits.to_string()),
            ("public_inputs", self.public_inputs.to_string()),
            ("proof_bytes", self.proof_bytes.to_string()),
            ("parameters", format!("{:?}", self.parameters)),
            ("depends_on", format!("{:?}", self.depends_on)),
            ("security", format!("{:?}", self.security)),
        ]
    }

    /// How `built` differs from this pin, in every field.
    pub(crate) fn differences(&self, built: &Self) -> impl Iterator<Item = Difference> {
        let name = self.name.clone();
        let fields = self.fields().into_iter().zip(built.fields());
        fields.filter(|((_, pinned), (_, built))| pinned != built).map(
            move |((field, pinned), (_, built))| Difference::Changed {
                name: name.clone(),
                field,
                pinned,
                built,
            },
        )
    }
}

//! Recorded proofs of Keccak hops, with the keys of their circuits: `batcher_hop::fixture::Fixture` writes them.

use circuits_prover::{
    keccak::{DIGEST_BYTES, TreeDigest},
    outer::OuterKey,
};
use plonky2::hash::merkle_tree::MerkleCap;
use revm::primitives::{
    U256,
    hex::{self, FromHexError},
    ruint,
};
use serde::Deserialize;

/// A proof with the key of its circuit, and what the contract is called with.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The name of the circuit.
    pub outer_digest: [u8; 32],
    /// The key of the circuit.
    pub key: OuterKey,
    /// The public inputs, a word each.
    pub public_inputs: Vec<U256>,
    /// The proof as calldata.
    pub proof: Vec<u8>,
    /// The leaves that the proof's queries open.
    pub query_indices: Vec<u64>,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not JSON, or without one of the fields.
    #[error("the record is not the JSON of a proof")]
    Json(#[from] serde_json::Error),
    /// A digest or the proof is not hexadecimal, or a digest has another length.
    #[error("the record has malformed hexadecimal")]
    Bytes(#[from] FromHexError),
    /// A public input is not a decimal number.
    #[error("the record has a public input that is no number")]
    Number(#[from] ruint::ParseError),
}

/// The fields of a record that are read.
#[derive(Deserialize)]
struct Text {
    outer_digest: String,
    circuit_digest: String,
    constants_sigmas_cap: Vec<String>,
    public_inputs: Vec<String>,
    proof: String,
    query_indices: Vec<u64>,
}

impl Recorded {
    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        let text: Text = serde_json::from_str(text)?;
        let digest = |text: &String| hex::decode_to_array::<_, DIGEST_BYTES>(text).map(TreeDigest);
        let cap = text.constants_sigmas_cap.iter().map(digest).collect::<Result<_, _>>()?;
        Ok(Self {
            outer_digest: hex::decode_to_array(&text.outer_digest)?,
            key: OuterKey {
                constants_sigmas_cap: MerkleCap(cap),
                circuit_digest: digest(&text.circuit_digest)?,
            },
            public_inputs: text
                .public_inputs
                .iter()
                .map(|number| number.parse())
                .collect::<Result<_, _>>()?,
            proof: hex::decode(&text.proof)?,
            query_indices: text.query_indices,
        })
    }
}

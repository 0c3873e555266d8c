//! Circuits as provables.

use std::{ops::Deref, sync::Arc};

use circuits_core::{
    CommonData, Compiled, Definition, Digest, Proof, VerifierKey, layout,
    proof::{self, ProofError},
    recursion::key_digest,
};
use circuits_files::file::{self, BUNDLE_LIMIT, FileKind, FormatError};
use circuits_prover::{basetypes::VerifierData, panics::contained};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    graph::Task,
    id::KeyBytes,
    provable::{Child, Provable, ProvableError, Request},
};

/// A proof of a circuit with the key that it verifies under. Whoever verifies it needs no key file: the task has the key's
/// digest.
#[derive(Clone, Debug)]
pub struct KeyedProof {
    pub proof: Proof,
    pub key: VerifierKey,
}

impl KeyedProof {
    /// The key, then the proof.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [proof::encode_key(&self.key), proof::encode(&self.proof)].concat()
    }

    /// Reads what [`Self::encode`] wrote for a circuit with this `common` data, without verifying it.
    ///
    /// # Errors
    /// [`ProofError`] if the bytes are not exactly the encoding of a key and a proof.
    pub fn decode(bytes: &[u8], common: &CommonData) -> Result<Self, ProofError> {
        let key_bytes = proof::encoded_key_len(common);
        let expected = key_bytes + proof::encoded_len(common);
        let split = bytes.split_at_checked(key_bytes);
        let (key, rest) = split.ok_or(ProofError::Size { expected, found: bytes.len() })?;
        Ok(Self { key: proof::decode_key(key, common)?, proof: proof::decode(rest, common)? })
    }

    /// Reads and verifies the proof of `task`, whose statement has the layout `S`.
    ///
    /// # Errors
    /// [`ProvableError`] if `bytes` are not a proof of the task's statement under the task's key.
    pub fn verify<S: layout::Layout<circuits_core::F>>(
        task: &Task,
        bytes: &[u8],
        common: &CommonData,
    ) -> Result<Self, ProvableError> {
        let keyed = Self::decode(bytes, common)?;
        let key = key_digest(&keyed.key).to_bytes();
        if key != task.key {
            let (expected, found) = (hex::encode(task.key), hex::encode(key));
            return Err(ProvableError::OtherKey { name: task.provable.clone(), expected, found });
        }
        let statement: S = layout::from_bytes(&task.statement)?;
        if keyed.proof.public_inputs != statement.encode() {
            return Err(ProvableError::OtherStatement);
        }
        proof::verify(&keyed.proof, &keyed.key, common)?;
        Ok(keyed)
    }
}

/// Encodes what travels of a circuit's input.
///
/// # Errors
/// [`FormatError`] if it has more than [`BUNDLE_LIMIT`] bytes.
pub fn encode_input<T: Serialize>(input: &T) -> Result<Vec<u8>, FormatError> {
    file::encode(FileKind::TaskInput, input, BUNDLE_LIMIT)
}

/// Decodes what [`encode_input`] wrote.
///
/// # Errors
/// [`ProvableError::Input`]
pub fn decode_input<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, ProvableError> {
    file::decode(FileKind::TaskInput, bytes, BUNDLE_LIMIT)
        .map_err(|error| ProvableError::Input { reason: error.to_string() })
}

/// The common data of a circuit.
pub enum Common {
    /// Those of the shape that the circuit has.
    OfShape(&'static CommonData),
    /// Those of a circuit without a shape.
    OfCircuit(Arc<VerifierData>),
}

impl Deref for Common {
    type Target = CommonData;

    fn deref(&self) -> &CommonData {
        match self {
            Self::OfShape(common) => common,
            Self::OfCircuit(verifier) => &verifier.common,
        }
    }
}

/// A circuit whose input is made of bytes and of the proofs of the task's children. It is a [`Provable`].
pub trait TaskCircuit: Send + Sync {
    type Definition: Definition;
    /// See [`Provable::Secret`].
    type Secret: Send + Sync;

    /// The circuit's name, without building anything.
    fn name(&self) -> String;

    /// The digest of the circuit's key.
    ///
    /// # Errors
    /// If it is not pinned and cannot be built.
    fn key(&self) -> Result<Digest, ProvableError>;

    /// The common data of the circuit, which come from code.
    ///
    /// # Errors
    /// If the circuit has no shape and cannot be built.
    fn common(&self) -> Result<Common, ProvableError>;

    /// The circuit, ready to prove.
    ///
    /// # Errors
    /// If it cannot be built, or has another key than is pinned.
    fn circuit(&self) -> Result<Arc<Compiled<Self::Definition>>, ProvableError>;

    /// What the circuit's prover must know. `input` may be any bytes, and `children` as many proofs as the task says.
    ///
    /// # Errors
    /// [`ProvableError::Input`] or [`ProvableError::Children`], and those of the children's encodings.
    fn input(
        &self,
        statement: &<Self::Definition as Definition>::NativeStatement,
        input: &[u8],
        children: &[Child<'_>],
        secret: &Self::Secret,
    ) -> Result<<Self::Definition as Definition>::Input, ProvableError>;

    /// Checks the number of children.
    ///
    /// # Errors
    /// [`ProvableError::Children`]
    fn expect_children(&self, children: &[Child<'_>], expected: usize) -> Result<(), ProvableError> {
        match children.len() {
            found if found == expected => Ok(()),
            found => Err(ProvableError::Children { name: self.name(), expected, found }),
        }
    }
}

impl<T: TaskCircuit> Provable for T {
    type Secret = T::Secret;

    fn name(&self) -> String {
        TaskCircuit::name(self)
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Ok(TaskCircuit::key(self)?.to_bytes())
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        let common = self.common()?;
        KeyedProof::verify::<<T::Definition as Definition>::NativeStatement>(task, proof, &common).map(drop)
    }

    fn prove(&self, request: &Request<'_>, secret: &T::Secret) -> Result<Vec<u8>, ProvableError> {
        let Request { task, input, children } = request;
        let statement = layout::from_bytes(&task.statement)?;
        let input = self.input(&statement, input, children, secret)?;
        let circuit = self.circuit()?;
        // Lists of another length than the circuit's may make an assignment panic.
        let proof =
            contained(|| circuit.prove(&input)).map_err(|reason| ProvableError::Input { reason })??;
        Ok(KeyedProof { proof, key: circuit.key().clone() }.encode())
    }
}

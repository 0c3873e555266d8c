//! What can be proved.

use std::{collections::BTreeMap, error::Error};

use circuits_core::{CircuitError, layout::LayoutError, proof::ProofError};
use thiserror::Error;

use crate::{graph::Task, id::KeyBytes};

/// Why a provable makes no proof, or does not accept one.
#[derive(Debug, Error)]
pub enum ProvableError {
    /// A circuit cannot be built, or has no proof for the input.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// A proof is malformed or does not verify.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Bytes are not a statement.
    #[error(transparent)]
    Statement(#[from] LayoutError),
    /// A proof states something else than its task.
    #[error("the proof's statement is not the planned one")]
    OtherStatement,
    /// A proof comes with another key than its task's, or this program has another one.
    #[error("{name} has the key {found}, and the task was planned for {expected}")]
    OtherKey {
        name: String,
        /// Hexadecimal.
        expected: String,
        /// Hexadecimal.
        found: String,
    },
    /// The input is not one of this provable.
    #[error("the input is malformed: {reason}")]
    Input { reason: String },
    /// The task has another number of children than the provable verifies.
    #[error("{name} verifies {expected} proofs, the task has {found}")]
    Children { name: String, expected: usize, found: usize },
    /// Proofs of this kind come from outside and are never made here.
    #[error("the proof of {name} must be given: no task makes it")]
    Given { name: String },
    /// This process lacks the secret with which proofs are made.
    #[error("{name} is proved with a secret that this process does not have")]
    NoSecret { name: String },
    /// The provable's own reason.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

/// The proof of a child, which was verified against its task.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    pub task: &'a Task,
    pub proof: &'a [u8],
}

/// What a proof is made from.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub task: &'a Task,
    /// Bytes that came from a store, so they may be anything.
    pub input: &'a [u8],
    /// As many as the task has, in its order.
    pub children: &'a [Child<'a>],
}

/// A circuit or STARK whose proofs any process can make from bytes: an input, and the proofs of the task's children.
///
/// # Secrets
///
/// A witness that must not leave a process is a [`Self::Secret`]. It is passed apart from the input, and nothing here can
/// write it. Workers have a [`Catalogue`], which takes provables without a secret only; [`Bound`] makes one of a provable
/// and the secret in the process that holds it.
pub trait Provable: Send + Sync {
    /// What only the process that makes the graph knows; `()` if that is nothing. It needs no serialisation.
    type Secret: Send + Sync;

    /// The name, unique among all provables.
    fn name(&self) -> String;

    /// The digest of the key that proofs verify under.
    ///
    /// # Errors
    /// If the circuit is not pinned and cannot be built.
    fn key(&self) -> Result<KeyBytes, ProvableError>;

    /// Checks that `proof`, which may be any bytes, proves the statement of `task` under the key of `task`.
    ///
    /// # Errors
    /// If it does not.
    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError>;

    /// Makes the proof, and verifies it before it is returned.
    ///
    /// # Errors
    /// If the input is malformed, or does not satisfy the circuit with these children.
    fn prove(&self, request: &Request<'_>, secret: &Self::Secret) -> Result<Vec<u8>, ProvableError>;
}

/// A provable with its secret, for the [`Catalogue`] of the process that holds the secret.
pub struct Bound<P: Provable> {
    provable: P,
    secret: P::Secret,
}

impl<P: Provable> Bound<P> {
    /// Binds `secret`. It is in the memory of this process and nowhere else.
    #[must_use]
    pub const fn new(provable: P, secret: P::Secret) -> Self {
        Self { provable, secret }
    }
}

impl<P: Provable> Provable for Bound<P> {
    type Secret = ();

    fn name(&self) -> String {
        self.provable.name()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        self.provable.key()
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        self.provable.verify(task, proof)
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        self.provable.prove(request, &self.secret)
    }
}

/// A provable without its secret.
struct Unbound<P>(P);

impl<P: Provable> Provable for Unbound<P> {
    type Secret = ();

    fn name(&self) -> String {
        self.0.name()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        self.0.key()
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        self.0.verify(task, proof)
    }

    fn prove(&self, _: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        Err(ProvableError::NoSecret { name: self.name() })
    }
}

/// Provables by name.
#[derive(Default)]
pub struct Catalogue<'a> {
    provables: BTreeMap<String, Box<dyn Provable<Secret = ()> + 'a>>,
}

impl<'a> Catalogue<'a> {
    /// Adds a provable. One of the same name is replaced.
    #[must_use]
    pub fn with(mut self, provable: impl Provable<Secret = ()> + 'a) -> Self {
        self.provables.insert(provable.name(), Box::new(provable));
        self
    }

    /// Adds a provable whose secret this process does not have: it verifies proofs, and makes none.
    #[must_use]
    pub fn with_verifier<P: Provable + 'a>(mut self, provable: P) -> Self {
        self.provables.insert(provable.name(), Box::new(Unbound(provable)));
        self
    }

    /// The provable called `name`, if this program has it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&(dyn Provable<Secret = ()> + 'a)> {
        self.provables.get(name).map(Box::as_ref)
    }
}

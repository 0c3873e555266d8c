//! A state model as programs know it that hold several: how an environment of it starts, which circuits it has, and how
//! what it publishes reads.

use std::error::Error;

use circuits_core::{CircuitError, Digest, security::SecurityReport};
use circuits_keys::CircuitCache;
use circuits_tasks::provable::Catalogue;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::{
    address::Address,
    dynamic::DynEnvironment,
    environment::EnvironmentId,
    follower::DynFollower,
    kernel::ProducerSecret,
    walk::{Walk, WalkError},
};

/// Where an environment starts.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The deployment.
    pub chain_id: u64,
    /// The environment.
    pub id: EnvironmentId,
    /// What its block producer alone knows.
    pub secret: ProducerSecret,
    /// The parameters of its genesis, as JSON.
    pub genesis: &'a str,
    /// The most transactions of a block, if fewer than the state model allows.
    pub block_limit: Option<usize>,
}

impl Start<'_> {
    /// Reads the parameters of the genesis.
    ///
    /// # Errors
    /// [`KindError::Genesis`].
    pub fn genesis<T: DeserializeOwned>(&self) -> Result<T, KindError> {
        serde_json::from_str(self.genesis).map_err(KindError::Genesis)
    }
}

/// An environment, and the contract that settles it. Together they say what its bodies' digests depend on, without a genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledEnvironment {
    /// The environment.
    pub id: EnvironmentId,
    /// The chain id of L1.
    pub l1_chain_id: u64,
    /// The contract's address there.
    pub contract: Address,
}

/// Why a kind does not do what it is asked for.
#[derive(Debug, Error)]
pub enum KindError {
    /// The text is not the parameters of a genesis.
    #[error("genesis")]
    Genesis(#[source] serde_json::Error),
    /// The state model refuses the start, the body or the transaction.
    #[error(transparent)]
    Refused(Box<dyn Error + Send + Sync>),
}

impl KindError {
    /// Wraps a state model's own reason.
    pub fn refused(reason: impl Error + Send + Sync + 'static) -> Self {
        Self::Refused(Box::new(reason))
    }
}

/// A state model. Programs hold kinds in a table, so that nothing else in them names a state model.
pub trait Kind: Send + Sync {
    /// Its name; [`Environment::KIND`](crate::Environment::KIND) of its adapter.
    fn name(&self) -> &'static str;

    /// A block producer at genesis.
    ///
    /// # Errors
    /// [`KindError`].
    fn start(&self, start: &Start<'_>) -> Result<Box<dyn DynEnvironment>, KindError>;

    /// A follower at genesis. It needs no secret: bodies apply whoever made them, and what its environment would make with a
    /// secret, nobody asks for.
    ///
    /// # Errors
    /// [`KindError`].
    fn follow(
        &self,
        chain_id: u64,
        id: EnvironmentId,
        genesis: &str,
    ) -> Result<Box<dyn DynFollower>, KindError> {
        let secret = ProducerSecret::new(Digest::ZERO);
        Ok(self.start(&Start { chain_id, id, secret, genesis, block_limit: None })?.follower())
    }

    /// Shows all circuits, children before parents.
    ///
    /// # Errors
    /// The walk's.
    fn circuits(&self, walk: &mut Walk<'_>) -> Result<(), WalkError>;

    /// Adds to `catalogue` what [others may prove](crate::graph) of the environments' blocks. A state model whose kernels verify no
    /// other proofs keeps the default.
    ///
    /// # Errors
    /// If a circuit that is not pinned cannot be built.
    fn provables<'a>(
        &self,
        cache: &'a CircuitCache,
        catalogue: Catalogue<'a>,
    ) -> Result<Catalogue<'a>, CircuitError> {
        let _ = cache;
        Ok(catalogue)
    }

    /// The security of the STARKs that circuits of this kind verify.
    fn starks(&self) -> Vec<SecurityReport> {
        vec![]
    }

    /// The digest of a body, as the statements of the environment's blocks carry it: what
    /// [`Environment::body_digest`](crate::Environment::body_digest) says, for a program that has no genesis of the environment.
    ///
    /// # Errors
    /// [`KindError::Refused`] if the body is not in the canonical encoding.
    fn body_digest(&self, environment: &SettledEnvironment, body: &[u8]) -> Result<Digest, KindError>;

    /// A block's published body for people, if the state model can show it.
    ///
    /// # Errors
    /// [`KindError::Refused`] if it is not in the canonical encoding.
    fn describe_body(&self, body: &[u8]) -> Option<Result<Value, KindError>> {
        let _ = body;
        None
    }

    /// A transaction that comes with its own proof, for people, if the state model has such transactions. Nothing is
    /// verified.
    ///
    /// # Errors
    /// [`KindError::Refused`] if it is malformed.
    fn describe_transaction(&self, bundle: &[u8]) -> Option<Result<Value, KindError>> {
        let _ = bundle;
        None
    }
}

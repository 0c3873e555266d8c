//! An environment of an economy: what its adapter keeps, and the check that a state belongs to it.

use circuits_core::Digest;
use circuits_protocol::registry::EnvironmentId;
use thiserror::Error;

use crate::kernel::ProducerSecret;

/// A native state that carries the deployment for which its genesis was made.
pub trait DeployedState: Clone {
    /// What every state, transaction and block of one environment agrees on: its chain id, its id, and whatever
    /// its genesis fixes for good.
    type Deployment: Copy + PartialEq;

    /// The deployment of the state.
    fn deployment(&self) -> &Self::Deployment;

    /// The chain id of the deployment.
    fn chain_id(&self) -> u64;

    /// The environment's id.
    fn environment(&self) -> EnvironmentId;
}

/// The state belongs to another environment, or to another deployment of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the state belongs to environment {found} of chain {found_chain}, not to environment {expected} of chain {chain} \
     with this genesis"
)]
pub struct OtherDeployment {
    /// The chain id of the environment that was asked.
    pub chain: u64,
    /// The id of the environment that was asked.
    pub expected: EnvironmentId,
    /// The chain id that the state carries.
    pub found_chain: u64,
    /// The environment id that the state carries.
    pub found: EnvironmentId,
}

/// One environment of an economy: its genesis, its producer's secret and the size of its blocks.
#[derive(Clone, Debug)]
pub struct Instance<S> {
    secret: ProducerSecret,
    genesis: S,
    limit: usize,
    largest: usize,
}

impl<S: DeployedState> Instance<S> {
    /// The environment that starts at `genesis`, whose blocks `secret` proves and hold at most `largest` transactions.
    pub const fn new(secret: ProducerSecret, genesis: S, largest: usize) -> Self {
        Self { secret, genesis, limit: largest, largest }
    }

    /// The same environment with blocks of at most `limit` transactions, but never more than its kernels can hold.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { limit: limit.min(self.largest), ..self }
    }

    /// The environment's id.
    pub fn id(&self) -> EnvironmentId {
        self.genesis.environment()
    }

    /// The deployment on L1.
    pub fn chain_id(&self) -> u64 {
        self.genesis.chain_id()
    }

    /// What every state of the environment agrees on.
    pub fn deployment(&self) -> &S::Deployment {
        self.genesis.deployment()
    }

    /// The state at height 0.
    pub const fn genesis(&self) -> &S {
        &self.genesis
    }

    /// The producer's secret, for the witness of a kernel.
    pub const fn secret(&self) -> ProducerSecret {
        self.secret
    }

    /// The commitment to the producer's secret.
    pub fn producer(&self) -> Digest {
        self.secret.commitment()
    }

    /// Transactions that one block holds at most.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Checks that `state` belongs to this environment.
    ///
    /// # Errors
    /// [`OtherDeployment`]
    pub fn check_state(&self, state: &S) -> Result<(), OtherDeployment> {
        if self.deployment() == state.deployment() {
            return Ok(());
        }
        Err(OtherDeployment {
            chain: self.chain_id(),
            expected: self.id(),
            found_chain: state.chain_id(),
            found: state.environment(),
        })
    }
}

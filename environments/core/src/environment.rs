//! What a state model is: its native state, its transactions, its blocks and its kernels.

use std::{error::Error, fmt};

use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::{CircuitError, Digest, proof::ProofError};
use circuits_keys::CircuitCache;
use circuits_tasks::{coordinator::GraphRunError, provable::ProvableError, worker::TaskError};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    block::{BlockError, ProposedBlock, ProvenBlock},
    graph::{BlockGraph, BlockGraphError},
    kernel::AnyKernel,
    pool::{Cell, Room, Terms},
    stored::StoredState,
};

pub use circuits_protocol::registry::{EnvironmentId, EnvironmentIdError};

/// A block that was executed on top of a state, and what became of the transactions offered to it.
///
/// Transactions that are in neither list did not fit and stay in the pool.
pub struct Proposal<E: Environment> {
    /// The block.
    pub block: ProposedBlock<E::BlockWitness>,
    /// The state after it.
    pub state: E::State,
    /// Indices of the transactions that are in the block, ascending.
    pub included: Vec<usize>,
    /// Indices of others that are invalid on this state, ascending, with the reason.
    pub rejected: Vec<(usize, E::Error)>,
}

/// Why a block was not proved.
#[derive(Debug, Error)]
pub enum ProveError {
    /// A circuit could not be built, or has no proof for the block.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// The proof does not belong to the block.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// No kernel of the environment can hold the block.
    #[error(
        "no kernel of {environment} proves a block of {transactions} transactions; the largest holds {largest}"
    )]
    NoKernel {
        /// Name of the environment.
        environment: String,
        /// Transactions in the block.
        transactions: usize,
        /// Transactions that the largest kernel holds.
        largest: usize,
    },
    /// The block has no graph.
    #[error("the block has no graph")]
    Graph(#[source] Box<BlockGraphError>),
    /// A task of the block's graph has no proof.
    #[error("a task of the block was not done")]
    Run(#[source] Box<GraphRunError>),
    /// The proof of the block is malformed.
    #[error("the proof of the block: {0}")]
    Root(#[from] ProofError),
    /// The environment's own reason, such as a transaction whose proof cannot be made.
    #[error("a part of the block was not proved")]
    Part(#[source] Box<dyn Error + Send + Sync>),
}

impl From<BlockGraphError> for ProveError {
    fn from(error: BlockGraphError) -> Self {
        Self::Graph(Box::new(error))
    }
}

impl From<GraphRunError> for ProveError {
    fn from(error: GraphRunError) -> Self {
        Self::Run(Box::new(error))
    }
}

impl ProveError {
    /// Why the kernel's task has no proof, if that was the reason.
    fn of_task(&self) -> Option<&ProvableError> {
        let Self::Run(error) = self else { return None };
        let GraphRunError::GivenUp { given_up, .. } = &**error else { return None };
        let TaskError::Provable { source, .. } = &*given_up.error else { return None };
        Some(source)
    }

    /// What of the block the proof contradicts, if that was the reason.
    #[must_use]
    pub fn block_error(&self) -> Option<&BlockError> {
        match (self, self.of_task()) {
            (Self::Block(error), _) => Some(error),
            (_, Some(ProvableError::Other(error))) => error.downcast_ref::<Self>()?.block_error(),
            _ => None,
        }
    }

    /// The circuit that has no proof for the block, or cannot be built, if that was the reason.
    #[must_use]
    pub fn circuit_error(&self) -> Option<&CircuitError> {
        match (self, self.of_task()) {
            (Self::Circuit(error), _) | (_, Some(ProvableError::Circuit(error))) => Some(error),
            _ => None,
        }
    }
}

/// A state model.
///
/// A value of the implementing type is one environment: its id, its deployment, its producer and its genesis. It keeps no
/// state: methods take and return states as values.
///
/// The conformance suite, `environments-conformance`, tests what is promised here.
pub trait Environment: Send + Sync + Sized + 'static {
    /// Name of the state model: lower case, words separated by dashes.
    const KIND: &'static str;

    /// The native state, height included. Producers keep one for each block that is not confirmed, so its copies should
    /// share what they have in common ([`SharedMap`](circuits_core::shared::SharedMap),
    /// [`LateMap`](circuits_core::late::LateMap), trees). An adapter names its parts with
    /// [`stored_state!`](crate::stored_state). Trees and a `LateMap` are read late: whoever calls asks
    /// [`StoredState::check_reads`] before it uses what follows.
    type State: StoredState + Clone + PartialEq + fmt::Debug + Send + Sync;
    /// What users submit, as text one JSON object per line.
    type Transaction: Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync;
    /// What the kernel's prover needs to know of a block. Made natively, before any proof.
    type BlockWitness: Clone + Send + Sync;
    /// Why a transaction, a block or a body is refused.
    type Error: Error + Send + Sync + 'static;

    /// The environment's id; never L1.
    fn id(&self) -> EnvironmentId;

    /// The deployment that every state commitment names.
    fn chain_id(&self) -> u64;

    /// Commitment to the producer's secret (see [`crate::kernel`]).
    fn producer(&self) -> Digest;

    /// The state at height 0.
    fn genesis(&self) -> Self::State;

    /// Height of the last block in `state`; 0 is genesis.
    fn height(&self, state: &Self::State) -> u32;

    /// The commitment that block statements carry. Covers chain id, environment, height and all else.
    fn commitment(&self, state: &Self::State) -> Digest;

    /// Applies one transaction of the block that is being built on top of `state`, whose height is not moved.
    ///
    /// # Errors
    /// If the transaction is invalid; `state` is then unchanged.
    fn execute(&self, state: &mut Self::State, transaction: &Self::Transaction) -> Result<(), Self::Error>;

    /// Executes the block of height `height(state) + 1`, taking `transactions` in order while there is room. Invalid
    /// ones are left out and the others go on. One that has no room, although others may have, lets those of its sender
    /// wait, and nobody else's. A block can be empty. The same arguments always give the same statement.
    ///
    /// # Errors
    /// If no block can be made at all on this state, for example because heights are exhausted.
    fn propose(
        &self,
        state: &Self::State,
        transactions: &[&Self::Transaction],
    ) -> Result<Proposal<Self>, Self::Error>;

    /// The state after a block, from the state before it and the published block data alone.
    ///
    /// # Errors
    /// If the body is not in the canonical encoding or does not apply to `state`.
    fn apply_body(&self, state: &Self::State, body: &[u8]) -> Result<Self::State, Self::Error>;

    /// The digest of a body, as block statements carry it. The producer compares the two, and appends no block with another
    /// body than it states.
    ///
    /// # Errors
    /// If the body is not in the canonical encoding.
    fn body_digest(&self, body: &[u8]) -> Result<Digest, Self::Error>;

    /// All kernels. Each has the [required](circuits_core::security::REQUIRED_BITS) proven bits.
    ///
    /// # Errors
    /// If a circuit below a kernel cannot be built.
    fn kernels(&self, cache: &CircuitCache) -> Result<Vec<Box<dyn AnyKernel>>, ProveError>;

    /// The proof of a block as a graph of tasks, the last of which is the kernel that it fits, with its wrap. Nothing is proved yet.
    /// A state model whose kernel verifies no other proofs has a graph of [one task](crate::kernel::Kernel::graph). What others may
    /// prove for the producer, and so may see of the witness, is [for the state model to say](crate::graph).
    ///
    /// # Errors
    /// If no kernel can hold the block.
    fn graph<'a>(
        &'a self,
        cache: &'a CircuitCache,
        block: &'a ProposedBlock<Self::BlockWitness>,
    ) -> Result<BlockGraph<'a>, ProveError>;

    /// Proves a block in this process.
    ///
    /// # Errors
    /// If the block breaks a rule of the environment, which makes it unprovable, or was made by another producer.
    fn prove(
        &self,
        cache: &CircuitCache,
        block: &ProposedBlock<Self::BlockWitness>,
    ) -> Result<ProvenBlock, ProveError> {
        self.graph(cache, block)?.prove()
    }

    /// The digests of the keys that a registry lists: those of the wraps of all kernels.
    ///
    /// # Errors
    /// If a circuit that is not pinned cannot be built.
    fn key_digests(&self, cache: &CircuitCache) -> Result<Vec<Digest>, ProveError> {
        self.kernels(cache)?.iter().map(|kernel| Ok(kernel.key_digest(cache)?)).collect()
    }

    /// Checks what holds of a transaction in every state: its form, its signature or proof, its deployment. The producer
    /// asks once, before the transaction enters its pool. A state model whose checks all need the state, or that are not
    /// worth it, keeps the default.
    ///
    /// # Errors
    /// If no block of this environment can have the transaction, as [`Self::execute`] gives it.
    fn check(&self, transaction: &Self::Transaction) -> Result<(), Self::Error> {
        let _ = transaction;
        Ok(())
    }

    /// What decides when a transaction of a user is tried. It is asked only of what [`Self::check`] accepts. A state model
    /// without senders and fees keeps the default, with which transactions are tried in the order of their arrival.
    fn terms(&self, transaction: &Self::Transaction) -> Terms {
        Terms::of_bytes(size_of_val(transaction))
    }

    /// What `state` has in a cell that [`Terms::footprint`] names; zero for nothing. A state model whose terms name none
    /// keeps the default.
    fn cell(&self, state: &Self::State, cell: &Cell) -> Digest {
        let _ = (state, cell);
        Digest::ZERO
    }

    /// Whether the next block can have the transaction if `state` has what its [footprint](Terms::footprint) needs; not, for
    /// example, if it is too early or too late. Others are tried last, since promising a fee costs nothing. It is asked of
    /// all that waits, so it executes nothing. A state model of which footprints show everything keeps the default.
    fn may_come_next(&self, state: &Self::State, transaction: &Self::Transaction) -> bool {
        let _ = (state, transaction);
        true
    }

    /// What one block holds. A state model without messages keeps the default.
    fn room(&self) -> Room {
        Room::TRANSACTIONS
    }

    /// Whether a later block can have the transaction that was refused for this reason: one of its sender is missing before
    /// it, or it uses what another transaction makes. It then waits for a limited number of blocks. A state model that
    /// keeps the default has every refusal final.
    fn may_come_later(&self, reason: &Self::Error) -> bool {
        let _ = reason;
        false
    }

    /// Transactions that are in a block although they did not do what they ask for, by their position in it, with the
    /// reason. A state model that refuses such transactions keeps the default.
    fn failures(&self, block: &Self::BlockWitness) -> Vec<(usize, Self::Error)> {
        let _ = block;
        vec![]
    }

    /// What `transaction` emits if it does not fail, and what it consumes: exactly what a block with it carries for it. The
    /// producer compares them and appends no other block. A state model without messages keeps the default.
    fn messages(&self, transaction: &Self::Transaction) -> BlockMessages {
        let _ = transaction;
        BlockMessages::none(self.id())
    }

    /// The transaction with which the environment takes in a message: the producer adds it to its pool when the
    /// message is there for it. Users cannot submit it: [`Self::parse`] reads no such transaction.
    ///
    /// # Errors
    /// If the message is of another deployment, if another environment may consume it in this way, or if its beneficiary
    /// cannot be an account of this environment; it stays pending until its source takes it back. `None` for all
    /// messages if the state model has none.
    fn consume(
        &self,
        message: &Message,
        consumption: Consumption,
    ) -> Option<Result<Self::Transaction, Self::Error>> {
        let _ = (message, consumption);
        None
    }

    /// Reads a transaction from one JSON object. [`Self::check`] and blocks decide whether it is valid; a state model whose
    /// transactions can come with a proof verifies the proof here, and [`Self::check`] gives the verdict.
    ///
    /// # Errors
    /// [`serde_json::Error`] if the line is not a transaction.
    fn parse(&self, cache: &CircuitCache, line: &str) -> Result<Self::Transaction, serde_json::Error> {
        let _ = cache;
        serde_json::from_str(line)
    }

    /// Reads a transaction that came with its own proof, if the state model has such transactions.
    ///
    /// # Errors
    /// If the bundle is malformed or its proof invalid. `None` if the state model has no bundles.
    fn open_bundle(
        &self,
        cache: &CircuitCache,
        bundle: &[u8],
    ) -> Option<Result<Self::Transaction, Self::Error>> {
        let _ = (cache, bundle);
        None
    }
}

//! Producing blocks: a pool of transactions, and a chain of proposed blocks that may run ahead of their proofs.

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    sync::Arc,
};

use bridge_core::{BridgeError, Consumption, Message};
use circuits_core::{Digest, F};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::BlockStatement;
use plonky2::field::types::Field;
use thiserror::Error;

use crate::{
    block::{ProposedBlock, ProvenBlock},
    environment::{Environment, ProveError},
};

/// Transactions that a pool holds at most.
pub const MAX_PENDING: usize = 1 << 20;

/// Names a transaction within one producer: the order of submission, from 0.
pub type TransactionId = u64;

/// Why a producer refused a request.
#[derive(Debug, Error)]
pub enum ProducerError {
    /// The pool is full.
    #[error("the pool holds {MAX_PENDING} transactions already, which is its limit")]
    PoolFull,
    /// The environment cannot make a block on the last state.
    #[error("no block can be made at height {height}")]
    Propose {
        /// The height.
        height: u32,
        /// The environment's reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The environment made a block that does not follow from the last state: a bug in the adapter.
    #[error("the block proposed at height {height} does not follow from the chain: its {field} is wrong")]
    Inconsistent {
        /// The height.
        height: u32,
        /// The field of its statement.
        field: &'static str,
    },
    /// No proposed block has this height.
    #[error("no proposed block has height {height}; the chain has those above {base}, up to {head}")]
    NoSuchBlock {
        /// The height asked for.
        height: u32,
        /// Height of the last confirmed block.
        base: u32,
        /// Height of the last proposed block.
        head: u32,
    },
    /// The block was not proved.
    #[error("block {height} was not proved")]
    Prove {
        /// The height.
        height: u32,
        /// Why.
        source: ProveError,
    },
}

/// A transaction and the order in which it was submitted.
#[derive(Clone, Debug)]
pub struct Pending<T> {
    /// Its name.
    pub id: TransactionId,
    /// The transaction.
    pub transaction: T,
}

/// Why a transaction is not in a block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection<Err: Error> {
    /// The environment refuses it.
    #[error(transparent)]
    Environment(Err),
    /// One of its messages is too early or too late for the next superblocks.
    #[error(transparent)]
    Timing(BridgeError),
}

/// A transaction that was refused.
#[derive(Debug)]
pub struct Rejected<Err: Error> {
    /// Its name.
    pub id: TransactionId,
    /// Why.
    pub reason: Rejection<Err>,
}

/// Why a message cannot be taken in.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// The state model has no messages.
    #[error("the {kind} environment takes no messages")]
    Unsupported {
        /// The state model.
        kind: &'static str,
    },
    /// The environment refuses it.
    #[error("the message is refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// The pool refuses it.
    #[error(transparent)]
    Producer(#[from] ProducerError),
}

/// A proposed block in a producer's chain.
pub struct ChainedBlock<E: Environment> {
    /// The block.
    pub block: ProposedBlock<E::BlockWitness>,
    /// The state after it.
    pub state: E::State,
    /// Its transactions, in order.
    pub transactions: Vec<Pending<E::Transaction>>,
    /// Whether [`BlockProducer::prove_next`] has returned its proof.
    pub proven: bool,
}

/// The block producer of one environment.
///
/// Invariants: the blocks' statements chain, from the base state on; no transaction is both pending and in a block.
pub struct BlockProducer<E: Environment> {
    environment: Arc<E>,
    base: E::State,
    blocks: VecDeque<ChainedBlock<E>>,
    pending: VecDeque<Pending<E::Transaction>>,
    next_id: TransactionId,
    superblock: u32,
}

impl<E: Environment> BlockProducer<E> {
    /// A producer at genesis.
    pub fn new(environment: impl Into<Arc<E>>) -> Self {
        let environment = environment.into();
        let genesis = environment.genesis();
        Self::from_state(environment, genesis)
    }

    /// A producer that continues from `state`.
    pub fn from_state(environment: impl Into<Arc<E>>, state: E::State) -> Self {
        Self {
            environment: environment.into(),
            base: state,
            blocks: VecDeque::new(),
            pending: VecDeque::new(),
            next_id: 0,
            superblock: 1,
        }
    }

    /// The environment.
    pub fn environment(&self) -> &E {
        &self.environment
    }

    /// The state after the last proposed block.
    pub fn state(&self) -> &E::State {
        self.blocks.back().map_or(&self.base, |last| &last.state)
    }

    /// Height of the last proposed block.
    pub fn height(&self) -> u32 {
        self.environment.height(self.state())
    }

    /// Commitment of the state after the last proposed block.
    pub fn commitment(&self) -> Digest {
        self.environment.commitment(self.state())
    }

    /// The proposed blocks that are not confirmed, by height.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = &ChainedBlock<E>> {
        self.blocks.iter()
    }

    /// The transactions that wait for a block, in order.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Pending<E::Transaction>> {
        self.pending.iter()
    }

    /// Adds a transaction to the pool. It is checked when a block is proposed.
    ///
    /// # Errors
    /// [`ProducerError::PoolFull`]
    pub fn submit(&mut self, transaction: E::Transaction) -> Result<TransactionId, ProducerError> {
        if self.pending.len() >= MAX_PENDING {
            return Err(ProducerError::PoolFull);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.pending.push_back(Pending { id, transaction });
        Ok(id)
    }

    /// Adds to the pool the transaction that takes in a message.
    ///
    /// # Errors
    /// [`DeliveryError`]
    pub fn deliver(
        &mut self,
        message: &Message,
        consumption: Consumption,
    ) -> Result<TransactionId, DeliveryError> {
        let transaction = self
            .environment
            .consume(message, consumption)
            .ok_or(DeliveryError::Unsupported { kind: E::KIND })?
            .map_err(|error| DeliveryError::Refused(Box::new(error)))?;
        Ok(self.submit(transaction)?)
    }

    /// Sets the first superblock that can contain the next block; it is 1 at the start. Messages whose deadlines do
    /// not fit it are neither emitted nor consumed.
    pub fn expect_superblock(&mut self, number: u32) {
        self.superblock = number;
    }

    /// Executes the next block from the pool and appends it to the chain. Transactions that did not fit stay in the
    /// pool; invalid ones are dropped from it and returned.
    ///
    /// # Errors
    /// In each case the chain and the pool are unchanged.
    /// - [`ProducerError::Propose`]: the environment can make no block on the last state.
    /// - [`ProducerError::Inconsistent`]: the block does not follow from the last state.
    pub fn propose_block(&mut self) -> Result<Vec<Rejected<E::Error>>, ProducerError> {
        let height = self.height().saturating_add(1);
        let (mut offered, mut positions, mut reasons) = (vec![], vec![], BTreeMap::new());
        for (position, Pending { transaction, .. }) in self.pending.iter().enumerate() {
            match self.environment.messages(transaction).check_timing(self.superblock) {
                Ok(()) => {
                    offered.push(transaction);
                    positions.push(position);
                }
                Err(error) => {
                    reasons.insert(position, Rejection::Timing(error));
                }
            }
        }
        let proposal = self
            .environment
            .propose(self.state(), &offered)
            .map_err(|error| ProducerError::Propose { height, source: Box::new(error) })?;
        self.check(height, proposal.block.statement(), &proposal.state)?;

        for (index, reason) in proposal.rejected {
            reasons.insert(positions[index], Rejection::Environment(reason));
        }
        let mut included = proposal.included.into_iter().map(|index| positions[index]).peekable();
        let (mut transactions, mut dropped, mut left) = (vec![], vec![], VecDeque::new());
        for (position, pending) in self.pending.drain(..).enumerate() {
            if included.next_if_eq(&position).is_some() {
                transactions.push(pending);
            } else if let Some(reason) = reasons.remove(&position) {
                dropped.push(Rejected { id: pending.id, reason });
            } else {
                left.push_back(pending);
            }
        }
        self.pending = left;
        self.blocks.push_back(ChainedBlock {
            block: proposal.block,
            state: proposal.state,
            transactions,
            proven: false,
        });
        Ok(dropped)
    }

    /// Checks natively, before anything is proved, that a statement extends the chain.
    fn check(&self, height: u32, statement: &BlockStatement, state: &E::State) -> Result<(), ProducerError> {
        let environment = &self.environment;
        let expected_height = F::from_canonical_u32(height);
        let rules = [
            ("environment", statement.environment == environment.id().to_field()),
            ("first height", statement.first_height == expected_height),
            ("last height", statement.last_height == expected_height),
            ("previous state", statement.previous_state == self.commitment()),
            ("state's height", environment.height(state) == height),
            ("new state", statement.new_state == environment.commitment(state)),
            ("producer", statement.producer == environment.producer()),
        ];
        match rules.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(ProducerError::Inconsistent { height, field }),
            None => Ok(()),
        }
    }

    /// Drops the proposed blocks from `height` on and puts their transactions back at the head of the pool, in
    /// order, so that the next [`Self::propose_block`] makes a block of `height` again. Returns how many blocks
    /// were dropped.
    ///
    /// # Errors
    /// [`ProducerError::NoSuchBlock`]
    pub fn rollback(&mut self, height: u32) -> Result<usize, ProducerError> {
        let position = self.position(height)?;
        let dropped = self.blocks.split_off(position);
        let count = dropped.len();
        for block in dropped.into_iter().rev() {
            for pending in block.transactions.into_iter().rev() {
                self.pending.push_front(pending);
            }
        }
        Ok(count)
    }

    /// Forgets the blocks up to `height`, which a superblock contains: they can no longer be rolled back.
    ///
    /// # Errors
    /// [`ProducerError::NoSuchBlock`]
    pub fn confirm(&mut self, height: u32) -> Result<(), ProducerError> {
        let position = self.position(height)?;
        if let Some(last) = self.blocks.drain(..=position).last() {
            self.base = last.state;
        }
        Ok(())
    }

    /// The proposed block that covers `height`.
    ///
    /// # Errors
    /// [`ProducerError::NoSuchBlock`]
    pub fn block(&self, height: u32) -> Result<&ChainedBlock<E>, ProducerError> {
        self.position(height).map(|position| &self.blocks[position])
    }

    /// Proves the block that covers `height`. Blocks can be proved in any order, also at the same time.
    ///
    /// # Errors
    /// - [`ProducerError::NoSuchBlock`]
    /// - [`ProducerError::Prove`]
    pub fn prove(&self, cache: &CircuitCache, height: u32) -> Result<ProvenBlock, ProducerError> {
        self.environment
            .prove(cache, &self.block(height)?.block)
            .map_err(|source| ProducerError::Prove { height, source })
    }

    /// Proves the first block that this method has not proved yet; `None` if there is none left.
    ///
    /// # Errors
    /// [`ProducerError::Prove`]
    pub fn prove_next(&mut self, cache: &CircuitCache) -> Result<Option<ProvenBlock>, ProducerError> {
        let Some(position) = self.blocks.iter().position(|block| !block.proven) else {
            return Ok(None);
        };
        let proven = self.prove(cache, self.blocks[position].block.first_height())?;
        self.blocks[position].proven = true;
        Ok(Some(proven))
    }

    fn position(&self, height: u32) -> Result<usize, ProducerError> {
        let covers = |block: &ChainedBlock<E>| {
            (block.block.first_height()..=block.block.last_height()).contains(&height)
        };
        self.blocks.iter().position(covers).ok_or_else(|| ProducerError::NoSuchBlock {
            height,
            base: self.environment.height(&self.base),
            head: self.height(),
        })
    }
}

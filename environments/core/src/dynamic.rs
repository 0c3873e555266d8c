//! The object-safe side of a block producer, which the batcher and the command line hold.

use std::error::Error;

use bridge_core::{BlockMessages, Consumption, Message};
use circuits_core::{Digest, stored::ReadFailure};
use circuits_files::text::without_secrets;
use circuits_keys::CircuitCache;
use circuits_protocol::statement::BlockStatement;
use thiserror::Error;

use crate::{
    bundle::BlockBundle,
    environment::{Environment, EnvironmentId, ProveError},
    follower::{BlockFollower, DynFollower},
    graph::BlockGraph,
    producer::{BlockProducer, DeliveryError, ProducerError, Rejected, TransactionId},
    stored::{Change, StoredError, View},
};

/// Bytes of the longest line of transactions.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// Why a line is not a transaction.
#[derive(Debug, Error)]
pub enum LineError {
    /// The line is too long.
    #[error("the line has {found} bytes, the limit is {MAX_LINE_BYTES}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// The line is not a transaction of the environment as a JSON object.
    #[error("not a transaction of the {kind} environment: {reason}")]
    NotATransaction {
        /// The state model.
        kind: &'static str,
        /// What the parser found, without what may be a secret.
        reason: String,
    },
    /// The producer refuses it.
    #[error(transparent)]
    Producer(#[from] ProducerError),
}

/// Transactions that are in no block, each with its own reason.
pub type Reasons = Vec<(TransactionId, Box<dyn Error + Send + Sync>)>;

/// What became of the lines of a text; line numbers start at 1.
#[derive(Debug, Default)]
pub struct Submission {
    /// Lines that are in the pool now.
    pub accepted: Vec<(usize, TransactionId)>,
    /// Lines that are refused, each with its own reason.
    pub rejected: Vec<(usize, LineError)>,
}

/// Why a proven transaction is refused.
#[derive(Debug, Error)]
pub enum BundleSubmissionError {
    /// The state model has no proven transactions.
    #[error("the {kind} environment takes no proven transactions")]
    Unsupported {
        /// The state model.
        kind: &'static str,
    },
    /// The bundle is malformed, or its proof is invalid.
    #[error("the proven transaction is refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// The producer refuses it.
    #[error(transparent)]
    Producer(#[from] ProducerError),
}

/// A block that was just proposed.
#[derive(Debug)]
pub struct BlockReport {
    /// What its proof will state.
    pub statement: BlockStatement,
    /// Its height.
    pub height: u32,
    /// What it emits and consumes.
    pub messages: BlockMessages,
    /// Its transactions, in order.
    pub included: Vec<TransactionId>,
    /// Transactions that were refused, replaced or evicted since the last block, each with its own reason. A rollback brings
    /// back those that the block refused.
    pub rejected: Reasons,
    /// Transactions of the block that did not do what they ask for, by their position in it.
    pub failed: Vec<(usize, Box<dyn Error + Send + Sync>)>,
}

/// A block producer of any state model.
pub trait DynEnvironment: Send + Sync {
    /// Name of the state model.
    fn kind(&self) -> &'static str;

    /// The environment's id.
    fn id(&self) -> EnvironmentId;

    /// The deployment.
    fn chain_id(&self) -> u64;

    /// Commitment to the producer's secret.
    fn producer(&self) -> Digest;

    /// Commitment of the state at height 0.
    fn genesis_commitment(&self) -> Digest;

    /// The digests of the keys of all kernels, for the registry.
    ///
    /// # Errors
    /// If a circuit that is not pinned cannot be built.
    fn key_digests(&self, cache: &CircuitCache) -> Result<Vec<Digest>, ProveError>;

    /// Height of the last proposed block.
    fn height(&self) -> u32;

    /// Commitment of the state after the last proposed block.
    fn commitment(&self) -> Digest;

    /// How many transactions and messages wait for a block.
    fn pending(&self) -> usize;

    /// Statements of the proposed blocks that are not confirmed, by height.
    fn statements(&self) -> Vec<BlockStatement>;

    /// Adds transactions to the pool, one JSON object per line. Blank lines are skipped; a bad line, or one that no block
    /// can have in whatever state, is reported with its number and the others go on.
    fn submit_lines(&mut self, cache: &CircuitCache, text: &str) -> Submission;

    /// Adds a transaction that came with its own proof.
    ///
    /// # Errors
    /// [`BundleSubmissionError`]
    fn submit_bundle(
        &mut self,
        cache: &CircuitCache,
        bundle: &[u8],
    ) -> Result<TransactionId, BundleSubmissionError>;

    /// Adds to the pool the transaction that takes in a message.
    ///
    /// # Errors
    /// [`DeliveryError`]
    fn deliver(
        &mut self,
        message: &Message,
        consumption: Consumption,
    ) -> Result<TransactionId, DeliveryError>;

    /// Sets the first superblock that can contain the next block; see [`BlockProducer::expect_superblock`].
    fn expect_superblock(&mut self, number: u32);

    /// Executes the next block from the pool.
    ///
    /// # Errors
    /// As [`BlockProducer::propose_block`].
    fn propose_block(&mut self) -> Result<BlockReport, ProducerError>;

    /// Transactions that are still in no block, each with its own reason; see [`BlockProducer::leftovers`].
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn leftovers(&self) -> Result<Reasons, ReadFailure>;

    /// A follower of the environment, at genesis.
    fn follower(&self) -> Box<dyn DynFollower>;

    /// The body of a proposed block, and what it emits and consumes.
    ///
    /// # Errors
    /// [`ProducerError::NoSuchBlock`]
    fn published(&self, height: u32) -> Result<(&[u8], &BlockMessages), ProducerError>;

    /// What changed since the last call, for a database; see [`BlockProducer::changes`].
    ///
    /// # Errors
    /// [`StoredError`]
    fn changes(&mut self) -> Result<Vec<Change>, StoredError>;

    /// Becomes what a view shows; see [`BlockProducer::restore`].
    ///
    /// # Errors
    /// [`StoredError`]; the producer is then what it was.
    fn restore(&mut self, cache: &CircuitCache, view: View) -> Result<(), StoredError>;

    /// Reads from this view from now on; see [`BlockProducer::move_on`].
    fn move_on(&mut self, view: View);

    /// Drops the proposed blocks from `height` on; see [`BlockProducer::rollback`].
    ///
    /// # Errors
    /// [`ProducerError::NoSuchBlock`]
    fn rollback(&mut self, height: u32) -> Result<usize, ProducerError>;

    /// Forgets the blocks up to `height`; see [`BlockProducer::confirm`].
    ///
    /// # Errors
    /// [`ProducerError::NoSuchBlock`]
    fn confirm(&mut self, height: u32) -> Result<(), ProducerError>;

    /// Proves the block that covers `height`.
    ///
    /// # Errors
    /// As [`BlockProducer::prove`].
    fn prove(&self, cache: &CircuitCache, height: u32) -> Result<BlockBundle, ProducerError>;

    /// The proof of the block that covers `height`, as a graph of tasks.
    ///
    /// # Errors
    /// As [`BlockProducer::graph`].
    fn graph<'a>(&'a self, cache: &'a CircuitCache, height: u32) -> Result<BlockGraph<'a>, ProducerError>;

    /// Proves the first block that this method has not proved yet; `None` if there is none left.
    ///
    /// # Errors
    /// [`ProducerError::Prove`]
    fn prove_next(&mut self, cache: &CircuitCache) -> Result<Option<BlockBundle>, ProducerError>;
}

impl<E: Environment> DynEnvironment for BlockProducer<E> {
    fn kind(&self) -> &'static str {
        E::KIND
    }

    fn id(&self) -> EnvironmentId {
        self.environment().id()
    }

    fn chain_id(&self) -> u64 {
        self.environment().chain_id()
    }

    fn producer(&self) -> Digest {
        self.environment().producer()
    }

    fn genesis_commitment(&self) -> Digest {
        let environment = self.environment();
        environment.commitment(&environment.genesis())
    }

    fn key_digests(&self, cache: &CircuitCache) -> Result<Vec<Digest>, ProveError> {
        self.environment().key_digests(cache)
    }

    fn height(&self) -> u32 {
        Self::height(self)
    }

    fn commitment(&self) -> Digest {
        Self::commitment(self)
    }

    fn pending(&self) -> usize {
        self.pending_count()
    }

    fn statements(&self) -> Vec<BlockStatement> {
        self.blocks().map(|block| *block.block.statement()).collect()
    }

    fn submit_lines(&mut self, cache: &CircuitCache, text: &str) -> Submission {
        let mut submission = Submission::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parsed = if line.len() > MAX_LINE_BYTES {
                Err(LineError::TooLong { found: line.len() })
            } else {
                self.environment().parse(cache, line).map_err(|error| LineError::NotATransaction {
                    kind: E::KIND,
                    reason: without_secrets(&error.to_string()),
                })
            };
            match parsed.and_then(|transaction| Ok(self.submit(transaction)?)) {
                Ok(id) => submission.accepted.push((index + 1, id)),
                Err(reason) => submission.rejected.push((index + 1, reason)),
            }
        }
        submission
    }

    fn submit_bundle(
        &mut self,
        cache: &CircuitCache,
        bundle: &[u8],
    ) -> Result<TransactionId, BundleSubmissionError> {
        let transaction = self
            .environment()
            .open_bundle(cache, bundle)
            .ok_or(BundleSubmissionError::Unsupported { kind: E::KIND })?
            .map_err(|error| BundleSubmissionError::Refused(Box::new(error)))?;
        Ok(self.submit(transaction)?)
    }

    fn deliver(
        &mut self,
        message: &Message,
        consumption: Consumption,
    ) -> Result<TransactionId, DeliveryError> {
        Self::deliver(self, message, consumption)
    }

    fn expect_superblock(&mut self, number: u32) {
        Self::expect_superblock(self, number);
    }

    fn propose_block(&mut self) -> Result<BlockReport, ProducerError> {
        let rejected = Self::propose_block(self)?;
        let height = Self::height(self);
        let last = self.block(height)?;
        Ok(BlockReport {
            statement: *last.block.statement(),
            height,
            messages: last.block.messages().clone(),
            included: last.transactions.iter().map(|pending| pending.id).collect(),
            rejected: boxed(rejected),
            failed: self
                .environment()
                .failures(last.block.witness())
                .into_iter()
                .map(|(position, reason)| (position, Box::from(reason)))
                .collect(),
        })
    }

    fn leftovers(&self) -> Result<Reasons, ReadFailure> {
        Self::leftovers(self).map(boxed)
    }

    fn follower(&self) -> Box<dyn DynFollower> {
        Box::new(BlockFollower::<E>::new(self.shared_environment()))
    }

    fn published(&self, height: u32) -> Result<(&[u8], &BlockMessages), ProducerError> {
        let block = &self.block(height)?.block;
        Ok((block.body(), block.messages()))
    }

    fn changes(&mut self) -> Result<Vec<Change>, StoredError> {
        Self::changes(self)
    }

    fn restore(&mut self, cache: &CircuitCache, view: View) -> Result<(), StoredError> {
        Self::restore(self, cache, view)
    }

    fn move_on(&mut self, view: View) {
        Self::move_on(self, view);
    }

    fn rollback(&mut self, height: u32) -> Result<usize, ProducerError> {
        Self::rollback(self, height)
    }

    fn confirm(&mut self, height: u32) -> Result<(), ProducerError> {
        Self::confirm(self, height)
    }

    fn prove(&self, cache: &CircuitCache, height: u32) -> Result<BlockBundle, ProducerError> {
        Self::prove(self, cache, height).map(|block| BlockBundle::new(&block))
    }

    fn graph<'a>(&'a self, cache: &'a CircuitCache, height: u32) -> Result<BlockGraph<'a>, ProducerError> {
        Self::graph(self, cache, height)
    }

    fn prove_next(&mut self, cache: &CircuitCache) -> Result<Option<BlockBundle>, ProducerError> {
        Ok(Self::prove_next(self, cache)?.map(|block| BlockBundle::new(&block)))
    }
}

/// Rejections of whatever state model.
fn boxed<E: Error + Send + Sync + 'static>(rejected: Vec<Rejected<E>>) -> Reasons {
    rejected.into_iter().map(|Rejected { id, reason }| (id, Box::from(reason))).collect()
}

//! A producer in a database: its confirmed state, the blocks above it, and its pool.
//!
//! A block that is not confirmed is stored as its transactions and as what it publishes. It is executed again when the producer
//! is restored, since nothing but its execution gives the witness of its proof, and must become what it was.

use std::collections::BTreeSet;

use bridge_core::BlockMessages;
use circuits_core::layout;
use circuits_database::{Change, Map, View};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::BlockStatement;
use serde::{Deserialize, Serialize};

use super::{BlockProducer, ChainedBlock, EarlyReason, NotedReason, Pending};
use crate::{
    environment::{Environment, Proposal},
    pool::{Codec, Pool, Terms, TransactionId, Written},
    stored::{
        COMMITMENT, IDENTITY, Identity, Source, StoredError, StoredState as _, number, only, restore_state,
    },
};

/// By serial number: a [`StoredBlock`].
const BLOCKS: Map = Map("blocks");
/// By serial number: whether the block is proved.
const PROVEN: Map = Map("proven");
/// One entry: the [`Counters`].
const PRODUCER: Map = Map("producer");

/// A block as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredBlock {
    transactions: Vec<StoredPending>,
    refused: Vec<(usize, StoredPending)>,
    statement: Vec<u8>,
    messages: BlockMessages,
    body: Vec<u8>,
}

/// A transaction that is in no pool.
#[derive(Serialize, Deserialize)]
struct StoredPending {
    id: TransactionId,
    submitted: u32,
    written: Written,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counters {
    superblock: u32,
    next_serial: u64,
}

/// What is stored of a producer already.
pub(super) struct Progress<S> {
    base: Option<S>,
    blocks: BTreeSet<u64>,
    proven: BTreeSet<u64>,
    counters: Option<Counters>,
}

impl<S> Default for Progress<S> {
    fn default() -> Self {
        Self { base: None, blocks: BTreeSet::new(), proven: BTreeSet::new(), counters: None }
    }
}

/// How an environment's transactions are stored.
struct EnvironmentCodec<'e, E> {
    environment: &'e E,
    /// Verifies proofs that come with transactions.
    cache: &'e CircuitCache,
}

impl<E: Environment> Codec<E::Transaction, EarlyReason<E::Error>> for EnvironmentCodec<'_, E> {
    fn write(&self, id: TransactionId, transaction: &E::Transaction) -> Result<Written, StoredError> {
        write(self.environment, id, transaction)
    }

    fn read(
        &self,
        id: TransactionId,
        written: Written,
    ) -> Result<(E::Transaction, Option<Terms>), StoredError> {
        let unreadable = |source| StoredError::Unreadable { id, source };
        match written {
            Written::Transaction(line) => {
                let transaction = self.environment.parse(self.cache, &line);
                let transaction = transaction.map_err(|error| unreadable(Box::new(error)))?;
                let terms = self.environment.terms(&transaction);
                Ok((transaction, Some(terms)))
            }
            Written::Message(message, consumption) => {
                let consumed = self.environment.consume(&message, consumption);
                let transaction = consumed.ok_or(StoredError::Entry { map: BLOCKS })?;
                Ok((transaction.map_err(|error| unreadable(Box::new(error)))?, None))
            }
        }
    }

    fn reason(&self, reason: &EarlyReason<E::Error>) -> String {
        match reason {
            EarlyReason::Found(reason) => reason.to_string(),
            EarlyReason::Noted(NotedReason(reason)) => reason.clone(),
        }
    }

    fn noted(&self, reason: String) -> EarlyReason<E::Error> {
        EarlyReason::Noted(NotedReason(reason))
    }
}

fn write<E: Environment>(
    environment: &E,
    id: TransactionId,
    transaction: &E::Transaction,
) -> Result<Written, StoredError> {
    match environment.messages(transaction).inbox.into_iter().next() {
        Some((message, consumption)) => Ok(Written::Message(message, consumption)),
        None => {
            let line = serde_json::to_string(transaction);
            line.map(Written::Transaction).map_err(|source| StoredError::Unwritable { id, source })
        }
    }
}

impl<E: Environment> BlockProducer<E> {
    /// What changed since the last call, for a database: confirmed state, blocks and pool. The first call gives all that there
    /// is, and from then on the producer notes what changes. What is returned counts as stored: a caller who cannot store it
    /// restores the producer from what was stored before.
    ///
    /// # Errors
    /// [`StoredError`]
    pub fn changes(&mut self) -> Result<Vec<Change>, StoredError> {
        self.changes_of(false)
    }

    /// As [`Self::changes`], all that there is, for another database.
    ///
    /// # Errors
    /// [`StoredError`]
    pub fn everything(&mut self) -> Result<Vec<Change>, StoredError> {
        self.changes_of(true)
    }

    fn changes_of(&mut self, is_whole: bool) -> Result<Vec<Change>, StoredError> {
        let before = if is_whole { Progress::default() } else { std::mem::take(&mut self.stored) };
        let mut changes = vec![];
        if before.base.is_none() {
            changes.push(IDENTITY.change([], Some(&Identity::of(&*self.environment)))?);
        }
        let moved = self.base.changes(before.base.as_ref())?;
        if !moved.is_empty() {
            changes.extend(moved);
            changes.push(COMMITMENT.change([], Some(&self.environment.commitment(&self.base)))?);
        }
        let mut now = Progress { base: Some(self.base.clone()), ..Progress::default() };
        for block in &self.blocks {
            let serial = block.serial;
            now.blocks.insert(serial);
            if !before.blocks.contains(&serial) {
                changes.push(BLOCKS.change(serial.to_be_bytes(), Some(&self.stored_block(block)?))?);
            }
            if block.proven {
                now.proven.insert(serial);
            }
        }
        for gone in before.blocks.difference(&now.blocks) {
            changes.push(BLOCKS.change::<StoredBlock>(gone.to_be_bytes(), None)?);
        }
        for changed in before.proven.symmetric_difference(&now.proven) {
            let proven = now.proven.contains(changed).then_some(());
            changes.push(PROVEN.change(changed.to_be_bytes(), proven.as_ref())?);
        }
        let counters = Counters { superblock: self.superblock, next_serial: self.next_serial };
        if before.counters != Some(counters) {
            changes.push(PRODUCER.change([], Some(&counters))?);
        }
        now.counters = Some(counters);
        let cache = CircuitCache::default();
        let codec = EnvironmentCodec { environment: &*self.environment, cache: &cache };
        changes.extend(self.pool.changes(&codec, is_whole)?);
        // Nothing is stored that follows from what could not be read.
        self.state().check_reads()?;
        self.stored = now;
        Ok(changes)
    }

    fn stored_block(&self, block: &ChainedBlock<E>) -> Result<StoredBlock, StoredError> {
        let stored = |Pending { id, submitted, transaction }: &Pending<E::Transaction>| {
            let written = write(&*self.environment, *id, transaction)?;
            Ok::<_, StoredError>(StoredPending { id: *id, submitted: *submitted, written })
        };
        let refused = block.refused.iter().map(|(index, pending)| Ok((*index, stored(pending)?)));
        Ok(StoredBlock {
            transactions: block.transactions.iter().map(stored).collect::<Result<_, _>>()?,
            refused: refused.collect::<Result<_, StoredError>>()?,
            statement: layout::to_bytes(block.block.statement()),
            messages: block.block.messages().clone(),
            body: block.block.body().to_vec(),
        })
    }

    /// Becomes the producer that a view shows. Transactions that come with proofs are verified again. The view is kept, since most of
    /// the state is read when it is needed.
    ///
    /// # Errors
    /// - [`StoredError::OtherEnvironment`] if the view shows a producer of another kind, chain, environment, genesis or secret
    /// - [`StoredError::OtherState`], [`StoredError::OtherBlock`] if it does not show what was stored
    /// - other variants of [`StoredError`] if it shows no producer
    ///
    /// The producer is then what it was.
    pub fn restore(&mut self, cache: &CircuitCache, view: View) -> Result<(), StoredError> {
        let source = Source::new(view);
        let view = &*source.view();
        let environment = self.environment.clone();
        Identity::of(&*environment).check(view)?;
        let base = restore_state(&*environment, &source)?;
        let codec = EnvironmentCodec { environment: &*environment, cache };
        let counters: Counters = only(PRODUCER, view)?;
        let mut restored = Self::from_state(environment.clone(), base);
        Counters { superblock: restored.superblock, next_serial: restored.next_serial } = counters;
        for (key, stored) in view.entries::<StoredBlock>(BLOCKS)? {
            let block = restored.execute_again(&codec, number(BLOCKS, &key)?, stored);
            // Without what cannot be read, another block follows, or none.
            restored.state().check_reads()?;
            restored.blocks.push_back(block?);
        }
        for (key, ()) in view.entries::<()>(PROVEN)? {
            let serial = number(PROVEN, &key)?;
            let block = restored.blocks.iter_mut().find(|block| block.serial == serial);
            block.ok_or(StoredError::Entry { map: PROVEN })?.proven = true;
            restored.stored.proven.insert(serial);
        }
        restored.pool = Pool::restore(&codec, view)?;
        restored.stored.base = Some(restored.base.clone());
        restored.stored.blocks = restored.blocks.iter().map(|block| block.serial).collect();
        restored.stored.counters = Some(counters);
        restored.source = source.downgrade();
        *self = restored;
        Ok(())
    }

    /// Reads what is needed from this view from now on, which shows what the last [changes](Self::changes) led to. A database keeps
    /// whatever its views show, so a producer that stays with the first one lets it grow without end.
    pub fn move_on(&mut self, view: View) {
        self.source.move_on(view);
    }

    /// The block that was stored, on top of the last one.
    fn execute_again(
        &self,
        codec: &EnvironmentCodec<'_, E>,
        serial: u64,
        stored: StoredBlock,
    ) -> Result<ChainedBlock<E>, StoredError> {
        let height = self.height().saturating_add(1);
        let read = |StoredPending { id, submitted, written }| {
            let (transaction, _) = codec.read(id, written)?;
            Ok::<_, StoredError>(Pending { id, submitted, transaction })
        };
        let StoredBlock { transactions, refused, statement, messages, body } = stored;
        let transactions = transactions.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let refused = refused.into_iter().map(|(index, pending)| Ok((index, read(pending)?)));
        let refused = refused.collect::<Result<_, StoredError>>()?;
        let offered: Vec<_> = transactions.iter().map(|pending| &pending.transaction).collect();
        let proposed = self.environment.propose(self.state(), &offered);
        let Proposal { block, state, included, .. } =
            proposed.map_err(|error| StoredError::Execute { height, source: Box::new(error) })?;
        let statement: BlockStatement =
            layout::from_bytes(&statement).map_err(|_| StoredError::Entry { map: BLOCKS })?;
        let same = [
            ("list of transactions", included.into_iter().eq(0..transactions.len())),
            ("statement", *block.statement() == statement),
            ("messages", *block.messages() == messages),
            ("body", block.body() == body),
        ];
        if let Some((field, _)) = same.into_iter().find(|(_, same)| !same) {
            return Err(StoredError::OtherBlock { height, field });
        }
        self.check(height, &statement, &state)
            .map_err(|error| StoredError::Execute { height, source: Box::new(error) })?;
        Ok(ChainedBlock { block, state, transactions, proven: false, refused, serial })
    }
}

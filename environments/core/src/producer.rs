//! Producing blocks: a pool of transactions, and a chain of proposed blocks that may run ahead of their proofs.

use std::{collections::VecDeque, error::Error, sync::Arc};

use bridge_core::{Consumption, MAX_BLOCK_STEPS, Message};
use circuits_core::{Digest, F, stored::ReadFailure};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::BlockStatement;
use plonky2::field::types::Field;

mod refusal;
mod stored;

use self::refusal::EarlyReason;
pub use self::refusal::{DeliveryError, NotedReason, ProducerError, Rejected, Rejection};
pub use crate::pool::{Pending, TransactionId};
use crate::{
    block::{ProposedBlock, ProvenBlock},
    environment::{Environment, Proposal},
    graph::BlockGraph,
    listing,
    pool::{
        Candidate, Displaced, Footprint, Forecast, MAX_FAILING, Origin, Outlook, Pool, Sort, Spot, Terms,
        Unable, is_old,
    },
    stored::{StoredState as _, WeakSource},
};

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
    /// What was refused while the block was filled, and how many of its transactions were tried before each. On top of
    /// another block it may be valid.
    refused: Vec<(usize, Pending<E::Transaction>)>,
    /// Blocks that the producer proposed before, those that it dropped included.
    serial: u64,
}

impl<E: Environment> ChainedBlock<E> {
    /// What the block took out of the pool, in the order in which it was tried.
    fn into_tried(self) -> impl Iterator<Item = Pending<E::Transaction>> {
        let included = self.transactions.into_iter().enumerate().map(|(index, one)| (index, true, one));
        let refused = self.refused.into_iter().map(|(index, one)| (index, false, one));
        let mut tried: Vec<_> = refused.chain(included).collect();
        // Stable: what was refused before a transaction comes before it.
        tried.sort_by_key(|(index, is_included, _)| (*index, *is_included));
        tried.into_iter().map(|(.., one)| one)
    }
}

/// What became of something that a block tried.
enum Verdict<Err: Error> {
    /// It had no room.
    Left,
    Included,
    Early(Err),
    Refused(Rejection<Err>),
}

/// Something that a block tries, and where it waits.
type Tried<'p, E> = (Spot, &'p Pending<<E as Environment>::Transaction>);

/// Something that a block could not have.
type Untimely<'p, E> = (Unable<Spot>, &'p Pending<<E as Environment>::Transaction>);

/// A block on top of the last one, and what it tried, in order.
struct Filled<E: Environment> {
    block: ProposedBlock<E::BlockWitness>,
    state: E::State,
    tried: Vec<(Spot, Verdict<E::Error>)>,
    /// What the block could not have, in order.
    unable: Vec<Unable<Spot>>,
}

impl<E: Environment> Filled<E> {
    /// How many transactions are in it.
    fn transactions(&self) -> usize {
        let tried = self.tried.iter();
        tried.filter(|one| matches!(one, (Spot::Transaction(_), Verdict::Included))).count()
    }

    /// How many messages the environment refused.
    fn refused_messages(&self) -> usize {
        let is_refused =
            |one: &&(Spot, _)| matches!(one, (Spot::Message(_), Verdict::Refused(Rejection::Environment(_))));
        self.tried.iter().filter(is_refused).count()
    }
}

/// The block producer of one environment.
///
/// Invariants: the blocks' statements chain, from the base state on; each transaction is pending, or in a block, or was
/// refused while a block was filled, or is final.
pub struct BlockProducer<E: Environment> {
    environment: Arc<E>,
    base: E::State,
    blocks: VecDeque<ChainedBlock<E>>,
    pool: Pool<E::Transaction, EarlyReason<E::Error>>,
    superblock: u32,
    next_serial: u64,
    stored: stored::Progress<E::State>,
    source: WeakSource,
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
            pool: Pool::new(),
            superblock: 1,
            next_serial: 0,
            stored: stored::Progress::default(),
            source: WeakSource::default(),
        }
    }

    /// The environment.
    pub fn environment(&self) -> &E {
        &self.environment
    }

    pub(crate) fn shared_environment(&self) -> Arc<E> {
        self.environment.clone()
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

    /// What waits for a block, in order: messages to take in, then transactions of users.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Pending<E::Transaction>> {
        self.pool.all()
    }

    /// How much waits for a block.
    pub fn pending_count(&self) -> usize {
        self.pool.len()
    }

    /// Adds a transaction to the pool, after the checks that need no state. It may take the place of another one of its
    /// sender, and in a full pool of another sender's, which the next proposal then reports.
    ///
    /// # Errors
    /// - [`ProducerError::Invalid`]
    /// - [`ProducerError::Pool`]
    /// - [`ProducerError::Read`]
    pub fn submit(&mut self, transaction: E::Transaction) -> Result<TransactionId, ProducerError> {
        self.environment.check(&transaction).map_err(|error| ProducerError::Invalid(Box::new(error)))?;
        let terms = self.environment.terms(&transaction);
        let (height, superblock) = (self.height(), self.superblock);
        let Self { environment, base, blocks, pool, .. } = self;
        let (environment, state) = (&**environment, blocks.back().map_or(&*base, |last| &last.state));
        let comes_next = |transaction: &E::Transaction| {
            environment.messages(transaction).check_timing(superblock).is_ok()
                && environment.execute(&mut state.clone(), transaction).is_ok()
        };
        let may_come_next = |transaction: &E::Transaction, terms: &Terms| {
            may_come_first(environment, state, superblock, transaction, &terms.footprint)
        };
        let outlook = Outlook { comes_next: &comes_next, may_come_next: &may_come_next };
        let submitted = pool.submit(transaction, terms, height, &outlook);
        state.check_reads()?;
        Ok(submitted?)
    }

    /// Adds to the pool the transaction that takes in a message.
    ///
    /// A message is known by its hash. Of equal messages, which only a dishonest kernel emits, the next one can be delivered
    /// once the block that takes in the one before it is [confirmed](Self::confirm); the bridge keeps it until then.
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
        let takes = |(taken, how): &(Message, Consumption)| *how == consumption && taken == message;
        if let Some(block) = self.blocks.iter().find(|one| one.block.messages().inbox.iter().any(takes)) {
            let height = block.block.first_height();
            return Err(ProducerError::MessageTaken { height }.into());
        }
        let height = self.height();
        let delivered = self.pool.deliver(transaction, Origin::new(message, consumption), height);
        Ok(delivered.map_err(ProducerError::Pool)?)
    }

    /// Sets the first superblock that can contain the next block; it is 1 at the start. Messages whose deadlines do
    /// not fit it are neither emitted nor consumed.
    pub fn expect_superblock(&mut self, number: u32) {
        self.superblock = number;
    }

    /// Executes the next block from the pool and appends it to the chain. What did not fit or comes too early stays in the
    /// pool, and so does what was not tried: see [`crate::pool`]. What is refused leaves the pool and is returned; that
    /// is final once the block is confirmed.
    ///
    /// # Errors
    /// In each case the chain and the pool are unchanged.
    /// - [`ProducerError::Read`]: a part of the state cannot be read. The producer is to be restored again.
    /// - [`ProducerError::Propose`]: the environment can make no block on the last state.
    /// - [`ProducerError::Inconsistent`]: the block does not follow from the last state.
    /// - [`ProducerError::Messages`]: the block has other messages than its transactions.
    /// - [`ProducerError::OtherBody`], [`ProducerError::MalformedBody`]: the block has another body than it states.
    pub fn propose_block(&mut self) -> Result<Vec<Rejected<E::Error>>, ProducerError> {
        let height = self.height().saturating_add(1);
        let room = self.environment.room();
        let share = self.pool.share_of_messages(room, height);
        let mut filled = self.fill(height, share)?;
        // What transactions send takes room too.
        let moved = filled.block.messages();
        let sent = moved.steps() - moved.inbox.len();
        let (used, refused) = (filled.transactions().max(sent), filled.refused_messages());
        if let Some(rest) = self.pool.rest_for_messages(room, share, used, refused) {
            filled = self.fill(height, rest)?;
        }
        self.check_body(height, &filled.block)?;
        Ok(self.append(height, filled))
    }

    /// Fills a block from the pool, with up to this number of messages.
    fn fill(&self, height: u32, messages: usize) -> Result<Filled<E>, ProducerError> {
        let environment = &self.environment;
        let most = |room: usize| room.saturating_add(MAX_FAILING);
        let (mut tried, mut offered) = (vec![], vec![]);
        let mut offer = |spot, pending| {
            let Pending { transaction, submitted, .. }: &Pending<E::Transaction> = pending;
            match environment.messages(transaction).check_timing(self.superblock) {
                Ok(()) => {
                    offered.push((transaction, tried.len(), *submitted));
                    tried.push((spot, Verdict::Left));
                    true
                }
                Err(error) => {
                    tried.push((spot, Verdict::Refused(Rejection::Timing(error))));
                    false
                }
            }
        };
        let mut left = messages;
        for (spot, pending) in self.pool.messages().take(most(messages)) {
            if left == 0 {
                break;
            }
            left -= usize::from(offer(spot, pending));
        }
        let limit = most(environment.room().transactions);
        let (able, unable) = self.sorted_candidates();
        let noted: Vec<_> = unable.iter().map(|(noted, _)| *noted).collect();
        let unable = unable.into_iter().map(|(Unable { spot, .. }, pending)| (spot, pending));
        for (spot, pending) in able.into_iter().chain(unable).take(limit) {
            offer(spot, pending);
        }
        let transactions: Vec<_> = offered.iter().map(|(transaction, ..)| *transaction).collect();
        let proposed = environment.propose(self.state(), &transactions);
        // Whatever was looked up for the block until here.
        self.state().check_reads()?;
        let Proposal { block, state, included, rejected } =
            proposed.map_err(|error| ProducerError::Propose { height, source: Box::new(error) })?;
        self.check(height, block.statement(), &state)?;
        if !is_choice(&included, &rejected, transactions.len()) {
            return Err(ProducerError::Inconsistent { height, field: "list of transactions" });
        }
        let in_block = included.iter().map(|&index| transactions[index]);
        listing::check(&**environment, &block, in_block)
            .map_err(|other| ProducerError::Messages { height, other })?;
        let positions: Vec<_> =
            offered.iter().map(|&(_, position, submitted)| (position, submitted)).collect();
        for index in included {
            tried[positions[index].0].1 = Verdict::Included;
        }
        for (index, reason) in rejected {
            let (position, submitted) = positions[index];
            let (spot, verdict) = &mut tried[position];
            let is_early = matches!(spot, Spot::Transaction(_)) && environment.may_come_later(&reason);
            *verdict = match (is_early, is_old(submitted, height)) {
                (true, false) => Verdict::Early(reason),
                (true, true) => Verdict::Refused(Rejection::Expired(reason)),
                (false, _) => Verdict::Refused(Rejection::Environment(reason)),
            };
        }
        Ok(Filled { block, state, tried, unable: noted })
    }

    /// The transactions that the next block may try, each in order: those that it can have, as far as look-ups tell, if it
    /// has those before them, and the others. Whoever promises a fee in the others keeps nobody out.
    fn sorted_candidates(&self) -> (Vec<Tried<'_, E>>, Vec<Untimely<'_, E>>) {
        let (environment, state, superblock) = (&*self.environment, self.state(), self.superblock);
        let mut forecast = Forecast::new(|cell| environment.cell(state, cell));
        let mut steps = 0;
        let mut follows = |transaction, footprint: &Footprint| {
            if !(forecast.holds(footprint) && environment.may_come_next(state, transaction)) {
                return false;
            }
            let messages = environment.messages(transaction);
            let fits = messages.check_timing(superblock).is_ok()
                && (messages.steps() == 0 || steps + messages.steps() <= MAX_BLOCK_STEPS);
            if fits {
                steps += messages.steps();
                forecast.follow(footprint);
            }
            fits
        };
        let noted = |spot, transaction, footprint| {
            let is_beaten = may_come_first(environment, state, superblock, transaction, footprint);
            Unable { spot, is_beaten }
        };
        let (mut able, mut unable, mut waiting) = (vec![], vec![], vec![]);
        for candidate in self.pool.candidates() {
            let Candidate { spot, pending, terms, waits, is_tried } = candidate;
            let (transaction, footprint) = (&pending.transaction, &terms.footprint);
            let shows_nothing = footprint.reads.is_empty();
            if shows_nothing && !is_tried {
                continue;
            }
            if follows(transaction, footprint) {
                able.push((spot, pending));
            } else if waits && !shows_nothing {
                waiting.push(candidate);
            } else {
                unable.push((noted(spot, transaction, footprint), pending));
            }
        }
        // What was missing may be made by one that pays less.
        for Candidate { spot, pending, terms, is_tried, .. } in waiting {
            let (transaction, footprint) = (&pending.transaction, &terms.footprint);
            if follows(transaction, footprint) {
                able.push((spot, pending));
            } else if is_tried {
                unable.push((noted(spot, transaction, footprint), pending));
            }
        }
        (able, unable)
    }

    /// Appends a block to the chain, and takes out of the pool what is in it or refused.
    fn append(&mut self, height: u32, filled: Filled<E>) -> Vec<Rejected<E::Error>> {
        let Filled { block, state, tried, unable } = filled;
        let mut rejected: Vec<_> = displacements(&self.pool.take_displaced());
        self.pool.note_unable(unable);
        self.pool.end_turn();
        let (mut transactions, mut refused, mut early) = (vec![], vec![], vec![]);
        for (spot, verdict) in tried {
            match verdict {
                Verdict::Left => {}
                Verdict::Included => transactions.extend(self.pool.remove(spot)),
                Verdict::Early(reason) => early.push((spot, reason)),
                Verdict::Refused(reason) => {
                    if let Some(pending) = self.pool.remove(spot) {
                        rejected.push(Rejected { id: pending.id, reason });
                        refused.push((transactions.len(), pending));
                    }
                }
            }
        }
        // By now those before them that are in the block or refused are gone.
        for (spot, reason) in early {
            self.pool.postpone(spot, EarlyReason::Found(reason));
        }
        for (pending, reason) in self.pool.expire(height) {
            rejected.push(Rejected { id: pending.id, reason: reason.expired() });
            refused.push((transactions.len(), pending));
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        self.blocks.push_back(ChainedBlock { block, state, transactions, proven: false, refused, serial });
        rejected
    }

    /// What is still in no block, with the reason, as if no more blocks were made: the transactions of users that wait, and
    /// what was replaced or evicted since the last proposal.
    ///
    /// # Errors
    /// [`ReadFailure`]: a reason may be that something could not be read.
    pub fn leftovers(&self) -> Result<Vec<Rejected<E::Error>>, ReadFailure> {
        let mut leftovers = displacements(self.pool.displaced());
        let mut state = self.state().clone();
        for Pending { id, transaction, .. } in self.pool.transactions() {
            let timing = self.environment.messages(transaction).check_timing(self.superblock);
            let executed = timing.map_err(Rejection::Timing).and_then(|()| {
                self.environment.execute(&mut state, transaction).map_err(Rejection::Environment)
            });
            let reason = executed.err().unwrap_or(Rejection::NoRoom);
            leftovers.push(Rejected { id: *id, reason });
        }
        state.check_reads()?;
        Ok(leftovers)
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

    /// Checks that a block's body is the one that it states: others apply nothing else.
    fn check_body(&self, height: u32, block: &ProposedBlock<E::BlockWitness>) -> Result<(), ProducerError> {
        let stated = block.statement().body;
        match self.environment.body_digest(block.body()) {
            Ok(found) if found == stated => Ok(()),
            Ok(found) => Err(ProducerError::OtherBody { height, stated, found }),
            Err(error) => Err(ProducerError::MalformedBody { height, source: Box::new(error) }),
        }
    }

    /// Drops the proposed blocks from `height` on. Their transactions return to the pool, and so does what was refused while
    /// they were filled; they are tried first, in their old order, so that the next [`Self::propose_block`] makes a block
    /// of `height` again. Returns how many blocks were dropped.
    ///
    /// # Errors
    /// [`ProducerError::NoSuchBlock`]
    pub fn rollback(&mut self, height: u32) -> Result<usize, ProducerError> {
        let position = self.position(height)?;
        let dropped = self.blocks.split_off(position);
        let count = dropped.len();
        let environment = &self.environment;
        let sorted = dropped.into_iter().flat_map(ChainedBlock::into_tried).map(|pending| {
            let messages = environment.messages(&pending.transaction);
            let sort = match messages.inbox.first() {
                Some((message, consumption)) => Sort::Message(Origin::new(message, *consumption)),
                None => Sort::Transaction(environment.terms(&pending.transaction)),
            };
            (pending, sort)
        });
        self.pool.bring_back(sorted);
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

    /// The proof of the block that covers `height`, as a graph of tasks.
    ///
    /// # Errors
    /// - [`ProducerError::NoSuchBlock`]
    /// - [`ProducerError::Read`]
    /// - [`ProducerError::Prove`]
    pub fn graph<'a>(
        &'a self,
        cache: &'a CircuitCache,
        height: u32,
    ) -> Result<BlockGraph<'a>, ProducerError> {
        let ChainedBlock { block, state, .. } = self.block(height)?;
        state.check_reads()?;
        self.environment.graph(cache, block).map_err(|source| ProducerError::Prove { height, source })
    }

    /// Proves the block that covers `height`. Blocks can be proved in any order, also at the same time.
    ///
    /// # Errors
    /// - [`ProducerError::NoSuchBlock`]
    /// - [`ProducerError::Prove`]
    pub fn prove(&self, cache: &CircuitCache, height: u32) -> Result<ProvenBlock, ProducerError> {
        self.graph(cache, height)?.prove().map_err(|source| ProducerError::Prove { height, source })
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

/// Whether the block on `state` can have a transaction before all others, as far as look-ups tell.
fn may_come_first<E: Environment>(
    environment: &E,
    state: &E::State,
    superblock: u32,
    transaction: &E::Transaction,
    footprint: &Footprint,
) -> bool {
    footprint.holds(|cell| environment.cell(state, cell))
        && environment.may_come_next(state, transaction)
        && environment.messages(transaction).check_timing(superblock).is_ok()
}

/// Whether the indices name different ones of `count` transactions, those that are included in their order.
fn is_choice<Err>(included: &[usize], rejected: &[(usize, Err)], count: usize) -> bool {
    let mut named: Vec<_> =
        included.iter().copied().chain(rejected.iter().map(|(index, _)| *index)).collect();
    named.sort_unstable();
    let is_ascending = |indices: &[usize]| indices.is_sorted_by(|before, after| before < after);
    is_ascending(included) && is_ascending(&named) && named.last().is_none_or(|&last| last < count)
}

/// The rejections of what was displaced.
fn displacements<Err: Error>(displaced: &[Displaced]) -> Vec<Rejected<Err>> {
    let rejected = displaced.iter().map(|&Displaced { id, by, is_evicted }| {
        let reason = if is_evicted { Rejection::Evicted { by } } else { Rejection::Replaced { by } };
        Rejected { id, reason }
    });
    rejected.collect()
}

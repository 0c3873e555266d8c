//! What waits for a block, and the order in which a block tries it.
//!
//! Transactions of users are tried by what they pay for each slot of a block that they take, then by their arrival. Those of
//! one sender are tried by their nonces, so the sender whose first transaction is the best one goes first:
//!
//! ```text
//! sender A   nonce 4, fee 1 of 1 slot    nonce 5, fee 9 of 1 slot
//! sender B   nonce 7, fee 3 of 1 slot    nonce 8, fee 2 of 1 slot        B7, C1, B8, A4, A5
//! sender C   nonce 1, fee 5 of 2 slots
//! ```
//!
//! Those that the next block cannot have, as far as look-ups in the last state tell, are tried after all others, since
//! promising a fee costs nothing: see [`Footprint`] and [`Environment::may_come_next`](crate::Environment::may_come_next).
//!
//! A transaction that comes too early, because another one must be executed first, waits with those of its sender for a
//! number of blocks. Messages from other environments wait in queues of their own, which are served by turns. What a
//! rollback brings back is tried before everything else, in its old order.
//!
//! A full pool makes room for a transaction that the next block can have. What gives way is the last transaction of a sender,
//! so that no other one loses the one before it: of the one whose first transaction comes too early for the longest time; else
//! one that the last block could not have, because of what the state was or because of a better one; else of the one who would
//! be served last, if the new one goes before it. A full pool also makes room for a message that would be served before the
//! last one, and for one of an environment with fewer messages.
//!
//! Submitting costs a logarithm of the size of the pool; if that is full, also the execution of what is submitted and a limited
//! number of look-ups, however much waits. A block lists all that waits, which costs a logarithm for each item, and looks up
//! what its footprint needs.

mod footprint;
mod messages;
mod stored;
mod transactions;

use std::cmp::Reverse;

use circuits_core::{Digest, amount::Amount};
use circuits_protocol::registry::EnvironmentId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::footprint::{Cell, Condition, Draw, Footprint};
pub(crate) use self::stored::{Codec, Written};
pub(crate) use self::{footprint::Forecast, messages::Origin, transactions::Candidate};
use self::{messages::Messages, transactions::Transactions};

/// Transactions that a pool holds at most: a thousand of the largest blocks. What would wait for longer is better
/// submitted again.
pub const MAX_PENDING: usize = 1 << 18;
/// Bytes that the transactions of a pool take at most, with its records of them: little beside what one proof takes.
pub const MAX_PENDING_BYTES: usize = 3 << 27;
/// Bytes that a pool takes for each transaction beside the transaction and its [`Footprint`]: its terms, its queue, and its
/// places in the order, in maps whose nodes are half full. Measured with transactions of the note-based environment.
pub const ENTRY_BYTES: usize = 1152;
/// Transactions or messages of one sender that a pool holds at most: enough to fill the largest block of the included
/// environments, and too few for one sender to fill the pool.
pub const MAX_PER_SENDER: usize = 256;
/// Messages that a pool holds at most: hundreds of the blocks with the most messages.
pub const MAX_MESSAGES: usize = 1 << 16;
/// Blocks after which a transaction that comes too early is dropped: enough for another block producer to make what it
/// waits for.
pub const MAX_EARLY_BLOCKS: u32 = 64;
/// Transactions that one block tries again although the first one of their sender came too early, without knowing whether
/// what was missing is there now: those of so many senders as have this number together, first of those whose [`Footprint`]
/// shows nothing, the longest untried first. Those whose footprint shows that it is there come on top.
pub const MAX_RETRIES: usize = 1 << 10;
/// Transactions or messages beyond its room that one block tries at most, so that what fails does not delay a block
/// without end.
pub const MAX_FAILING: usize = 1 << 12;
/// Transactions that give way to one in a full pool at most, and of which the pool looks up whether they do: more than
/// the largest transaction takes the room of.
pub const MAX_GIVING_WAY: usize = 1 << 12;
/// A transaction that replaces another one pays more than it by this part of its fee, and by 1 at least, because each
/// replacement takes work that nobody pays for.
pub const REPLACEMENT_STEP: u64 = 8;

/// Names a transaction within one producer: the order of submission, from 0.
pub type TransactionId = u64;

/// When something that a rollback brought back is tried: after what later rollbacks brought back, and in its old order
/// among what its own did.
type Returned = (Reverse<u64>, usize);

/// A transaction, the order in which it was submitted, and when.
#[derive(Clone, Debug)]
pub struct Pending<T> {
    /// Its name.
    pub id: TransactionId,
    /// Height of the last block when it was submitted.
    pub submitted: u32,
    /// The transaction.
    pub transaction: T,
}

/// What the pool must know of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who made it, as nobody else can claim; `None` for a transaction that follows on no other.
    pub sender: Option<Digest>,
    /// Its number among those of its sender, one more than that of the one before; `None` if the transaction does not
    /// say. Then it follows on what its sender submitted before.
    pub nonce: Option<u64>,
    /// What it pays.
    pub fee: Amount,
    /// What it takes of a block, at least 1.
    pub slots: u32,
    /// What it takes of the pool's memory, [`ENTRY_BYTES`] included.
    pub bytes: usize,
    /// What it finds in the state and leaves there.
    pub footprint: Footprint,
}

impl Terms {
    /// The terms of a transaction of so many bytes that follows on no other, pays nothing, and shows nothing without being
    /// executed.
    #[must_use]
    pub const fn of_bytes(bytes: usize) -> Self {
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        Self { sender: None, nonce: None, fee: Amount::ZERO, slots: 1, bytes, footprint: Footprint::NONE }
    }
}

/// What one block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Transactions at most.
    pub transactions: usize,
    /// Messages taken in at most.
    pub messages: usize,
    /// Room that both share: a message takes one unit of it, and so does a transaction. If both wait, half of it is
    /// reserved for either, and what one leaves is for the other.
    pub together: usize,
}

impl Room {
    /// Room for transactions of a state model without messages. It need not be exact: blocks end where they are full.
    pub const TRANSACTIONS: Self = Self { transactions: 1 << 10, messages: 0, together: 1 << 10 };

    /// The messages that a block of this height tries while this number of transactions waits. Where the room has no
    /// half, heights alternate.
    fn reserved_for_messages(&self, height: u32, waiting: usize) -> usize {
        let odd = self.together % 2 == 1 && height % 2 == 1;
        let half = self.together / 2 + usize::from(odd);
        let reserved = if waiting == 0 { 0 } else { (self.together - half).min(self.transactions) };
        self.beside(reserved)
    }

    /// The messages for which this number of transactions leaves room.
    fn beside(&self, transactions: usize) -> usize {
        self.together.saturating_sub(transactions).min(self.messages)
    }
}

/// Why a pool refuses something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PoolError {
    /// The pool is full, and nothing in it gives way.
    #[error("the pool holds {MAX_PENDING} transactions already, which is its limit")]
    Full,
    /// The pool's memory is full, and not enough in it gives way.
    #[error(
        "the pool holds transactions of {waiting} bytes; {found} more exceed its limit of {MAX_PENDING_BYTES}"
    )]
    TooManyBytes {
        /// Bytes that wait.
        waiting: usize,
        /// Bytes of the transaction.
        found: usize,
    },
    /// One sender has too many transactions.
    #[error("{MAX_PER_SENDER} transactions of sender {0} wait already, which is the limit")]
    TooManyOfSender(Digest),
    /// A transaction does not pay enough to replace the one that waits.
    #[error(
        "a transaction with nonce {nonce} waits already; another one must pay at least {least}, not {found}"
    )]
    Underpriced {
        /// Their nonce.
        nonce: u64,
        /// The least fee that replaces it.
        least: u64,
        /// The fee.
        found: Amount,
    },
    /// The pool has too many messages, and none gives way.
    #[error("the pool holds {MAX_MESSAGES} messages already, which is its limit")]
    TooManyMessages,
    /// One sender elsewhere has too many messages.
    #[error(
        "{MAX_PER_SENDER} messages of sender {sender} of environment {environment} wait already, which is the limit"
    )]
    TooManyMessagesOfSender {
        /// The environment that emits them.
        environment: EnvironmentId,
        /// Their sender, in its terms.
        sender: Digest,
    },
    /// The message was delivered before.
    #[error("the message {message} waits already, as transaction {id}")]
    MessageWaits {
        /// Its hash.
        message: Digest,
        /// What takes it in.
        id: TransactionId,
    },
}

/// Where something waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spot {
    Message(messages::Spot),
    Transaction(transactions::Spot),
}

/// What the last state says of transactions, which a pool asks when it is full.
pub(crate) struct Outlook<'a, T> {
    /// Whether the next block can have a transaction, which is executed for that.
    pub(crate) comes_next: &'a dyn Fn(&T) -> bool,
    /// Whether it can, as far as look-ups tell.
    pub(crate) may_come_next: &'a dyn Fn(&T, &Terms) -> bool,
}

/// Something that a block could not have.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Unable<S> {
    /// Where it waits.
    pub(crate) spot: S,
    /// Whether nothing but what is tried before it kept it out.
    pub(crate) is_beaten: bool,
}

/// Something that left the pool for something else.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Displaced {
    pub(crate) id: TransactionId,
    pub(crate) by: TransactionId,
    /// Whether it made room in a full pool, and was not replaced.
    pub(crate) is_evicted: bool,
}

/// What the pool must know of something that waits.
pub(crate) enum Sort {
    Message(Origin),
    Transaction(Terms),
}

/// What waits for a block. `R` is the reason for which a transaction comes too early.
pub(crate) struct Pool<T, R> {
    messages: Messages<T>,
    transactions: Transactions<T, R>,
    /// What was displaced and is not reported yet.
    displaced: Vec<Displaced>,
    next_id: TransactionId,
    rollbacks: u64,
    stored: stored::Progress,
}

impl<T, R> Pool<T, R> {
    pub(crate) fn new() -> Self {
        Self {
            messages: Messages::new(),
            transactions: Transactions::new(),
            displaced: vec![],
            next_id: 0,
            rollbacks: 0,
            stored: stored::Progress::default(),
        }
    }

    /// Transactions and messages that wait.
    pub(crate) fn len(&self) -> usize {
        self.messages.len() + self.transactions.len()
    }

    /// How many messages a block of this height tries at first.
    pub(crate) fn share_of_messages(&self, room: Room, height: u32) -> usize {
        room.reserved_for_messages(height, self.transactions.len())
    }

    /// How many messages it tries after all, if transactions used so much of its room, and if it refused so many messages of
    /// its `share`, which count for nothing: more than the share only if so many wait.
    pub(crate) fn rest_for_messages(
        &self,
        room: Room,
        share: usize,
        used: usize,
        refused: usize,
    ) -> Option<usize> {
        let rest = room.beside(used).max(share) + refused;
        (rest > share && self.messages.len() > share).then_some(rest)
    }

    /// The messages, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (Spot, &Pending<T>)> {
        self.messages.order().map(|(spot, pending)| (Spot::Message(spot), pending))
    }

    /// The transactions that a block may try, in order.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate<'_, T>> {
        self.transactions.candidates()
    }

    /// All transactions, in order, whether or not the next block tries them.
    pub(crate) fn transactions(&self) -> impl Iterator<Item = &Pending<T>> {
        self.transactions.all().map(|candidate| candidate.pending)
    }

    /// Everything that waits: messages, then transactions.
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = &Pending<T>> {
        let messages = self.messages.order().map(|(_, pending)| pending);
        Counted { items: messages.chain(self.transactions()), left: self.len() }
    }

    /// Adds a transaction of a user.
    ///
    /// # Errors
    /// [`PoolError`]
    pub(crate) fn submit(
        &mut self,
        transaction: T,
        terms: Terms,
        height: u32,
        outlook: &Outlook<'_, T>,
    ) -> Result<TransactionId, PoolError> {
        let pending = Pending { id: self.next_id, submitted: height, transaction };
        self.displaced.extend(self.transactions.submit(pending, terms, outlook)?);
        Ok(self.take_id())
    }

    /// Adds the transaction that takes in a message.
    ///
    /// # Errors
    /// [`PoolError`]
    pub(crate) fn deliver(
        &mut self,
        transaction: T,
        origin: Origin,
        height: u32,
    ) -> Result<TransactionId, PoolError> {
        let pending = Pending { id: self.next_id, submitted: height, transaction };
        self.displaced.extend(self.messages.deliver(pending, origin)?);
        Ok(self.take_id())
    }

    /// The next name, once.
    const fn take_id(&mut self) -> TransactionId {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Takes something out.
    pub(crate) fn remove(&mut self, spot: Spot) -> Option<Pending<T>> {
        match spot {
            Spot::Message(spot) => self.messages.remove(spot),
            Spot::Transaction(spot) => self.transactions.remove(spot),
        }
    }

    /// Lets a transaction that came too early wait, and with it what its sender submitted after it.
    pub(crate) fn postpone(&mut self, spot: Spot, reason: R) {
        if let Spot::Transaction(spot) = spot {
            self.transactions.postpone(spot, reason);
        }
    }

    /// Remembers, in order, which transactions a block could not have: they give way to others.
    pub(crate) fn note_unable(&mut self, unable: impl IntoIterator<Item = Unable<Spot>>) {
        let of_transaction = |Unable { spot, is_beaten }| match spot {
            Spot::Transaction(spot) => Some(Unable { spot, is_beaten }),
            Spot::Message(_) => None,
        };
        self.transactions.note_unable(unable.into_iter().filter_map(of_transaction).collect());
    }

    /// Ends the turn of those that came too early and that [`Self::candidates`] lets a block try again.
    pub(crate) fn end_turn(&mut self) {
        self.transactions.end_turn();
    }

    /// Takes out what is too early since [`MAX_EARLY_BLOCKS`] before the block of this height.
    pub(crate) fn expire(&mut self, height: u32) -> Vec<(Pending<T>, R)> {
        self.transactions.expire(height)
    }

    /// Brings back, in order, what a rollback dropped, whatever else waits.
    pub(crate) fn bring_back(&mut self, dropped: impl IntoIterator<Item = (Pending<T>, Sort)>) {
        self.rollbacks += 1;
        for (index, (pending, sort)) in dropped.into_iter().enumerate() {
            let returned = (Reverse(self.rollbacks), index);
            match sort {
                Sort::Message(origin) => {
                    let id = pending.id;
                    // The same message may have been delivered again since.
                    let waiting = self.messages.bring_back(pending, origin, returned);
                    let replaced = |by| Displaced { id, by, is_evicted: false };
                    self.displaced.extend(waiting.map(replaced));
                }
                Sort::Transaction(terms) => self.transactions.bring_back(pending, terms, returned),
            }
        }
    }

    /// What was displaced since the last [`Self::take_displaced`].
    pub(crate) fn displaced(&self) -> &[Displaced] {
        &self.displaced
    }

    /// As [`Self::displaced`], once.
    pub(crate) fn take_displaced(&mut self) -> Vec<Displaced> {
        self.stored.note_taken();
        std::mem::take(&mut self.displaced)
    }
}

/// Whether something that was submitted at one height waits for long at another.
pub(crate) const fn is_old(submitted: u32, height: u32) -> bool {
    height.saturating_sub(submitted) >= MAX_EARLY_BLOCKS
}

/// An iterator whose length is known.
struct Counted<I> {
    items: I,
    left: usize,
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let item = self.items.next()?;
        self.left = self.left.saturating_sub(1);
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Iterator> ExactSizeIterator for Counted<I> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_the_memory_for_as_many_small_transactions_as_it_holds() {
        assert!(MAX_PENDING * Terms::of_bytes(128).bytes <= MAX_PENDING_BYTES);
    }

    #[test]
    fn messages_and_transactions_have_half_of_a_block_if_both_wait() {
        let room = Room { transactions: 8, messages: 8, together: 8 };
        for (waiting, expected) in [(0, 8), (1, 4), (4, 4), (100, 4)] {
            assert_eq!(room.reserved_for_messages(1, waiting), expected, "{waiting} transactions wait");
        }
        assert_eq!((room.beside(0), room.beside(3), room.beside(9)), (8, 5, 0));
        let narrow = Room { messages: 3, ..room };
        assert_eq!((narrow.reserved_for_messages(1, 100), narrow.beside(0)), (3, 3));
    }

    #[test]
    fn in_a_block_of_one_they_alternate() {
        let room = Room { transactions: 1, messages: 1, together: 1 };
        let shares: Vec<_> = (1..=4).map(|height| room.reserved_for_messages(height, 5)).collect();
        assert_eq!(shares, [1, 0, 1, 0]);
        assert_eq!(room.reserved_for_messages(2, 0), 1, "no transaction waits");
        let odd = Room { transactions: 5, messages: 5, together: 5 };
        assert_eq!([1, 2].map(|height| odd.reserved_for_messages(height, 5)), [3, 2]);
    }

    #[test]
    fn room_that_is_not_shared_is_not_divided() {
        for transactions in [1, 4, 8, 10, 64] {
            let room = Room { transactions, messages: 8, together: transactions + 8 };
            assert!((1..4).all(|height| room.reserved_for_messages(height, 100) == 8), "{transactions}");
        }
    }
}

//! A pool in a database: what waits, in which order, and since when.
//!
//! A pool that is stored notes what changes, so that storing it costs that. What only saves work, such as footprints, is made
//! again.

use bridge_core::{Consumption, Message};
use circuits_database::{Change, Map, View};
use serde::{Deserialize, Serialize};

use super::{Displaced, Messages, Pool, Terms, TransactionId, Transactions};
use crate::stored::{StoredError, number, only};

/// One entry: the [`Counters`].
const POOL: Map = Map("pool");
/// By position: what was displaced and is not reported yet.
const DISPLACED: Map = Map("displaced");

/// A transaction as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Written {
    /// A user's, as JSON.
    Transaction(String),
    /// What takes in a message. The environment makes it again, since no text is read as one.
    Message(Message, Consumption),
}

/// How transactions, and the reasons for which they come too early, are stored.
pub(crate) trait Codec<T, R> {
    fn write(&self, id: TransactionId, transaction: &T) -> Result<Written, StoredError>;

    /// A transaction, and its terms if a user made it.
    fn read(&self, id: TransactionId, written: Written) -> Result<(T, Option<Terms>), StoredError>;

    fn reason(&self, reason: &R) -> String;

    /// The reason of which [`Self::reason`] is known only.
    fn noted(&self, reason: String) -> R;
}

/// What is stored of a pool already.
#[derive(Default)]
pub(super) struct Progress {
    counters: Option<Counters>,
    /// Of what was displaced, how many entries were stored and are still right, and how many there are.
    displaced: usize,
    displaced_entries: usize,
}

impl Progress {
    /// Notes that what was displaced is reported.
    pub(super) const fn note_taken(&mut self) {
        self.displaced = 0;
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Counters {
    next_id: TransactionId,
    rollbacks: u64,
    transaction_turn: u64,
    message_turn: u64,
}

impl<T, R> Pool<T, R> {
    /// The changes since the last call; all that there is if it is the first one or if `is_whole`.
    pub(crate) fn changes(
        &mut self,
        codec: &impl Codec<T, R>,
        is_whole: bool,
    ) -> Result<Vec<Change>, StoredError> {
        if is_whole {
            self.stored = Progress::default();
        }
        let mut changes = self.transactions.changes(codec, is_whole)?;
        changes.extend(self.messages.changes(codec, is_whole)?);
        let counters = Counters {
            next_id: self.next_id,
            rollbacks: self.rollbacks,
            transaction_turn: self.transactions.turn(),
            message_turn: self.messages.turn(),
        };
        if self.stored.counters != Some(counters) {
            changes.push(POOL.change([], Some(&counters))?);
        }
        let count = self.displaced.len();
        for position in self.stored.displaced..count.max(self.stored.displaced_entries) {
            let displaced = self.displaced.get(position);
            changes.push(DISPLACED.change((position as u64).to_be_bytes(), displaced)?);
        }
        self.stored = Progress { counters: Some(counters), displaced: count, displaced_entries: count };
        Ok(changes)
    }

    /// What a view shows.
    pub(crate) fn restore(codec: &impl Codec<T, R>, view: &View) -> Result<Self, StoredError> {
        let counters: Counters = only(POOL, view)?;
        let mut displaced: Vec<Displaced> = vec![];
        for (expected, (position, entry)) in (0..).zip(view.entries(DISPLACED)?) {
            if number(DISPLACED, &position)? != expected {
                return Err(StoredError::Entry { map: DISPLACED });
            }
            displaced.push(entry);
        }
        let count = displaced.len();
        Ok(Self {
            messages: Messages::restore(codec, counters.message_turn, view)?,
            transactions: Transactions::restore(codec, counters.transaction_turn, view)?,
            displaced,
            next_id: counters.next_id,
            rollbacks: counters.rollbacks,
            stored: Progress { counters: Some(counters), displaced: count, displaced_entries: count },
        })
    }
}

//! Messages from other environments, which are served by turns.
//!
//! A message joins the round after the one that is being served, or after the round of the last message of its sender. So
//! the messages of one environment are served in rounds with one of each sender, in the order of delivery, and a sender
//! with many messages delays itself only. The environments take turns themselves.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    iter::Peekable,
};

use bridge_core::{Consumption, Message};
use circuits_core::Digest;
use circuits_protocol::registry::EnvironmentId;

use super::{MAX_MESSAGES, MAX_PER_SENDER, Pending, PoolError, Returned, TransactionId};

/// Where a message comes from, and what names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    environment: EnvironmentId,
    sender: Digest,
    name: (Digest, Consumption),
}

impl Origin {
    pub(crate) fn new(message: &Message, consumption: Consumption) -> Self {
        Self { environment: message.source, sender: message.sender, name: (message.hash(), consumption) }
    }
}

/// Where a message is among those of its environment: by round, then by arrival.
type Place = (u64, TransactionId);

/// Where a message waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spot {
    Returned(Returned),
    Queued(EnvironmentId, Place),
}

struct Entry<T> {
    pending: Pending<T>,
    origin: Origin,
}

/// What waits of one sender.
#[derive(Clone, Copy, Default)]
struct Sender {
    count: usize,
    /// The round of its last message.
    round: u64,
}

/// The messages of one environment.
struct Source<T> {
    queue: BTreeMap<Place, Entry<T>>,
    /// Those with messages in the queue.
    senders: BTreeMap<Digest, Sender>,
    /// The last round that was served.
    round: u64,
    /// The turn in which the environment is served next.
    turn: u64,
}

/// The messages that wait.
pub(super) struct Messages<T> {
    returned: BTreeMap<Returned, Entry<T>>,
    sources: BTreeMap<EnvironmentId, Source<T>>,
    names: BTreeMap<(Digest, Consumption), TransactionId>,
    /// The last turn that was served.
    turn: u64,
}

impl<T> Messages<T> {
    pub(super) const fn new() -> Self {
        Self { returned: BTreeMap::new(), sources: BTreeMap::new(), names: BTreeMap::new(), turn: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn deliver(&mut self, pending: Pending<T>, origin: Origin) -> Result<(), PoolError> {
        let Origin { environment, sender, name } = origin;
        if let Some(&id) = self.names.get(&name) {
            return Err(PoolError::MessageWaits { message: name.0, id });
        }
        if self.len() >= MAX_MESSAGES {
            return Err(PoolError::TooManyMessages);
        }
        let source = self.sources.entry(environment).or_insert_with(|| Source {
            queue: BTreeMap::new(),
            senders: BTreeMap::new(),
            round: 0,
            turn: 0,
        });
        let waiting = source.senders.get(&sender).copied().unwrap_or_default();
        if waiting.count >= MAX_PER_SENDER {
            return Err(PoolError::TooManyMessagesOfSender { environment, sender });
        }
        if source.queue.is_empty() {
            // Turns that it did not need are no credit.
            source.turn = source.turn.max(self.turn);
        }
        let round = source.round.max(waiting.round) + 1;
        source.senders.insert(sender, Sender { count: waiting.count + 1, round });
        self.names.insert(name, pending.id);
        source.queue.insert((round, pending.id), Entry { pending, origin });
        Ok(())
    }

    /// Brings a message back; if it waits already, returns what takes it in.
    pub(super) fn bring_back(
        &mut self,
        pending: Pending<T>,
        origin: Origin,
        returned: Returned,
    ) -> Option<TransactionId> {
        if let Some(&id) = self.names.get(&origin.name) {
            return Some(id);
        }
        self.names.insert(origin.name, pending.id);
        self.returned.insert(returned, Entry { pending, origin });
        None
    }

    pub(super) fn remove(&mut self, spot: Spot) -> Option<Pending<T>> {
        let entry = match spot {
            Spot::Returned(returned) => self.returned.remove(&returned)?,
            Spot::Queued(environment, place) => {
                let source = self.sources.get_mut(&environment)?;
                let entry = source.queue.remove(&place)?;
                if let btree_map::Entry::Occupied(mut sender) = source.senders.entry(entry.origin.sender) {
                    sender.get_mut().count -= 1;
                    if sender.get().count == 0 {
                        sender.remove();
                    }
                }
                source.round = source.round.max(place.0);
                self.turn = self.turn.max(source.turn);
                source.turn += 1;
                entry
            }
        };
        self.names.remove(&entry.origin.name);
        Some(entry.pending)
    }

    /// The messages in the order in which they are served.
    pub(super) fn order(&self) -> Order<'_, T> {
        let (mut due, mut queues) = (BTreeSet::new(), BTreeMap::new());
        for (&environment, source) in &self.sources {
            let mut queue = source.queue.iter().peekable();
            if let Some(((_, first), _)) = queue.peek() {
                due.insert((source.turn, *first, environment));
                queues.insert(environment, queue);
            }
        }
        Order { returned: self.returned.iter(), due, queues }
    }
}

/// Messages by turns.
pub(super) struct Order<'p, T> {
    returned: btree_map::Iter<'p, Returned, Entry<T>>,
    /// The next message of each environment: its turn, then its arrival.
    due: BTreeSet<(u64, TransactionId, EnvironmentId)>,
    queues: BTreeMap<EnvironmentId, Peekable<btree_map::Iter<'p, Place, Entry<T>>>>,
}

impl<'p, T> Iterator for Order<'p, T> {
    type Item = (Spot, &'p Pending<T>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((&returned, entry)) = self.returned.next() {
            return Some((Spot::Returned(returned), &entry.pending));
        }
        let (turn, _, environment) = self.due.pop_first()?;
        let queue = self.queues.get_mut(&environment)?;
        let (&place, entry) = queue.next()?;
        if let Some(((_, next), _)) = queue.peek() {
            self.due.insert((turn + 1, *next, environment));
        }
        Some((Spot::Queued(environment, place), &entry.pending))
    }
}

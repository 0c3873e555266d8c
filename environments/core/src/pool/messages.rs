//! Messages from other environments, which are served by turns.
//!
//! A message joins the round after the one that is being served, or after the round of the last message of its sender. So
//! the messages of one environment are served in rounds with one of each sender, in the order of delivery, and a sender
//! with many messages delays itself only. The environments take turns themselves.
//!
//! In a full pool the environment with the most messages gives up its last one for a message of another one, or for one
//! of its own that joins an earlier round. Nothing is lost: the bridge keeps a message until it is consumed.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    iter::Peekable,
};

use bridge_core::{Consumption, Message};
use circuits_core::Digest;
use circuits_protocol::registry::EnvironmentId;
use serde::{Deserialize, Serialize};

use super::{Displaced, MAX_MESSAGES, MAX_PER_SENDER, Pending, PoolError, Returned, TransactionId};

mod stored;

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
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Spot {
    Returned(Returned),
    Queued(EnvironmentId, Place),
}

struct Entry<T> {
    pending: Pending<T>,
    origin: Origin,
}

/// What waits of one sender.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Sender {
    count: usize,
    /// The round of its last message.
    round: u64,
}

impl Sender {
    /// Adds a message that joins this round.
    const fn join(&mut self, round: u64) {
        self.count += 1;
        self.round = round;
    }
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
    /// What changed since it was stored, if the pool is stored.
    touched: Option<Touched>,
}

/// What may be other than it was stored.
#[derive(Default)]
pub(super) struct Touched {
    /// Where messages were, or are.
    pub(super) spots: BTreeMap<TransactionId, Spot>,
    pub(super) senders: BTreeSet<(EnvironmentId, Digest)>,
    pub(super) sources: BTreeSet<EnvironmentId>,
}

impl<T> Messages<T> {
    pub(super) const fn new() -> Self {
        Self {
            returned: BTreeMap::new(),
            sources: BTreeMap::new(),
            names: BTreeMap::new(),
            turn: 0,
            touched: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Notes that a message is or was here, and that its sender and its environment may be served otherwise.
    fn touch(&mut self, id: TransactionId, spot: Spot, origin: &Origin) {
        if let Some(touched) = &mut self.touched {
            touched.spots.insert(id, spot);
            touched.senders.insert((origin.environment, origin.sender));
            touched.sources.insert(origin.environment);
        }
    }

    /// Adds a message, and returns the one that it displaces.
    pub(super) fn deliver(
        &mut self,
        pending: Pending<T>,
        origin: Origin,
    ) -> Result<Option<Displaced>, PoolError> {
        let Origin { environment, sender, name } = origin;
        if let Some(&id) = self.names.get(&name) {
            return Err(PoolError::MessageWaits { message: name.0, id });
        }
        let source = self.sources.entry(environment).or_insert_with(|| Source {
            queue: BTreeMap::new(),
            senders: BTreeMap::new(),
            round: 0,
            turn: 0,
        });
        if let Some(touched) = &mut self.touched {
            touched.sources.insert(environment);
        }
        let waiting = source.senders.get(&sender).copied().unwrap_or_default();
        if waiting.count >= MAX_PER_SENDER {
            return Err(PoolError::TooManyMessagesOfSender { environment, sender });
        }
        if source.queue.is_empty() {
            // Turns that it did not need are no credit.
            source.turn = source.turn.max(self.turn);
        }
        let round = source.round.max(waiting.round) + 1;
        let evicted = if self.len() < MAX_MESSAGES {
            None
        } else {
            let (source, place) = self.expendable(environment, round).ok_or(PoolError::TooManyMessages)?;
            self.take(source, place)
        };
        let displaced = evicted.map(|entry| {
            self.names.remove(&entry.origin.name);
            Displaced { id: entry.pending.id, by: pending.id, is_evicted: true }
        });
        self.names.insert(name, pending.id);
        self.touch(pending.id, Spot::Queued(environment, (round, pending.id)), &origin);
        if let Some(source) = self.sources.get_mut(&environment) {
            source.senders.entry(sender).or_default().join(round);
            source.queue.insert((round, pending.id), Entry { pending, origin });
        }
        Ok(displaced)
    }

    /// Where the message is that gives way to one of `environment` that joins this round; `None` if none does.
    fn expendable(&self, environment: EnvironmentId, round: u64) -> Option<(EnvironmentId, Place)> {
        let count = |source: &Source<T>| source.queue.len();
        let (&largest, source) = self.sources.iter().max_by_key(|(_, source)| count(source))?;
        let (&last, _) = source.queue.last_key_value()?;
        let gives_way = if largest == environment {
            last.0 > round
        } else {
            // Not if both would only change places.
            count(source) > self.sources.get(&environment).map_or(0, count) + 1
        };
        gives_way.then_some((largest, last))
    }

    /// Takes a message out of its queue.
    fn take(&mut self, environment: EnvironmentId, place: Place) -> Option<Entry<T>> {
        let source = self.sources.get_mut(&environment)?;
        let entry = source.queue.remove(&place)?;
        if let btree_map::Entry::Occupied(mut sender) = source.senders.entry(entry.origin.sender) {
            sender.get_mut().count -= 1;
            if sender.get().count == 0 {
                sender.remove();
            }
        }
        self.touch(entry.pending.id, Spot::Queued(environment, place), &entry.origin);
        Some(entry)
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
        self.touch(pending.id, Spot::Returned(returned), &origin);
        self.returned.insert(returned, Entry { pending, origin });
        None
    }

    pub(super) fn remove(&mut self, spot: Spot) -> Option<Pending<T>> {
        let entry = match spot {
            Spot::Returned(returned) => {
                let entry = self.returned.remove(&returned)?;
                self.touch(entry.pending.id, spot, &entry.origin);
                entry
            }
            Spot::Queued(environment, place) => {
                let entry = self.take(environment, place)?;
                let source = self.sources.get_mut(&environment)?;
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

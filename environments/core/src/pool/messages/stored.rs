//! Messages that wait, in a database.

use circuits_core::Digest;
use circuits_database::{Change, Map, View};
use circuits_protocol::registry::EnvironmentId;
use serde::{Deserialize, Serialize};

use super::{
    super::stored::{Codec, Written},
    Entry, Messages, Origin, Sender, Source, Spot, Touched,
};
use crate::{
    pool::Pending,
    stored::{StoredError, decode, encode, number},
};

/// By id: a message and its place.
const MESSAGES: Map = Map("messages");
/// By environment and sender: what waits of it.
const SENDERS: Map = Map("senders");
/// By environment: the last round that was served, and the turn in which it is served next.
const SOURCES: Map = Map("sources");

/// A message as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredEntry {
    submitted: u32,
    written: Written,
    spot: Spot,
}

impl<T> Messages<T> {
    /// The changes since the last call; all that there is if it is the first one or if `is_whole`.
    pub(in crate::pool) fn changes<R>(
        &mut self,
        codec: &impl Codec<T, R>,
        is_whole: bool,
    ) -> Result<Vec<Change>, StoredError> {
        let touched = match self.touched.take().filter(|_| !is_whole) {
            Some(touched) => touched,
            None => self.everything(),
        };
        let mut changes = vec![];
        for (id, spot) in touched.spots {
            let entry = self.entry(&spot).filter(|entry| entry.pending.id == id).map(|entry| {
                let written = codec.write(id, &entry.pending.transaction)?;
                Ok::<_, StoredError>(StoredEntry { submitted: entry.pending.submitted, written, spot })
            });
            changes.push(MESSAGES.change(id.to_be_bytes(), entry.transpose()?.as_ref())?);
        }
        for key in touched.senders {
            let sender = self.sources.get(&key.0).and_then(|source| source.senders.get(&key.1));
            changes.push(SENDERS.change(encode(SENDERS, &key)?, sender)?);
        }
        for id in touched.sources {
            let source = self.sources.get(&id).map(|source| (source.round, source.turn));
            changes.push(SOURCES.change(id.0.to_be_bytes(), source.as_ref())?);
        }
        self.touched = Some(Touched::default());
        Ok(changes)
    }

    fn entry(&self, spot: &Spot) -> Option<&Entry<T>> {
        match spot {
            Spot::Returned(returned) => self.returned.get(returned),
            Spot::Queued(environment, place) => self.sources.get(environment)?.queue.get(place),
        }
    }

    /// Everything there is.
    fn everything(&self) -> Touched {
        let returned =
            self.returned.iter().map(|(returned, entry)| (entry.pending.id, Spot::Returned(*returned)));
        let queued = self.sources.iter().flat_map(|(&id, source)| {
            source.queue.iter().map(move |(place, entry)| (entry.pending.id, Spot::Queued(id, *place)))
        });
        let senders = self.sources.iter();
        let senders =
            senders.flat_map(|(&id, source)| source.senders.keys().map(move |sender| (id, *sender)));
        Touched {
            spots: returned.chain(queued).collect(),
            senders: senders.collect(),
            sources: self.sources.keys().copied().collect(),
        }
    }

    /// What a view shows, after `turn` turns.
    pub(in crate::pool) fn restore<R>(
        codec: &impl Codec<T, R>,
        turn: u64,
        view: &View,
    ) -> Result<Self, StoredError> {
        let mut messages = Self { turn, ..Self::new() };
        for (key, (round, turn)) in view.entries::<(u64, u64)>(SOURCES)? {
            let id = <[u8; 2]>::try_from(key).map_err(|_| StoredError::Entry { map: SOURCES })?;
            let source = Source { queue: Default::default(), senders: Default::default(), round, turn };
            messages.sources.insert(EnvironmentId(u16::from_be_bytes(id)), source);
        }
        for (key, sender) in view.entries::<Sender>(SENDERS)? {
            let (id, name): (EnvironmentId, Digest) = decode(SENDERS, &key)?;
            let source = messages.sources.get_mut(&id).ok_or(StoredError::Entry { map: SENDERS })?;
            source.senders.insert(name, sender);
        }
        for (key, stored) in view.entries::<StoredEntry>(MESSAGES)? {
            let id = number(MESSAGES, &key)?;
            let StoredEntry { submitted, written, spot } = stored;
            let wrong = || StoredError::Entry { map: MESSAGES };
            let origin = match &written {
                Written::Message(message, consumption) => Origin::new(message, *consumption),
                Written::Transaction(_) => return Err(wrong()),
            };
            let (transaction, _) = codec.read(id, written)?;
            messages.names.insert(origin.name, id);
            let entry = Entry { pending: Pending { id, submitted, transaction }, origin };
            let replaced = match spot {
                Spot::Returned(returned) => messages.returned.insert(returned, entry),
                Spot::Queued(id, place) => {
                    messages.sources.get_mut(&id).ok_or_else(wrong)?.queue.insert(place, entry)
                }
            };
            if replaced.is_some() {
                return Err(wrong());
            }
        }
        messages.touched = Some(Touched::default());
        Ok(messages)
    }

    pub(in crate::pool) const fn turn(&self) -> u64 {
        self.turn
    }
}

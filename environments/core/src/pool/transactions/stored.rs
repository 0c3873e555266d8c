//! The transactions of users in a database.

use std::collections::BTreeMap;

use circuits_database::{Change, Map, View};
use serde::{Deserialize, Serialize};

use super::{
    super::stored::{Codec, Written},
    Entry, Owner, Place, Queue, Rank, Returned, Spot, Touched, Transactions, Unable, Wait, find,
};
use crate::{
    pool::{Pending, TransactionId},
    stored::{StoredError, decode, encode, number, only},
};

/// By id: a transaction and its place.
const TRANSACTIONS: Map = Map("transactions");
/// By owner: for what a queue waits.
const WAITS: Map = Map("waits");
/// One entry: what the last block could not have.
const UNABLE: Map = Map("unable");

/// A transaction as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredEntry {
    submitted: u32,
    written: Written,
    /// The first part of its place; the other one is its id.
    nonce: u64,
    returned: Option<Returned>,
}

impl<T, R> Transactions<T, R> {
    /// The changes since the last call; all that there is if it is the first one or if `is_whole`.
    pub(in crate::pool) fn changes(
        &mut self,
        codec: &impl Codec<T, R>,
        is_whole: bool,
    ) -> Result<Vec<Change>, StoredError> {
        let touched = match self.touched.take().filter(|_| !is_whole) {
            Some(touched) => touched,
            None => self.everything(),
        };
        let mut entries = BTreeMap::<TransactionId, Option<StoredEntry>>::new();
        for &spot in &touched.spots {
            let id = spot.place.1;
            let Some((_, entry)) = find(&self.queues, spot) else {
                // It may be elsewhere by now.
                entries.entry(id).or_default();
                continue;
            };
            let stored = StoredEntry {
                submitted: entry.pending.submitted,
                written: codec.write(id, &entry.pending.transaction)?,
                nonce: entry.place.0,
                returned: entry.rank.returned,
            };
            entries.insert(id, Some(stored));
        }
        let mut changes = vec![];
        for (id, entry) in entries {
            changes.push(TRANSACTIONS.change(id.to_be_bytes(), entry.as_ref())?);
        }
        for owner in &touched.owners {
            let wait = self.queues.get(owner).and_then(|queue| queue.wait.as_ref());
            let wait = wait.map(|Wait { turn, reason }| (turn, codec.reason(reason)));
            changes.push(WAITS.change(encode(WAITS, owner)?, wait.as_ref())?);
        }
        if touched.is_unable {
            changes.push(UNABLE.change([], Some(&self.unable))?);
        }
        self.touched = Some(Touched::default());
        Ok(changes)
    }

    /// Everything there is.
    fn everything(&self) -> Touched {
        let spots = self.queues.iter().flat_map(|(&owner, queue)| {
            queue.entries.iter().map(move |entry| Spot { owner, place: entry.place })
        });
        let waiting = self.queues.iter().filter(|(_, queue)| queue.wait.is_some());
        let owners = waiting.map(|(owner, _)| *owner).collect();
        Touched { spots: spots.collect(), owners, is_unable: true }
    }

    /// What a view shows, after `turn` turns.
    pub(in crate::pool) fn restore(
        codec: &impl Codec<T, R>,
        turn: u64,
        view: &View,
    ) -> Result<Self, StoredError> {
        let mut transactions = Self { turn, ..Self::new() };
        let mut entries: BTreeMap<(Owner, Place), Entry<T>> = BTreeMap::new();
        for (key, stored) in view.entries::<StoredEntry>(TRANSACTIONS)? {
            let id = number(TRANSACTIONS, &key)?;
            let StoredEntry { submitted, written, nonce, returned } = stored;
            let (transaction, terms) = codec.read(id, written)?;
            let mut terms = terms.ok_or(StoredError::Entry { map: TRANSACTIONS })?;
            terms.footprint.shrink();
            let owner = terms.sender.map_or(Owner::Lone(id), Owner::Sender);
            let (place, rank) = ((nonce, id), Rank::new(&terms, returned, id));
            transactions.count += 1;
            transactions.bytes = transactions.bytes.saturating_add(terms.bytes);
            let pending = Pending { id, submitted, transaction };
            entries.insert((owner, place), Entry { pending, place, terms, rank });
        }
        for ((owner, _), entry) in entries {
            let new = || Queue { entries: Default::default(), wait: None };
            transactions.queues.entry(owner).or_insert_with(new).entries.push_back(entry);
        }
        for (key, (turn, reason)) in view.entries::<(u64, String)>(WAITS)? {
            let queue = transactions.queues.get_mut(&decode(WAITS, &key)?);
            let queue = queue.ok_or(StoredError::Entry { map: WAITS })?;
            queue.wait = Some(Wait { turn, reason: codec.noted(reason) });
        }
        let owners: Vec<_> = transactions.queues.keys().copied().collect();
        owners.into_iter().for_each(|owner| transactions.list(owner));
        transactions.unable = only::<Vec<Unable<Spot>>>(UNABLE, view)?;
        transactions.touched = Some(Touched::default());
        Ok(transactions)
    }

    pub(in crate::pool) const fn turn(&self) -> u64 {
        self.turn
    }
}

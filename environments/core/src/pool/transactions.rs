//! The transactions of users: a queue for each sender.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque, btree_set},
    iter::Peekable,
};

use circuits_core::Digest;
use serde::{Deserialize, Serialize};

use super::{
    Displaced, MAX_GIVING_WAY, MAX_PENDING, MAX_PENDING_BYTES, MAX_PER_SENDER, MAX_RETRIES, Outlook, Pending,
    PoolError, REPLACEMENT_STEP, Returned, Terms, TransactionId, Unable, is_old,
};

mod stored;

/// Whose queue it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Owner {
    Sender(Digest),
    /// A transaction that follows on no other has a queue of its own.
    Lone(TransactionId),
}

/// Where a transaction is in its queue: by nonce, then by arrival.
type Place = (u64, TransactionId);

/// Where a transaction waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Spot {
    owner: Owner,
    place: Place,
}

/// When a transaction is tried, if it is the first of its sender; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rank {
    returned: Option<Returned>,
    fee: u64,
    slots: u32,
    id: TransactionId,
}

impl Rank {
    fn new(terms: &Terms, returned: Option<Returned>, id: TransactionId) -> Self {
        Self { returned, fee: terms.fee.get(), slots: terms.slots.max(1), id }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_fee = || {
            // Fees per slot, multiplied by the slots of both.
            let ours = u128::from(self.fee) * u128::from(other.slots);
            let theirs = u128::from(other.fee) * u128::from(self.slots);
            theirs.cmp(&ours)
        };
        let first = match (self.returned, other.returned) {
            (Some(ours), Some(theirs)) => ours.cmp(&theirs),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => by_fee(),
        };
        first.then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Entry<T> {
    pending: Pending<T>,
    place: Place,
    terms: Terms,
    rank: Rank,
}

impl<T> Entry<T> {
    /// Whether no transaction is missing between this one and the next of its sender.
    fn is_followed_by(&self, next: &Self) -> bool {
        match (self.terms.nonce, next.terms.nonce) {
            (Some(nonce), Some(next)) => next.saturating_sub(nonce) <= 1,
            _ => true,
        }
    }
}

/// How far a pool with another transaction would be beyond its limits.
#[derive(Clone, Copy, Default)]
struct Excess {
    transactions: usize,
    bytes: usize,
}

impl Excess {
    const fn is_none(self) -> bool {
        self.transactions == 0 && self.bytes == 0
    }

    /// What is left once a transaction of so many bytes is gone.
    const fn without(self, bytes: usize) -> Self {
        Self { transactions: self.transactions.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }
}

/// What gives way to a transaction, so far.
struct Way<'r> {
    /// What it replaces anyway.
    replaced: &'r BTreeSet<Spot>,
    left: Excess,
    spots: BTreeSet<Spot>,
}

impl Way<'_> {
    /// Lets the transactions of a queue down to an index give way, the last one first, as many as are needed.
    fn clear<T, R>(&mut self, queues: &Queues<T, R>, owner: Owner, first: usize) {
        let Some(queue) = queues.get(&owner) else { return };
        for entry in queue.entries.range(first..).rev() {
            if self.is_decided() {
                return;
            }
            let spot = Spot { owner, place: entry.place };
            if !self.replaced.contains(&spot) && self.spots.insert(spot) {
                self.left = self.left.without(entry.terms.bytes);
            }
        }
    }

    /// Whether enough gives way, or too many would.
    fn is_decided(&self) -> bool {
        self.left.is_none() || self.spots.len() >= MAX_GIVING_WAY
    }

    fn cleared(self) -> Option<BTreeSet<Spot>> {
        self.left.is_none().then_some(self.spots)
    }
}

/// Why the first transaction of a queue waits, and its last turn to be tried.
struct Wait<R> {
    turn: u64,
    reason: R,
}

struct Queue<T, R> {
    /// By place.
    entries: VecDeque<Entry<T>>,
    /// Set while the first one is known to come too early.
    wait: Option<Wait<R>>,
}

/// The transactions that wait.
///
/// Invariants: no queue is empty; `ready` has the first transaction of each queue that does not wait, `early` and `ages`
/// those of the others.
pub(super) struct Transactions<T, R> {
    queues: Queues<T, R>,
    ready: BTreeSet<(Rank, Owner)>,
    /// By the turn in which it was to be tried last.
    early: BTreeSet<(u64, Owner)>,
    /// By the height at which it was submitted.
    ages: BTreeSet<(u32, Owner)>,
    /// What the last block could not have, in order; some may be gone.
    unable: Vec<Unable<Spot>>,
    turn: u64,
    count: usize,
    bytes: usize,
    /// What changed since it was stored, if the pool is stored.
    touched: Option<Touched>,
}

/// What may be other than it was stored.
#[derive(Default)]
pub(super) struct Touched {
    pub(super) spots: BTreeSet<Spot>,
    /// Those whose queues may wait otherwise.
    pub(super) owners: BTreeSet<Owner>,
    pub(super) is_unable: bool,
}

impl<T, R> Transactions<T, R> {
    pub(super) const fn new() -> Self {
        Self {
            queues: BTreeMap::new(),
            ready: BTreeSet::new(),
            early: BTreeSet::new(),
            ages: BTreeSet::new(),
            unable: vec![],
            turn: 0,
            count: 0,
            bytes: 0,
            touched: None,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Notes that what waits at these spots may be other than it was stored, and for what their queues wait.
    fn touch(&mut self, owner: Owner, place: Option<Place>) {
        if let Some(touched) = &mut self.touched {
            touched.owners.insert(owner);
            touched.spots.extend(place.map(|place| Spot { owner, place }));
        }
    }

    fn touch_unable(&mut self) {
        self.touched.iter_mut().for_each(|touched| touched.is_unable = true);
    }

    /// Adds a transaction, and returns those that it displaces.
    pub(super) fn submit(
        &mut self,
        pending: Pending<T>,
        terms: Terms,
        outlook: &Outlook<'_, T>,
    ) -> Result<Vec<Displaced>, PoolError> {
        let twins = self.twins(&terms);
        if let (Some(nonce), Some(fee)) = (terms.nonce, twins.iter().map(|(_, fee, _)| *fee).max()) {
            let least = fee + (fee / REPLACEMENT_STEP).max(1);
            if terms.fee.get() < least {
                return Err(PoolError::Underpriced { nonce, least, found: terms.fee });
            }
        } else if let Some(sender) = terms.sender
            && let Some(queue) = self.queues.get(&Owner::Sender(sender))
            && queue.entries.len() >= MAX_PER_SENDER
        {
            return Err(PoolError::TooManyOfSender(sender));
        }
        let replaced: BTreeSet<_> = twins.iter().map(|(spot, ..)| *spot).collect();
        let waiting = self.bytes - twins.iter().map(|(_, _, bytes)| bytes).sum::<usize>();
        let excess = Excess {
            transactions: if twins.is_empty() { (self.count + 1).saturating_sub(MAX_PENDING) } else { 0 },
            bytes: waiting.saturating_add(terms.bytes).saturating_sub(MAX_PENDING_BYTES),
        };
        let evicted = if excess.is_none() {
            BTreeSet::new()
        } else {
            let rank = Rank::new(&terms, None, pending.id);
            // What costs most is done last.
            let found = (outlook.may_come_next)(&pending.transaction, &terms)
                .then(|| self.expendable(excess, rank, &replaced, outlook))
                .flatten()
                .filter(|_| (outlook.comes_next)(&pending.transaction));
            found.ok_or(match excess.transactions {
                0 => PoolError::TooManyBytes { waiting, found: terms.bytes },
                _ => PoolError::Full,
            })?
        };
        let mut displaced = vec![];
        for (spots, is_evicted) in [(replaced, false), (evicted, true)] {
            let left = spots.into_iter().filter_map(|spot| self.remove(spot));
            displaced.extend(left.map(|Pending { id, .. }| Displaced { id, by: pending.id, is_evicted }));
        }
        self.insert(pending, terms, None);
        Ok(displaced)
    }

    /// What gives way to a transaction of this rank that the next block can have, without those that it replaces anyway;
    /// `None` if too little does.
    fn expendable(
        &mut self,
        excess: Excess,
        rank: Rank,
        replaced: &BTreeSet<Spot>,
        outlook: &Outlook<'_, T>,
    ) -> Option<BTreeSet<Spot>> {
        let mut way = Way { replaced, left: excess, spots: BTreeSet::new() };
        for &(_, owner) in &self.ages {
            way.clear(&self.queues, owner, 0);
            if way.is_decided() {
                return way.cleared();
            }
        }
        self.touch_unable();
        let mut still_unable = vec![];
        for _ in 0..MAX_GIVING_WAY {
            let Some(unable) = self.unable.pop() else { break };
            let Unable { spot, is_beaten } = unable;
            let Some((index, entry)) = find(&self.queues, spot) else { continue };
            if !is_beaten && (outlook.may_come_next)(&entry.pending.transaction, &entry.terms) {
                continue;
            }
            still_unable.push(unable);
            way.clear(&self.queues, spot.owner, index);
            if way.is_decided() {
                break;
            }
        }
        self.unable.extend(still_unable.into_iter().rev());
        for &(_, owner) in self.ready.iter().rev().take_while(|(other, _)| rank < *other) {
            if way.is_decided() {
                break;
            }
            way.clear(&self.queues, owner, 0);
        }
        way.cleared()
    }

    pub(super) fn note_unable(&mut self, unable: Vec<Unable<Spot>>) {
        self.unable = unable;
        self.touch_unable();
    }

    /// The transactions of the same sender and nonce, with their fees and bytes. A rollback can make them several.
    fn twins(&self, terms: &Terms) -> Vec<(Spot, u64, usize)> {
        let (Some(sender), Some(nonce)) = (terms.sender, terms.nonce) else { return vec![] };
        let owner = Owner::Sender(sender);
        let Some(queue) = self.queues.get(&owner) else { return vec![] };
        let first = queue.entries.partition_point(|entry| entry.place.0 < nonce);
        queue
            .entries
            .range(first..)
            .take_while(|entry| entry.place.0 == nonce)
            .filter(|entry| entry.terms.nonce == Some(nonce))
            .map(|entry| (Spot { owner, place: entry.place }, entry.terms.fee.get(), entry.terms.bytes))
            .collect()
    }

    pub(super) fn bring_back(&mut self, pending: Pending<T>, terms: Terms, returned: Returned) {
        self.insert(pending, terms, Some(returned));
    }

    fn insert(&mut self, pending: Pending<T>, mut terms: Terms, returned: Option<Returned>) {
        terms.footprint.shrink();
        let id = pending.id;
        let owner = terms.sender.map_or(Owner::Lone(id), Owner::Sender);
        self.unlist(owner);
        let queue = self
            .queues
            .entry(owner)
            .or_insert_with(|| Queue { entries: VecDeque::with_capacity(1), wait: None });
        let neighbour = if returned.is_some() { queue.entries.front() } else { queue.entries.back() };
        let place = (terms.nonce.or(neighbour.map(|entry| entry.place.0)).unwrap_or_default(), id);
        let rank = Rank::new(&terms, returned, id);
        let index = queue.entries.partition_point(|entry| entry.place < place);
        self.count += 1;
        self.bytes = self.bytes.saturating_add(terms.bytes);
        queue.entries.insert(index, Entry { pending, place, terms, rank });
        if index == 0 {
            queue.wait = None;
        }
        self.touch(owner, Some(place));
        self.list(owner);
    }

    pub(super) fn remove(&mut self, spot: Spot) -> Option<Pending<T>> {
        let (index, _) = find(&self.queues, spot)?;
        self.take(spot.owner, index).map(|(pending, _)| pending)
    }

    /// Takes a transaction out of its queue; if it was the first one, also what it waited for.
    fn take(&mut self, owner: Owner, index: usize) -> Option<(Pending<T>, Option<Wait<R>>)> {
        self.unlist(owner);
        let queue = self.queues.get_mut(&owner)?;
        let entry = queue.entries.remove(index);
        let wait = if index == 0 { queue.wait.take() } else { None };
        self.list(owner);
        let Entry { pending, terms, place, .. } = entry?;
        self.touch(owner, Some(place));
        self.count -= 1;
        self.bytes = self.bytes.saturating_sub(terms.bytes);
        Some((pending, wait))
    }

    /// Does nothing if the transaction is not the first of its sender any more: those before it wait too, or had no room.
    pub(super) fn postpone(&mut self, spot: Spot, reason: R) {
        let Spot { owner, place } = spot;
        let is_first = |queue: &Queue<T, R>| queue.entries.front().is_some_and(|first| first.place == place);
        if !self.queues.get(&owner).is_some_and(is_first) {
            return;
        }
        self.unlist(owner);
        self.turn += 1;
        if let Some(queue) = self.queues.get_mut(&owner) {
            queue.wait = Some(Wait { turn: self.turn, reason });
        }
        self.touch(owner, None);
        self.list(owner);
    }

    pub(super) fn expire(&mut self, height: u32) -> Vec<(Pending<T>, R)> {
        let mut expired = vec![];
        while let Some(&(submitted, owner)) = self.ages.first() {
            if !is_old(submitted, height) {
                break;
            }
            let Some((pending, Some(wait))) = self.take(owner, 0) else { break };
            expired.push((pending, wait.reason));
        }
        expired
    }

    /// Takes a queue out of the sets.
    fn unlist(&mut self, owner: Owner) {
        let Some(queue) = self.queues.get(&owner) else { return };
        let Some(first) = queue.entries.front() else { return };
        match &queue.wait {
            None => {
                self.ready.remove(&(first.rank, owner));
            }
            Some(wait) => {
                self.early.remove(&(wait.turn, owner));
                self.ages.remove(&(first.pending.submitted, owner));
            }
        }
    }

    /// Puts a queue into the sets, or forgets it if it is empty.
    fn list(&mut self, owner: Owner) {
        let Some(queue) = self.queues.get(&owner) else { return };
        match (queue.entries.front(), &queue.wait) {
            (None, _) => {
                self.queues.remove(&owner);
            }
            (Some(first), None) => {
                self.ready.insert((first.rank, owner));
            }
            (Some(first), Some(wait)) => {
                self.early.insert((wait.turn, owner));
                self.ages.insert((first.pending.submitted, owner));
            }
        }
    }

    /// The transactions that a block may try, up to the first gap in the nonces of each sender.
    pub(super) fn candidates(&self) -> Order<'_, T, R> {
        self.order(self.retried(), false)
    }

    /// The waiting queues whose turn it is: first those that show nothing, as only trying them tells what they lack.
    fn retried(&self) -> BTreeSet<Owner> {
        let shows_nothing = |queue: &Queue<T, R>| {
            let mut tried = queue.entries.iter().take(RETRIED);
            tried.any(|entry| entry.terms.footprint.reads.is_empty())
        };
        let waiting = self.early.iter().filter_map(|(_, owner)| Some((*owner, self.queues.get(owner)?)));
        let (first, others): (Vec<_>, Vec<_>) = waiting.partition(|(_, queue)| shows_nothing(queue));
        let (mut tries, mut retried) = (0, BTreeSet::new());
        for (owner, queue) in first.into_iter().chain(others) {
            if tries >= MAX_RETRIES {
                break;
            }
            tries += queue.entries.len().min(RETRIED);
            retried.insert(owner);
        }
        retried
    }

    /// Ends the turn of those that the next block may try again, whether or not it does.
    pub(super) fn end_turn(&mut self) {
        for owner in self.retried() {
            self.unlist(owner);
            self.turn += 1;
            if let Some(wait) = self.queues.get_mut(&owner).and_then(|queue| queue.wait.as_mut()) {
                wait.turn = self.turn;
            }
            self.touch(owner, None);
            self.list(owner);
        }
    }

    /// All transactions.
    pub(super) fn all(&self) -> Order<'_, T, R> {
        self.order(BTreeSet::new(), true)
    }

    fn order(&self, retried: BTreeSet<Owner>, is_whole: bool) -> Order<'_, T, R> {
        let first = |owner: Owner| Some((self.queues.get(&owner)?.entries.front()?.rank, owner, 0));
        let others = self.early.iter().filter_map(|(_, owner)| first(*owner)).collect();
        Order { queues: &self.queues, ready: self.ready.iter().peekable(), others, retried, is_whole }
    }
}

type Queues<T, R> = BTreeMap<Owner, Queue<T, R>>;

fn find<T, R>(queues: &Queues<T, R>, Spot { owner, place }: Spot) -> Option<(usize, &Entry<T>)> {
    let queue = queues.get(&owner)?;
    let index = queue.entries.binary_search_by_key(&place, |entry| entry.place).ok()?;
    Some((index, queue.entries.get(index)?))
}

/// How many transactions of a sender whose first one came too early a block tries.
const RETRIED: usize = 8;

/// A transaction that a block may try.
pub(crate) struct Candidate<'p, T> {
    pub(crate) spot: super::Spot,
    pub(crate) pending: &'p Pending<T>,
    pub(crate) terms: &'p Terms,
    /// Whether it comes too early as far as the pool knows.
    pub(crate) waits: bool,
    /// Whether it is tried all the same, as it does not wait or has its turn.
    pub(crate) is_tried: bool,
}

/// Transactions by their ranks, those of one sender by their places.
pub(super) struct Order<'p, T, R> {
    queues: &'p Queues<T, R>,
    ready: Peekable<btree_set::Iter<'p, (Rank, Owner)>>,
    /// What may come next although it is not in `ready`, with its index in its queue.
    others: BTreeSet<(Rank, Owner, usize)>,
    /// Of the queues that wait, those whose turn it is.
    retried: BTreeSet<Owner>,
    is_whole: bool,
}

impl<'p, T, R> Iterator for Order<'p, T, R> {
    type Item = Candidate<'p, T>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_ready_first = match (self.ready.peek(), self.others.first()) {
            (Some((rank, _)), Some((other, ..))) => rank < other,
            (ready, _) => ready.is_some(),
        };
        let (owner, index) = if is_ready_first {
            self.ready.next().map(|(_, owner)| (*owner, 0))?
        } else {
            self.others.pop_first().map(|(_, owner, index)| (owner, index))?
        };
        let queue = self.queues.get(&owner)?;
        let entry = queue.entries.get(index)?;
        // The front of a queue that waits may be one whose time is over: those behind it are tried all the same.
        let goes_on = match queue.wait {
            None => queue.entries.get(index + 1).is_some_and(|next| entry.is_followed_by(next)),
            Some(_) => index + 1 < RETRIED,
        };
        if let Some(next) = queue.entries.get(index + 1)
            && (self.is_whole || goes_on)
        {
            self.others.insert((next.rank, owner, index + 1));
        }
        Some(Candidate {
            spot: super::Spot::Transaction(Spot { owner, place: entry.place }),
            pending: &entry.pending,
            terms: &entry.terms,
            waits: queue.wait.is_some(),
            is_tried: queue.wait.is_none() || self.retried.contains(&owner),
        })
    }
}

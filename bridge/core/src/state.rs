//! What the bridge knows: every message ever emitted, and the balances.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use circuits_core::{
    Digest, F,
    amount::Amount,
    shared::SharedMap,
    stored::ReadFailure,
    trees::{AppendTree, KeyedTree, Path, TreeError},
};
use circuits_protocol::{registry::EnvironmentId, statement::SuperblockRoots};
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

use crate::{
    asset::AssetId,
    balance::{BALANCES_DEPTH, BalanceKey, balance_value, unused_balance_value},
    message::{Consumption, MESSAGES_DEPTH, Message, tombstone},
    shared_list::SharedList,
    stored::{Index, OtherMessage, StoredMessages},
};

/// Leaves of the tree of balances that are no balance.
const SENTINELS: u64 = 1;

/// Where a message was emitted or consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    pub superblock: u32,
    /// First height of the block.
    pub height: u32,
}

/// One message's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub message: Message,
    /// Where it was emitted.
    pub emitted: Location,
    /// What became of it, and where.
    pub consumed: Option<(Consumption, Location)>,
}

/// The state of the bridge: what two of the superblock's roots commit to. Copies share what they have in common.
///
/// What a state reads where somebody needs it ([`Self::from_stored`]) it may fail to read: see [`Self::check_reads`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "BridgeData", into = "BridgeData")]
pub struct BridgeState {
    /// By index.
    records: SharedList<Record>,
    messages: AppendTree,
    /// Finds the messages that are stored.
    index: Index,
    /// Whether a message is in flight, by index, where that is not stored. A message that is in neither is not.
    in_flight: SharedMap<u64, bool>,
    /// How many messages are in flight.
    in_flight_count: u64,
    /// How many of them are from or to an environment, of each that has any.
    in_flight_counts: SharedMap<EnvironmentId, u64>,
    /// What they move together, of each asset.
    in_flight_amounts: SharedMap<AssetId, u128>,
    /// By the hash of every message, the indices of those that are not consumed, where that is not stored. There can be several: a
    /// dishonest kernel can emit one message twice.
    pending: SharedMap<Digest, BTreeSet<u64>>,
    /// In the order in which they were added.
    balances: SharedList<(BalanceKey, Amount)>,
    /// The index of each balance in `balances`.
    positions: SharedMap<BalanceKey, usize>,
    /// How many balances messages have moved: the first ones.
    used: usize,
    pub(crate) balance_tree: KeyedTree,
}

/// What is stored of a bridge. Everything else follows from it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BridgeData {
    messages: Vec<Record>,
    balances: Vec<(BalanceKey, Amount)>,
}

impl From<BridgeState> for BridgeData {
    fn from(state: BridgeState) -> Self {
        Self { messages: state.records().collect(), balances: state.balances().collect() }
    }
}

impl TryFrom<BridgeData> for BridgeState {
    type Error = TreeError;

    fn try_from(data: BridgeData) -> Result<Self, TreeError> {
        Self::from_records(data.messages, data.balances)
    }
}

/// What is needed to undo one change of the state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Undo {
    /// A message was appended; `known` if one with its hash had been emitted before.
    Push { known: bool },
    /// The message at this index was consumed.
    Consume(u64),
    /// The balance held this amount before.
    Balance(BalanceKey, Amount),
    /// The balance was moved for the first time.
    FirstUse(BalanceKey),
}

impl Default for BridgeState {
    fn default() -> Self {
        Self {
            records: SharedList::default(),
            messages: AppendTree::new(MESSAGES_DEPTH),
            index: Index::default(),
            in_flight: SharedMap::new(),
            in_flight_count: 0,
            in_flight_counts: SharedMap::new(),
            in_flight_amounts: SharedMap::new(),
            pending: SharedMap::new(),
            balances: SharedList::default(),
            positions: SharedMap::new(),
            used: 0,
            balance_tree: KeyedTree::new(BALANCES_DEPTH),
        }
    }
}

impl BridgeState {
    /// The state with these messages, by index, and these balances, in the order in which they were first used. All trees
    /// follow from them.
    ///
    /// # Errors
    /// [`TreeError`]: a balance is listed twice, or a tree has no room for all.
    pub fn from_records(
        records: impl IntoIterator<Item = Record>,
        balances: impl IntoIterator<Item = (BalanceKey, Amount)>,
    ) -> Result<Self, TreeError> {
        let mut state = Self::default().with_balances(balances)?;
        let (mut leaves, mut in_flight, mut known) = (vec![], vec![], vec![]);
        for (index, record) in (0..).zip(records) {
            let hash = record.message.hash();
            let is_in_flight = record.consumed.is_none();
            if is_in_flight {
                in_flight.push((index, true));
                state.count(&record.message, true);
            }
            leaves.push(record.leaf(hash));
            known.push((hash, index, is_in_flight));
            state.records.push(record);
        }
        known.sort_unstable();
        let same_hash = known.chunk_by(|one, other| one.0 == other.0);
        let pending = same_hash.map(|messages| {
            let indices = messages.iter().filter(|message| message.2).map(|message| message.1);
            (messages[0].0, indices.collect())
        });
        state.pending = pending.collect();
        state.in_flight = in_flight.into_iter().collect();
        append_all(&mut state.messages, &leaves)?;
        Ok(state)
    }

    /// The state with messages that are stored, and these balances, in the order in which they were first used. A message is read
    /// when it is needed, with the page of the tree that it is in.
    ///
    /// # Errors
    /// As [`Self::from_records`], and [`TreeError::Pages`] if there is not one root for each page.
    pub fn from_stored(
        messages: StoredMessages,
        balances: impl IntoIterator<Item = (BalanceKey, Amount)>,
    ) -> Result<Self, TreeError> {
        let StoredMessages { records, leaves, pages, in_flight, in_flight_counts, in_flight_amounts, index } =
            messages;
        let counts = in_flight_counts.iter().copied().collect();
        Ok(Self {
            index: Index::new(index, in_flight, counts, records.reads().clone()),
            messages: AppendTree::from_stored(MESSAGES_DEPTH, &Arc::new(leaves), &pages)?,
            records: Arc::new(records).into(),
            in_flight_count: in_flight,
            in_flight_counts: in_flight_counts.into_iter().collect(),
            in_flight_amounts: in_flight_amounts.into_iter().collect(),
            ..Self::default().with_balances(balances)?
        })
    }

    /// The state with these balances, in the order in which they were first used, instead of those that it has.
    fn with_balances(
        self,
        balances: impl IntoIterator<Item = (BalanceKey, Amount)>,
    ) -> Result<Self, TreeError> {
        let (mut list, mut positions, mut entries) = (SharedList::default(), vec![], vec![]);
        for (key, amount) in balances {
            entries.push((key.digest(), balance_value(amount)));
            positions.push((key, list.len()));
            list.push((key, amount));
        }
        Ok(Self {
            used: list.len(),
            balances: list,
            positions: positions.into_iter().collect(),
            balance_tree: KeyedTree::from_entries(BALANCES_DEPTH, entries)?,
            ..self
        })
    }

    /// Checks that everything that was needed of this state so far could be read. Of a state that is not stored, nothing has to be.
    /// Whoever is about to use what follows from the state checks this first: what cannot be read is taken for absent.
    ///
    /// # Errors
    /// The first [`ReadFailure`].
    pub fn check_reads(&self) -> Result<(), ReadFailure> {
        self.index.reads().check()
    }

    /// The root of the page of the tree of messages with the [`PAGE_LEAVES`](circuits_core::trees::PAGE_LEAVES) messages from
    /// `PAGE_LEAVES * page` on.
    #[must_use]
    pub fn message_page_root(&self, page: u64) -> Option<Digest> {
        self.messages.page_root(page)
    }

    /// The indices of the messages in which `after` differs from this state, ascending, with what is there after; `None` where
    /// nothing is.
    #[must_use]
    pub fn changed_records(&self, after: &Self) -> Vec<(usize, Option<Record>)> {
        self.records.differences(&after.records)
    }

    /// The positions in [`Self::balances`] at which `after` differs from this state, ascending, with what is there after; `None`
    /// where nothing is.
    #[must_use]
    pub fn changed_balances(&self, after: &Self) -> Vec<(usize, Option<(BalanceKey, Amount)>)> {
        self.balances.differences(&after.balances)
    }

    /// Every message that entered the tree, by index.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.records.iter()
    }

    /// The message at an index, if one entered the tree there.
    #[must_use]
    pub fn record(&self, index: u64) -> Option<Record> {
        self.records.get(usize::try_from(index).ok()?)
    }

    /// Root of the tree of messages.
    #[must_use]
    pub fn messages_root(&self) -> Digest {
        self.messages.root()
    }

    /// The path of the leaf at `index`.
    pub(crate) fn message_path(&self, index: u64) -> Path {
        self.messages.path(index)
    }

    /// Messages that entered the tree.
    #[must_use]
    pub fn message_count(&self) -> u64 {
        self.messages.count()
    }

    /// Root of the tree of balances.
    #[must_use]
    pub fn balances_root(&self) -> Digest {
        self.balance_tree.root()
    }

    /// The roots of a superblock, with the given root of environments.
    #[must_use]
    pub fn roots(&self, environments_root: Digest) -> SuperblockRoots {
        SuperblockRoots {
            environments_root,
            messages_root: self.messages_root(),
            message_count: F::from_canonical_u64(self.message_count()),
            balances_root: self.balances_root(),
            balance_count: F::from_canonical_u64(SENTINELS + self.used as u64),
        }
    }

    /// The balances, in the order in which they were first used.
    pub fn balances(&self) -> impl Iterator<Item = (BalanceKey, Amount)> {
        self.balances.iter()
    }

    /// Leaves of the tree of balances, its sentinel included.
    pub(crate) fn balance_count(&self) -> u64 {
        self.balance_tree.count()
    }

    /// What `key` holds; 0 if there is no such balance.
    #[must_use]
    pub fn balance(&self, key: BalanceKey) -> Amount {
        self.position(key).map_or(Amount::ZERO, |(_, amount)| amount)
    }

    /// Whether no message has moved the balance yet.
    pub(crate) fn is_unused(&self, key: BalanceKey) -> bool {
        self.position(key).is_some_and(|(position, _)| position >= self.used)
    }

    /// The balance that must be moved before any other that was not moved yet.
    pub(crate) fn next_unused(&self) -> Option<BalanceKey> {
        self.balances.get(self.used).map(|(key, _)| key)
    }

    /// The position of a balance in the order of all, and its amount.
    fn position(&self, key: BalanceKey) -> Option<(usize, Amount)> {
        let &position = self.positions.get(&key)?;
        self.balances.get(position).map(|(_, amount)| (position, amount))
    }

    /// Whether there is such a balance.
    #[must_use]
    pub fn has_balance(&self, key: BalanceKey) -> bool {
        self.positions.contains_key(&key)
    }

    /// The index of the first message with this hash that is not consumed.
    #[must_use]
    pub fn pending(&self, hash: &Digest) -> Option<u64> {
        self.indices(hash)?.first().copied()
    }

    /// Whether the message at `index` has this hash and is not consumed. If so and its hash does not lead to it, something of the
    /// indices cannot be read.
    pub(crate) fn is_pending_at(&self, hash: &Digest, index: u64) -> bool {
        let is_there = self.messages.get(index) == *hash;
        if is_there && self.indices(hash).is_none_or(|indices| !indices.contains(&index)) {
            self.index.reads().fail(ReadFailure::new(OtherMessage { index }));
        }
        is_there
    }

    /// Compares the message at `index` with its leaf, which is `hash`.
    pub(crate) fn compare(&self, index: u64, hash: &Digest) {
        if self.record(index).is_none_or(|record| record.message.hash() != *hash) {
            self.index.reads().fail(ReadFailure::new(OtherMessage { index }));
        }
    }

    /// How many messages with this hash are not consumed.
    pub(crate) fn pending_count(&self, hash: &Digest) -> usize {
        self.indices(hash).map_or(0, |indices| indices.len())
    }

    /// Whether a message with this hash was ever emitted, consumed or not.
    #[must_use]
    pub fn knows(&self, hash: &Digest) -> bool {
        self.indices(hash).is_some()
    }

    /// The indices of the messages with this hash that are not consumed, if one was ever emitted.
    fn indices(&self, hash: &Digest) -> Option<BTreeSet<u64>> {
        if let Some(indices) = self.pending.get(hash) {
            return Some(indices.clone());
        }
        let stored = self.index.with_hash(hash);
        for &(index, is_in_flight) in &stored {
            let leaf = if is_in_flight { *hash } else { tombstone() };
            if self.messages.get(index) != leaf {
                self.index.reads().fail(ReadFailure::new(OtherMessage { index }));
                return None;
            }
        }
        let pending = || stored.iter().filter(|(_, is_in_flight)| *is_in_flight).map(|(index, _)| *index);
        (!stored.is_empty()).then(|| pending().collect())
    }

    /// Messages that are neither claimed nor refunded, by index.
    pub fn in_flight(&self) -> impl Iterator<Item = Record> {
        self.in_flight_among(None)
    }

    /// The messages of [`Self::in_flight`] that are from or to an environment. No others are read.
    pub fn in_flight_of(&self, environment: EnvironmentId) -> impl Iterator<Item = Record> {
        self.in_flight_among(Some(environment))
    }

    fn in_flight_among(&self, environment: Option<EnvironmentId>) -> impl Iterator<Item = Record> {
        // Those that are listed are from or to it, others may be.
        let listed = self.index.in_flight(environment).into_iter().map(|index| (index, true));
        let mut indices: BTreeMap<u64, bool> = listed.collect();
        for (&index, is_in_flight) in self.in_flight.iter() {
            if *is_in_flight {
                indices.entry(index).or_insert(false);
            } else {
                indices.remove(&index);
            }
        }
        let concerns = move |record: &Record| environment.is_none_or(|one| record.concerns(one));
        indices.into_iter().filter_map(move |(index, is_listed)| {
            let is_whole = |record: &Record| self.messages.get(index) == record.message.hash();
            let record = self.record(index).filter(|record| record.consumed.is_none() && is_whole(record));
            let is_other = record.as_ref().is_none_or(|record| is_listed && !concerns(record));
            if is_other {
                self.index.reads().fail(ReadFailure::new(OtherMessage { index }));
            }
            record.filter(concerns)
        })
    }

    /// How many messages are neither claimed nor refunded.
    #[must_use]
    pub const fn in_flight_count(&self) -> u64 {
        self.in_flight_count
    }

    /// How many of the messages in flight are from or to an environment, of each that has any.
    pub fn in_flight_counts(&self) -> impl Iterator<Item = (EnvironmentId, u64)> {
        self.in_flight_counts.iter().map(|(&environment, &count)| (environment, count))
    }

    /// What the messages in flight move together, of each asset.
    pub fn in_flight_amounts(&self) -> impl Iterator<Item = (AssetId, u128)> {
        self.in_flight_amounts.iter().map(|(&asset, &amount)| (asset, amount))
    }

    /// Whether for every asset what is outstanding equals what was let in elsewhere and what is in flight.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        // What is let in elsewhere and what is in flight; what is outstanding.
        let mut held = self.in_flight_amounts.clone();
        let mut outstanding = SharedMap::new();
        for (key, amount) in self.balances() {
            let side = if key.is_origin() { &mut outstanding } else { &mut held };
            let sum = side.get(&key.asset).copied().unwrap_or(0) + u128::from(amount.get());
            side.insert(key.asset, sum);
        }
        let is_some = |entry: &(&AssetId, &u128)| *entry.1 > 0;
        held.iter().filter(is_some).eq(outstanding.iter().filter(is_some))
    }

    /// Appends a message to the tree.
    pub(crate) fn push(&mut self, message: Message, location: Location) -> Result<u64, TreeError> {
        let hash = message.hash();
        let index = self.messages.push(hash)?;
        self.note(index, &message, hash, true);
        self.records.push(Record { message, emitted: location, consumed: None });
        Ok(index)
    }

    /// Notes whether the message at `index` is in flight. Its hash is known from now on.
    fn note(&mut self, index: u64, message: &Message, hash: Digest, is_in_flight: bool) {
        let mut indices = self.indices(&hash).unwrap_or_default();
        let was_in_flight = if is_in_flight { !indices.insert(index) } else { indices.remove(&index) };
        self.pending.insert(hash, indices);
        if is_in_flight == was_in_flight {
            return;
        }
        self.count(message, is_in_flight);
        self.in_flight.insert(index, is_in_flight);
    }

    /// Counts a message that is in flight from now on, or no longer.
    fn count(&mut self, message: &Message, is_in_flight: bool) {
        let after = |before: u128, change: u128| {
            if is_in_flight { before.saturating_add(change) } else { before.saturating_sub(change) }
        };
        let sum = self.in_flight_amounts.get(&message.asset).copied().unwrap_or(0);
        match after(sum, message.amount.get().into()) {
            0 => drop(self.in_flight_amounts.remove(&message.asset)),
            rest => drop(self.in_flight_amounts.insert(message.asset, rest)),
        }
        let counted = |before: u64| after(before.into(), 1) as u64;
        self.in_flight_count = counted(self.in_flight_count);
        for environment in BTreeSet::from([message.source, message.destination]) {
            match counted(self.in_flight_counts.get(&environment).copied().unwrap_or(0)) {
                0 => drop(self.in_flight_counts.remove(&environment)),
                rest => drop(self.in_flight_counts.insert(environment, rest)),
            }
        }
    }

    /// Turns a pending message's leaf into a tombstone.
    pub(crate) fn consume(
        &mut self,
        index: u64,
        consumption: Consumption,
        location: Location,
    ) -> Result<(), TreeError> {
        // What finds the message is compared with its leaf.
        self.set_consumed(index, Some((consumption, location)));
        self.messages.replace(index, tombstone())
    }

    /// Records what became of the message at `index`, and returns its hash if there is one.
    fn set_consumed(&mut self, index: u64, consumed: Option<(Consumption, Location)>) -> Option<Digest> {
        let record = Record { consumed, ..self.record(index)? };
        let hash = record.message.hash();
        self.note(index, &record.message, hash, consumed.is_none());
        self.records.set(index as usize, record);
        Some(hash)
    }

    /// Sets a balance that exists, which counts as moving it and those before it.
    pub(crate) fn set_balance(&mut self, key: BalanceKey, amount: Amount) -> Result<(), TreeError> {
        self.balance_tree.update(key.digest(), balance_value(amount))?;
        if let Some((position, _)) = self.position(key) {
            self.balances.set(position, (key, amount));
            self.used = self.used.max(position + 1);
        }
        Ok(())
    }

    /// Adds a balance of 0 that no message has moved yet.
    pub(crate) fn add_balance(&mut self, key: BalanceKey) -> Result<(), TreeError> {
        self.balance_tree.insert(key.digest(), unused_balance_value())?;
        let position = self.balances.len();
        self.positions.insert(key, position);
        self.balances.push((key, Amount::ZERO));
        Ok(())
    }

    /// Undoes the last change that was not undone yet.
    pub(crate) fn undo(&mut self, change: Undo) -> Result<(), TreeError> {
        match change {
            Undo::Push { known } => {
                if let Some(hash) = self.messages.pop() {
                    let index = self.messages.count();
                    if let Some(record) = self.records.pop() {
                        self.note(index, &record.message, hash, false);
                    }
                    if !known {
                        self.pending.remove(&hash);
                    }
                }
            }
            Undo::Consume(index) => {
                if let Some(hash) = self.set_consumed(index, None) {
                    self.messages.replace(index, hash)?;
                }
            }
            Undo::Balance(key, amount) => self.set_balance(key, amount)?,
            Undo::FirstUse(key) => {
                self.set_balance(key, Amount::ZERO)?;
                self.balance_tree.update(key.digest(), unused_balance_value())?;
                self.used -= 1;
            }
        }
        Ok(())
    }
}

/// Two states are equal if they have the same messages and balances. Everything else follows.
impl PartialEq for BridgeState {
    fn eq(&self, other: &Self) -> bool {
        let trees =
            |state: &Self| (state.messages_root(), state.message_count(), state.balances_root(), state.used);
        trees(self) == trees(other) && self.records == other.records && self.balances == other.balances
    }
}

impl Eq for BridgeState {}

/// Appends leaves to an empty tree, in subtrees as large as possible, so that each node is hashed once.
///
/// # Errors
/// [`TreeError::Full`] if they do not fit.
pub fn append_all(tree: &mut AppendTree, leaves: &[Digest]) -> Result<(), TreeError> {
    let mut rest = leaves;
    while let Some(height) = rest.len().checked_ilog2() {
        let (subtree, others) = rest.split_at(1 << height);
        tree.push_subtree(subtree)?;
        rest = others;
    }
    Ok(())
}

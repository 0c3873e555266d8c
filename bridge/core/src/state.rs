//! What the bridge knows: every message ever emitted, and the balances.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use circuits_core::{
    Digest, F,
    amount::Amount,
    trees::{AppendTree, KeyedTree, Path, TreeError},
};
use circuits_protocol::statement::SuperblockRoots;
use plonky2::field::types::Field;
use serde::{Deserialize, Serialize};

use crate::{
    asset::AssetId,
    balance::{BALANCES_DEPTH, BalanceKey, balance_value, unused_balance_value},
    message::{Consumption, MESSAGES_DEPTH, Message, tombstone},
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

/// The state of the bridge: what two of the superblock's roots commit to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BridgeData", into = "BridgeData")]
pub struct BridgeState {
    records: Vec<Record>,
    messages: AppendTree,
    /// By the hash of every message ever emitted, the indices of those that are not consumed. There can be several: a
    /// dishonest kernel can emit one message twice.
    pending: BTreeMap<Digest, BTreeSet<u64>>,
    balances: Vec<(BalanceKey, Amount)>,
    /// The index of each balance in `balances`.
    positions: BTreeMap<BalanceKey, usize>,
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
        Self { messages: state.records, balances: state.balances }
    }
}

impl TryFrom<BridgeData> for BridgeState {
    type Error = TreeError;

    fn try_from(data: BridgeData) -> Result<Self, TreeError> {
        let mut state = Self::default();
        for Record { message, emitted, consumed } in data.messages {
            let index = state.push(message, emitted)?;
            if let Some((consumption, location)) = consumed {
                state.consume(index, consumption, location)?;
            }
        }
        for (key, amount) in data.balances {
            state.add_balance(key)?;
            state.set_balance(key, amount)?;
        }
        Ok(state)
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
            records: vec![],
            messages: AppendTree::new(MESSAGES_DEPTH),
            pending: BTreeMap::new(),
            balances: vec![],
            positions: BTreeMap::new(),
            used: 0,
            balance_tree: KeyedTree::new(BALANCES_DEPTH),
        }
    }
}

impl BridgeState {
    /// Every message that entered the tree, by index.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
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
    #[must_use]
    pub fn balances(&self) -> &[(BalanceKey, Amount)] {
        &self.balances
    }

    /// Leaves of the tree of balances, its sentinel included.
    pub(crate) fn balance_count(&self) -> u64 {
        self.balance_tree.count()
    }

    /// What `key` holds; 0 if there is no such balance.
    #[must_use]
    pub fn balance(&self, key: BalanceKey) -> Amount {
        self.positions.get(&key).map_or(Amount::ZERO, |&position| self.balances[position].1)
    }

    /// Whether no message has moved the balance yet.
    pub(crate) fn is_unused(&self, key: BalanceKey) -> bool {
        self.positions.get(&key).is_some_and(|&position| position >= self.used)
    }

    /// The balance that must be moved before any other that was not moved yet.
    pub(crate) fn next_unused(&self) -> Option<BalanceKey> {
        self.balances.get(self.used).map(|&(key, _)| key)
    }

    /// Whether there is such a balance.
    #[must_use]
    pub fn has_balance(&self, key: BalanceKey) -> bool {
        self.positions.contains_key(&key)
    }

    /// The index of the first message with this hash that is not consumed.
    #[must_use]
    pub fn pending(&self, hash: &Digest) -> Option<u64> {
        self.pending.get(hash)?.first().copied()
    }

    /// Whether the message at `index` has this hash and is not consumed.
    pub(crate) fn is_pending_at(&self, hash: &Digest, index: u64) -> bool {
        self.pending.get(hash).is_some_and(|indices| indices.contains(&index))
    }

    /// How many messages with this hash are not consumed.
    pub(crate) fn pending_count(&self, hash: &Digest) -> usize {
        self.pending.get(hash).map_or(0, BTreeSet::len)
    }

    /// Whether a message with this hash was ever emitted, consumed or not.
    #[must_use]
    pub fn knows(&self, hash: &Digest) -> bool {
        self.pending.contains_key(hash)
    }

    /// Messages that are neither claimed nor refunded.
    pub fn in_flight(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.consumed.is_none())
    }

    /// Whether for every asset what is outstanding equals what was let in elsewhere and what is in flight.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let mut difference: BTreeMap<AssetId, i128> = BTreeMap::new();
        for &(key, amount) in &self.balances {
            let sign = if key.is_origin() { 1 } else { -1 };
            *difference.entry(key.asset).or_default() += sign * i128::from(amount.get());
        }
        for Record { message, .. } in self.in_flight() {
            *difference.entry(message.asset).or_default() -= i128::from(message.amount.get());
        }
        difference.values().all(|&difference| difference == 0)
    }

    /// Appends a message to the tree.
    pub(crate) fn push(&mut self, message: Message, location: Location) -> Result<u64, TreeError> {
        let hash = message.hash();
        let index = self.messages.push(hash)?;
        self.pending.entry(hash).or_default().insert(index);
        self.records.push(Record { message, emitted: location, consumed: None });
        Ok(index)
    }

    /// Turns a pending message's leaf into a tombstone.
    pub(crate) fn consume(
        &mut self,
        index: u64,
        consumption: Consumption,
        location: Location,
    ) -> Result<(), TreeError> {
        self.messages.replace(index, tombstone())?;
        let record = &mut self.records[index as usize];
        record.consumed = Some((consumption, location));
        if let Some(indices) = self.pending.get_mut(&record.message.hash()) {
            indices.remove(&index);
        }
        Ok(())
    }

    /// Sets a balance that exists, which counts as moving it and those before it.
    pub(crate) fn set_balance(&mut self, key: BalanceKey, amount: Amount) -> Result<(), TreeError> {
        self.balance_tree.update(key.digest(), balance_value(amount))?;
        if let Some(&position) = self.positions.get(&key) {
            self.balances[position].1 = amount;
            self.used = self.used.max(position + 1);
        }
        Ok(())
    }

    /// Adds a balance of 0 that no message has moved yet.
    pub(crate) fn add_balance(&mut self, key: BalanceKey) -> Result<(), TreeError> {
        self.balance_tree.insert(key.digest(), unused_balance_value())?;
        self.positions.insert(key, self.balances.len());
        self.balances.push((key, Amount::ZERO));
        Ok(())
    }

    /// Undoes the last change that was not undone yet.
    pub(crate) fn undo(&mut self, change: Undo) -> Result<(), TreeError> {
        match change {
            Undo::Push { known } => {
                self.records.pop();
                if let Some(hash) = self.messages.pop()
                    && let Entry::Occupied(mut indices) = self.pending.entry(hash)
                {
                    indices.get_mut().remove(&self.messages.count());
                    if !known {
                        indices.remove();
                    }
                }
            }
            Undo::Consume(index) => {
                let record = &mut self.records[index as usize];
                record.consumed = None;
                let hash = record.message.hash();
                self.messages.replace(index, hash)?;
                self.pending.entry(hash).or_default().insert(index);
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

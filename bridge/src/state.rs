//! What the bridge knows: every message ever emitted, and the balances.

use std::collections::BTreeMap;

use circuits::{
    Digest,
    amount::Amount,
    trees::{AppendTree, KeyedTree, TreeError},
};
use serde::{Deserialize, Serialize};

use crate::{
    BALANCES_DEPTH, MESSAGES_DEPTH,
    asset::AssetId,
    balance::{BalanceKey, balance_value},
    message::{Consumption, Message},
    tombstone,
};

/// One message's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The message.
    pub message: Message,
    /// The superblock that emitted it.
    pub emitted: u32,
    /// What became of it, and in which superblock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<(Consumption, u32)>,
}

/// The state of the bridge: what two of the superblock's roots commit to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BridgeData", into = "BridgeData")]
pub struct BridgeState {
    pub(crate) records: Vec<Record>,
    pub(crate) messages: AppendTree,
    /// Indices of the messages that are not consumed, by hash. A dishonest kernel can emit one message twice.
    pub(crate) pending: BTreeMap<Digest, Vec<u64>>,
    pub(crate) rows: Vec<(BalanceKey, Amount)>,
    pub(crate) balances: KeyedTree,
}

impl Default for BridgeState {
    fn default() -> Self {
        Self {
            records: vec![],
            messages: AppendTree::new(MESSAGES_DEPTH),
            pending: BTreeMap::new(),
            rows: vec![],
            balances: KeyedTree::new(BALANCES_DEPTH),
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

    /// Messages that entered the tree.
    #[must_use]
    pub fn message_count(&self) -> u64 {
        self.messages.count()
    }

    /// Root of the tree of balances.
    #[must_use]
    pub fn balances_root(&self) -> Digest {
        self.balances.root()
    }

    /// The rows, in the order in which they were first used.
    #[must_use]
    pub fn rows(&self) -> &[(BalanceKey, Amount)] {
        &self.rows
    }

    /// One row's amount; 0 if there is none.
    #[must_use]
    pub fn balance(&self, key: BalanceKey) -> Amount {
        self.rows.iter().find(|row| row.0 == key).map_or(Amount::ZERO, |row| row.1)
    }

    /// Messages that are neither claimed nor refunded.
    pub fn in_flight(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.consumed.is_none())
    }

    /// Whether for every asset what is outstanding is what was let in elsewhere and what is in flight.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let mut difference: BTreeMap<AssetId, i128> = BTreeMap::new();
        for &(key, amount) in &self.rows {
            let sign = if key.is_origin() { 1 } else { -1 };
            *difference.entry(key.asset).or_default() += sign * i128::from(amount.get());
        }
        for Record { message, .. } in self.in_flight() {
            *difference.entry(message.asset).or_default() -= i128::from(message.amount.get());
        }
        difference.values().all(|&difference| difference == 0)
    }

    /// Appends a message to the tree.
    pub(crate) fn push(&mut self, message: Message, number: u32) -> Result<u64, TreeError> {
        let hash = message.hash();
        let index = self.messages.push(hash)?;
        self.pending.entry(hash).or_default().push(index);
        self.records.push(Record { message, emitted: number, consumed: None });
        Ok(index)
    }

    /// Turns a pending message's leaf into a tombstone.
    pub(crate) fn bury(
        &mut self,
        index: u64,
        consumption: Consumption,
        number: u32,
    ) -> Result<(), TreeError> {
        self.messages.replace(index, tombstone())?;
        let record = &mut self.records[index as usize];
        record.consumed = Some((consumption, number));
        let hash = record.message.hash();
        if let Some(indices) = self.pending.get_mut(&hash) {
            indices.retain(|&pending| pending != index);
            if indices.is_empty() {
                self.pending.remove(&hash);
            }
        }
        Ok(())
    }

    /// Sets a row that exists.
    pub(crate) fn set_row(&mut self, key: BalanceKey, amount: Amount) -> Result<(), TreeError> {
        self.balances.update(key.digest(), balance_value(amount))?;
        if let Some(row) = self.rows.iter_mut().find(|row| row.0 == key) {
            row.1 = amount;
        }
        Ok(())
    }

    /// Adds a row of amount 0.
    pub(crate) fn add_row(&mut self, key: BalanceKey) -> Result<(), TreeError> {
        self.balances.insert(key.digest(), balance_value(Amount::ZERO))?;
        self.rows.push((key, Amount::ZERO));
        Ok(())
    }
}

/// A bridge as it is stored: what the trees are made from.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BridgeData {
    messages: Vec<Record>,
    balances: Vec<(BalanceKey, Amount)>,
}

impl From<BridgeState> for BridgeData {
    fn from(state: BridgeState) -> Self {
        Self { messages: state.records, balances: state.rows }
    }
}

impl TryFrom<BridgeData> for BridgeState {
    type Error = TreeError;

    fn try_from(data: BridgeData) -> Result<Self, TreeError> {
        let mut state = Self::default();
        for Record { message, emitted, consumed } in data.messages {
            let index = state.push(message, emitted)?;
            if let Some((consumption, number)) = consumed {
                state.bury(index, consumption, number)?;
            }
        }
        for (key, amount) in data.balances {
            state.add_row(key)?;
            state.set_row(key, amount)?;
        }
        Ok(state)
    }
}

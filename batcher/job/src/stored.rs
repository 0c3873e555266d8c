//! A superblock state in a database: what each map holds, and which entries a superblock changes.
//!
//! | map | key | value |
//! |---|---|---|
//! | `state` | none | commitment, number, what opens the state of environment 0, how many messages there are and are in flight |
//! | `heads` | environment | its head |
//! | `head_pages` | number of a page | its root in the tree of heads |
//! | `messages` | index | its hash, the message, where it was emitted, and what became of it |
//! | `message_pages` | number of a page | its root in the tree of messages |
//! | `hashes` | a message's hash, then its index | whether it is in flight |
//! | `in_flight` | the source of a message in flight, or its destination, then its index | none |
//! | `in_flight_counts` | environment | how many messages in flight are from or to it |
//! | `amounts` | asset | what the messages in flight move |
//! | `balances` | position in the order of first use | key and amount |
//! | `history` | superblock number | the state before the next one |
//! | `history_pages` | number of a page | its root in the tree of these states |
//!
//! Numbers in keys are big-endian. Messages and history are read where somebody needs them ([`read`](mod@read)).

use std::collections::{BTreeMap, BTreeSet};

use batcher_circuits::state::{L1Head, SuperblockState};
use bridge_core::{AssetId, Record};
use circuits_core::{Digest, trees::PAGE_LEAVES};
use circuits_database::{Change, DatabaseError, Format, Map};
use serde::{Deserialize, Serialize};

use crate::state::InvalidState;

mod read;

pub(crate) use read::{read, read_whole};

/// The format of the databases. Its version grows with any change of the table above, and of the types in it.
pub(crate) const FORMAT: Format = Format { kind: "superblock states", version: 2 };

const STATE: Map = Map("state");
const HEADS: Map = Map("heads");
const HEAD_PAGES: Map = Map("head_pages");
pub(crate) const MESSAGES: Map = Map("messages");
pub(crate) const MESSAGE_PAGES: Map = Map("message_pages");
pub(crate) const HASHES: Map = Map("hashes");
pub(crate) const IN_FLIGHT: Map = Map("in_flight");
const IN_FLIGHT_COUNTS: Map = Map("in_flight_counts");
const AMOUNTS: Map = Map("amounts");
const BALANCES: Map = Map("balances");
pub(crate) const HISTORY: Map = Map("history");
const HISTORY_PAGES: Map = Map("history_pages");

/// The one entry of `state`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Summary {
    commitment: Digest,
    number: u32,
    l1: L1Head,
    messages: u64,
    in_flight: u64,
}

/// Why a view has no state.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Database(DatabaseError),
    Invalid(InvalidState),
}

impl From<DatabaseError> for Unreadable {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<InvalidState> for Unreadable {
    fn from(error: InvalidState) -> Self {
        Self::Invalid(error)
    }
}

/// The changes that lead from `before` to `after`, which superblocks lead to.
///
/// # Errors
/// [`Unreadable`]: something of either state cannot be read.
pub(crate) fn changes(before: &SuperblockState, after: &SuperblockState) -> Result<Vec<Change>, Unreadable> {
    let changes = changes_unchecked(before, after)?;
    // What could not be read would be missing among them.
    before.check_reads().and_then(|()| after.check_reads()).map_err(InvalidState::from)?;
    Ok(changes)
}

fn changes_unchecked(
    before: &SuperblockState,
    after: &SuperblockState,
) -> Result<Vec<Change>, DatabaseError> {
    let summary = Summary {
        commitment: after.commitment(),
        number: after.number,
        l1: after.l1,
        messages: after.bridge.message_count(),
        in_flight: after.bridge.in_flight_count(),
    };
    let mut changes = vec![STATE.change([], Some(&summary))?];
    let mut pages = BTreeSet::new();
    for (id, head) in before.environments.moved(&after.environments) {
        changes.push(HEADS.change(id.0.to_be_bytes(), Some(&head))?);
        pages.insert(page(id.0.into()));
    }
    push_pages(&mut changes, HEAD_PAGES, pages, u64::MAX, |page| after.environments.page_root(page))?;
    push_messages(&mut changes, before, after)?;
    let counts = |state: &SuperblockState| state.bridge.in_flight_counts().collect();
    push_differences(&mut changes, IN_FLIGHT_COUNTS, counts(before), counts(after), |id| id.0.to_be_bytes())?;
    let amounts = |state: &SuperblockState| state.bridge.in_flight_amounts().collect();
    let key = |asset: AssetId| asset.packed().to_be_bytes();
    push_differences(&mut changes, AMOUNTS, amounts(before), amounts(after), key)?;
    for (position, balance) in before.bridge.changed_balances(&after.bridge) {
        changes.push(BALANCES.change((position as u64).to_be_bytes(), balance.as_ref())?);
    }
    let mut pages = BTreeSet::new();
    for number in before.history.len()..after.history.len() {
        changes.push(HISTORY.change(number.to_be_bytes(), after.history.get(number).as_ref())?);
        pages.insert(page(number));
    }
    push_pages(&mut changes, HISTORY_PAGES, pages, after.history.len(), |page| {
        after.history.page_root(page)
    })?;
    Ok(changes)
}

/// The changes that lead from an empty database to `state`.
pub(crate) fn all(state: &SuperblockState) -> Result<Vec<Change>, Unreadable> {
    changes(&SuperblockState::genesis(state.chain_id), state)
}

/// The page of the leaf at `index`.
const fn page(index: u64) -> u64 {
    index / PAGE_LEAVES as u64
}

/// Adds the roots of these pages of a tree whose leaves have the indices below `count`.
fn push_pages(
    changes: &mut Vec<Change>,
    map: Map,
    pages: BTreeSet<u64>,
    count: u64,
    root: impl Fn(u64) -> Option<Digest>,
) -> Result<(), DatabaseError> {
    for page in pages {
        let root = root(page).filter(|_| page < count.div_ceil(PAGE_LEAVES as u64));
        changes.push(map.change(page.to_be_bytes(), root.as_ref())?);
    }
    Ok(())
}

/// Adds messages, the pages they are in, and how they are found.
fn push_messages(
    changes: &mut Vec<Change>,
    before: &SuperblockState,
    after: &SuperblockState,
) -> Result<(), DatabaseError> {
    let mut pages = BTreeSet::new();
    for (index, record) in before.bridge.changed_records(&after.bridge) {
        let index = index as u64;
        pages.insert(page(index));
        let hashed = record.map(|record| (record.message.hash(), record));
        changes.push(MESSAGES.change(index.to_be_bytes(), hashed.as_ref())?);
        let mut earlier = before.bridge.record(index);
        let is_other =
            |earlier: &Record| hashed.as_ref().is_none_or(|(_, record)| record.message != earlier.message);
        if let Some(gone) = earlier.take_if(|earlier| is_other(earlier)) {
            push_index(changes, index, gone.message.hash(), [Some(&gone), None])?;
        }
        if let Some((hash, record)) = &hashed {
            push_index(changes, index, *hash, [earlier.as_ref(), Some(record)])?;
        }
    }
    let count = after.bridge.message_count();
    push_pages(changes, MESSAGE_PAGES, pages, count, |page| after.bridge.message_page_root(page))
}

/// Adds how a message is found, from its record before and after.
fn push_index(
    changes: &mut Vec<Change>,
    index: u64,
    hash: Digest,
    records: [Option<&Record>; 2],
) -> Result<(), DatabaseError> {
    let number = index.to_be_bytes();
    let [was_in_flight, is_in_flight] = records.map(|record| record.map(|record| record.consumed.is_none()));
    if was_in_flight != is_in_flight {
        changes.push(HASHES.change([&hash.to_bytes()[..], &number].concat(), is_in_flight.as_ref())?);
    }
    let [was_listed, is_listed] =
        [was_in_flight, is_in_flight].map(|is_in_flight| is_in_flight == Some(true));
    let [before, after] = records;
    if let Some(Record { message, .. }) = after.or(before).filter(|_| was_listed != is_listed) {
        for environment in [message.source, message.destination] {
            let key = [&environment.0.to_be_bytes()[..], &number].concat();
            changes.push(IN_FLIGHT.change(key, is_listed.then_some(()).as_ref())?);
        }
    }
    Ok(())
}

/// Adds the entries in which two maps differ, under these keys.
fn push_differences<K: Copy + Ord, V: Copy + PartialEq + Serialize, const N: usize>(
    changes: &mut Vec<Change>,
    map: Map,
    before: BTreeMap<K, V>,
    after: BTreeMap<K, V>,
    key: impl Fn(K) -> [u8; N],
) -> Result<(), DatabaseError> {
    for &one in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let value = after.get(&one);
        if value != before.get(&one) {
            changes.push(map.change(key(one), value)?);
        }
    }
    Ok(())
}

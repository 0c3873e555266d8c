//! The state that a database shows. Messages and past states stay where they are until somebody needs them.
//!
//! ```text
//! read at once    state, heads, balances, amounts, counts, and the roots of pages: one for 256 messages or past states
//! read late       a message by its index; its page, to open a path or change a leaf; indices by hash or environment
//! ```
//! What is read at once is checked by the commitment. A page that is read late is checked by its root, which the commitment
//! covers. A message that is in flight is compared with its leaf, and so are the indices that lead to it. [`read_whole`] also checks
//! which messages the indices leave out, and what became of those that were consumed.

use std::{ops::Range, sync::Arc};

use batcher_circuits::{
    heads::{EnvironmentHeads, History},
    state::{EnvironmentHead, SuperblockState},
};
use bridge_core::{AssetId, BalanceKey, BridgeState, MessageIndex, Record, StoredMessages};
use circuits_core::{
    Digest,
    amount::Amount,
    stored::{ReadFailure, Reads, StoredList},
    trees::{PAGE_LEAVES, TreeError, empty_root},
};
use circuits_database::{Map, View};
use circuits_protocol::registry::EnvironmentId;
use serde::de::DeserializeOwned;

use super::{
    AMOUNTS, BALANCES, HASHES, HEAD_PAGES, HEADS, HISTORY, HISTORY_PAGES, IN_FLIGHT, IN_FLIGHT_COUNTS,
    MESSAGE_PAGES, MESSAGES, STATE, Summary, Unreadable, all,
};
use crate::state::{InvalidState, check, check_after};

/// The state that a database shows, checked by its commitment and by all rules that need no message.
pub(crate) fn read(view: &Arc<View>, chain_id: u64) -> Result<SuperblockState, Unreadable> {
    let summary: Summary = view.get(STATE, &[])?.ok_or(InvalidState::Incomplete { map: STATE.0 })?;
    if u64::from(summary.number) != view.height() {
        return Err(InvalidState::OtherNumber { expected: view.height(), found: summary.number }.into());
    }
    let Summary { commitment, number, l1, messages, in_flight } = summary;
    let tree = |error| InvalidState::Tree(Box::new(error));
    let heads = by_environment::<EnvironmentHead>(view, HEADS)?;
    let in_flight_counts = by_environment(view, IN_FLIGHT_COUNTS)?;
    let amounts = view.entries::<u128>(AMOUNTS)?.into_iter().map(|(key, amount)| {
        let asset = AssetId::unpack(u64::from_be_bytes(fixed(AMOUNTS, &key)?));
        Ok((asset.map_err(|_| InvalidState::Incomplete { map: AMOUNTS.0 })?, amount))
    });
    let amounts = amounts.collect::<Result<Vec<_>, InvalidState>>()?;
    let head_pages = sparse(view, HEAD_PAGES, heads.last().map_or(0, |(id, _)| u64::from(id.0) + 1))?;
    let balances: Vec<(BalanceKey, Amount)> = list(view, BALANCES)?;
    let (message_pages, history_pages) = (list(view, MESSAGE_PAGES)?, list(view, HISTORY_PAGES)?);

    let reads = Reads::default();
    let environments = EnvironmentHeads::from_stored(heads, &head_pages, reads.clone()).map_err(tree)?;
    let history = stored(view, &reads, HISTORY, number.into(), |state: Digest| state);
    let stored = StoredMessages {
        records: stored(view, &reads, MESSAGES, messages, |(_, record): (Digest, Record)| record),
        leaves: stored(view, &reads, MESSAGES, messages, |(hash, record): (Digest, Record)| {
            record.leaf(hash)
        }),
        pages: message_pages,
        in_flight,
        in_flight_counts,
        in_flight_amounts: amounts,
        index: Arc::new(Index(view.clone())),
    };
    let bridge = BridgeState::from_stored(stored, balances).map_err(tree)?;
    let history = History::from_stored(history, &history_pages).map_err(tree)?;
    let state = SuperblockState { chain_id, number, environments, l1, bridge, history };
    // The state itself differs from itself in nothing that would have to be read.
    check_after(&state, &state)?;
    check_commitment(&state, commitment)?;
    Ok(state)
}

/// [`read`], and everything that the database holds: whether the rules hold of each message, and all entries are those that
/// follow from messages, balances, heads and history.
pub(crate) fn read_whole(view: &Arc<View>, chain_id: u64) -> Result<SuperblockState, Unreadable> {
    let state = read(view, chain_id)?;
    check(&state)?;
    let tree = |error: TreeError| InvalidState::Tree(Box::new(error));
    let bridge = BridgeState::from_records(state.bridge.records(), state.bridge.balances()).map_err(tree)?;
    let history = state.history.iter().collect::<Vec<_>>().try_into().map_err(tree)?;
    let environments = state.environments.iter().map(|(&id, &head)| (id, head)).collect();
    state.check_reads().map_err(InvalidState::from)?;
    let whole = SuperblockState { bridge, history, environments, ..state };
    match view.other_than(&all(&whole)?)? {
        None => Ok(whole),
        Some(Map(map)) => Err(InvalidState::Incomplete { map }.into()),
    }
}

fn check_commitment(state: &SuperblockState, expected: Digest) -> Result<(), InvalidState> {
    let found = state.commitment();
    if found == expected { Ok(()) } else { Err(InvalidState::Commitment { expected, found }) }
}

/// A key, or the end of one, of a map whose keys have a fixed length.
fn fixed<const N: usize>(map: Map, key: &[u8]) -> Result<[u8; N], InvalidState> {
    key.try_into().map_err(|_| InvalidState::Incomplete { map: map.0 })
}

/// The values of a map whose keys are environments.
fn by_environment<T: DeserializeOwned>(view: &View, map: Map) -> Result<Vec<(EnvironmentId, T)>, Unreadable> {
    let entries = view.entries(map)?.into_iter();
    let values =
        entries.map(|(key, value)| Ok((EnvironmentId(u16::from_be_bytes(fixed(map, &key)?)), value)));
    Ok(values.collect::<Result<_, InvalidState>>()?)
}

/// The values of a map whose keys are the numbers from 0 on.
fn list<T: DeserializeOwned>(view: &View, map: Map) -> Result<Vec<T>, Unreadable> {
    Ok(numbered(map, 0, view.entries(map)?)?)
}

/// The values of entries whose keys are the numbers from `first` on.
fn numbered<T>(map: Map, first: u64, entries: Vec<(Vec<u8>, T)>) -> Result<Vec<T>, InvalidState> {
    let values = (first..).zip(entries).map(|(index, (key, value))| {
        if key == index.to_be_bytes() { Ok(value) } else { Err(InvalidState::Incomplete { map: map.0 }) }
    });
    values.collect()
}

/// The roots of the pages of a tree whose leaves have the indices below `count`, where a page without an entry is empty.
fn sparse(view: &View, map: Map, count: u64) -> Result<Vec<Digest>, Unreadable> {
    let mut roots =
        vec![empty_root(PAGE_LEAVES.ilog2() as usize); count.div_ceil(PAGE_LEAVES as u64) as usize];
    for (key, root) in view.entries::<Digest>(map)? {
        let page = usize::try_from(u64::from_be_bytes(fixed(map, &key)?));
        let place = page.ok().and_then(|page| roots.get_mut(page));
        *place.ok_or(InvalidState::Incomplete { map: map.0 })? = root;
    }
    Ok(roots)
}

/// The list of what `value` makes of the `len` values of a map.
fn stored<S: DeserializeOwned, T>(
    view: &Arc<View>,
    reads: &Reads,
    map: Map,
    len: u64,
    value: impl Fn(S) -> T + Send + Sync + 'static,
) -> StoredList<T> {
    let view = view.clone();
    let read = move |range: Range<u64>| {
        let entries = view.range::<S>(map, &range.start.to_be_bytes(), Some(&range.end.to_be_bytes()));
        let values = numbered(map, range.start, entries.map_err(ReadFailure::new)?);
        Ok(values.map_err(ReadFailure::new)?.into_iter().map(&value).collect())
    };
    StoredList::new(len, reads.clone(), read)
}

/// The indices of the messages of a view.
struct Index(Arc<View>);

impl Index {
    /// The numbers at the end of the keys of a map that begin with `prefix`, with their values. All keys begin with nothing.
    fn find<T: DeserializeOwned>(&self, map: Map, prefix: &[u8]) -> Result<Vec<(u64, T)>, ReadFailure> {
        let end = (!prefix.is_empty()).then(|| [prefix, &u64::MAX.to_be_bytes()].concat());
        let entries = self.0.range::<T>(map, prefix, end.as_deref()).map_err(ReadFailure::new)?;
        let number = |key: &[u8]| -> Result<u64, InvalidState> {
            let number = key.last_chunk().ok_or(InvalidState::Incomplete { map: map.0 })?;
            Ok(u64::from_be_bytes(*number))
        };
        let found = entries.into_iter().map(|(key, value)| Ok((number(&key)?, value)));
        found.collect::<Result<_, InvalidState>>().map_err(ReadFailure::new)
    }
}

impl MessageIndex for Index {
    fn with_hash(&self, hash: &Digest) -> Result<Vec<(u64, bool)>, ReadFailure> {
        self.find(HASHES, &hash.to_bytes())
    }

    fn in_flight(&self, environment: Option<EnvironmentId>) -> Result<Vec<u64>, ReadFailure> {
        let prefix = environment.map_or_else(Vec::new, |environment| environment.0.to_be_bytes().to_vec());
        let found = self.find::<()>(IN_FLIGHT, &prefix)?;
        let mut indices: Vec<_> = found.into_iter().map(|(index, ())| index).collect();
        // Source and destination list a message both.
        indices.sort_unstable();
        indices.dedup();
        Ok(indices)
    }
}

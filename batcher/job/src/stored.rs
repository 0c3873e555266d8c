//! A superblock state in a database: what each map holds, and which entries a superblock changes.
//!
//! | map | key | value |
//! |---|---|---|
//! | `state` | none | commitment, number, and what opens the state of environment 0 |
//! | `heads` | environment | its head |
//! | `messages` | index | the message, where it was emitted, and what became of it |
//! | `balances` | position in the order of first use | key and amount |
//! | `history` | superblock number | the state before the next one |
//!
//! Numbers in keys are big-endian. The trees are not stored, since they follow.

use batcher_circuits::{
    heads::EnvironmentHeads,
    state::{EnvironmentHead, L1Head, SuperblockState},
};
use bridge_core::{BalanceKey, BridgeState, Record};
use circuits_core::{Digest, amount::Amount};
use circuits_database::{Change, DatabaseError, Format, Map, View};
use circuits_protocol::registry::EnvironmentId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::state::{InvalidState, check};

/// The format of the databases. Its version grows with any change of the table above, and of the types in it.
pub(crate) const FORMAT: Format = Format { kind: "superblock states", version: 1 };

const STATE: Map = Map("state");
const HEADS: Map = Map("heads");
const MESSAGES: Map = Map("messages");
const BALANCES: Map = Map("balances");
const HISTORY: Map = Map("history");

/// The one entry of `state`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Summary {
    commitment: Digest,
    number: u32,
    l1: L1Head,
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
pub(crate) fn changes(
    before: &SuperblockState,
    after: &SuperblockState,
) -> Result<Vec<Change>, DatabaseError> {
    let summary = Summary { commitment: after.commitment(), number: after.number, l1: after.l1 };
    let mut changes = vec![STATE.change([], Some(&summary))?];
    for (id, head) in before.environments.moved(&after.environments) {
        changes.push(HEADS.change(id.0.to_be_bytes(), Some(&head))?);
    }
    for (index, record) in before.bridge.changed_records(&after.bridge) {
        changes.push(MESSAGES.change((index as u64).to_be_bytes(), record)?);
    }
    for (position, balance) in before.bridge.changed_balances(&after.bridge) {
        changes.push(BALANCES.change((position as u64).to_be_bytes(), balance)?);
    }
    for number in before.history.len()..after.history.len() {
        changes.push(HISTORY.change(number.to_be_bytes(), after.history.get(number).as_ref())?);
    }
    Ok(changes)
}

/// The changes that lead from an empty database to `state`.
pub(crate) fn all(state: &SuperblockState) -> Result<Vec<Change>, DatabaseError> {
    changes(&SuperblockState::genesis(state.chain_id), state)
}

/// The state that a database shows, checked by all rules and by its commitment.
pub(crate) fn read(view: &View<'_>, chain_id: u64) -> Result<SuperblockState, Unreadable> {
    let summaries = view.entries::<Summary>(STATE)?;
    let [(_, summary)] = summaries[..] else { return Err(InvalidState::Incomplete { map: STATE.0 }.into()) };
    if u64::from(summary.number) != view.height() {
        return Err(InvalidState::OtherNumber { expected: view.height(), found: summary.number }.into());
    }
    let heads = view.entries::<EnvironmentHead>(HEADS)?.into_iter().map(|(key, head)| {
        let id = <[u8; 2]>::try_from(key).map_err(|_| InvalidState::Incomplete { map: HEADS.0 })?;
        Ok((EnvironmentId(u16::from_be_bytes(id)), head))
    });
    let environments = heads.collect::<Result<EnvironmentHeads, InvalidState>>()?;
    let tree = |error| InvalidState::Tree(Box::new(error));
    let records: Vec<Record> = list(view, MESSAGES)?;
    let balances: Vec<(BalanceKey, Amount)> = list(view, BALANCES)?;
    let bridge = BridgeState::from_records(records, balances).map_err(tree)?;
    let history = list::<Digest>(view, HISTORY)?.try_into().map_err(tree)?;
    let Summary { commitment, number, l1 } = summary;
    let state = SuperblockState { chain_id, number, environments, l1, bridge, history };
    check(&state)?;
    let found = state.commitment();
    if found == commitment {
        Ok(state)
    } else {
        Err(InvalidState::Commitment { expected: commitment, found }.into())
    }
}

/// The values of a map whose keys are the numbers from 0 on.
fn list<T: DeserializeOwned>(view: &View<'_>, map: Map) -> Result<Vec<T>, Unreadable> {
    let values = (0_u64..).zip(view.entries(map)?).map(|(index, (key, value))| {
        if key == index.to_be_bytes() { Ok(value) } else { Err(InvalidState::Incomplete { map: map.0 }) }
    });
    Ok(values.collect::<Result<_, _>>()?)
}

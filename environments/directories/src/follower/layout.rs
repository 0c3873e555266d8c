//! What a follower's database holds beside the state.

use std::fmt;

use circuits_core::Digest;
use circuits_database::{Change, DatabaseError, Format, Map};
use serde::{Deserialize, Serialize};

use super::chain::Link;

/// The format of the databases. Its version grows with any change of what is stored.
pub(super) const FORMAT: Format = Format { kind: "follower of an environment", version: 1 };
/// One entry, if the follower did not start from the genesis: height and commitment of the state from which it did.
pub(super) const START: Map = Map("start");
/// By height: a [`Followed`].
pub(super) const BLOCKS: Map = Map("followed");
/// By height and id: a block that is not the one of its height in the chain that was in place, with its id and producer.
pub(super) const RIVALS: Map = Map("rivals");
/// By height and producer: the [`Link`] of a block that becomes a rival if its producer signs another one of the height.
pub(super) const SIGNED: Map = Map("signed");
/// By id: a block with a valid proof.
pub(super) const PROVEN: Map = Map("proven");
/// One entry: what superblocks have taken, as the last look was told.
pub(super) const BATCHED: Map = Map("batched");
/// The database of a follower.
pub(super) const DATABASE: &str = "follower.redb";

/// How far a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Its producer signed it.
    Proposed,
    /// It has a valid proof.
    Proven,
    /// A superblock has it.
    Batched,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proposed => "proposed",
            Self::Proven => "proven",
            Self::Batched => "batched",
        })
    }
}

/// Two different blocks of one height that one producer signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rival {
    pub height: u32,
    /// The block that is not in the chain that was in place.
    pub id: Digest,
    /// Who signed both of them.
    pub producer: Digest,
}

/// A block of the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Followed {
    pub(super) id: Digest,
    pub(super) previous_state: Digest,
    pub(super) new_state: Digest,
    pub(super) producer: Digest,
    /// The step that applied it.
    pub(super) step: u64,
}

impl Followed {
    /// A published block that `step` applied.
    pub(super) const fn new(link: &Link, step: u64) -> Self {
        let Link { id, previous_state, new_state, producer, .. } = *link;
        Self { id, previous_state, new_state, producer, step }
    }

    /// The block of this height as it was published.
    pub(super) const fn link(&self, height: u32) -> Link {
        let Self { id, previous_state, new_state, producer, .. } = *self;
        Link { height, previous_state, new_state, id, producer }
    }
}

pub(super) fn proven_change(id: &Digest) -> Result<Change, DatabaseError> {
    PROVEN.change(id.to_bytes(), Some(id))
}

pub(super) fn signed_change(link: &Link) -> Result<Change, DatabaseError> {
    let Link { height, producer, .. } = link;
    SIGNED.change([height.to_be_bytes().as_slice(), &producer.to_bytes()].concat(), Some(link))
}

pub(super) fn rival_change(rival: &Rival) -> Result<Change, DatabaseError> {
    let Rival { height, id, producer } = rival;
    RIVALS.change([height.to_be_bytes().as_slice(), &id.to_bytes()].concat(), Some(&(id, producer)))
}

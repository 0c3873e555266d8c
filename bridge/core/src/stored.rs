//! The messages of a state that is stored, which are read where somebody needs them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use circuits_core::{
    Digest,
    stored::{ReadFailure, Reads, StoredList},
};
use circuits_protocol::registry::EnvironmentId;

use crate::{asset::AssetId, message::tombstone, state::Record};

/// What is stored of the messages of a state.
pub struct StoredMessages {
    /// By index.
    pub records: StoredList<Record>,
    /// Their leaves ([`Record::leaf`]), by index.
    pub leaves: StoredList<Digest>,
    /// The root of each page of their tree ([`BridgeState::message_page_root`](crate::BridgeState::message_page_root)).
    pub pages: Vec<Digest>,
    /// How many are in flight.
    pub in_flight: u64,
    /// How many of these are from or to an environment, of each that has any.
    pub in_flight_counts: Vec<(EnvironmentId, u64)>,
    /// What these move together, of each asset.
    pub in_flight_amounts: Vec<(AssetId, u128)>,
    /// How they are found.
    pub index: Arc<dyn MessageIndex>,
}

/// Finds messages that are stored.
pub trait MessageIndex: Send + Sync {
    /// The indices of the messages with this hash, each with whether the message is in flight.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn with_hash(&self, hash: &Digest) -> Result<Vec<(u64, bool)>, ReadFailure>;

    /// The indices of the messages in flight, each once: all, or those from or to one environment.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn in_flight(&self, environment: Option<EnvironmentId>) -> Result<Vec<u64>, ReadFailure>;
}

impl Record {
    /// The leaf of a message with this hash.
    #[must_use]
    pub fn leaf(&self, hash: Digest) -> Digest {
        if self.consumed.is_some() { tombstone() } else { hash }
    }

    /// Whether the message is from or to an environment.
    #[must_use]
    pub fn concerns(&self, environment: EnvironmentId) -> bool {
        self.message.source == environment || self.message.destination == environment
    }
}

/// Not as many messages are listed as in flight as there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherCount {
    #[error("{found} messages are listed as in flight, expected {expected}")]
    All { expected: u64, found: u64 },
    #[error("{found} messages of environment {environment} are listed as in flight, expected {expected}")]
    Of { environment: EnvironmentId, expected: u64, found: u64 },
}

/// An index lists another message, or one that is consumed, in the place of one that it must list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message at index {index} is not the one that is listed there")]
pub struct OtherMessage {
    pub index: u64,
}

/// How the messages of a state are found that are stored; those of a state that is not are all in memory.
#[derive(Clone, Default)]
pub(crate) struct Index {
    stored: Option<Arc<Counted>>,
    reads: Reads,
}

/// An index, and how many messages in flight it lists.
struct Counted {
    index: Arc<dyn MessageIndex>,
    in_flight: u64,
    in_flight_counts: BTreeMap<EnvironmentId, u64>,
}

impl Counted {
    /// A message that is not listed would never be claimed or refunded, and nobody would be told.
    fn in_flight(&self, environment: Option<EnvironmentId>) -> Result<Vec<u64>, ReadFailure> {
        let listed = self.index.in_flight(environment)?;
        let found = listed.len() as u64;
        let (expected, other) = match environment {
            None => (self.in_flight, OtherCount::All { expected: self.in_flight, found }),
            Some(environment) => {
                let expected = self.in_flight_counts.get(&environment).copied().unwrap_or(0);
                (expected, OtherCount::Of { environment, expected, found })
            }
        };
        if found == expected { Ok(listed) } else { Err(ReadFailure::new(other)) }
    }
}

impl Index {
    pub(crate) fn new(
        index: Arc<dyn MessageIndex>,
        in_flight: u64,
        in_flight_counts: BTreeMap<EnvironmentId, u64>,
        reads: Reads,
    ) -> Self {
        Self { stored: Some(Arc::new(Counted { index, in_flight, in_flight_counts })), reads }
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// As [`MessageIndex::with_hash`]; nothing if it cannot be read.
    pub(crate) fn with_hash(&self, hash: &Digest) -> Vec<(u64, bool)> {
        self.read(|stored| stored.index.with_hash(hash))
    }

    /// As [`MessageIndex::in_flight`]; nothing if it cannot be read, or lists another number than there are.
    pub(crate) fn in_flight(&self, environment: Option<EnvironmentId>) -> Vec<u64> {
        self.read(|stored| stored.in_flight(environment))
    }

    fn read<T: Default>(&self, read: impl FnOnce(&Counted) -> Result<T, ReadFailure>) -> T {
        self.stored.as_deref().map_or_else(T::default, |stored| self.reads.or_default(read(stored)))
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("reads", &self.reads).finish_non_exhaustive()
    }
}

//! The messages of a state that is stored, which are read where somebody needs them.

use std::{fmt, sync::Arc};

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

    /// The indices of the messages in flight: all, or those from or to one environment.
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

/// How the messages of a state are found that are stored; those of a state that is not are all in memory.
#[derive(Clone, Default)]
pub(crate) struct Index {
    stored: Option<Arc<dyn MessageIndex>>,
    reads: Reads,
}

impl Index {
    pub(crate) fn new(stored: Arc<dyn MessageIndex>, reads: Reads) -> Self {
        Self { stored: Some(stored), reads }
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// As [`MessageIndex::with_hash`]; nothing if it cannot be read.
    pub(crate) fn with_hash(&self, hash: &Digest) -> Vec<(u64, bool)> {
        self.read(|stored| stored.with_hash(hash))
    }

    /// As [`MessageIndex::in_flight`]; nothing if it cannot be read.
    pub(crate) fn in_flight(&self, environment: Option<EnvironmentId>) -> Vec<u64> {
        self.read(|stored| stored.in_flight(environment))
    }

    fn read<T: Default>(&self, read: impl FnOnce(&dyn MessageIndex) -> Result<T, ReadFailure>) -> T {
        self.stored.as_deref().map_or_else(T::default, |stored| self.reads.or_default(read(stored)))
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("reads", &self.reads).finish_non_exhaustive()
    }
}

//! What waits in a pool: the transactions of users, and the messages that arrive.

use serde::{Deserialize, Serialize};

use super::{bundle::ProvenTransaction, request::Request};
use crate::arrival::Arrival;

/// What users submit, and what arrives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum NotesTransaction {
    /// To be proved by the producer: it is of a network account, or of a local one whose client trusts the producer
    /// with its secret (such as the simulated clients of a scenario).
    Request(Box<Request>),
    /// Proved by its client.
    Proven {
        /// The bundle.
        bundle: ProvenTransaction,
    },
    /// A message that arrives. The producer makes it, and no line is read as one.
    #[serde(skip_deserializing)]
    Arrival(Box<Arrival>),
}

impl From<Request> for NotesTransaction {
    fn from(request: Request) -> Self {
        Self::Request(Box::new(request))
    }
}

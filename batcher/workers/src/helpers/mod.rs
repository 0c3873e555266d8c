//! Helpers: workers without access to database and store, over HTTP.
//!
//! A broker takes a task from its queue only when a helper asks for one, and lends it to the helper. The helper reads the task, its
//! input and the proofs of its children, and returns a proof, which the broker verifies before it stores it. What a helper proved
//! goes to a ledger, so that it can be paid.
//!
//! # Requests
//!
//! Each has the header `Authorization: Bearer TOKEN`. `LEASE` names a lease; `SORT` and `NAME` are the path of
//! an object in a store.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/leases` | 200 with a [`Leased`] task, or 204 if there is none for now |
//! | `POST /v1/leases/LEASE/alive` | 204: the lease goes on |
//! | `GET /v1/leases/LEASE/SORT/NAME` | 200 with an object of the task or of its children, or 404 if there is none |
//! | `PUT /v1/leases/LEASE/proofs/NAME` | 204 if the stored proof, or this one, which is stored then, is valid; 422 if it is not |
//! | `POST /v1/leases/LEASE/end` | 204: the helper says how it [`Ended`] |
//!
//! Other answers: 400 for a malformed request, 401 for an unknown token, 403 for a helper that is excluded, 404 for a lease that is
//! over, 413 for a body that is too large, 503 if queue or store are away.

mod broker;
mod helper;
mod http;
mod ledger;
mod tokens;

pub use broker::{Broker, BrokerError, BrokerOptions};
pub use helper::{Helper, HelperError};
pub use ledger::{Ledger, LedgerError};
pub use tokens::{NewToken, Tokens, TokensError, is_helper_name};

use serde::{Deserialize, Serialize};

/// A task that was lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leased {
    /// Names the lease in further requests.
    pub lease: String,
    /// The id of the task.
    pub task: String,
    /// Seconds after the last request about the lease at which it is over.
    pub seconds: u64,
}

/// How a helper is done with a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Ended {
    /// The proof is stored.
    Stored,
    /// The task is not wanted any more.
    Unwanted,
    /// A child has no valid proof.
    Early,
    /// There is no proof, for this reason.
    Failed(String),
}

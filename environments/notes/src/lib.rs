//! The note-based environment: payments by notes, in parallel, against accounts that are known by their hashes only.
//!
//! | part | what it is |
//! |---|---|
//! | [`account`], [`note`], [`policy`] | what users own |
//! | [`transaction`] | one account consumes and creates notes; proved by its client, or by the producer for network accounts |
//! | [`state`], [`execute`], [`body`] | the public state, and how transactions and published data move it |
//! | [`emission`], [`arrival`] | messages to other environments, and from them |
//! | [`group`], [`batch`], [`kernel`] | the same moves in-circuit: a group of transactions, a batch, a block |
//! | [`block`], [`circuits`] | grouping into batches and blocks, and the circuits that exist |
//! | [`adapter`] | all of it as an [`Environment`](environments_core::Environment) |

pub mod account;
pub mod adapter;
pub mod arrival;
pub mod batch;
pub mod block;
pub mod body;
pub mod circuits;
pub mod config;
mod error;
pub mod execute;
#[cfg(feature = "testing")]
pub mod fixtures;
pub mod group;
pub mod kernel;
pub mod note;
pub mod policy;
mod propose;
pub mod prove;
pub mod record;
pub mod state;
pub mod transaction;
pub mod witness;

#[cfg(all(test, feature = "testing"))]
mod tests;

pub use adapter::Notes;
pub use config::{Genesis, GenesisAccount, GenesisError};
pub use error::NotesError;
pub use transaction::{NotesTransaction, emission};
pub use witness::NotesBlock;

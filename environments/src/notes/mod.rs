//! The note-based environment: payments by notes, in parallel, against accounts that are known by their hashes only.
//!
//! | part | what it is |
//! |---|---|
//! | [`account`], [`asset`], [`note`], [`policy`] | what users own |
//! | [`transaction`] | one account consumes and creates notes; proved by its client, or by the producer for network accounts |
//! | [`state`], [`apply`], [`body`] | the public state, and how transactions and published data move it |
//! | [`block`] | grouping into batches and blocks |

pub mod account;
pub mod apply;
pub mod asset;
pub mod block;
pub mod body;
pub mod config;
pub mod note;
pub mod policy;
pub mod state;
pub mod transaction;

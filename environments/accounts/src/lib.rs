//! The account-based environment: accounts with balances, and transactions of several actions that happen all
//! or not at all, signed with secp256k1 keys.
//!
//! | part | what it is |
//! |---|---|
//! | [`address`], [`account`], [`pool`] | the records of the state |
//! | [`transaction`], [`message`], [`key`] | what users sign, and how |
//! | [`config`], [`state`], [`execute`], [`consume`] | the state, and how transactions and messages move it |
//! | [`propose`], [`block`], [`body`] | how blocks are filled, what they hold and publish |
//! | [`circuit`], [`chunk`], [`kernel`] | the same moves in-circuit: an action, a chunk of transactions, a block |
//! | [`circuits`], [`signatures`], [`prove`] | the circuits that exist, and proving blocks with them |
//! | [`adapter`] | all of it as an [`Environment`](environments_core::Environment) |

pub mod account;
pub mod adapter;
pub mod address;
pub mod arrival;
pub mod block;
pub mod body;
pub mod chunk;
pub mod circuit;
pub mod circuits;
pub mod config;
mod error;
pub mod execute;
#[cfg(feature = "testing")]
pub mod fixtures;
pub mod kernel;
pub mod key;
pub mod pool;
mod propose;
pub mod prove;
pub mod signatures;
pub mod signing;
pub mod state;
pub mod transaction;
pub mod witness;

#[cfg(all(test, feature = "testing"))]
mod tests;

pub use adapter::Accounts;
pub use config::{Genesis, GenesisAccount, GenesisError, GenesisPool};
pub use error::AccountsError;
pub use transaction::AccountsTransaction;
pub use witness::AccountsBlock;

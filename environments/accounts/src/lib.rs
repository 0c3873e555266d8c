#![doc = include_str!("../README.md")]

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
mod kind;
pub mod pool;
mod propose;
pub mod provables;
pub mod prove;
mod records;
pub mod signature;
pub mod signatures;
pub mod state;
pub mod transaction;
pub mod typed_data;
pub mod witness;

#[cfg(test)]
mod tests;

pub use adapter::Accounts;
pub use config::{Genesis, GenesisAccount, GenesisError, GenesisPool};
pub use error::AccountsError;
pub use kind::AccountsKind;
pub use transaction::AccountsTransaction;
pub use witness::AccountsBlock;

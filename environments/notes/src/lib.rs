#![doc = include_str!("../README.md")]

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
mod footprint;
pub mod group;
pub mod kernel;
mod kind;
pub mod note;
pub mod policy;
mod propose;
pub mod provables;
pub mod prove;
pub mod record;
pub mod state;
pub mod transaction;
pub mod witness;

#[cfg(test)]
mod tests;

pub use adapter::Notes;
pub use config::{Genesis, GenesisAccount, GenesisError};
pub use error::NotesError;
pub use kind::NotesKind;
pub use transaction::{NotesTransaction, emission};
pub use witness::NotesBlock;

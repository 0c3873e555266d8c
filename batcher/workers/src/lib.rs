#![doc = include_str!("../README.md")]

mod connection;
pub mod helpers;
mod memory;
mod queue;
mod serve;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use circuits_objects::AddressError;
pub use connection::{Connection, ConnectionError};
pub use memory::memory_of_system;
pub use queue::{PostgresQueue, QueueOptions};
pub use store::ObjectStore;

#![doc = include_str!("../README.md")]

pub mod accounts;
pub mod block;
pub mod bundle;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod counter;
pub mod dynamic;
pub mod environment;
mod folding;
pub mod kernel;
pub mod notes;
pub mod producer;
pub mod vault;

pub use block::{BlockError, ProposedBlock, ProvenBlock};
pub use bundle::{BlockBundle, BundleError};
pub use dynamic::DynEnvironment;
pub use environment::{Environment, EnvironmentId, Proposal, ProveError};
pub use producer::{BlockProducer, DeliveryError, ProducerError, Rejection};

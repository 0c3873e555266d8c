#![doc = include_str!("../README.md")]

pub mod block;
pub mod bundle;
pub mod dynamic;
pub mod environment;
pub mod folding;
pub mod kernel;
pub mod producer;
pub mod vault;

pub use block::{BlockError, BlockHeader, ProposedBlock, ProvenBlock};
pub use bundle::{BlockBundle, BundleError};
pub use dynamic::DynEnvironment;
pub use environment::{Environment, EnvironmentId, Proposal, ProveError};
pub use producer::{BlockProducer, DeliveryError, ProducerError, Rejection};

#![doc = include_str!("../README.md")]

pub mod address;
pub mod block;
pub mod bundle;
pub mod dynamic;
pub mod environment;
pub mod folding;
pub mod follower;
pub mod genesis;
pub mod graph;
pub mod instance;
pub mod kernel;
pub mod kind;
pub mod listing;
pub mod parts;
pub mod pool;
pub mod producer;
pub mod published;
pub mod snapshot;
pub mod stored;
pub mod vault;
pub mod walk;

pub use block::{BlockError, BlockHeader, ProposedBlock, ProvenBlock};
pub use bundle::{BlockBundle, BundleError};
pub use dynamic::DynEnvironment;
pub use environment::{Environment, EnvironmentId, Proposal, ProveError};
pub use pool::{PoolError, Room, Terms};
pub use producer::{BlockProducer, DeliveryError, ProducerError, Rejection};

/// The crates that an adapter is written with, so that its manifest needs to name this crate only.
///
/// Types that derive serde's traits say where serde is: `#[serde(crate = "environments_core::deps::serde")]`.
pub mod deps {
    pub use bridge_core;
    pub use circuits_core;
    pub use circuits_keys;
    pub use circuits_protocol;
    pub use circuits_prover;
    pub use plonky2;
    pub use serde;
    pub use serde_json;
}

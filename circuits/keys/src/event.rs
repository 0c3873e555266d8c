//! What a [`CircuitCache`](crate::CircuitCache) reports.

use std::{sync::Arc, time::Duration};

/// Something that a cache reports to whoever waits for a key. No event stops a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A circuit was loaded from key files.
    Loaded {
        identifier: String,
        /// The time to define the circuit, and to read, check and decode its files.
        took: Duration,
    },
    /// The cache waits for another process that makes the circuit's key.
    Waiting { identifier: String },
    /// A circuit is being built.
    Making { identifier: String },
    /// A circuit was built.
    Made {
        identifier: String,
        /// The time to build the circuit.
        building: Duration,
        /// The time to serialise the circuit and to write its files.
        writing: Duration,
    },
    /// A proof of a circuit starts. Nothing of its witness is computed yet.
    Proving { identifier: String },
    /// A file was refused, and set aside if its store is able to.
    Refused { name: String, location: String, reason: String },
    /// A store failed.
    Trouble { reason: String },
    /// No store accepted a key, so it will be made again.
    NotKept { identifier: String, reason: String },
    /// The code builds a circuit that differs from its pin, so its files are not the ones that the pin asks for.
    NotAsPinned { identifier: String },
}

/// Receives events while a thread waits for a circuit. It must not request a circuit from the same cache.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

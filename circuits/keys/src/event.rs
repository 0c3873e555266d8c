//! What [`CircuitCache`](super::Keys) tell whoever waits for a key.

use std::{sync::Arc, time::Duration};

/// Something worth telling whoever waits for a key. None of it stops a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A circuit comes from key files.
    Loaded {
        /// Its name.
        identifier: String,
        /// How long it took to define it, to read and check its files, and to decode them.
        took: Duration,
    },
    /// A circuit's key is waited for: another process makes it.
    Waiting {
        /// The circuit.
        identifier: String,
    },
    /// A circuit is being built.
    Making {
        /// Its name.
        identifier: String,
    },
    /// A circuit was built.
    Made {
        /// Its name.
        identifier: String,
        /// How long it took to build it.
        building: Duration,
        /// How long it took to serialise it and to write its files.
        writing: Duration,
    },
    /// A proof of a circuit starts: nothing of its witness is computed yet.
    Proving {
        /// The circuit.
        identifier: String,
    },
    /// A file was refused, and set aside if its store can do that.
    Refused {
        /// The file.
        name: String,
        /// The store.
        location: String,
        /// Why.
        reason: String,
    },
    /// A store does not do what it should.
    Trouble {
        /// The store's reason.
        reason: String,
    },
    /// No store took a key: it will be made again.
    NotKept {
        /// The circuit.
        identifier: String,
        /// Why.
        reason: String,
    },
    /// The code builds another circuit than its pin says, so its files are not those that a pin asks for.
    NotAsPinned {
        /// The circuit.
        identifier: String,
    },
}

/// Is told of events, while a circuit is waited for: it must not ask the same keys for one.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

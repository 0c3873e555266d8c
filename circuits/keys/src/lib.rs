//! Keys of circuits: what they are made of, how they are kept, and how they are found again.
//!
//! A key is looked for in memory, then in the stores in their order; what is nowhere is made from the circuit's
//! definition. A key file is taken only if it is, bit for bit, what the pins say that our code makes.

mod alone;
mod any_definition;
mod cache;
mod directory;
mod erased;
mod event;
mod files;
mod footprint;
mod format;
mod header;
mod identity;
mod keep;
mod known_pins;
mod load;
mod lru;
mod made;
mod memory;
mod name;
pub mod pins;
mod prover_data;
mod store;

pub use any_definition::AnyDefinition;
pub use cache::CircuitCache;
pub use directory::DirectoryStore;
pub use event::{Event, Listener};
pub use format::{
    HEADER_LIMIT, KEY_LIMIT, KeyFile, KeyFileError, MAGIC_LINE, START_LIMIT, parse_header, read_header,
};
pub use header::{
    Checksum, HEADER_VERSION, Header, KeyKind, Kind, Origin, PLONKY2_VERSION, Payload, STARKY_VERSION,
};
pub use lru::DEFAULT_MEMORY_BYTES;
pub use made::Made;
pub use memory::{MemoryFile, MemoryStore};
pub use name::KeyName;
pub use store::{KeyStore, StoreError, StoreLock};

#![doc = include_str!("../README.md")]

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

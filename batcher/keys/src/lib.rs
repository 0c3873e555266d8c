//! Where this program keeps key files, and how that is configured.

pub mod config;
mod listed;
mod object;
mod open;
pub mod pins;

pub use listed::{ListedError, ListedFiles, header_of};
pub use object::{AddressError, ObjectStore};
pub use open::{OpenError, open};

//! Where this program keeps key files, and how that is configured.

mod listed;
mod object;

pub use listed::{ListedError, ListedFiles};
pub use object::{AddressError, ObjectStore};

#![doc = include_str!("../README.md")]

mod backend;
mod changes;
mod error;
mod layout;
mod store;
mod view;

pub use changes::{Change, Map};
pub use error::DatabaseError;
pub use layout::Format;
pub use store::Store;
pub use view::{Reader, View};

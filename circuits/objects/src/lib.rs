#![doc = include_str!("../README.md")]

mod address;
mod blocking;
mod folder;

pub use address::{AddressError, check_address, shown_option};
pub use blocking::Blocking;
pub use folder::Folder;
pub use object_store::{ObjectStore as Backend, path::Path as FolderPath};

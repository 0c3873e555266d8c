#![doc = include_str!("../README.md")]

pub mod catalogue;
pub mod config;
pub mod intended;
mod listed_files;
mod object_stores;
mod open;
mod outer_pin;
pub mod pins;
pub mod rebuild;
pub mod security;

pub use circuits_objects::AddressError;
pub use listed_files::{ListedError, ListedFiles, header_of};
pub use object_stores::ObjectStore;
pub use open::{OpenError, open};

#![doc = include_str!("../README.md")]

pub mod apply;
mod assembly;
pub mod contents;
pub mod engine;
pub mod follow;
pub mod heads;
pub mod messages;
pub mod packing;
pub mod segment;
pub mod state;
pub mod superblock;
pub mod transition;

#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;

#![doc = include_str!("../README.md")]

pub mod circuit;
pub mod coordinator;
pub mod folder;
pub mod graph;
pub mod id;
pub mod in_process;
mod private;
pub mod progress;
pub mod proof;
pub mod provable;
pub mod queue;
pub mod shared;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod worker;

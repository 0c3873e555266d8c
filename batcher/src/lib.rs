#![doc = include_str!("../README.md")]

pub mod batch;
pub mod bundle;
pub mod circuits;
pub mod intake;
pub mod pins;
pub mod planner;
pub mod prove;
pub mod run;
pub mod scenario;
pub mod state;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tree;
pub mod trust;
pub mod verify;

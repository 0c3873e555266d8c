#![doc = include_str!("../README.md")]

pub mod circuits;
#[cfg(feature = "testing")]
pub mod testing;

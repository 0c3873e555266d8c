#![doc = include_str!("../README.md")]

pub mod bundle;
pub mod keys;
pub mod source;
pub mod trust;
pub mod verify;

#![doc = include_str!("../README.md")]

pub mod bundle;
pub mod circuit;
pub mod keys;
pub mod trust;
pub mod verify;

#![doc = include_str!("../README.md")]

pub mod bundle;
pub mod circuit;
pub mod hop_keys;
pub mod keys;
pub mod older_key;
pub mod payouts;
pub mod report_display;
pub mod trust;
pub mod verify;

#![doc = include_str!("../README.md")]

pub mod bundle;
pub mod circuit;
pub mod keys;
pub mod report_display;
pub mod trust;
pub mod verify;

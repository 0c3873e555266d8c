#![doc = include_str!("../README.md")]

pub mod calldata;
pub mod circuits;
pub mod config;
pub mod fixture;

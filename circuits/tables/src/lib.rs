#![doc = include_str!("../README.md")]

pub mod batch;
pub mod ecdsa;
pub mod keccak;
pub mod table;

#![doc = include_str!("../README.md")]

mod child;
pub mod fold;
pub mod key_set;
pub mod l1;
pub mod registry;
pub mod statement;
pub mod wrap;

#![doc = include_str!("../README.md")]

pub mod file;
pub mod text;

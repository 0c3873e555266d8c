#![doc = include_str!("../README.md")]

mod producer;

pub use producer::{ProducerDirectory, ProducerDirectoryError};
